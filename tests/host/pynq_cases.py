# SPDX-License-Identifier: Apache-2.0
"""Run in pynq's environment by test_pynq.py: what the device does when things go wrong.

``pynq_cases.py FOLDER LIBRARY HANGING`` prints one JSON object, an entry a case. The folder holds
``model`` and ``build``; HANGING is the folder of a build whose handoff names no kernel of ours.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from recfabric.contract import Contract
from recfabric.errors import RecFabricError
from recfabric.host.driver import HotPathDriver, Query
from recfabric.host.items import ItemRows
from recfabric.host.pynq_device import PynqDevice, _lines
from recfabric.host.simulated_pynq import SimulatedDevice
from recfabric.kernels.hotpath.manifest import Manifest
from recfabric.sim.verilated import MemoryModel

FOLDER, LIBRARY, FOREIGN = (Path(word) for word in sys.argv[1:4])
CONTRACT = Contract.load(FOLDER / "model")
CONFIG = Manifest.load(FOLDER / "build").config


def board(memory_bytes: int = 1 << 22, outstanding: int = 256) -> SimulatedDevice:
    memory = MemoryModel(outstanding=outstanding)
    return SimulatedDevice(LIBRARY, CONFIG, memory_bytes=memory_bytes, memory=memory)


def said(call: Callable[[], object]) -> str:
    try:
        return f"no error: {call()}"
    except RecFabricError as error:
        return f"{type(error).__name__}: {error}"


def answer(driver: HotPathDriver) -> list[int]:
    given = driver.request([1, 2, 3], [], 5)
    return [*given.rows.tolist(), *given.scores.tolist()]


def time_out() -> dict[str, object]:
    """A kernel whose memory answers nothing hangs; the bitstream is loaded anew."""
    simulated = board(outstanding=0)
    device = PynqDevice(FOLDER / "build", CONTRACT, device=simulated)
    return {
        "hang": said(lambda: HotPathDriver(device, CONTRACT, timeout_s=0.2)),
        "downloads": simulated.downloads,
        "next": said(lambda: device.start({"mode": 0})),
    }


def reset() -> dict[str, object]:
    """After a reset the weights must be loaded again; then the answers are those of before."""
    device = PynqDevice(FOLDER / "build", CONTRACT, device=board())
    driver = HotPathDriver(device, CONTRACT)
    before = answer(driver)
    device.reset()
    refused = said(lambda: answer(driver))
    again = HotPathDriver(device, CONTRACT)
    return {"refused": refused, "same": answer(again) == before, "answer": before}


def words() -> dict[str, object]:
    """A text with the rows of item 7, alone and behind a history of two."""
    driver = HotPathDriver(PynqDevice(FOLDER / "build", CONTRACT, device=board()), CONTRACT)
    names = ("message", "key", "value", "item", "bias", "popularity")
    rows = ItemRows(**{name: getattr(CONTRACT.tensors, name)[[7]] for name in names})
    given = [driver.ask(Query(history, [], 5, rows, 2)) for history in ([], [1, 2])]
    return {"given": [[*one.rows.tolist(), *one.scores.tolist()] for one in given]}


def cache() -> dict[str, object]:
    """Without its flushes the driver's data stay in the cache: the answers differ."""
    device = PynqDevice(FOLDER / "build", CONTRACT, device=board())
    device.allocate(0)
    SimulatedDevice.flush, keep = (lambda *_: None), SimulatedDevice.flush
    try:
        return {"unflushed": said(lambda: answer(HotPathDriver(device, CONTRACT)))}
    finally:
        SimulatedDevice.flush = keep


def memory() -> dict[str, object]:
    device = PynqDevice(FOLDER / "build", CONTRACT, device=board(1 << 14))
    return {"full": said(lambda: HotPathDriver(device, CONTRACT))}


def binding() -> dict[str, object]:
    device = PynqDevice(FOLDER / "build", CONTRACT, device=board())
    device.write(device.allocate(100), np.zeros(10, np.uint8), 90)
    return {
        "driver": type(device._kernel).__name__,
        "registers": list(device._kernel._registers),
        "foreign": said(lambda: PynqDevice(FOREIGN, CONTRACT, device=board())),
    }


def lines() -> dict[str, object]:
    """A local buffer is synchronised by whole cache lines, a remote one as a whole."""
    local = board().allocate((4096,), np.uint8)
    part, whole = _lines(local, 100, 10), np.zeros(4096, np.uint8)
    return {"offset": part.offset, "bytes": part.nbytes, "remote": _lines(whole, 100, 10).nbytes}


cases = (time_out, reset, words, cache, memory, binding, lines)
print(json.dumps({case.__name__: case() for case in cases}))  # noqa: T201
