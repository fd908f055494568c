# SPDX-License-Identifier: Apache-2.0
"""A case of the bench, what its run measures, and the row it becomes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from recfabric.sim.verilated import MemoryModel

MEMORY = MemoryModel(latency=100, outstanding=64)
BEAT = 512  # bits of a memory port
SEED = 1


@dataclass(frozen=True)
class Measure:
    """What a run gave.

    ``cycles``: the case's figure, in cycles (of a request, where the case says so); ``values``:
    output integers compared with the integer model, ``mismatches`` of them differ; ``simulated``:
    cycles simulated in ``cpu_seconds``.
    """

    cycles: float
    values: int
    mismatches: int
    simulated: int
    cpu_seconds: float


@dataclass(frozen=True)
class Case:
    """One measurement; the fields are explained in :mod:`recfabric.bench`."""

    kernel: str
    config: str
    parameters: Mapping[str, int]
    bound: float
    formula: str
    limit: float | None
    limit_formula: str
    run: Callable[[], Measure]
    data: str = f"random, seed {SEED}"
    note: str = ""
    netlist: tuple[str, Mapping[str, int]] | None = None
    cells: bool = True
    parts: tuple[str, ...] = ()
    most: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """A case as the bench's file holds it: once a part, or once with ``part`` "" without cells.

    ``met``: exact, within the limit and within the cells allowed; ``lut``: logic and LUTs used as
    memory; ``bram``: blocks of 36 Kibit; ``registers``: memories of more than 1,024 bits that
    became flip-flops (there should be none); ``error``: why there are no cycles.
    """

    kernel: str
    config: str
    cycles: float | None
    bound: float
    ratio: float | None
    limit: float | None
    met: bool
    formula: str
    limit_formula: str
    lut: int | None
    ff: int | None
    dsp: int | None
    bram: float | None
    part: str
    tool: str
    registers: tuple[str, ...]
    parameters: Mapping[str, int]
    values: int
    mismatches: int
    simulated: int
    cpu_seconds: float
    data: str
    note: str
    error: str = ""


def little(reads: int, ports: int = 1) -> float:
    """Cycles that ``reads`` reads of one beat at random places take at least in ``MEMORY``.

    Little's law: no more than ``outstanding`` reads of a port are in flight for ``latency`` cycles
    each, so a port serves ``outstanding / latency`` of them a cycle.
    """
    return max(1.0, MEMORY.latency / MEMORY.outstanding) * reads / ports
