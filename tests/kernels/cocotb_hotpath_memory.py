# SPDX-License-Identifier: Apache-2.0
"""rf_hotpath's memory: what is read and written, once each; errors, and whose they are."""

import os
from collections import Counter
from collections.abc import Callable
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles
from hotpath_bench import (
    ALL,
    CONFIG,
    GATHERED,
    ITEMS,
    STALLS,
    Bench,
    Request,
    bench,
    lists,
    mixture,
)

MANY = int(os.environ.get("MANY_REQUESTS", "85"))
BEATS = 1 << CONFIG.time_bits - 1 if CONFIG.time_bits < 16 else 1  # that set a count's last bit
BEAT = CONFIG.beat_bytes
BUS_ERROR, BAD_SEEN = 1, 4


def span(address: int, size: int) -> list[int]:
    """Addresses of the beats that hold so many bytes."""
    return [(address + at) & ALL for at in range(0, size, BEAT)]


def row_spans(b: Bench, history: np.ndarray) -> list[int]:
    """Beats of the rows of a history."""
    beats = []
    for name in GATHERED:
        size = CONFIG.edge_row_bytes if name == "edge" else CONFIG.row_bytes(name)
        for row in b.rows[history]:
            beats += span(b.addresses[name] + int(row) * size, size)
    return beats


