# SPDX-License-Identifier: Apache-2.0
"""The runtime and the service on the RTL in simulation: shards, bus errors, hangs, resets."""

import threading
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from fastapi.testclient import TestClient

from recfabric.contract import Contract
from recfabric.errors import DeviceError
from recfabric.host.device import Buffer, Bytes, Completion
from recfabric.host.driver import HotPathDriver, Query
from recfabric.host.recommender import Recommender
from recfabric.host.rtl import RtlDevice
from recfabric.host.runtime import LaneOptions, Runtime, RuntimeOptions, Served
from recfabric.host.service.app import create_app
from recfabric.host.service.core import Recommendations
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.kernels.hotpath.model import HotPath
from recfabric.kernels.stimulus import random_contract
from recfabric.sim.verilated import MemoryModel

ITEMS = 200
PATIENT = RuntimeOptions(timeout_s=60, lane=LaneOptions(timeout_s=20, retry_s=0.01))


@pytest.fixture(scope="module")
def contract() -> Contract:
    return random_contract(items=ITEMS, seed=21)


@pytest.fixture
def rtl(contract: Contract) -> Iterator[RtlDevice]:
    device = make(contract)
    yield device
    device.close()


def make(contract: Contract, memory: MemoryModel | None = None) -> RtlDevice:
    return RtlDevice(HotPathConfig.for_contract(contract), memory_bytes=1 << 23, memory=memory)


def queries(count: int) -> list[Query]:
    rng = np.random.default_rng(count)
    return [
        Query(rng.integers(0, ITEMS, 2 * i), np.unique(rng.integers(0, ITEMS, 3 * i)), 1 + i)
        for i in range(count)
    ]


def check(served: Served, query: Query, contract: Contract) -> None:
    history = np.asarray(query.history)
    norm = int(contract.tensors.norm[len(history)])
    right = HotPath.of(contract).answer(history, norm, np.asarray(query.seen, np.int32), query.k)
    assert served.contract == contract.sha256
    assert (served.rows.tolist(), served.scores.tolist()) == tuple(r.tolist() for r in right)


def wait_until_up(runtime: Runtime, recoveries: int) -> None:
    while runtime.health[0].recoveries < recoveries:
        threading.Event().wait(0.01)


def test_two_kernels_answer_as_one_and_swap_under_traffic(contract: Contract) -> None:
    """Each scans its share of the items and gathers from all rows (register n_rows)."""
    devices = [make(contract), make(contract, MemoryModel(latency=9, stall=0.2, seed=2))]
    other, asked = random_contract(items=ITEMS + 30, seed=22), queries(24)
    with Runtime(contract, devices, PATIENT) as runtime:
        futures = [runtime.submit(query) for query in asked]
        new = runtime.swap(other)
        later = [runtime.submit(query) for query in asked]
        for future, query in zip(futures, asked, strict=True):
            check(future.result(), query, contract)
        for future, query in zip(later, asked, strict=True):
            check(future.result(), query, other)
            assert future.result().generation is new
            assert future.result().devices == ("rtl", "rtl")
    for device in devices:
        device.close()


def test_a_history_row_beyond_all_rows_is_still_reported(
    contract: Contract, rtl: RtlDevice
) -> None:
    driver = HotPathDriver(rtl, contract, scanned=range(50, 90))
    good = driver.request([ITEMS - 1, 3], [], 10)
    assert set(good.rows) <= set(range(50, 90))
    rtl.start({"mode": 0, "n_history": 1, "n_seen": 0, "k": 1})
    rtl.wait(10)
    rtl.write(driver.buffers["history"], np.array([ITEMS], "<u4").view(np.uint8))
    rtl.start({"mode": 0})
    assert rtl.wait(10).status.bad_row


@pytest.mark.parametrize("region", ["item", "message", "record", "results", "descriptor"])
def test_a_bus_error_is_answered_by_the_fallback_and_the_kernel_taken_back(
    contract: Contract, rtl: RtlDevice, region: str
) -> None:
    asked = queries(12)
    with Runtime(contract, [rtl], PATIENT) as runtime:
        place = runtime._lanes[0].driver.buffers[region]
        rtl.kernel.inject_slverr(place.address, place.address + place.size)
        for future, query in zip([runtime.submit(q) for q in asked], asked, strict=True):
            served = future.result()
            check(served, query, contract)
            assert served.devices == ("fallback",)
        rtl.kernel.inject_slverr(0, 0)
        wait_until_up(runtime, 1)
        served = runtime.request(asked[7])
        check(served, asked[7], contract)
        assert served.devices == ("rtl",)
        assert served.cycles is not None


