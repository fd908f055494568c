# SPDX-License-Identifier: Apache-2.0
"""The cost model's cycles against the RTL's, on configurations drawn at random.

Every configuration is a netlist of its own with a catalogue, requests and a memory of its own, all
drawn from one seed: :data:`SEED` is the check's; the latencies of the model were written down
from the kernels' pages and compared under other seeds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from recfabric.config import tool_versions
from recfabric.contract import Contract
from recfabric.errors import ConfigError, DeviceError
from recfabric.host.driver import Answer, HotPathDriver, Query
from recfabric.host.rtl import RtlDevice
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.kernels.hotpath.cost import Memory, Request, alone, back_to_back, row_cycles
from recfabric.kernels.stimulus import random_contract
from recfabric.sim.verilated import MemoryModel

Task = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]

SEED = 2026
COUNT = 20
LIMIT = 0.03  # of the RTL's cycles
REQUESTS = 12
_LONGEST = 256


@dataclass(frozen=True)
class Drawn:
    """A configuration: the netlist, the contract's sizes and seed, lists' lengths, the memory."""

    config: HotPathConfig
    items: int
    seed: int
    edges: int
    lengths: tuple[tuple[int, int, int], ...]  # history, seen, k of each request
    memory: Memory

    @property
    def contract(self) -> Contract:
        """The contract, of random tables."""
        return random_contract(
            items=self.items,
            dim=self.config.dim,
            heads=self.config.heads,
            bits=4 if self.config.message_bits == 4 else 8,
            seed=self.seed,
            history=_LONGEST,
            edges=self.edges,
        )

    def queries(self) -> list[Query]:
        """The requests, of random rows."""
        rng = np.random.default_rng(self.seed)
        n = self.items
        return [
            Query(rng.integers(0, n, rows), np.sort(rng.permutation(n)[:seen]), k)
            for rows, seen, k in self.lengths
        ]


@dataclass(frozen=True)
class CostRow:
    """One configuration's cycles: of a request back to back and of its first one alone."""

    drawn: Drawn
    back_to_back: float
    back_to_back_rtl: float
    alone: int
    alone_rtl: int
    seconds: float
    seconds_rtl: float

    @property
    def errors(self) -> tuple[float, float]:
        """The model's over the RTL's cycles, less 1: back to back, alone."""
        return (
            self.back_to_back / self.back_to_back_rtl - 1,
            self.alone / self.alone_rtl - 1,
        )

    @property
    def met(self) -> bool:
        """Whether both are within the limit."""
        return all(abs(error) <= LIMIT for error in self.errors)


