# SPDX-License-Identifier: Apache-2.0
"""The runtime: exact over shards, swaps and faults; every request has one answer or one error."""

import asyncio
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recfabric.contract import Contract
from recfabric.errors import (
    ConfigError,
    DeviceError,
    OverloadedError,
    RecFabricError,
    RequestError,
    SupersededError,
)
from recfabric.host.device import Device
from recfabric.host.driver import Query
from recfabric.host.runtime import LaneOptions, Runtime, RuntimeOptions, Served
from recfabric.kernels.stimulus import random_contract
from tests.host.runtime_cases import (
    ITEMS,
    Gate,
    check,
    check_all,
    config,
    queries,
    soft,
    two_contracts,
)

DIRECT = RuntimeOptions(fallback=False, lane=LaneOptions(check=False, thread=False))


@pytest.fixture(scope="module")
def contracts() -> list[Contract]:
    return two_contracts()


@pytest.fixture(params=[RuntimeOptions(), DIRECT], ids=["thread", "direct"])
def options(request: pytest.FixtureRequest) -> RuntimeOptions:
    """A device with a thread of its own, and one that runs in the threads of those who ask."""
    given: RuntimeOptions = request.param
    return given


@pytest.fixture
def runtime(contracts: list[Contract], options: RuntimeOptions) -> Iterator[Runtime]:
    with Runtime(contracts[0], [soft(contracts[0])], options) as one:
        yield one


@pytest.mark.parametrize("devices", [1, 2, 3, 7])
def test_shards_merge_to_the_whole_catalogue(
    contracts: list[Contract], devices: int, options: RuntimeOptions
) -> None:
    contract = contracts[0]
    asked = queries(150)
    with Runtime(contract, [soft(contract) for _ in range(devices)], options) as runtime:
        check_all([runtime.submit(query) for query in asked], asked, contract)
        # rows 7 and 8 are equal items: a border between shards lies between some such pair
        assert runtime.request(asked[5]).devices == ("soft",) * devices


def test_equal_scores_on_two_shards_go_to_the_lower_row(contracts: list[Contract]) -> None:
    tensors = contracts[0].tensors
    item, bias = tensors.item.copy(), tensors.bias.copy()
    item[:], bias[:] = item[0], bias[0]
    flat = Contract(
        contracts[0].shape,
        contracts[0].formats,
        type(tensors)(**{**vars(tensors), "item": item, "bias": bias}),
        contracts[0].tokens,
    )
    with Runtime(flat, [soft(flat) for _ in range(4)]) as runtime:
        served = runtime.request(Query([1, 2], [0, 30, 31], 32))
    assert served.rows.tolist() == [r for r in range(ITEMS) if r not in (0, 30, 31)][:32]
    assert len(set(served.scores.tolist())) == 1


def test_more_devices_than_items_are_refused() -> None:
    contract = random_contract(items=2, dim=16, heads=1)
    with pytest.raises(ConfigError, match="2 items cannot be cut for 3 devices"):
        Runtime(contract, [soft(contract) for _ in range(3)])


@pytest.mark.parametrize("devices", [1, 2])
def test_swaps_under_traffic_never_mix_generations(
    contracts: list[Contract], devices: int, options: RuntimeOptions
) -> None:
    asked, stop = queries(60), threading.Event()
    seen: set[int] = set()

    def ask() -> None:
        while not stop.is_set():
            for query in asked:
                served = runtime.request(query)
                number = served.generation.number
                seen.add(number)
                try:
                    check(served, query, contracts[(number - 1) % 2])
                except AssertionError as error:
                    wrong.append(error)

    wrong: list[AssertionError] = []
    given = [soft(contracts[0]) for _ in range(devices)]
    with Runtime(contracts[0], given, options) as runtime:
        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        for i in range(1, 7):
            new = runtime.swap(contracts[i % 2])
            assert new.number == i + 1
            check(runtime.request(asked[9]), asked[9], contracts[i % 2])
            deadline = time.monotonic() + 20
            while new.number not in seen and time.monotonic() < deadline:
                time.sleep(0.001)
        stop.set()
        for thread in threads:
            thread.join()
    assert wrong == []
    assert seen >= set(range(2, 8))


def test_rows_of_swapped_tables_are_not_answered(
    runtime: Runtime, contracts: list[Contract]
) -> None:
    before = runtime.generation
    runtime.swap(contracts[1])
    with pytest.raises(SupersededError, match="generation 1 but the tables are of 2"):
        runtime.submit(Query([1], [], 5), generation=before)


def test_a_contract_that_does_not_fit_is_refused_and_the_old_one_serves(
    runtime: Runtime, contracts: list[Contract]
) -> None:
    with pytest.raises(ConfigError, match="dimension is 16 but the contract's is 32"):
        runtime.swap(random_contract(items=40, dim=32, heads=1))
    query = queries(9)[8]
    check(runtime.request(query), query, contracts[0])
    assert runtime.generation.number == 1


def test_asyncio_and_blocking_calls_give_the_same(
    runtime: Runtime, contracts: list[Contract]
) -> None:
    asked = queries(80)

    async def together() -> list[Served]:
        return await asyncio.gather(*(runtime.arequest(query) for query in asked))

    for served, query in zip(asyncio.run(together()), asked, strict=True):
        check(served, query, contracts[0])
        check(runtime.request(query), query, contracts[0])