def needed(b: Bench, requests: list[Request]) -> Counter[int]:
    """Beats that a batch must read, and how often."""
    beats = span(b.addresses["descriptor"], 64 * len(requests))
    for (history, seen, _), (ids, skipped) in zip(requests, b.lists, strict=True):
        beats += span(ids, 4 * len(history)) + span(skipped, 4 * len(seen))
        beats += row_spans(b, history)
        beats += span(b.addresses["bias"], 2 * ITEMS)
        beats += span(b.addresses["item"], ITEMS * CONFIG.dim * CONFIG.item_bits // 8)
    return Counter(beats)


def written(b: Bench) -> Counter[int]:
    """Bytes that were written, and how often."""
    return Counter(at + i for at, size in b.memory.writes for i in range(size))


@cocotb.test(timeout_time=4, timeout_unit="ms")
@cocotb.parametrize(places=[4, 5, 6, 7])
async def what_is_needed_is_read_once(dut: Any, places: int) -> None:
    """Every beat of the lists, rows and catalogue; answers and records alone are written."""
    b = await bench(dut, STALLS[places // 2 % 2], places=places)
    whole = (*lists(np.random.default_rng(places), 16, 16), 3)  # lists that end with a beat
    requests = [*mixture(3, places), whole]
    for _ in range(2):
        arguments = b.put_batch(requests)
        b.memory.reads.clear()
        b.memory.writes.clear()
        assert await b.run(arguments) == 0
        b.compare_batch(requests, {})
        want = needed(b, requests)
        assert Counter(b.memory.reads) == want
        total = want.total()
        assert await b.get("beats_read") == total == int(b.records(4)[-1]["beats"])
        places_written = [(b.addresses["record"] + 64 * i, 32) for i in range(4)]
        for i, (_, _, k) in enumerate(requests):
            places_written.append((int(b.descriptor(i)["result"]), 8 * k))
        assert written(b) == Counter(at + i for at, n in places_written for i in range(n))
        b.place()
        await b.prepare()


@cocotb.test(timeout_time=4, timeout_unit="ms")
async def every_beat_of_a_long_run_is_counted(dut: Any) -> None:
    b = await bench(dut, places=1)
    rng = np.random.default_rng(3)
    many = -(-BEATS // (CONFIG.max_rows * sum(map(CONFIG.row_bytes, GATHERED[:3])) // BEAT))
    requests = [(*lists(rng, CONFIG.max_rows, 20), 2) for _ in range(many)]
    assert await b.run(b.put_batch(requests)) == 0
    b.compare_batch(requests, {})
    total = needed(b, requests).total()
    assert await b.get("beats_read") == int(b.records(many)[-1]["beats"]) == total >= BEATS


@cocotb.test(timeout_time=4, timeout_unit="ms")
async def a_long_batch_passes_pages(dut: Any) -> None:
    """A page holds 64 descriptors and records: more of them, all bad but the last one."""
    b = await bench(dut)
    for name in ("descriptor", "record"):  # the next page differs in many bits
        page = (b.addresses[name] | 0xFFFF_F000) & ~(1 << 40)
        b.addresses[name] = page
        await b.set(name, page)
    none = np.zeros(0, np.int32)
    requests: list[Request] = [(none, none, 1)] * MANY
    arguments = b.put_batch(requests)
    for i in range(MANY - 1):
        b.change(i, k=0)
    assert await b.run(arguments) == 0b1000
    b.compare_batch(requests, dict.fromkeys(range(MANY - 1), 8))


def at(address: int, size: int) -> Callable[[int], bool]:
    """Whether a beat lies within so many bytes."""
    return lambda beat: address <= beat < address + size


@cocotb.test(timeout_time=8, timeout_unit="ms")
@cocotb.parametrize(turn=range(5))
async def a_bus_error_is_one_request_s(dut: Any, turn: int) -> None:
    """Of its descriptor, a list, one of its rows, its answers: the others are exact.

    From turn to turn another request in flight has each of these errors.
    """
    b = await bench(dut, STALLS[turn % 2], places=turn)
    rng = np.random.default_rng(turn)
    tables = list(GATHERED)
    marked = {name: ITEMS - 1 - i for i, name in enumerate(tables)}  # rows of one request alone
    requests: list[Request] = []
    for i in range(turn + len(tables) + 5):
        history = rng.integers(0, ITEMS - len(tables), 5 + i)
        requests.append((history, np.sort(rng.permutation(ITEMS)[:9]).astype(np.int32), 3))
    for i, name in enumerate(tables, turn):
        requests[i][0][2] = marked[name]
    first = turn + len(tables)
    for i in range(first + 2, len(requests)):  # those behind the bad seen list have none
        requests[i] = (requests[i][0], np.zeros(0, np.int32), 3)
    arguments = b.put_batch(requests)
    wrong = [at(b.lists[first][0], 4096), at(b.lists[first + 1][1], 4096)]
    wrong.append(at(int(b.descriptor(first + 2)["result"]), 24))
    wrong.append(at(b.addresses["descriptor"] + 64 * (first + 3), 64))
    for name, row in marked.items():
        size = CONFIG.edge_row_bytes if name == "edge" else CONFIG.row_bytes(name)
        wrong.append(at(b.addresses[name] + row * size, size))
    b.memory.bad = lambda beat: any(lies(beat) for lies in wrong)
    failed = dict.fromkeys(range(turn, first + 4), BUS_ERROR)
    failed[first + 1] |= BAD_SEEN  # what comes with an error is 0, and that is no seen list
    assert await b.run(arguments) == BUS_ERROR | BAD_SEEN
    b.compare_batch(requests, failed)
    b.memory.bad = lambda beat: False
    assert await b.run(b.put_batch(requests)) == 0
    b.compare_batch(requests, {})


@cocotb.test(timeout_time=4, timeout_unit="ms")
@cocotb.parametrize(at_beat=range(max(1, 64 // BEAT)))
async def a_bad_beat_of_a_descriptor_is_one_request_s(dut: Any, at_beat: int) -> None:
    """One beat of one descriptor, read while the rows of those before it are."""
    b = await bench(dut, places=2)
    requests = mixture(10, 4)
    arguments = b.put_batch(requests)
    b.memory.bad = at(b.addresses["descriptor"] + 64 * 5 + BEAT * at_beat, BEAT)
    assert await b.run(arguments) == BUS_ERROR
    b.compare_batch(requests, {5: BUS_ERROR})
    assert b.records(10)["gather"][5] == 0  # it is not computed


@cocotb.test(timeout_time=4, timeout_unit="ms")
@cocotb.parametrize(region=["item", "bias", "record", "weight"])
async def a_bus_error_is_reported(dut: Any, region: str) -> None:
    """Of the catalogue every request's; of a record or the weights the run's alone."""
    b = await bench(dut)
    requests = mixture(3, 2)
    arguments = b.put_batch(requests)
    b.memory.bad = at(b.addresses[region], 64)
    if region == "weight":
        assert await b.run({"mode": 1}) == BUS_ERROR
    else:
        assert await b.run(arguments) == BUS_ERROR
    for cycles in (1, 2):  # it stays, read an even and an odd number of cycles later
        await ClockCycles(dut.clk_i, cycles)
        assert await b.get("status") == BUS_ERROR
    if region != "record":
        assert await b.run(arguments) == BUS_ERROR * (region != "weight")
        failed = dict.fromkeys(range(3), BUS_ERROR) if region != "weight" else {}
        assert b.records(3)["status"].tolist() == [failed.get(i, 0) for i in range(3)]
    b.memory.bad = lambda beat: False
    assert await b.run({"mode": 1}) == 0
    assert await b.run(b.put_batch(requests)) == 0
    b.compare_batch(requests, {})
