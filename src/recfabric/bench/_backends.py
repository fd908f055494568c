# SPDX-License-Identifier: Apache-2.0
"""The same requests through every backend of a contract: equality, cycles, cells of its fuse layer.

RTL rows are simulated cycles; an hls4ml row has the initiation interval that its pragmas declare,
since Vitis HLS has not run on it, and no cells; nor has FINN's layer, whose thresholds Yosys does
not read (its MVAU alone is counted by ``recfabric bench kernels``). Everything else is common:
contract, requests, k.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recfabric.bench._case import BEAT
from recfabric.bench._table import grid
from recfabric.bitstreams.cells import Utilisation, utilisation
from recfabric.bitstreams.parts import PARTS
from recfabric.config import tool_versions
from recfabric.contract import Contract
from recfabric.environments import FINN
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.proof import FUSE_LAYERS, Proof, Task, fuse_slot, prove

NOT_COUNTED = {"finn": "Yosys does not read FINN's thresholding"}


@dataclass(frozen=True)
class BackendRow:
    """One backend: ``fuse``: what computes its fuse layer; cells are those of that layer alone.

    ``cycles``: median of a request; ``kind``: "simulated" or "declared interval"; ``tool``: what
    counted the cells, or why nothing did.
    """

    backend: str
    fuse: str
    requests: int
    values: int
    mismatches: int
    cycles: float
    kind: str
    part: str
    lut: int | None
    ff: int | None
    dsp: int | None
    bram: float | None
    tool: str


def compare_backends(
    folder: Path, task: Task, *, cells: bool = True, fuses: Sequence[str] = FUSE_LAYERS
) -> list[BackendRow]:
    """Every backend on the requests of a contract folder; raises as :func:`proof.prove` does.

    ``fuses``: the fuse layers that RTL is simulated with. Raises ToolMissingError at once where
    FINN's is among them and its environment is missing.
    """
    if "finn" in fuses:
        FINN.python()
    rows: list[BackendRow] = []
    contract = Contract.load(folder)
    for fuse in fuses:
        proof = prove(folder, "rtl", task, fuse=fuse)
        cycles = float(proof.cycles["p50"])
        rows += _rows("RTL", fuse, proof, cycles, "simulated", _cells(contract, fuse, cells))
    proof = prove(folder, "hls4ml", task)
    interval = declared_interval(contract, float(np.median(np.diff(proof.requests.history.indptr))))
    rows += _rows("hls4ml, C simulation", "Dense", proof, interval, "declared interval", [None])
    return rows


def declared_interval(contract: Contract, history: float) -> float:
    """Cycles between requests that the hls4ml project's pragmas ask for: its slowest stage's.

    The stages run as a dataflow; the catalogue's scan, an item each beat of 512 bits, is the
    slowest for every history shorter than half of the catalogue. With edges it is their layer: two
    cycles a slot, 16 to a beat, and then a cycle an item.
    """
    shape, bits = contract.shape, contract.formats.item.width
    beats = -(-shape.dim * bits // BEAT)
    slots = -(-shape.edges // 16) * 16
    scatter = 2 * slots * history + shape.items if slots else 0.0
    return float(max(shape.items * beats, scatter))


def record(rows: Sequence[BackendRow]) -> dict[str, Any]:
    """For a JSON file."""
    return {"backends": [asdict(row) for row in rows], "versions": tool_versions()}


def table(rows: Sequence[BackendRow]) -> str:
    """The rows as text to read."""
    head = ("backend", "fuse layer", "requests", "integers", "mismatches", "cycles", "", "part")
    lines = []
    for r in rows:
        cells = ["-" if c is None else f"{c:,g}" for c in (r.lut, r.ff, r.dsp, r.bram)]
        counts = [f"{n:,}" for n in (r.requests, r.values, r.mismatches)]
        lines.append([r.backend, r.fuse, *counts, f"{r.cycles:,g}", r.kind, r.part, *cells])
    return grid((*head, "LUT", "FF", "DSP", "BRAM"), lines)


def _cells(contract: Contract, fuse: str, wanted: bool) -> list[Utilisation | None]:
    if not wanted or fuse in NOT_COUNTED:
        return [None]
    config = HotPathConfig.for_contract(contract)
    names = ("Dim", "Pe", "Simd", "BeatBits")
    parameters = {name: config.parameters()[name] for name in names}
    slots = fuse_slot(contract, fuse, config)
    return [utilisation("rf_fuse", parameters, part, slots=slots) for part in PARTS]


def _rows(
    backend: str,
    fuse: str,
    proof: Proof,
    cycles: float,
    kind: str,
    cells: Sequence[Utilisation | None],
) -> list[BackendRow]:
    """One row a part; the comparison with the integer model is the one that names ``soft``."""
    row = next(e for e in proof.equivalence if e.left == "soft")
    why = "not run through Vitis" if backend != "RTL" else NOT_COUNTED.get(fuse, "not asked for")
    common = (backend, fuse, row.requests, row.values, row.mismatches, cycles, kind)
    return [
        BackendRow(*common, "", None, None, None, None, why)
        if c is None
        else BackendRow(*common, c.part, c.lut + c.lutram, c.ff, c.dsp, c.bram36, c.tool)
        for c in cells
    ]