def test_requests_wait_for_company_within_the_budget(contracts: list[Contract]) -> None:
    options = RuntimeOptions(budget_s=30.0, batch=8)
    asked = queries(20)
    with Runtime(contracts[0], [soft(contracts[0])], options) as runtime:
        futures = [runtime.submit(query) for query in asked]
        check_all(futures[:16], asked[:16], contracts[0])  # two full batches
        assert not any(future.done() for future in futures[16:])
        assert runtime.health[0].batches == 2
    with pytest.raises(DeviceError, match="was closed"):
        futures[19].result(1)


def test_a_budget_that_runs_while_the_device_is_busy_ends_all_the_same(
    contracts: list[Contract],
) -> None:
    gate, asked = Gate(config(contracts[0])), queries(2)
    options = RuntimeOptions(budget_s=0.2, depth=1, lane=LaneOptions(timeout_s=20))
    with Runtime(contracts[0], [gate], options) as runtime:
        gate.open.clear()
        first = runtime.submit(asked[0])
        while runtime.load != (0, 1):
            threading.Event().wait(0.005)
        second = runtime.submit(asked[1])  # its budget begins with nowhere to go
        gate.open.set()
        check_all([first, second], asked, contracts[0])


def test_a_batch_wakes_the_event_loop_once(contracts: list[Contract]) -> None:
    gate, asked, wakes = Gate(config(contracts[0])), queries(30), []

    async def all_of(runtime: Runtime) -> list[Served]:
        loop = asyncio.get_running_loop()
        wake = loop.call_soon_threadsafe
        loop.call_soon_threadsafe = lambda *what: wakes.append(what) or wake(*what)  # type: ignore
        gate.open.clear()
        futures = [asyncio.ensure_future(runtime.arequest(query)) for query in asked]
        await asyncio.sleep(0)  # each has sent its request
        gate.open.set()
        return await asyncio.gather(*futures)

    with Runtime(contracts[0], [gate], RuntimeOptions(depth=1)) as runtime:
        for served, query in zip(asyncio.run(all_of(runtime)), asked, strict=True):
            check(served, query, contracts[0])
        assert len(wakes) == runtime.health[0].batches == 2  # the first request, then the others


@pytest.mark.parametrize("leave", ["cancelled", "loop closed"])
def test_an_answer_that_nobody_awaits_any_more_harms_nobody(
    contracts: list[Contract], leave: str
) -> None:
    gate, asked = Gate(config(contracts[0])), queries(3)

    async def give_up(runtime: Runtime) -> None:
        task = asyncio.ensure_future(runtime.arequest(asked[1]))
        await asyncio.sleep(0)
        if leave == "cancelled":
            task.cancel()
            gate.open.set()
            with pytest.raises(asyncio.CancelledError):
                await task
            check(await runtime.arequest(asked[2]), asked[2], contracts[0])

    with Runtime(contracts[0], [gate]) as runtime:
        gate.open.clear()
        asyncio.run(give_up(runtime))
        gate.open.set()
        check(runtime.request(asked[2]), asked[2], contracts[0])
        assert runtime.health[0].faults == 0


def test_too_many_waiting_requests_are_refused(contracts: list[Contract]) -> None:
    gate = Gate(config(contracts[0]))
    asked = queries(11)
    options = RuntimeOptions(queue=4, batch=2, depth=3, lane=LaneOptions(timeout_s=20))
    with Runtime(contracts[0], [gate], options) as runtime:
        gate.open.clear()
        try:
            futures = [runtime.submit(query) for query in asked[:7]]  # three go, four wait
            with pytest.raises(OverloadedError, match="4 requests are waiting"):
                runtime.submit(asked[7])
        finally:
            gate.open.set()
        check_all(futures, asked[:7], contracts[0])


@pytest.mark.parametrize(
    ("query", "says"),
    [
        (Query([1], [], 0), "k is 0 but must be 1 to 32"),
        (Query([1], [], True), "k is True but must be a whole number"),
        (Query([ITEMS], [], 5), "history holds row 90 but the catalogue's rows are 0 to 89"),
        (Query([-1], [], 5), "history holds row -1"),
        (Query([1], [4, 4], 5), "not strictly ascending"),
        (Query([1.5], [], 5), "history is no flat list of whole numbers"),
        (Query([[1]], [], 5), "history is no flat list"),
        (Query([[1], [1, 2]], [], 5), "history is no list of item rows"),
        (Query(np.zeros(1025, int), [], 5), "history has 1025 items but this device holds 1024"),
    ],
)
def test_a_bad_query_is_one_sentence(runtime: Runtime, query: Query, says: str) -> None:
    with pytest.raises(RequestError, match=says):
        runtime.submit(query)


ROWS = st.one_of(
    st.lists(st.integers(0, ITEMS - 1), max_size=30),
    st.lists(st.integers(-(1 << 70), 1 << 70), max_size=5),
    st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=6),
)


@settings(max_examples=150, deadline=None)
@given(history=ROWS, seen=ROWS.map(lambda r: r), k=st.integers(-2, 40) | st.floats() | st.none())
def test_whatever_is_asked_there_is_an_answer_or_a_sentence(
    contracts: list[Contract], history: object, seen: object, k: object
) -> None:
    runtime = _shared(contracts[0])
    query = Query(history, seen, k)  # type: ignore[arg-type]
    try:
        served = runtime.request(query)
    except RecFabricError as error:
        assert str(error).endswith(".")
        return
    checked = runtime.generation.check(query)
    check(served, checked, contracts[0])


_RUNTIMES: dict[str, Runtime] = {}


def _shared(contract: Contract) -> Runtime:
    """One runtime for all examples: threads of a daemon, which end with the process."""
    if contract.sha256 not in _RUNTIMES:
        device: Device = soft(contract)
        _RUNTIMES[contract.sha256] = Runtime(contract, [device])
    return _RUNTIMES[contract.sha256]
