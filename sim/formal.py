# SPDX-License-Identifier: Apache-2.0
"""Proves properties of the RTL by k-induction: Yosys writes the model, z3 decides.

The properties stand beside the source as ``formal/rf_<name>_properties.sv``, a module around the
one it is about. A proof has two parts, as in yosys-smtbmc: no run of ``base`` cycles from the
initial state breaks a property (bounded model checking), and ``k`` cycles that keep them all are
followed by one that does (induction). ``python -m recfabric.sim.formal`` prints the table.
"""

from __future__ import annotations

import json
import re
import resource
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from recfabric.builds import content_key
from recfabric.config import build_dir
from recfabric.errors import ConfigError, MissingExtraError
from recfabric.kernels.sources import sources
from recfabric.sim._z3 import FormalError, query, run, solve
from recfabric.sim.faults import Fault, plant

TIMEOUT_S = 600
_ASSERT = re.compile(r"^; yosys-smt2-assert (\d+) (\S+)", re.MULTILINE)
_VALUE = re.compile(r"\(\|\w+_a (\d+)\|\s+s\d+\)\s+(true|false)")


@dataclass(frozen=True)
class Proof:
    """A module of properties, its parameters, the cycles of the base case and of induction."""

    top: str
    parameters: Mapping[str, int] = field(default_factory=dict)
    base: int = 10
    k: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.k <= self.base:
            raise ConfigError(f"k must be 1 to base ({self.base}), not {self.k}.")


@dataclass(frozen=True)
class Result:
    """What was decided; ``broken`` names the properties that fail first, and where."""

    proof: Proof
    properties: tuple[str, ...]
    broken: tuple[str, ...]  # empty: proven
    part: str  # "proven", "base" (a run from reset breaks it), "induction" (perhaps none does)
    cycle: int  # of the base case's run; k in the induction
    seconds: float  # CPU time of Yosys and z3


PROOFS = (
    Proof("rf_fifo_properties", {"Width": 2, "Depth": 4}),
    Proof("rf_fifo_properties", {"Width": 3, "Depth": 2}),
    Proof("rf_fifo_properties", {"Width": 8, "Depth": 16}, base=4),
    Proof("rf_pack_properties", {"InBits": 2, "OutBits": 6}),
    Proof("rf_pack_properties", {"InBits": 4, "OutBits": 4}),
    Proof("rf_unpack_properties", {"InBits": 6, "OutBits": 2}),
    Proof("rf_unpack_properties", {"InBits": 4, "OutBits": 4}),
    Proof("rf_divide_properties", {"DividendBits": 6, "DivisorBits": 3, "QuotientBits": 5}, base=9),
    Proof("rf_rescale_properties", {"Dim": 4, "Lanes": 2}),
    Proof("rf_rescale_properties", {"Dim": 8, "Lanes": 8}, base=4),
    Proof("rf_history_properties", {"MaxRows": 5, "BeatBits": 64}),
    Proof("rf_history_properties", {"MaxRows": 17, "BeatBits": 128}, base=5),
    Proof("rf_axi_read_properties", {"BeatBits": 64, "FifoDepth": 4, "MaxBurst": 3}),
    Proof("rf_axi_write_properties", {"BeatBits": 128}),
    Proof("rf_axi_write_properties", {"BeatBits": 512}, base=4),
    Proof("rf_axi_read_properties", {"BeatBits": 64, "FifoDepth": 16, "MaxBurst": 16}, base=4),
    Proof("rf_axi_merge_properties", {"Channels": 3, "FlightMax": 4, "Turns": 2}),
    Proof("rf_axi_merge_properties", {"Channels": 4, "FlightMax": 2, "Turns": 1}, base=6),
    Proof("rf_row_read_properties", base=10),
    Proof("rf_row_read_properties", {"Ports": 2, "Beats": 4, "FifoDepth": 4}, base=4),
    Proof("rf_list_read_properties", base=9),
    Proof("rf_row_write_properties", base=8),
    Proof("rf_topk_array_properties", {"KMax": 3}),
    Proof("rf_topk_array_properties", {"KMax": 1}),
    Proof("rf_topk_array_properties", {"KMax": 5}, base=4),
    Proof("rf_scatter_array_properties"),
    Proof("rf_scatter_array_properties", {"Depth": 2, "SumBits": 18}, base=4),
    Proof("rf_scatter_issue_properties", base=5),
    Proof("rf_scatter_issue_properties", {"Banks": 4}, base=3),
    Proof("rf_scatter_terms_properties", base=9),
    Proof("rf_scatter_terms_properties", {"Lanes": 2, "Banks": 2}, base=9),
    Proof("rf_scatter_terms_properties", {"Lanes": 2, "Banks": 8}, base=5),
)