def draw(seed: int, count: int, *, netlists: int | None = None, first: int = 0) -> Iterator[Drawn]:
    """``count`` configurations at random, from number ``first`` on.

    ``netlists``: different netlists among all numbers, which then share them in turn with other
    catalogues, requests and memories; one each by default. Parameters that no netlist allows are
    drawn again.
    """
    for number in range(first, first + count):
        config = _netlist(np.random.default_rng([seed, number % (netlists or first + count)]))
        rng = np.random.default_rng([seed, number, 1])
        items = int(rng.integers(300, min(config.edge_items or 3000, 3000) + 1))
        histories, seen = rng.integers(1, 120, REQUESTS), rng.integers(0, 200, REQUESTS)
        k = rng.integers(1, config.k_max + 1, REQUESTS)
        yield Drawn(
            config=config,
            items=items,
            seed=int(rng.integers(1 << 16)),
            edges=int(rng.integers(config.edges // 2, config.edges + 1)) if config.edges else 0,
            lengths=tuple(zip(histories.tolist(), seen.tolist(), k.tolist(), strict=True)),
            memory=Memory(int(rng.integers(10, 150)), int(rng.choice([16, 32, 64, 256]))),
        )


def _netlist(rng: np.random.Generator) -> HotPathConfig:
    while True:
        try:
            return _config(rng)
        except ConfigError:
            continue


def _config(rng: np.random.Generator) -> HotPathConfig:
    """Parameters at random, of small netlists that are quick to build."""

    def one(*choices: int) -> int:
        return int(rng.choice(choices))

    beat_bits, bits = one(64, 128, 256, 512), one(4, 8)
    slots = max(beat_bits // 32, one(8, 16, 32)) if rng.random() < 0.6 else 0
    return HotPathConfig(
        dim=one(16, 32, 64),
        heads=one(1, 2, 4),
        message_bits=bits,
        key_bits=max(bits, one(4, 8)),
        value_bits=max(bits, one(4, 8)),
        item_bits=max(bits, one(4, 8)),
        beat_bits=beat_bits,
        max_rows=_LONGEST,
        max_seen=256,
        k_max=one(10, 16, 32),
        pe=one(2, 4, 8),
        simd=one(4, 8, 16),
        requant_lanes=one(2, 4, 8),
        fifo_depth=one(64, 128, 256),
        max_burst=one(8, 16, 32),
        scan_ports=one(1, 1, 2, 4),
        edges=slots,
        edge_items=one(1024, 4096) if slots else 0,
    )


def check(drawn: Sequence[Drawn], task: Task, *, quick: bool = True) -> list[CostRow]:
    """Model and RTL, configuration by configuration.

    ``quick``: netlists are compiled without optimisation, since each runs but shortly.
    """
    rows = []
    with task("cost model", len(drawn)) as advance:
        for one in drawn:
            rows.append(_row(one, quick=quick))
            advance(1)
    return rows


def _row(drawn: Drawn, *, quick: bool) -> CostRow:
    contract, queries = drawn.contract, drawn.queries()
    begin = time.process_time()
    requests = cost_requests(contract, drawn.config, queries)
    mean = back_to_back(drawn.config, drawn.items, requests, drawn.memory)
    first = alone(drawn.config, drawn.items, requests[0], drawn.memory)
    middle = time.process_time()
    mean_rtl, first_rtl = _measure(drawn, contract, queries, quick=quick)
    end = time.process_time()
    return CostRow(drawn, mean, mean_rtl, first, first_rtl, middle - begin, end - middle)


def cost_requests(
    contract: Contract, config: HotPathConfig, queries: Sequence[Query]
) -> list[Request]:
    """What the cost model must know of requests in rows."""
    per_row = row_cycles(contract, config)
    made = []
    for query in queries:
        history = np.asarray(query.history, np.int64)
        seen = tuple(np.asarray(query.seen, np.int64).tolist())
        made.append(Request(len(history), seen, query.k, int(per_row[history].sum())))
    return made


def _measure(
    drawn: Drawn, contract: Contract, queries: Sequence[Query], *, quick: bool
) -> tuple[float, int]:
    """The RTL's cycles: the mean distance of ends in a batch, and the first request alone."""
    memory = MemoryModel(latency=drawn.memory.latency, outstanding=drawn.memory.outstanding)
    device = RtlDevice(drawn.config, memory_bytes=1 << 23, memory=memory, quick=quick)
    try:
        driver = HotPathDriver(device, contract)
        first = driver.request(queries[0].history, queries[0].seen, queries[0].k)
        batch = [a for a in driver.request_many(queries) if isinstance(a, Answer)]
    finally:
        device.close()
    ends = [a.cycles.end for a in batch if a.cycles]
    if len(ends) != len(queries) or first.cycles is None:
        raise DeviceError("The RTL did not answer every request of the cost model's check.")
    return (ends[-1] - ends[0]) / (len(ends) - 1), first.cycles.total


def record(rows: Sequence[CostRow], seed: int) -> dict[str, Any]:
    """The check as it goes into a file."""
    worst = [max(abs(row.errors[side]) for row in rows) for side in (0, 1)]
    return {
        "what": "cycles of the cost model and of the RTL in Verilator",
        "seed": seed,
        "limit": LIMIT,
        "configurations": len(rows),
        "netlists": len({row.drawn.config for row in rows}),
        "met": all(row.met for row in rows),
        "worst": {"back_to_back": worst[0], "alone": worst[1]},
        "rows": [_entry(row) for row in rows],
        "versions": tool_versions(),
    }


def _entry(row: CostRow) -> dict[str, Any]:
    both = zip(("back_to_back", "alone"), row.errors, strict=True)
    sides = {
        name: {"model": getattr(row, name), "rtl": getattr(row, f"{name}_rtl"), "error": error}
        for name, error in both
    }
    seconds = {"model": round(row.seconds, 2), "rtl": round(row.seconds_rtl, 2)}
    return asdict(row.drawn) | sides | {"met": row.met, "cpu_seconds": seconds}


def table(rows: Sequence[CostRow]) -> str:
    """The check as lines of text."""
    lines = [
        "  D ports beat edges items  latency  back to back: model   RTL      alone: model   RTL"
    ]
    for row in rows:
        c, d = row.drawn.config, row.drawn
        each, one = row.errors
        lines.append(
            f"{c.dim:3} {c.scan_ports:5} {c.beat_bits:4} {c.edges:5} {d.items:5} "
            f"{d.memory.latency:4}/{d.memory.outstanding:<3} "
            f"{row.back_to_back:10.1f} {row.back_to_back_rtl:10.1f} {each:+7.2%} "
            f"{row.alone:7} {row.alone_rtl:7} {one:+7.2%}{'' if row.met else '  MISSED'}"
        )
    return "\n".join(lines)
