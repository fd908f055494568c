# SPDX-License-Identifier: Apache-2.0
"""Requests in volume through the runtime while its device fails at random and tables are swapped.

``python -m recfabric.host.soak --requests 1000000 --json FILE``: exit code 1 where an answer was
wrong, a request lost, or memory grew.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress

from recfabric.config import tool_versions
from recfabric.contract import Contract
from recfabric.errors import RecFabricError
from recfabric.host.driver import Query, Rows
from recfabric.host.faulty import FAULTS, FaultyDevice
from recfabric.host.runtime import LaneOptions, Runtime, RuntimeOptions, Served
from recfabric.host.soft import SoftDevice
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.kernels.hotpath.model import HotPath
from recfabric.kernels.stimulus import random_contract

_POOL = 256  # different requests
_WINDOW = 512  # requests on their way
_PATIENCE_S = 60.0
GROWTH = 0.02  # of memory, after the first tenth


@dataclass(frozen=True)
class SoakPlan:
    """``rate``: chance of a fault at a batch; ``swaps``: of the tables, in all; ``devices``: shards
    that fail independently; ``check``: as of LaneOptions, off only to see this run find wrong
    answers.
    """

    requests: int
    rate: float = 0.05
    seed: int = 1
    items: int = 240
    devices: int = 1
    swaps: int = 10
    check: bool = True
    faults: tuple[str, ...] = tuple(FAULTS)


@dataclass(frozen=True)
class SoakResult:
    """What came of it. ``twice``: futures that spoke more than once; memory in bytes resident."""

    requests: int
    right: int
    wrong: int
    lost: int
    failed: int
    twice: int
    rescued: int
    outages: int
    recoveries: int
    generations: int
    injected: dict[str, int]
    memory_warm: int
    memory_end: int
    seconds: float

    @property
    def growth(self) -> float:
        """Of memory from the end of the warm-up on, as a share."""
        return self.memory_end / self.memory_warm - 1

    @property
    def good(self) -> bool:
        """Whether every request had its right answer, once, in flat memory."""
        flawed = self.wrong + self.lost + self.failed + self.twice
        return not flawed and self.right == self.requests and self.growth <= GROWTH


class _Checker:
    """Counts answers against those of each contract's integer model."""

    def __init__(self, contracts: Sequence[Contract], queries: Sequence[Query]) -> None:
        self.outcomes: Counter[str] = Counter()
        self.spoken = 0
        self._right = {c.sha256: _right_answers(c, queries) for c in contracts}

    def hear(self, future: Future[Served]) -> None:
        self.spoken += 1

    def count(self, number: int, future: Future[Served]) -> None:
        try:
            served = future.result(_PATIENCE_S)
        except TimeoutError:
            self.outcomes["lost"] += 1
        except RecFabricError:
            self.outcomes["failed"] += 1
        else:
            right = self._right[served.contract][number] == _packed(served.rows, served.scores)
            self.outcomes["right" if right else "wrong"] += 1


def soak(plan: SoakPlan, advance: Callable[[int], None] = lambda count: None) -> SoakResult:
    """Send the plan's requests and check every answer; ``advance`` hears of each thousand."""
    contracts = [
        random_contract(items=plan.items, dim=16, heads=1, seed=plan.seed + i) for i in (0, 1)
    ]
    config = HotPathConfig.for_contract(contracts[0], pe=4, simd=4)
    devices = [
        FaultyDevice(SoftDevice(config), seed=plan.seed + i, rate=0.0, faults=plan.faults)
        for i in range(plan.devices)
    ]
    queries = _queries(plan)
    checker = _Checker(contracts, queries)
    lane = LaneOptions(timeout_s=0.05, check=plan.check, retry_s=0.002, retry_max_s=0.05)
    options = RuntimeOptions(queue=2 * _WINDOW, timeout_s=_PATIENCE_S, lane=lane)
    begin = time.monotonic()
    with Runtime(contracts[0], devices, options) as runtime:
        for device in devices:  # a device that fails at the start is refused
            device.rate = plan.rate
        warm = _send(plan, runtime, contracts, queries, checker, advance)
        end, health = resident_bytes(), runtime.health
        generations = runtime.generation.number
    injected = sum((device.injected for device in devices), Counter[str]())
    counts = {name: checker.outcomes[name] for name in ("right", "wrong", "lost", "failed")}
    return SoakResult(
        plan.requests,
        **counts,
        twice=max(0, checker.spoken - plan.requests),
        rescued=sum(one.rescued for one in health),
        outages=sum(one.faults for one in health),
        recoveries=sum(one.recoveries for one in health),
        generations=generations,
        injected=dict(sorted(injected.items())),
        memory_warm=warm,
        memory_end=end,
        seconds=time.monotonic() - begin,
    )