def prove(
    proof: Proof,
    *,
    fault: Fault | None = None,
    only: str | None = None,
    timeout_s: int = TIMEOUT_S,
) -> Result:
    """Decide one proof; kept by content below ``build/formal``.

    ``only``: look for a run of at most ``base`` cycles that breaks this one property, whatever
    becomes of the others; with a planted fault it shows that the property is no idle one.

    Raises FormalError where Yosys or z3 does not answer within ``timeout_s`` seconds each.
    """
    files = sources(proof.top)
    own = tuple(Path(__file__).parent / name for name in ("formal.py", "_smt2.py", "_z3.py"))
    key = content_key((*files, *own), proof, fault, only, _version("pyosys"), _version("z3-solver"))
    folder = build_dir() / "formal" / f"{proof.top}-{key}"
    kept = folder / "result.json"
    if kept.exists():
        return Result(proof, **_tuples(json.loads(kept.read_text())))
    before = _cpu_seconds()
    model = _model(proof, plant(fault, files, folder / "planted"), folder, timeout_s)
    names = tuple(name for _, name in sorted((int(i), name) for i, name in _ASSERT.findall(model)))
    part, cycle, broken = _decide(proof, model, names, only, folder, timeout_s)
    answer: dict[str, Any] = {"properties": names, "broken": broken, "part": part, "cycle": cycle}
    answer["seconds"] = round(_cpu_seconds() - before, 1)
    kept.write_text(json.dumps(answer, indent=1))
    return Result(proof, **_tuples(answer))


def _decide(
    proof: Proof,
    model: str,
    names: tuple[str, ...],
    only: str | None,
    folder: Path,
    timeout_s: int,
) -> tuple[str, int, tuple[str, ...]]:
    """Which part broke (or "proven"), in which cycle, and the properties it broke."""
    reset = f"(assert (|{proof.top}_i| s0))"
    cases = [("base", cycle, reset) for cycle in range(proof.base)]
    if only is None:
        cases.append(("induction", proof.k, ""))
    chosen = [i for i, name in enumerate(names) if only in (None, name)]
    for part, cycle, first in cases:
        script = model + query(proof.top, chosen, cycle, first)
        values = solve(folder / f"{part}{cycle}.smt2", script, timeout_s)
        if values is not None:
            wrong = [int(i) for i, value in _VALUE.findall(values) if value == "false"]
            return part, cycle, tuple(names[i] for i in wrong)
    return ("proven" if only is None else "bounded"), cases[-1][1], ()


def _tuples(answer: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(v) if isinstance(v, list) else v for key, v in answer.items()}


def _model(proof: Proof, files: list[Path], folder: Path, timeout_s: int) -> str:
    if find_spec("pyosys") is None:
        raise MissingExtraError("pyosys", "formal")
    folder.mkdir(parents=True, exist_ok=True)
    job = {"top": proof.top, "files": list(map(str, files)), "parameters": dict(proof.parameters)}
    (folder / "job.json").write_text(json.dumps(job))
    log = run([sys.executable, "-m", "recfabric.sim._smt2"], folder, timeout_s)
    (folder / "yosys.log").write_text(log)
    model = folder / "model.smt2"
    if not model.exists():
        raise FormalError(f"Yosys does not take {proof.top}; see {folder / 'yosys.log'}.")
    return model.read_text()


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def _rows(result: Result) -> list[str]:
    proof = result.proof
    values = ",".join(map(str, proof.parameters.values()))
    module = f"{proof.top.removesuffix('_properties')}({values})"
    method = f"k-induction {proof.k}, base {proof.base}"
    rows = []
    for name in result.properties:
        verdict = f"BROKEN ({result.part})" if name in result.broken else result.part
        rows.append(f"{module:22} {name:38} {method:24} {verdict:18} {result.seconds:6.1f}")
    return rows


def main() -> int:
    """Print every property with its method, depths and the module's seconds; 1 if one breaks."""
    heads = ("module(parameters)", "property", "method, cycles", "verdict")
    sys.stdout.write("{:22} {:38} {:24} {:18} CPU s of the module\n".format(*heads))
    bad = False
    for proof in PROOFS:
        result = prove(proof)
        bad |= result.part != "proven"
        sys.stdout.write("\n".join(_rows(result)) + "\n")
        sys.stdout.flush()
    return int(bad)


if __name__ == "__main__":
    raise SystemExit(main())
