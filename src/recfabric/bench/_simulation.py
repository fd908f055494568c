# SPDX-License-Identifier: Apache-2.0
"""How fast the simulation itself is: cycles a CPU-second, CPU-seconds of a build."""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

from recfabric.bench._case import MEMORY, SEED
from recfabric.host.rtl import RtlDevice
from recfabric.host.soft import SoftDevice
from recfabric.host.verify import answer_all, compare
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.kernels.stimulus import random_contract, random_requests
from recfabric.sim.verilated import build, library

ITEMS, REQUESTS = 20_000, 40
CYCLES_A_SECOND = 1_000_000
BUILD_SECONDS = 60

Task = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]


def simulation(task: Task) -> list[dict[str, Any]]:
    """The hot path at its default parameters: speed, a build after a change, and with none."""
    with task("simulation", 3) as advance:
        rows = [_speed()]
        advance(1)
        rows.append(_changed())
        advance(1)
        rows.append(_unchanged())
        advance(1)
    return rows


def _speed() -> dict[str, Any]:
    contract = random_contract(items=ITEMS, seed=SEED)
    requests = random_requests(contract, REQUESTS, seed=SEED)
    config = HotPathConfig.for_contract(contract)
    device = RtlDevice(config, memory=MEMORY)
    begin = time.process_time()
    rtl = answer_all(device, contract, requests)
    spent = time.process_time() - begin
    cycles = device.kernel.cycles
    device.close()
    wrong = compare(answer_all(SoftDevice(config), contract, requests), rtl).mismatches
    rate = round(cycles / spent)
    return {
        "what": f"rf_hotpath, {REQUESTS} random requests over {ITEMS:,} items, driver included",
        "value": rate,
        "unit": "cycles per CPU-second",
        "limit": f">= {CYCLES_A_SECOND:,}",
        "met": rate >= CYCLES_A_SECOND and wrong == 0,
        "cycles": cycles,
        "mismatches": wrong,
    }


def _changed() -> dict[str, Any]:
    """A parameter changes: everything but Verilator's own runtime is compiled again."""
    config = HotPathConfig()
    build(config)  # the runtime is there afterwards
    begin = _children()
    with tempfile.TemporaryDirectory() as folder:
        library(replace(config, max_seen=1024)).compile(Path(folder) / "library.so")
    spent = round(_children() - begin, 1)
    what = "rf_hotpath built after a parameter changed"
    return _seconds(what, spent, f"<= {BUILD_SECONDS}", met=spent <= BUILD_SECONDS)


def _unchanged() -> dict[str, Any]:
    begin = _children()
    build(HotPathConfig())
    spent = round(_children() - begin, 1)
    return _seconds("rf_hotpath built with nothing changed", spent, "0", met=spent == 0)


def _seconds(what: str, spent: float, limit: str, *, met: bool) -> dict[str, Any]:
    return {"what": what, "value": spent, "unit": "CPU-seconds", "limit": limit, "met": met}


def _children() -> float:
    """CPU-seconds of all processes started and ended so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