def _send(
    plan: SoakPlan,
    runtime: Runtime,
    contracts: Sequence[Contract],
    queries: Sequence[Query],
    checker: _Checker,
    advance: Callable[[int], None],
) -> int:
    """All requests, a window of them at a time; gives the memory after the warm-up."""
    swap_at = {plan.requests * (i + 1) // (plan.swaps + 1) for i in range(plan.swaps)}
    warm_at, warm = max(plan.requests // 10, 1), 0
    window: deque[tuple[int, Future[Served]]] = deque()
    for i in range(plan.requests):
        if i in swap_at:
            runtime.swap(contracts[runtime.generation.number % 2])
        if len(window) >= _WINDOW:
            checker.count(*window.popleft())
        future = runtime.submit(queries[i % _POOL])
        future.add_done_callback(checker.hear)
        window.append((i % _POOL, future))
        if i == warm_at:
            warm = resident_bytes()
        if i % 1000 == 999:
            advance(1000)
    while window:
        checker.count(*window.popleft())
    return warm


def _queries(plan: SoakPlan) -> list[Query]:
    rng = np.random.default_rng(plan.seed)
    return [
        Query(
            rng.integers(0, plan.items, int(rng.integers(1, 24))),
            np.unique(rng.integers(0, plan.items, int(rng.integers(0, 12)))),
            int(rng.integers(1, 21)),
        )
        for _ in range(_POOL)
    ]


def _right_answers(contract: Contract, queries: Sequence[Query]) -> list[bytes]:
    """From the integer model on the contract's own tensors: no device, no driver."""
    model, norm = HotPath.of(contract), contract.tensors.norm
    given = []
    for query in queries:
        history, seen = np.asarray(query.history), np.asarray(query.seen, np.int32)
        given.append(_packed(*model.answer(history, int(norm[len(history)]), seen, query.k)))
    return given


def _packed(rows: Rows, scores: Rows) -> bytes:
    return rows.tobytes() + scores.tobytes()


def resident_bytes() -> int:
    """Resident memory of this process, from /proc (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; gives the exit code."""
    parser = argparse.ArgumentParser(prog="recfabric.host.soak", description=__doc__.split("\n")[0])
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--rate", type=float, default=0.05, help="chance of a fault at a batch")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--devices", type=int, default=1, help="shards of the catalogue")
    parser.add_argument("--swaps", type=int, default=100, help="of the tables, in all")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the result goes")
    options = parser.parse_args(arguments)
    plan = SoakPlan(
        options.requests,
        rate=options.rate,
        seed=options.seed,
        devices=options.devices,
        swaps=options.swaps,
    )
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("soak", total=plan.requests)
        result = soak(plan, lambda count: progress.advance(task, count))
    record = asdict(plan) | asdict(result) | {"growth": result.growth, "versions": tool_versions()}
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(record, indent=1) + "\n")
    sys.stdout.write(
        f"{result.requests} requests: {result.right} right, {result.wrong} wrong, {result.lost} "
        f"lost, {result.failed} failed; {result.outages} outages, {result.recoveries} recoveries, "
        f"{result.rescued} answered by the fallback; {result.generations} generations; memory "
        f"{result.growth:+.2%}; {result.seconds:.0f} s\n"
    )
    return 0 if result.good else 1


if __name__ == "__main__":
    raise SystemExit(main())
