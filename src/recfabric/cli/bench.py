# SPDX-License-Identifier: Apache-2.0
"""Measurements: cycles against bounds, cells, simulation speed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add(commands: Commands) -> None:
    """Add these commands to the parser."""
    bench = commands.add_parser("bench", help="measure the kernels")
    what = bench.add_subparsers(required=True, metavar="WHAT")
    kernels = what.add_parser("kernels", help="cycles against the bound, cells, simulation speed")
    kernels.add_argument(
        "--kernel", metavar="NAME", help="one kernel's cases, such as topk, or simulation"
    )
    kernels.add_argument("--json", type=Path, metavar="FILE", help="where the rows go")
    kernels.add_argument(
        "--cells", action=argparse.BooleanOptionalAction, default=True, help="count cells by Yosys"
    )
    kernels.set_defaults(run=_kernels)
    backends = what.add_parser("backends", help="the same requests through every backend")
    backends.add_argument("model", type=Path, help="a contract folder")
    backends.add_argument("--json", type=Path, metavar="FILE", help="where the rows go")
    backends.add_argument(
        "--cells", action=argparse.BooleanOptionalAction, default=True, help="count cells by Yosys"
    )
    backends.set_defaults(run=_backends)
    service = what.add_parser("service", help="what the HTTP service adds to the bare device")
    service.add_argument("model", type=Path, nargs="?", help="a contract folder (a random one)")
    service.add_argument("--seconds", type=float, default=10.0, help="of open-loop load (10)")
    service.add_argument("--json", type=Path, metavar="FILE", help="where the result goes")
    service.set_defaults(run=_service)
    words = what.add_parser("words", help="a request with a text beside one without")
    words.add_argument("model", type=Path, help="a contract folder with text.npz")
    words.add_argument("--requests", type=int, default=500, help="of each kind (500)")
    words.add_argument("--json", type=Path, metavar="FILE", help="where the result goes")
    words.set_defaults(run=_words)
    cost = what.add_parser("cost", help="the cost model's cycles against the RTL's")
    cost.add_argument("--count", type=int, help="configurations at random (20)")
    cost.add_argument("--seed", type=int, help="what they are drawn from")
    cost.add_argument("--first", type=int, default=0, help="number of the first one (0)")
    cost.add_argument("--netlists", type=int, help="that the numbers share in turn (one each)")
    cost.add_argument(
        "--quick",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="compile netlists without optimisation",
    )
    cost.add_argument("--json", type=Path, metavar="FILE", help="where the rows go")
    cost.set_defaults(run=_cost)
    epoch = what.add_parser("epoch", help="an epoch's CPU-seconds and memory, Gowalla's size")
    epoch.add_argument("--users", type=int, default=30_000)
    epoch.add_argument("--items", type=int, default=41_000)
    epoch.add_argument("--interactions", type=int, default=1_013_000, help="before the split")
    epoch.add_argument("--json", type=Path, metavar="FILE", help="where the result goes")
    epoch.set_defaults(run=_epoch)
    area = what.add_parser("area", help="fit the area model to Yosys runs and check it")
    area.add_argument("--part", default="xczu5ev", help="the part (xczu5ev)")
    area.add_argument("--anew", action="store_true", help="run Yosys for every sample again")
    area.add_argument("--out", type=Path, metavar="FILE", help="the file to write")
    area.set_defaults(run=_area)


class _Result(Protocol):
    @property
    def met(self) -> bool: ...
    def record(self) -> dict[str, Any]: ...
    def table(self) -> str: ...


def _tell(result: _Result, file: Path | None) -> int:
    """Write and print a measurement; gives the exit code."""
    from recfabric.demo import write_json

    if file:
        write_json(file, result.record())
    print(result.table())
    return 0 if result.met else 1


def _kernels(options: argparse.Namespace) -> int:
    from recfabric.bench._runner import cases, record, run_cases
    from recfabric.bench._simulation import simulation
    from recfabric.bench._table import table
    from recfabric.demo import write_json
    from recfabric.quant.progress import Terminal

    task = Terminal().task
    only_speed = options.kernel == "simulation"
    rows = [] if only_speed else run_cases(cases(options.kernel), task, cells=options.cells)
    speed = simulation(task) if only_speed or options.kernel is None else []
    if options.json:
        write_json(options.json, record(rows, speed))
    print(table(rows, speed))
    return 0 if all(row.met for row in rows) and all(s["met"] for s in speed) else 1


def _backends(options: argparse.Namespace) -> int:
    from recfabric.bench._backends import compare_backends, record, table
    from recfabric.demo import write_json
    from recfabric.quant.progress import Terminal

    rows = compare_backends(options.model, Terminal().task, cells=options.cells)
    if options.json:
        write_json(options.json, record(rows))
    print(table(rows))
    return 1 if any(row.mismatches for row in rows) else 0


def _service(options: argparse.Namespace) -> int:
    from recfabric.bench._service import measure
    from recfabric.quant.progress import Terminal

    with Terminal().task("load", 1) as advance:
        result = measure(options.model, seconds=options.seconds)
        advance(1)
    return _tell(result, options.json)


def _words(options: argparse.Namespace) -> int:
    from recfabric.bench._words import measure

    result = measure(options.model, requests=options.requests)
    return _tell(result, options.json)


def _cost(options: argparse.Namespace) -> int:
    from recfabric.bench import _cost as cost
    from recfabric.demo import write_json
    from recfabric.quant.progress import Terminal

    seed = cost.SEED if options.seed is None else options.seed
    count = cost.COUNT if options.count is None else options.count
    drawn = cost.draw(seed, count, netlists=options.netlists, first=options.first)
    rows = cost.check(list(drawn), Terminal().task, quick=options.quick)
    if options.json:
        write_json(options.json, cost.record(rows, seed))
    print(cost.table(rows))
    return 0 if all(row.met for row in rows) else 1


def _epoch(options: argparse.Namespace) -> int:
    from recfabric.bench._epoch import measure

    result = measure(options.users, options.items, options.interactions)
    return _tell(result, options.json)


def _area(options: argparse.Namespace) -> int:
    from recfabric.bitstreams import area_fit
    from recfabric.quant.progress import Terminal

    found = area_fit.refit(options.part, options.out, Terminal().task, anew=options.anew)
    print(area_fit.table(found))
    return 0
