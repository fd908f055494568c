# SPDX-License-Identifier: Apache-2.0
"""Cases of ``rf_dense``: Pe x Simd products a cycle, no bubble; FINN's cells beside ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from recfabric.bench._case import BEAT, SEED, Case, Measure
from recfabric.bitstreams.mvau import Folding, core_parameters, mvau_utilisation
from recfabric.bitstreams.parts import PARTS
from recfabric.errors import ToolMissingError
from recfabric.hls.finn.environment import rtllib
from recfabric.kernels.dense.model import dense, weight_beats
from recfabric.sim.bench import Bench

VECTORS = 32
SHIFT = 7
FOLDINGS = (
    Folding(64, 64, 4, 16),
    Folding(64, 64, 16, 16),
    Folding(64, 64, 32, 8),
    Folding(256, 64, 16, 16),
    Folding(256, 64, 64, 4),
    Folding(64, 64, 16, 16, 4),
    Folding(64, 64, 4, 16, 4, 4),
)


@dataclass(frozen=True)
class MvauCells(Mapping[str, Mapping[str, int]]):
    """LUTs and DSPs of FINN's ``MVAU_rtl`` by part: what ours may not exceed; found when asked."""

    fold: Folding

    def __getitem__(self, part: str) -> Mapping[str, int]:
        try:
            cells = mvau_utilisation(rtllib(), self.fold, part)
        except ToolMissingError:
            raise KeyError(part) from None
        return {"lut": cells.lut + cells.lutram, "dsp": cells.dsp}

    def __iter__(self) -> Iterator[str]:
        return iter(PARTS)

    def __len__(self) -> int:
        return len(PARTS)


def cases() -> tuple[Case, ...]:
    """Every folding: cycles of ``rf_dense``; then its core's cells against FINN's, part by part."""
    cycles = tuple(_case(fold) for fold in FOLDINGS)
    return cycles + tuple(_core(fold, part) for fold in FOLDINGS for part in PARTS)


def _parameters(fold: Folding) -> dict[str, int]:
    return {
        "Rows": fold.rows,
        "Cols": fold.cols,
        "Pe": fold.pe,
        "Simd": fold.simd,
        "InBits": fold.in_bits,
        "WeightBits": fold.weight_bits,
    }


def _name(fold: Folding) -> str:
    kind = f"int{fold.weight_bits} x int{fold.in_bits}"
    return f"{fold.rows} x {fold.cols}, Pe {fold.pe}, Simd {fold.simd}, {kind}"


def _case(fold: Folding) -> Case:
    bound = fold.rows // fold.pe * (fold.cols // fold.simd)
    return Case(
        kernel="rf_dense",
        config=_name(fold),
        parameters=_parameters(fold),
        bound=bound,
        formula="rows/Pe * cols/Simd",
        limit=bound,
        limit_formula="rows/Pe * cols/Simd, exactly",
        run=partial(_run, fold, _parameters(fold)),
        note=f"cycles of a vector, {VECTORS} back to back",
    )


def _core(fold: Folding, part: str) -> Case:
    try:
        note = f"at most the LUTs and DSPs of FINN's MVAU_rtl in the same Yosys run ({rtllib()})"
    except ToolMissingError as error:
        note = f"NOT COMPARED with FINN's MVAU_rtl: {error}"
    parameters = core_parameters(fold, part)
    return Case(
        kernel="rf_dense_core",
        config=f"{_name(fold)}, sums out, as on {part}",
        parameters=parameters,
        bound=fold.rows // fold.pe * (fold.cols // fold.simd),
        formula="rows/Pe * cols/Simd",
        limit=None,
        limit_formula="",
        run=partial(_run, fold, _parameters(fold) | _packing(parameters)),
        note=note,
        most=MvauCells(fold),
        parts=(part,),
    )


def _packing(parameters: Mapping[str, int]) -> dict[str, int]:
    return {name: parameters[name] for name in ("PortBits", "Fields")}


def _run(fold: Folding, parameters: dict[str, int]) -> Measure:
    rng = np.random.default_rng(SEED)
    limit = 1 << (fold.weight_bits - 1)
    weight = rng.integers(-limit, limit, (fold.rows, fold.cols)).astype(np.int8)
    bias = rng.integers(-5000, 5000, fold.rows).astype(np.int32)
    high = 1 << (fold.in_bits - 1)
    x = rng.integers(-high, high, (VECTORS, fold.cols)).astype(np.int8)
    load = weight_beats(
        weight, bias, pe=fold.pe, simd=fold.simd, beat_bits=BEAT, bits=fold.weight_bits
    ).reshape(-1, 64)
    beats = fold.rows // fold.pe * VECTORS
    with Bench("rf_dense", parameters, scalars={"shift_i": SHIFT}) as bench:
        bench.run({"s_axis_weight": load}, {}, max_cycles=len(load) + 8)
        run = bench.run(
            {"s_axis_vec": _packed(x, fold)}, {"m_axis_vec": beats}, max_cycles=1000 * VECTORS
        )
    got = run.outputs["m_axis_vec"].view(np.int8).reshape(VECTORS, fold.rows)
    wrong = int((got != dense(x, weight, bias, SHIFT)).sum())
    ends = run.stamps["m_axis_vec"].reshape(VECTORS, -1)[:, -1]
    slowest = int(np.diff(ends).max())
    return Measure(slowest, got.size, wrong, run.cycles, run.cpu_seconds)


def _packed(
    x: np.ndarray[tuple[int, int], np.dtype[np.int8]], fold: Folding
) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """Vectors as beats of ``simd`` elements, the first one in the low bits."""
    planes = np.unpackbits(
        x.view(np.uint8).reshape(-1, fold.simd, 1), axis=-1, count=fold.in_bits, bitorder="little"
    )
    return np.packbits(planes.reshape(len(planes), -1), axis=-1, bitorder="little")
