# SPDX-License-Identifier: Apache-2.0
"""Runs the cases, counts their cells and makes rows of both."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from recfabric.bench._case import BEAT, MEMORY, SEED, Case, Measure, Row
from recfabric.bitstreams.cells import Utilisation, utilisation
from recfabric.bitstreams.parts import PARTS
from recfabric.config import tool_versions
from recfabric.errors import ConfigError, DeviceError

PROTOCOL = (
    "Cycles of the Verilated kernel from the first one after reset to the last output beat, that "
    "one included, or as the case words it; every output integer compared with the integer model; "
    "bounds from bytes (one 512-bit beat a cycle and port) and arithmetic alone."
)

Task = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]


def kernels() -> tuple[str, ...]:
    """The modules that hold cases, in the order of the alphabet."""
    found = pkgutil.iter_modules([str(Path(__file__).parent)])
    return tuple(sorted(m.name for m in found if not m.name.startswith("_")))


def cases(kernel: str | None = None) -> tuple[Case, ...]:
    """Every case, or those of one kernel; raises ConfigError for an unknown one."""
    if kernel is not None and kernel.removeprefix("rf_") not in kernels():
        raise ConfigError(f"'{kernel}' has no cases; choose one of {', '.join(kernels())}.")
    names = kernels() if kernel is None else (kernel.removeprefix("rf_"),)
    found: list[Case] = []
    for name in names:
        found += import_module(f"recfabric.bench.{name}").cases()
    return tuple(found)


def run_cases(todo: Sequence[Case], task: Task, *, cells: bool = True) -> list[Row]:
    """Measure every case, then count its cells on every part; one row a case and part."""
    rows: list[Row] = []
    measured: list[tuple[Case, Measure | DeviceError]] = []
    with task("cycles", len(todo)) as advance:
        for case in todo:
            measured.append((case, _measure(case)))
            advance(1)
    with task("cells", len(todo)) as advance:
        for case, measure in measured:
            rows += _rows(case, measure, (case.parts or PARTS) if cells and case.cells else ())
            advance(1)
    return rows


def record(rows: Iterable[Row], simulation: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """For the bench's JSON file."""
    return {
        "protocol": PROTOCOL,
        "memory": asdict(MEMORY) | {"beat_bits": BEAT},
        "seed": SEED,
        "versions": tool_versions(),
        "rows": [asdict(row) for row in rows],
        "simulation": list(simulation),
    }


def _measure(case: Case) -> Measure | DeviceError:
    """A kernel that stops or answers too much fails its own case, not the bench."""
    try:
        return case.run()
    except DeviceError as error:
        return error


def _rows(case: Case, measure: Measure | DeviceError, parts: Iterable[str]) -> Iterator[Row]:
    module, parameters = case.netlist or (case.kernel, case.parameters)
    counted: list[Utilisation | None] = [utilisation(module, parameters, part) for part in parts]
    for cells in counted or [None]:
        yield _row(case, measure, cells)


def _row(case: Case, measure: Measure | DeviceError, cells: Utilisation | None) -> Row:
    error = str(measure) if isinstance(measure, DeviceError) else ""
    got = Measure(0, 0, 0, 0, 0.0) if isinstance(measure, DeviceError) else measure
    within = not error and (case.limit is None or got.cycles <= case.limit)
    return Row(
        kernel=case.kernel,
        config=case.config,
        cycles=None if error else got.cycles,
        bound=case.bound,
        ratio=None if error else round(got.cycles / case.bound, 4),
        limit=case.limit,
        met=within and got.values > 0 and got.mismatches == 0 and _few(case, cells),
        formula=case.formula,
        limit_formula=case.limit_formula,
        lut=cells.lut + cells.lutram if cells else None,
        ff=cells.ff if cells else None,
        dsp=cells.dsp if cells else None,
        bram=cells.bram36 if cells else None,
        part=cells.part if cells else "",
        tool=cells.tool if cells else "",
        registers=cells.register_memories if cells else (),
        parameters=dict(case.parameters),
        values=got.values,
        mismatches=got.mismatches,
        simulated=got.simulated,
        cpu_seconds=round(got.cpu_seconds, 3),
        data=case.data,
        note=case.note,
        error=error,
    )


def _few(case: Case, cells: Utilisation | None) -> bool:
    """No more cells than the case allows, and no memory in flip-flops."""
    if cells is None:
        return True
    have = {
        "lut": cells.lut + cells.lutram,
        "ff": cells.ff,
        "dsp": cells.dsp,
        "bram": cells.bram36,
    }
    most = case.most.get(cells.part, {})
    return not cells.register_memories and all(have[name] <= n for name, n in most.items())
