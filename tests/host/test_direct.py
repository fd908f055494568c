# SPDX-License-Identifier: Apache-2.0
"""Devices without a thread: who asks runs them, one at a time, and a fault fails its own batch."""

import asyncio
import threading
from collections.abc import Mapping

import numpy as np
import pytest

from recfabric.contract import Contract
from recfabric.errors import DeviceError, OverloadedError
from recfabric.host.driver import Query
from recfabric.host.runtime import LaneOptions, Runtime, RuntimeOptions
from recfabric.host.soft import SoftDevice
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.kernels.hotpath.model import HotPath
from recfabric.kernels.stimulus import random_contract

LANE = LaneOptions(check=False, thread=False)


@pytest.fixture(scope="module")
def contract() -> Contract:
    return random_contract(items=70, dim=16, heads=1, seed=3)


class Watched(SoftDevice):
    """Knows the threads that started it, waits in ``start`` for ``open``, and fails on demand."""

    def __init__(self, contract: Contract) -> None:
        super().__init__(HotPathConfig.for_contract(contract, pe=4, simd=4))
        self.threads: list[str] = []
        self.inside = 0
        self.failing = 0
        self.entered, self.open = threading.Event(), threading.Event()
        self.open.set()

    def start(self, arguments: Mapping[str, int]) -> None:
        """As the device, with a look at who comes."""
        self.inside += 1
        assert self.inside == 1, "two threads are on the device"
        self.threads.append(threading.current_thread().name)
        self.entered.set()
        self.open.wait(10)
        self.inside -= 1
        if self.failing:
            self.failing -= 1
            raise MemoryError("no memory for this")
        super().start(arguments)


def right(contract: Contract, row: int) -> list[int]:
    norm = int(contract.tensors.norm[1])
    rows, _ = HotPath.of(contract).answer(np.array([row]), norm, np.zeros(0, np.int32), 5)
    found: list[int] = rows.tolist()
    return found


@pytest.mark.parametrize("check", [False, True])
def test_who_asks_runs_the_device(contract: Contract, check: bool) -> None:
    device = Watched(contract)
    lane = LaneOptions(check=check, thread=False)
    with Runtime(contract, [device], RuntimeOptions(fallback=False, lane=lane)) as runtime:
        device.threads.clear()
        assert runtime.request(Query([4], [], 5)).rows.tolist() == right(contract, 4)
        asked = asyncio.run(runtime.arequest(Query([9], [], 5)))
        assert asked.rows.tolist() == right(contract, 9)
    assert device.threads == ["MainThread"] * 2


def test_what_comes_meanwhile_is_run_by_the_thread_that_is_on_the_device(
    contract: Contract,
) -> None:
    device = Watched(contract)
    options = RuntimeOptions(queue=2, depth=1, batch=1, fallback=False, lane=LANE)
    with Runtime(contract, [device], options) as runtime:
        device.open.clear()
        device.entered.clear()
        device.threads.clear()
        first = threading.Thread(target=runtime.request, args=(Query([1], [], 5),), name="first")
        first.start()
        assert device.entered.wait(10)
        later = [runtime.submit(Query([row], [], 5)) for row in (2, 3)]
        with pytest.raises(OverloadedError, match="2 requests are waiting"):
            runtime.submit(Query([5], [], 5))
        device.open.set()
        given = [future.result(10).rows.tolist() for future in later]
        first.join()
    assert given == [right(contract, 2), right(contract, 3)]
    assert device.threads == ["first"] * 3


def test_a_fault_fails_its_batch_and_the_device_starts_anew(contract: Contract) -> None:
    device = Watched(contract)
    with Runtime(contract, [device], RuntimeOptions(fallback=False, lane=LANE)) as runtime:
        device.failing = 1
        with pytest.raises(DeviceError, match="no memory for this"):
            runtime.request(Query([6], [], 5))
        assert runtime.request(Query([6], [], 5)).rows.tolist() == right(contract, 6)
        health = runtime.health[0]
        assert (health.faults, health.recoveries, health.up) == (1, 1, True)
        device.failing = 2  # the new start fails as well
        with pytest.raises(DeviceError, match="no memory for this"):
            runtime.request(Query([6], [], 5))
        assert not runtime.ready
        assert runtime.request(Query([6], [], 5)).rows.tolist() == right(contract, 6)
        assert runtime.ready
