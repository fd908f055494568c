# SPDX-License-Identifier: Apache-2.0
"""Devices that hang, lie, forget and die: every request has one right answer or one error."""

import asyncio
import threading

import numpy as np
import pytest

from recfabric.contract import Contract
from recfabric.errors import ConfigError, DeviceError, DeviceTimeoutError
from recfabric.host import driver as driver_module
from recfabric.host.driver import Query
from recfabric.host.faulty import FAULTS, FaultyDevice
from recfabric.host.runtime import LaneOptions, Runtime, RuntimeOptions
from recfabric.host.soak import SoakPlan, soak
from tests.host.runtime_cases import Gate, check, check_all, config, queries, soft, two_contracts

QUICK = LaneOptions(timeout_s=0.05, retry_s=0.002, retry_max_s=0.02)


@pytest.fixture(scope="module")
def contracts() -> list[Contract]:
    return two_contracts()


@pytest.mark.parametrize("fallback", [True, False])
def test_a_device_that_blocks_for_ever_is_left_alone(
    contracts: list[Contract], fallback: bool
) -> None:
    gate = Gate(config(contracts[0]))
    options = RuntimeOptions(lane=QUICK, fallback=fallback)
    query = queries(9)[8]
    with Runtime(contracts[0], [gate], options) as runtime:
        gate.open.clear()
        if fallback:
            check(runtime.request(query), query, contracts[0])
            check(runtime.request(query), query, contracts[0])
            assert runtime.ready
        else:
            with pytest.raises(DeviceError, match=r"holds a batch .* There is no fallback"):
                runtime.request(query)
            assert not runtime.ready
        gate.open.set()
        while not runtime.health[0].up:
            threading.Event().wait(0.005)
        served = runtime.request(query)
        check(served, query, contracts[0])
        assert served.devices == ("soft",)
        assert runtime.health[0].recoveries == 1


def test_a_request_without_an_answer_in_time_says_so(contracts: list[Contract]) -> None:
    gate = Gate(config(contracts[0]))
    with Runtime(contracts[0], [gate]) as runtime:
        gate.open.clear()
        with pytest.raises(DeviceTimeoutError, match=r"no answer within 0\.05 s"):
            runtime.request(Query([1], [], 5), timeout_s=0.05)
        with pytest.raises(DeviceTimeoutError, match=r"no answer within 0\.05 s"):
            asyncio.run(runtime.arequest(Query([1], [], 5), timeout_s=0.05))
        gate.open.set()


def faulty(contract: Contract, fault: str, rate: float) -> FaultyDevice:
    device = FaultyDevice(soft(contract), seed=7, rate=0.0, faults=(fault,), stuck_s=0.08)
    device.rate = rate
    return device


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_is_answered_rightly_and_the_device_comes_back(
    contracts: list[Contract], fault: str
) -> None:
    device = faulty(contracts[0], fault, 0.0)
    asked = queries(60)
    options = RuntimeOptions(batch=6, lane=QUICK)
    with Runtime(contracts[0], [device], options) as runtime:
        device.rate = 0.3
        check_all([runtime.submit(query) for query in asked], asked, contracts[0])
        device.rate = 0.0
        while not runtime.health[0].up:
            threading.Event().wait(0.005)
        served = runtime.request(asked[30])
        check(served, asked[30], contracts[0])
        health = runtime.health[0]
    assert device.injected[fault] > 0
    assert served.devices == ("faulty soft",)
    if fault != "late":
        assert health.faults > 0
        assert health.faults == health.recoveries
        assert health.rescued > 0


@pytest.mark.parametrize("fault", ["weights_lost", "power_cycle"])
def test_without_known_requests_a_silent_reset_gives_wrong_answers(fault: str) -> None:
    """What the known request at each batch's end is for."""
    plan = SoakPlan(600, rate=0.5, swaps=0, check=False, faults=(fault,))
    assert soak(plan).wrong > 0


@pytest.mark.parametrize("fault", ["stale", "partial"])
def test_without_fresh_records_old_results_would_be_believed(
    monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """What the records that are filled before the start are for."""
    good = np.zeros(64, np.uint8)
    monkeypatch.setattr(driver_module, "_fresh_records", lambda count: np.tile(good, count))
    monkeypatch.setattr("recfabric.host.faulty.NOT_WRITTEN", 0)
    plan = SoakPlan(600, rate=0.5, swaps=0, check=False, faults=(fault,))
    assert soak(plan).wrong > 0


@pytest.mark.parametrize("devices", [1, 2])
def test_a_short_soak_has_no_wrong_and_no_lost_answer(devices: int) -> None:
    result = soak(SoakPlan(6000, rate=0.15, swaps=12, devices=devices, seed=3))
    assert (result.wrong, result.lost, result.failed, result.twice) == (0, 0, 0, 0)
    assert result.right == 6000
    assert result.generations == 13
    assert result.rescued > 0
    assert 0 <= result.outages - result.recoveries <= devices  # some may be out at the end


def test_an_unknown_fault_is_refused(contracts: list[Contract]) -> None:
    with pytest.raises(ConfigError, match=r"\['bored'\] is no fault"):
        FaultyDevice(soft(contracts[0]), seed=1, faults=("bored",))
