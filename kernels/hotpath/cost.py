# SPDX-License-Identifier: Apache-2.0
"""Cycles of requests by an integer model of the hot path's traffic, without RTL and without data.

The model steps through the cycles of the read masters, of the memory and of the stages that wait
for each other (``_traffic.py``, ``_front.py``, ``_scan.py``): bursts, credits, the precedence of a
shared port, four requests in flight, edges in two arrays, the seen filter, the
write-back. ``recfabric bench cost`` holds it against the RTL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recfabric.contract import Contract
from recfabric.errors import ConfigError
from recfabric.kernels.hotpath._front import Front
from recfabric.kernels.hotpath._scan import Finish, Scan
from recfabric.kernels.hotpath._stages import FLIGHT, Sizes
from recfabric.kernels.hotpath._traffic import Command, Port, Reader
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.kernels.hotpath.image import edge_rows
from recfabric.kernels.scatter.model import bank_cycles

_ROWS_AHEAD, _LISTS_AHEAD = 128, 32  # beats that rf_read_ports asks for ahead
_STUCK = 1 << 24  # cycles without an end: a fault of the model
WHOLE_SCAN = 1 << 13  # groups that are stepped through; longer scans go on at their rate


@dataclass(frozen=True)
class Memory:
    """The memory behind the ports: cycles from an address to its first beat, bursts in flight."""

    latency: int = 64
    outstanding: int = 256


@dataclass(frozen=True)
class Request:
    """What of a request decides its cycles.

    ``history``: its length; ``seen``: rows of the seen list, ascending (see :func:`spread`);
    ``k``: answers; ``edge_cycles``: cycles in which the edges are added, of all rows together
    (None: a beat a cycle; see :func:`row_cycles`).
    """

    history: int
    seen: Sequence[int] = ()
    k: int = 10
    edge_cycles: int | None = None


def spread(count: int, items: int) -> tuple[int, ...]:
    """A seen list of ``count`` rows, evenly spread over the catalogue."""
    return tuple((2 * i + 1) * items // (2 * count) for i in range(count))


def row_cycles(contract: Contract, config: HotPathConfig) -> npt.NDArray[np.int64]:
    """Cycles in which each item's edges are added: int64 (N,), all 0 without edges."""
    if not config.edges:
        return np.zeros(contract.shape.items, np.int64)
    words = edge_rows(contract.tensors.edge_item, contract.tensors.edge_weight, config)
    beats = config.edge_row_bytes // config.beat_bytes
    return bank_cycles(words, banks=config.edge_banks, beats=beats)


def alone(config: HotPathConfig, items: int, request: Request, memory: Memory) -> int:
    """Cycles from the start of a run of one request until its answers are in memory."""
    return _simulate(config, items, [request], memory, batch=False)[-1]


def back_to_back(
    config: HotPathConfig, items: int, requests: Sequence[Request], memory: Memory
) -> float:
    """Mean distance in cycles of the ends of neighbours in one batch; two requests at least."""
    if len(requests) < 2:
        raise ConfigError(f"{len(requests)} requests have no neighbours; give two or more.")
    ends = _simulate(config, items, requests, memory, batch=True)
    return (ends[-1] - ends[0]) / (len(ends) - 1)


def _simulate(
    config: HotPathConfig, items: int, requests: Sequence[Request], memory: Memory, *, batch: bool
) -> list[int]:
    """The cycle in which each request ends."""
    groups = -(-items // config.lanes)
    if groups <= WHOLE_SCAN:
        return _Run(config, items, requests, memory, batch=batch).ends()
    # Beyond that the scan alone counts: cycles grow with its beats at the rate of the last part.
    short, long = (WHOLE_SCAN // 2 * config.lanes, WHOLE_SCAN * config.lanes)
    parts = [
        _Run(config, n, [_shortened(r, n, items) for r in requests], memory, batch=batch).ends()
        for n in (short, long)
    ]
    return [b + (b - a) * (items - long) // (long - short) for a, b in zip(*parts, strict=True)]


def _shortened(request: Request, items: int, of: int) -> Request:
    """The same request on the first items of a catalogue: its seen list squeezed."""
    seen = tuple(row * items // of for row in request.seen)
    return Request(request.history, seen, request.k, request.edge_cycles)


def sizes(config: HotPathConfig, items: int, request: Request) -> Sizes:
    """Beats and groups of a request on a netlist."""
    c = config
    edge_beats = c.edge_row_bytes // c.beat_bytes
    rows = tuple(c.row_bytes(table) // c.beat_bytes for table in ("message", "key", "value"))
    adds = request.history * edge_beats if request.edge_cycles is None else request.edge_cycles
    return Sizes(
        rows=request.history,
        per_row=(rows[0], rows[1], rows[2], edge_beats),
        ids=c.beat_bits // 32,
        edge_cycles=adds,
        seen=[row // c.lanes for row in request.seen],
        k=request.k,
        groups=-(-items // c.lanes),
        group_beats=max(1, c.dim * c.item_bits // c.beat_bits),
        bias_groups=c.beat_bits // 16 // c.lanes,
    )


class _Run:
    """One run of the registers, or one batch."""

    def __init__(
        self,
        config: HotPathConfig,
        items: int,
        requests: Sequence[Request],
        memory: Memory,
        *,
        batch: bool,
    ) -> None:
        c = config
        self._count = len(requests)
        made = [sizes(c, items, request) for request in requests]
        ahead = (_LISTS_AHEAD, _LISTS_AHEAD, _ROWS_AHEAD, c.fifo_depth)
        shared = [Reader(min(n, c.fifo_depth), c.max_burst, c.beat_bytes) for n in ahead]
        self._descriptors = shared[0]
        self._readers = shared
        self._ports = [Port(shared, memory.latency, memory.outstanding, merged=True)]
        item_reader = shared[3]
        if c.scan_ports > 1:  # the ports' shares are alike; the one with most beats stands for all
            item_reader = Reader(c.fifo_depth, c.max_burst, c.beat_bytes)
            self._readers = [*shared, item_reader]
            own = Port([item_reader], memory.latency, memory.outstanding, merged=False)
            self._ports.append(own)
        self._front = Front(c, made, shared[2])
        self._scan = Scan(c, made, self._front, (shared[1], shared[3], item_reader))
        self._finish = Finish(c, self._scan, memory.latency, batch=batch)
        self._parts = max(1, 512 // c.beat_bits) if batch else 0
        self._got, self._opened, self._flying = 0, 0, 0

    def ends(self) -> list[int]:
        """Run to the end."""
        if self._parts:
            self._descriptors.give(Command(self._count * self._parts, "descriptor"))
        now = 0
        while len(self._finish.ends) < self._count:
            now += 1
            if now > _STUCK:
                raise ConfigError(f"The cost model found no end within {_STUCK} cycles.")
            for port in self._ports:
                port.step(now)
            for reader in self._readers:
                reader.step()
            if self._finish.step(now):
                self._flying -= 1
            self._scan.step(now)
            self._front.step(now)
            self._dispatch(now)
        return self._finish.ends

    def _dispatch(self, now: int) -> None:
        """Open requests as their descriptors come, at most four in flight."""
        whole = self._parts * (self._opened + 1)
        if self._parts and self._got < whole + self._parts and self._descriptors.head(now):
            self._descriptors.take()
            self._got += 1
        if self._opened < self._count and self._flying < FLIGHT and self._got >= whole:
            self._front.open(now, self._opened)
            self._scan.open(now, self._opened)
            self._opened += 1
            self._flying += 1
