# SPDX-License-Identifier: Apache-2.0
"""The Verilated hot path with messages along edges: equal to the integer model, faults named."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest

from recfabric.contract import Contract
from recfabric.errors import DeviceError
from recfabric.host.device import Status
from recfabric.host.driver import Answer, Failed, HotPathDriver, Query
from recfabric.host.rtl import RtlDevice
from recfabric.host.soft import SoftDevice
from recfabric.host.verify import answer_all, compare
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.kernels.stimulus import random_contract, random_requests
from recfabric.sim.verilated import MemoryModel

ITEMS = 60
MEMORIES = (MemoryModel(), MemoryModel(latency=3, stall=0.3, seed=5))


@pytest.fixture(scope="module")
def contract() -> Contract:
    return random_contract(items=ITEMS, dim=16, heads=1, bits=4, edges=5, seed=22, history=64)


@pytest.fixture(scope="module")
def config(contract: Contract) -> HotPathConfig:
    return HotPathConfig.for_contract(
        contract, beat_bits=64, pe=2, simd=2, k_max=8, max_seen=64, max_rows=64
    )


@pytest.fixture
def rtl(config: HotPathConfig) -> Iterator[RtlDevice]:
    device = RtlDevice(config, memory_bytes=1 << 22)
    yield device
    device.close()


def wrong(config: HotPathConfig, contract: Contract, memory: MemoryModel, batch: int) -> int:
    """Integers of random requests that are not the integer model's."""
    requests = random_requests(contract, 40, seen=40)
    device = RtlDevice(config, memory_bytes=1 << 22, memory=memory)
    left = answer_all(SoftDevice(config), contract, requests, k=8)
    right = answer_all(device, contract, requests, k=8, batch=batch)
    device.close()
    return compare(left, right).mismatches


@pytest.mark.parametrize("memory", MEMORIES)
@pytest.mark.parametrize("batch", [1, 40])
def test_one_port_int4(
    contract: Contract, config: HotPathConfig, memory: MemoryModel, batch: int
) -> None:
    assert config.edges == 8 and config.edge_items == 64
    assert wrong(config, contract, memory, batch) == 0


@pytest.mark.parametrize("memory", MEMORIES)
def test_four_ports_int8(memory: MemoryModel) -> None:
    contract = random_contract(items=ITEMS, dim=16, heads=1, edges=5, seed=23, history=64)
    config = HotPathConfig.for_contract(
        contract, beat_bits=128, pe=2, simd=2, scan_ports=4, k_max=8, max_seen=64, max_rows=64
    )
    assert (config.lanes, config.edges) == (4, 8)
    assert wrong(config, contract, memory, 40) == 0


def test_a_single_wrong_edge_is_seen(contract: Contract, rtl: RtlDevice) -> None:
    driver = HotPathDriver(rtl, contract)
    history = np.flatnonzero((contract.tensors.edge_weight != 0).any(axis=1))[:1]
    before = driver.request(history, [], 8)
    edges = driver.buffers["edge"]
    place = int(history[0]) * rtl.config.edge_row_bytes
    row = rtl.read(edges, rtl.config.edge_row_bytes, place).view("<u4").copy()
    slot = int(np.flatnonzero(row)[0])
    row[slot] = 0x7F << 24 | int(before.rows[7])  # its last item gets more
    rtl.write(edges, row.view(np.uint8), place)
    after = driver.request(history, [], 8)
    assert not np.array_equal(before.scores, after.scores)


def test_requests_that_fail_do_not_disturb_the_arrays(contract: Contract, rtl: RtlDevice) -> None:
    rng = np.random.default_rng(3)
    asked = [Query(rng.integers(0, ITEMS, i % 7 * 5), [], 1 + i % 8) for i in range(14)]
    asked[1] = Query([1, 2], [5, 3], 8)
    asked[3] = Query([1, ITEMS, 2], [], 8)
    for i in (0, 5, 6, 9):
        asked[i] = Query([1], [], 33)
    failed = dict.fromkeys((0, 5, 6, 9), Status(bad_argument=True))
    failed |= {1: Status(bad_seen=True), 3: Status(bad_row=True)}
    check(contract, rtl, asked, failed)


def test_a_bus_error_in_an_edge_row_is_its_requests(contract: Contract, rtl: RtlDevice) -> None:
    asked = [Query([10 + i, 20 + i], [], 8) for i in range(6)]
    first = HotPathDriver(rtl, contract).buffers
    span = sum(buffer.size for buffer in first.values())
    # the next driver's buffers follow, in the same order
    start = first["edge"].address + span + 23 * rtl.config.edge_row_bytes
    rtl.kernel.inject_slverr(start, start + rtl.config.edge_row_bytes)
    check(contract, rtl, asked, {3: Status(bus_error=True)})
    rtl.kernel.inject_slverr(0, 0)


def check(
    contract: Contract, rtl: RtlDevice, asked: list[Query], failed: dict[int, Status]
) -> None:
    """Every request but the failed ones has the answer of the integer model."""
    model = HotPathDriver(SoftDevice(rtl.config), contract)
    for i, outcome in enumerate(HotPathDriver(rtl, contract).request_many(asked)):
        if i in failed:
            assert outcome == Failed(failed[i]), i
            continue
        assert isinstance(outcome, Answer), i
        right = model.request(asked[i].history, asked[i].seen, asked[i].k)
        assert np.array_equal(outcome.rows, right.rows), i
        assert np.array_equal(outcome.scores, right.scores), i


def test_a_catalogue_beyond_the_array_is_refused_and_the_device_lives_on(
    contract: Contract, rtl: RtlDevice
) -> None:
    for device in (rtl, SoftDevice(rtl.config)):
        driver = HotPathDriver(device, contract)
        before = driver.request([4, 7, 50], [], 8)
        for arguments in ({"n_items": 65}, {"scatter_shift": 48}):
            device.start(arguments)
            assert device.wait(10).status == Status(bad_argument=True)
            device.start({"n_items": ITEMS, "scatter_shift": contract.shifts.scatter})
            assert device.wait(10).status == Status()
        after = driver.request([4, 7, 50], [], 8)
        assert np.array_equal(before.scores, after.scores)


def test_a_batch_costs_what_the_port_must_read(rtl: RtlDevice) -> None:
    """The next request's edges are added while a scan runs: no cycle more than their bytes."""
    large = random_contract(items=60, dim=16, heads=1, bits=4, edges=5, seed=4, history=64)
    rng = np.random.default_rng(4)
    asked = [Query(rng.integers(0, 60, 30), [], 5) for _ in range(12)]
    given = HotPathDriver(rtl, large).request_many(asked)
    ends = [a.cycles.end for a in given if isinstance(a, Answer) and a.cycles]
    beats = rtl.config.scan_beats(60) + rtl.config.front_beats(30, 0)
    assert len(ends) == 12
    assert max(b - a for a, b in pairwise(ends)) <= 1.01 * beats + 30


def test_a_netlist_with_edges_answers_a_contract_without(rtl: RtlDevice) -> None:
    plain = random_contract(items=50, dim=16, heads=1, bits=4, seed=5, history=64)
    try:
        answer = HotPathDriver(rtl, plain).request([1, 2, 3], [], 8)
    except DeviceError:
        pytest.fail("a contract without edges is one whose edges are all unused")
    want = HotPathDriver(SoftDevice(HotPathConfig.for_contract(plain)), plain)
    assert np.array_equal(answer.scores, want.request([1, 2, 3], [], 8).scores)
