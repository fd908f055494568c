# SPDX-License-Identifier: Apache-2.0
"""Cells of FINN's ``MVAU_rtl`` by the Yosys run that counts ours, to compare ``rf_dense`` with.

Nothing of FINN is kept here: its SystemVerilog is read from its own environment (``make
finn-env``). Counted is ``mvu_vvu_axi``: input replay, multipliers, accumulators, output queue; its
weights come in as a stream. Its counterpart is ``rf_dense_core``, weights from outside as well.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from recfabric.bitstreams.cells import Utilisation, netlist_utilisation
from recfabric.bitstreams.parts import PARTS
from recfabric.config import build_dir
from recfabric.errors import ConfigError, MissingExtraError

TOP = "mvu_vvu_axi"
_FILES = ("mvu_pkg.sv", "replay_buffer.sv", "mvu.sv", "mvu_vvu_axi.sv")
# What it instantiates of the vendor's cells, and what Yosys is to leave aside.
_PRIMITIVES = ("DSP48E1", "DSP48E2", "LUT6_2")
_OPTIONS = "--ignore-initial --ignore-timing -D SYNTHESIS"
# A constant function inside a generate block is not elaborated: it moves in front of the block.
_FUNCTION = re.compile(r"\t*typedef int unsigned\s+leaf_load_t.*?endfunction[^\n]*\n", re.DOTALL)
_LEVELS = re.compile(r"(localparam int unsigned\s+L = [^\n]*\n)")


@dataclass(frozen=True)
class Folding:
    """A layer and its folding: ``rows`` x ``cols``, ``pe`` rows and ``simd`` columns a cycle.

    ``in_bits``, ``weight_bits``: signed; ``acc_bits``: of the sums that come out.
    """

    rows: int
    cols: int
    pe: int
    simd: int
    weight_bits: int = 8
    in_bits: int = 8

    @property
    def acc_bits(self) -> int:
        """Bits that hold every sum of ``cols`` products, -2^a * -2^b included."""
        return self.in_bits + self.weight_bits + (self.cols - 1).bit_length()


def core_parameters(fold: Folding, part: str, fields: int = 0) -> dict[str, int]:
    """The parameters of ``rf_dense_core`` for a folding on a part.

    ``fields``: products of a DSP; 0 for no more than cost fewer LUTs than FINN's lanes: four int4
    by int4, three int4 by int8 on a 27-bit port, else two.
    """
    port = PARTS[part].port_bits
    lean = 2
    if fold.weight_bits <= 4:
        gap = fold.weight_bits + fold.in_bits - 1
        lean = min(4, 1 + (port - fold.weight_bits) // gap)
    return {
        "Rows": fold.rows,
        "Cols": fold.cols,
        "Pe": fold.pe,
        "Simd": fold.simd,
        "InBits": fold.in_bits,
        "WeightBits": fold.weight_bits,
        "AccBits": fold.acc_bits,
        "PortBits": port,
        "Fields": min(fields or lean, fold.pe),
    }


def mvau_utilisation(rtllib: Path, fold: Folding, part: str) -> Utilisation:
    """Cells of FINN's ``MVAU_rtl`` at a folding, sums out, on a part.

    ``rtllib``: FINN's folder of SystemVerilog (:func:`recfabric.hls.finn.environment.rtllib`).
    Raises ConfigError where the folder holds no MVAU, else as
    :func:`recfabric.bitstreams.cells.utilisation`.
    """
    parameters = {
        "IS_MVU": 1,
        "VERSION": 2 if PARTS[part].family == "xcup" else 1,  # the DSP: 48E1 or 48E2
        "MW": fold.cols,
        "MH": fold.rows,
        "PE": fold.pe,
        "SIMD": fold.simd,
        "ACTIVATION_WIDTH": fold.in_bits,
        "WEIGHT_WIDTH": fold.weight_bits,
        "ACCU_WIDTH": fold.acc_bits,
        "SIGNED_ACTIVATIONS": 1,
    }
    return netlist_utilisation(TOP, _files(rtllib), parameters, part, options=_OPTIONS)


def _files(rtllib: Path) -> tuple[Path, ...]:
    source = rtllib / "mvu"
    if not (source / "mvu.sv").exists():
        raise ConfigError(f"{rtllib} holds no mvu/mvu.sv; give the folder finn-rtllib of FINN.")
    folder = build_dir() / "finn" / "mvu"
    folder.mkdir(parents=True, exist_ok=True)
    tree, cells = folder / "add_multi.sv", folder / "primitives.v"
    tree.write_text(_elaborable((source / "add_multi.sv").read_text()))
    cells.write_text(_primitives())
    return (cells, source / _FILES[0], tree, *(source / name for name in _FILES[1:]))


def _elaborable(text: str) -> str:
    function = _FUNCTION.search(text)
    if function is None:
        return text
    rest = text.replace(function.group(0), "")
    return _LEVELS.sub(lambda levels: levels.group(1) + function.group(0), rest, count=1)


def _primitives() -> str:
    """Yosys' own declarations of the vendor's cells, as black boxes."""
    spec = find_spec("pyosys")
    if spec is None or spec.origin is None:
        raise MissingExtraError("pyosys", "synth")
    share = Path(spec.origin).parent / "share" / "xilinx"
    text = "".join((share / name).read_text() for name in ("cells_sim.v", "cells_xtra.v"))
    found = (re.search(rf"^module {name}\b.*?^endmodule", text, re.DOTALL | re.MULTILINE)
             for name in _PRIMITIVES)  # fmt: skip
    return "\n".join(_declaration(cell.group(0)) for cell in found if cell)


def _declaration(module: str) -> str:
    """A module without what it does: ports and parameters alone."""
    head, _, body = module.partition(");")
    kinds = "parameter" if re.search(r"\binput\b", head) else "parameter|input|output"
    kept = re.findall(rf"^ *(?:{kinds})\b[^;]*;", body, re.MULTILINE)
    return "\n".join(["(* blackbox *)", f"{head});", *kept, "endmodule"])