@pytest.mark.parametrize("region", ["item", "message"])
def test_an_address_beyond_the_memory_is_answered_by_the_fallback(
    contract: Contract, rtl: RtlDevice, region: str
) -> None:
    """The memory says DECERR where an argument's register was struck; the tables name it anew."""
    asked = queries(12)
    with Runtime(contract, [rtl], PATIENT) as runtime:
        tables = runtime._lanes[0].driver._live
        tables.arguments[region] = rtl.kernel.memory.size
        for future, query in zip([runtime.submit(q) for q in asked], asked, strict=True):
            check(future.result(), query, contract)
        wait_until_up(runtime, 1)
        assert "bus_error" in runtime.health[0].error
        served = runtime.request(asked[7])
        check(served, asked[7], contract)
        assert served.devices == ("rtl",)


class Dying(RtlDevice):
    """Once ``dies`` is set: reset in the midst of its next run, then dead for two resets."""

    dies = False
    _dead = 0

    def wait(self, timeout_s: float) -> Completion:
        if self.dies:
            self.dies, self._dead = False, 2
            assert not self.kernel.run(700)  # reads are in flight
            self.kernel.reset()
        self._live()
        return super().wait(timeout_s)

    def write(self, buffer: Buffer, data: Bytes, offset: int = 0) -> None:
        self._live()
        super().write(buffer, data, offset)

    def reset(self) -> None:
        self._dead = max(0, self._dead - 1)
        self._live()
        super().reset()

    def _live(self) -> None:
        if self._dead:
            raise DeviceError("The device is gone.")


def test_a_kernel_that_dies_in_mid_request_comes_back(contract: Contract) -> None:
    asked = queries(12)
    rtl = Dying(HotPathConfig.for_contract(contract), memory_bytes=1 << 23)
    with Runtime(contract, [rtl], PATIENT) as runtime:
        rtl.dies = True
        for future, query in zip([runtime.submit(q) for q in asked], asked, strict=True):
            check(future.result(), query, contract)
            assert future.result().devices == ("fallback",)
        wait_until_up(runtime, 1)
        for query in asked:
            served = runtime.request(query)
            check(served, query, contract)
            assert served.devices == ("rtl",)
        assert runtime.health[0].faults == 1
    rtl.close()


def test_a_kernel_that_was_reset_behind_the_hosts_back_is_noticed(
    contract: Contract, rtl: RtlDevice
) -> None:
    asked = queries(8)
    # its interrupt is off as well: it ends, but never says so
    options = replace(PATIENT, lane=replace(PATIENT.lane, timeout_s=3))
    with Runtime(contract, [rtl], options) as runtime:
        check(runtime.request(asked[4]), asked[4], contract)
        rtl.kernel.reset()  # registers and the fuse layer's weights are gone
        served = runtime.request(asked[5])
        check(served, asked[5], contract)
        assert served.devices == ("fallback",)
        wait_until_up(runtime, 1)
        served = runtime.request(asked[6])
        check(served, asked[6], contract)
        assert served.devices == ("rtl",)


def test_a_kernel_that_lost_its_weights_alone_is_noticed(
    contract: Contract, rtl: RtlDevice
) -> None:
    """All registers are right and no status says anything: only the known request tells."""
    asked = queries(8)
    with Runtime(contract, [rtl], PATIENT) as runtime:
        driver = runtime._lanes[0].driver
        check(runtime.request(asked[4]), asked[4], contract)
        rtl.start({"mode": 1, "weight": driver.buffers["key"].address})
        rtl.wait(10)
        served = runtime.request(asked[5])
        check(served, asked[5], contract)
        assert served.devices == ("fallback",)
        assert "a known request wrongly" in runtime.health[0].error


def test_the_service_answers_from_the_rtl(contract: Contract, rtl: RtlDevice) -> None:
    with Runtime(contract, [rtl], PATIENT) as runtime:
        client = TestClient(create_app(Recommendations(runtime)))
        for history in (["item5", "item9"], ["item1"] * 3, [f"item{i}" for i in range(90)]):
            given = client.post("/recommend", json={"history": history, "k": 9}).json()
            right = Recommender(contract).recommend(history, 9)
            assert given["devices"] == ["rtl"]
            assert (given["items"], given["scores"]) == (list(right.items), list(right.scores))
