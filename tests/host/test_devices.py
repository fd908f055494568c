# SPDX-License-Identifier: Apache-2.0
"""The devices: the same requests give the same integers, and faults are named."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest

from recfabric.contract import Contract
from recfabric.errors import DeviceError, DeviceTimeoutError, RequestError
from recfabric.host.device import Device, Status
from recfabric.host.driver import BATCH, Answer, Failed, HotPathDriver, Query
from recfabric.host.recommender import Recommender
from recfabric.host.rtl import RtlDevice
from recfabric.host.soft import SoftDevice
from recfabric.host.verify import answer_all, compare
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.kernels.stimulus import random_contract, random_requests
from recfabric.requests import Ragged, Requests
from recfabric.sim.verilated import MemoryModel

ITEMS = 400


@pytest.fixture(scope="module")
def contract() -> Contract:
    return random_contract(items=ITEMS, seed=11)


@pytest.fixture
def rtl(contract: Contract) -> Iterator[RtlDevice]:
    device = RtlDevice(HotPathConfig.for_contract(contract), memory_bytes=1 << 22)
    yield device
    device.close()


def soft(contract: Contract) -> SoftDevice:
    return SoftDevice(HotPathConfig.for_contract(contract))


@pytest.mark.parametrize("memory", [MemoryModel(), MemoryModel(latency=3, stall=0.3, seed=5)])
def test_rtl_equals_soft(contract: Contract, memory: MemoryModel) -> None:
    requests = random_requests(contract, 60)
    config = HotPathConfig.for_contract(contract)
    device = RtlDevice(config, memory_bytes=1 << 22, memory=memory)
    left, right = (
        answer_all(soft(contract), contract, requests),
        answer_all(device, contract, requests),
    )
    device.close()
    row = compare(left, right)
    assert (row.left, row.right, row.requests, row.values) == ("soft", "rtl", 60, 60 * 20)
    assert row.mismatches == 0


def test_a_single_wrong_weight_is_counted(contract: Contract, rtl: RtlDevice) -> None:
    requests = random_requests(contract, 30)
    left = answer_all(soft(contract), contract, requests)
    driver = HotPathDriver(rtl, contract)
    item = driver.buffers["item"]
    top = int(left.rows[5, 0])
    rtl.write(item, rtl.read(item, 1, 64 * top) ^ np.uint8(64), 64 * top)
    answers = [driver.request(requests.history[i], requests.seen[i], 10) for i in range(30)]
    wrong = sum(int((a.scores != left.scores[i]).sum()) for i, a in enumerate(answers))
    assert wrong > 0


def queries(contract: Contract, count: int = 10, rows: int = 12) -> list[Query]:
    rng = np.random.default_rng(count)
    n = contract.shape.items
    return [
        Query(rng.integers(0, n, rows), np.sort(rng.permutation(n)[: 7 * i % 90]), 1 + i % 20)
        for i in range(count)
    ]


def check_batch(
    device: Device, contract: Contract, asked: list[Query], failed: dict[int, Status]
) -> None:
    """Every request but the failed ones has the answer of the integer model."""
    model = HotPathDriver(soft(contract), contract)
    for i, outcome in enumerate(HotPathDriver(device, contract).request_many(asked)):
        if i in failed:
            assert outcome == Failed(failed[i]), i
            continue
        assert isinstance(outcome, Answer), i
        right = model.request(asked[i].history, asked[i].seen, asked[i].k)
        assert np.array_equal(outcome.rows, right.rows), i
        assert np.array_equal(outcome.scores, right.scores), i


def test_a_bad_request_of_a_batch_fails_alone_on_both(contract: Contract, rtl: RtlDevice) -> None:
    asked = queries(contract)
    asked[2] = Query([1], [5, 3], 10)
    asked[5] = Query([ITEMS], [], 10)
    asked[9] = Query([1], [], 33)
    failed = {2: Status(bad_seen=True), 5: Status(bad_row=True), 9: Status(bad_argument=True)}
    for device in (rtl, soft(contract)):
        check_batch(device, contract, asked, failed)


@pytest.mark.parametrize(
    ("region", "place", "size", "failed"),
    [
        ("lists", 0, 64, [0]),  # the history of the first request
        ("descriptor", 3 * 64, 64, [3]),
        ("results", 4 * 256, 256, [4]),
        ("item", 640, 64, range(10)),  # every scan
        ("record", 6 * 64, 64, []),  # no request can be blamed: each is sent again, alone
    ],
)
def test_a_bus_error_in_a_batch_never_gives_a_wrong_answer(
    contract: Contract, rtl: RtlDevice, region: str, place: int, size: int, failed: list[int]
) -> None:
    asked = queries(contract)
    base = HotPathDriver(rtl, contract).buffers
    span = sum(b.size for b in base.values())
    # the next driver's buffers follow, in the same order
    start = base[region].address + span + place
    rtl.kernel.inject_slverr(start, start + size)
    check_batch(rtl, contract, asked, dict.fromkeys(failed, Status(bus_error=True)))
    rtl.kernel.inject_slverr(0, 0)


def test_a_batch_costs_what_the_port_must_read(rtl: RtlDevice) -> None:
    """The front end, the scan and the write-back of neighbours overlap: the port never waits."""
    large = random_contract(items=4000, seed=4)
    asked = queries(large, 12, rows=50)
    given = HotPathDriver(rtl, large).request_many(asked)
    ends = [a.cycles.end for a in given if isinstance(a, Answer) and a.cycles]
    beats = rtl.config.scan_beats(4000) + rtl.config.front_beats(50, 90)
    assert len(ends) == 12
    assert max(b - a for a, b in pairwise(ends)) <= 1.01 * beats + 8


def test_a_batch_longer_than_one_run_and_lists_longer_than_its_memory(contract: Contract) -> None:
    device = soft(contract)
    asked = queries(contract, BATCH + 3, rows=1000)
    assert len(asked) * 4000 < 1 << 19
    check_batch(device, contract, asked, {})
    check_batch(device, contract, [*asked, *asked, *asked], {})


def test_several_scan_ports_give_the_same_lists() -> None:
    """Shares of the items side by side, a last group that not all ports have, stalls apart."""
    for items in (3, 401):
        contract = random_contract(items=items, dim=16, heads=1, seed=items)
        config = HotPathConfig.for_contract(contract, scan_ports=4, beat_bits=64, pe=4, simd=4)
        requests = random_requests(contract, 24)
        left = answer_all(
            SoftDevice(HotPathConfig.for_contract(contract, pe=4)), contract, requests
        )
        for memory in (MemoryModel(), MemoryModel(latency=20, stall=0.3, seed=3)):
            device = RtlDevice(config, memory_bytes=1 << 22, memory=memory)
            assert compare(left, answer_all(device, contract, requests)).mismatches == 0
            device.close()
        assert compare(left, answer_all(SoftDevice(config), contract, requests)).mismatches == 0


def test_cycles_stay_near_the_memory_bound(contract: Contract, rtl: RtlDevice) -> None:
    answer = HotPathDriver(rtl, contract).request(np.arange(100), np.arange(100), 10)
    assert answer.cycles is not None
    bound = rtl.config.bound_beats(contract.shape, 100)
    assert bound <= answer.cycles.beats_read <= 1.05 * bound + 16
    # six memory latencies and the fuse layer are on the path of a single request
    assert bound < answer.cycles.total <= bound + 450


def test_a_table_row_written_at_run_time_counts_at_the_next_request(contract: Contract) -> None:
    device = soft(contract)
    driver = HotPathDriver(device, contract)
    before = driver.request([1, 2, 3], [], 10)
    bias = driver.buffers["bias"]
    device.write(bias, np.array([32767], "<i2").view(np.uint8), 2 * 77)
    after = driver.request([1, 2, 3], [], 10)
    assert 77 not in before.rows
    assert after.rows[0] == 77


@pytest.mark.parametrize("seen", [[5, 3], [4, 4]])
def test_an_unsorted_seen_list_is_reported_by_both(
    contract: Contract, rtl: RtlDevice, seen: list[int]
) -> None:
    for device in (rtl, soft(contract)):
        with pytest.raises(DeviceError, match="bad_seen"):
            HotPathDriver(device, contract).request([1], seen, 10)


def test_a_row_beyond_the_catalogue_is_reported_by_both(contract: Contract, rtl: RtlDevice) -> None:
    for device in (rtl, soft(contract)):
        with pytest.raises(DeviceError, match="bad_row"):
            HotPathDriver(device, contract).request([ITEMS], [], 10)


@pytest.mark.parametrize("k", [0, 33])
def test_a_bad_k_is_reported_by_both(contract: Contract, rtl: RtlDevice, k: int) -> None:
    for device in (rtl, soft(contract)):
        with pytest.raises(DeviceError, match="bad_argument"):
            HotPathDriver(device, contract).request([1], [], k)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mode", 3),
        ("norm", 1 << 16),
        ("gather_shift", 48),
        ("term_shift", 16),
        ("n_items", 0),
        ("n_items", (1 << 24) + 1),
    ],
)
def test_a_bad_argument_is_reported_by_both(
    contract: Contract, rtl: RtlDevice, name: str, value: int
) -> None:
    for device in (rtl, soft(contract)):
        driver = HotPathDriver(device, contract)
        driver.request([1], [], 10)
        device.start({name: value})
        assert device.wait(10).status == Status(bad_argument=True)


def test_lists_beyond_the_device_are_refused(contract: Contract, rtl: RtlDevice) -> None:
    driver = HotPathDriver(rtl, contract)
    with pytest.raises(RequestError, match="history has 1025 items but this device holds 1024"):
        driver.request(np.zeros(1025), [], 10)
    with pytest.raises(RequestError, match="seen list has 2049 items but this device holds 2048"):
        driver.request([1], np.arange(2049), 10)


def test_a_bus_error_is_reported_and_the_device_lives_on(
    contract: Contract, rtl: RtlDevice
) -> None:
    driver = HotPathDriver(rtl, contract)
    good = driver.request([1, 2], [], 10)
    place = driver.buffers["item"].address
    rtl.kernel.inject_slverr(place + 640, place + 704)
    with pytest.raises(DeviceError, match="bus_error"):
        driver.request([1, 2], [], 10)
    rtl.kernel.inject_slverr(0, 0)
    assert np.array_equal(driver.request([1, 2], [], 10).rows, good.rows)


def test_a_device_that_hangs_is_reset(contract: Contract) -> None:
    config = HotPathConfig.for_contract(contract)
    device = RtlDevice(config, memory_bytes=1 << 22, memory=MemoryModel(outstanding=0))
    with pytest.raises(DeviceTimeoutError, match=r"0\.2 s; it was reset"):
        HotPathDriver(device, contract, timeout_s=0.2)
    assert device.kernel.read_register(0) & 0b100  # idle again
    device.close()


def test_too_little_memory_is_named(contract: Contract) -> None:
    device = RtlDevice(HotPathConfig.for_contract(contract), memory_bytes=1 << 15)
    with pytest.raises(DeviceError, match="memory of 32768 bytes"):
        HotPathDriver(device, contract)
    device.close()


def test_recommend_gives_tokens_and_leaves_the_history_out(
    contract: Contract, rtl: RtlDevice
) -> None:
    history = ["item5", "item9", "item5"]
    left = Recommender(contract).recommend(history, 10, exclude=["item77"])
    right = Recommender(contract, rtl).recommend(history, 10, exclude=["item77"])
    assert left.items == right.items
    assert left.scores == right.scores
    assert right.cycles is not None
    assert len(left.items) == 10
    assert not {"item5", "item9", "item77"} & set(left.items)
    assert list(left.scores) == sorted(left.scores, reverse=True)


def test_recommend_many_gives_what_recommend_gives(contract: Contract, rtl: RtlDevice) -> None:
    histories = [["item5", "item9"], [], ["item1"], ["item2"] * 3]
    recommender = Recommender(contract, rtl)
    for many, history in zip(recommender.recommend_many(histories, 7), histories, strict=True):
        one = recommender.recommend(history, 7)
        assert (many.items, many.scores, many.popular) == (one.items, one.scores, one.popular)


def test_an_empty_history_gives_the_popularity_order(contract: Contract) -> None:
    answer = Recommender(contract).recommend([], 5, exclude=["item3"])
    counts = contract.tensors.popularity.astype(int)
    counts[3] = -1
    assert answer.popular
    assert answer.items == tuple(f"item{row}" for row in np.argsort(-counts, kind="stable")[:5])


def test_a_history_beyond_the_limit_counts_its_latest_items() -> None:
    contract = random_contract(items=60, dim=16, heads=1, history=8)
    recommender = Recommender(
        contract, SoftDevice(HotPathConfig.for_contract(contract, max_rows=8, pe=4, simd=4))
    )
    long = [f"item{row}" for row in range(20)]
    answer = recommender.recommend(long, 10)
    latest = recommender.recommend(long[-8:], 10, exclude=long[:-8])
    assert answer == latest


@pytest.mark.parametrize(
    ("history", "k", "says"),
    [
        (["item1"], 0, "k is 0 but must be 1 to 32"),
        (["item1"], 33, "k is 33 but must be 1 to 32"),
        (["item1", "film"], 10, "item 'film' is not among the contract's 400 items"),
    ],
)
def test_a_bad_request_is_one_sentence(
    contract: Contract, history: list[str], k: int, says: str
) -> None:
    with pytest.raises(RequestError, match=says):
        Recommender(contract).recommend(history, k)


def test_fewer_items_than_k_come_back_when_there_are_no_more() -> None:
    contract = random_contract(items=12, dim=16, heads=1)
    device = SoftDevice(HotPathConfig.for_contract(contract, pe=4, simd=4))
    answer = Recommender(contract, device).recommend([f"item{row}" for row in range(9)], 10)
    assert sorted(answer.items) == ["item10", "item11", "item9"]


def test_a_million_items_packed_eight_to_a_beat() -> None:
    """The scan's counters and addresses beyond 16 bits; the best items at its very end."""
    items = 1_000_000
    contract = random_contract(items=items, dim=16, heads=1, bits=4)
    config = HotPathConfig.for_contract(contract, pe=4, simd=8)
    device = RtlDevice(config, memory_bytes=1 << 28)
    seen = np.arange(items - 900, items - 100)
    requests = Requests(
        "a large catalogue",
        Ragged.of([np.arange(0, items, items // 50), [items - 1]]),
        Ragged.of([seen, seen]),
        Ragged.of([[], []]),
        np.zeros((2, 0), np.int32),
        np.zeros((2, 0), np.int32),
    )
    left = answer_all(SoftDevice(config), contract, requests, k=32)
    right = answer_all(device, contract, requests, k=32)
    device.close()
    assert compare(left, right).mismatches == 0
    assert not np.isin(left.rows, seen).any()
    bound = config.bound_beats(contract.shape, 1)
    first, second = right.cycles
    assert second.end - first.end < 1.26 * bound  # a fifth of the beats are biases
