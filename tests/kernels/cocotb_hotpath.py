# SPDX-License-Identifier: Apache-2.0
"""rf_hotpath through its registers and its memory: requests against the integer model."""

from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, RisingEdge
from hotpath_bench import CONFIG, ITEMS, STALLS, bench, lists, mixture

from recfabric.kernels.hotpath._registers import OFFSETS
from recfabric.kernels.hotpath.batch import NOT_WRITTEN
from recfabric.sim.streams import reset


class Cover:
    """Counts the cycles of situations that a test must have met; none in a netlist's wrapper."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.seen = dict.fromkeys(("full", "overlap", "ahead", "turn", "waits"), 0)
        self.watched = not hasattr(dut, "mutsel")  # a netlist has no such signals
        if self.watched:
            cocotb.start_soon(self.watch())

    async def watch(self) -> None:
        d, seen = self.dut, self.seen
        while True:
            await RisingEdge(d.clk_i)
            if not d.rst_ni.value:
                continue
            scanning = bool(d.u_scan.scanned_o.value)
            rows = int(d.data_valid.value) & int(d.data_ready.value) & 0b100
            flight = int(d.u_dispatch.flight_q.value)
            seen["full"] += flight == 4 and bool(d.u_dispatch.valid_q.value)
            seen["overlap"] += scanning and bool(rows)
            stalled = int(d.data_valid.value) & ~int(d.data_ready.value)
            seen["ahead"] += bool(stalled & 0b1000)
            seen["waits"] += bool(d.fused_valid.value) and not d.fused_ready.value
            seen["turn"] += int(d.u_ports.u_merge.turns_q.value) == 8


@cocotb.test(timeout_time=2, timeout_unit="ms")
@cocotb.parametrize(stall=STALLS)
async def answers_back_to_back(dut: Any, stall: float) -> None:
    """Empty, short and longer histories, few and many seen items, small and largest k."""
    b = await bench(dut, stall, places=int(stall > 0))
    rng = np.random.default_rng(5)
    cases = [(0, 0, 1), (1, 1, CONFIG.k_max), (17, 40, 10), (33, ITEMS // 2, 3), (2, 0, 10)]
    for rows, seen, k in cases:
        await b.check(*lists(rng, rows, seen), k)


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def answers_a_full_history_and_an_exhausted_catalogue(dut: Any) -> None:
    b = await bench(dut)
    rng = np.random.default_rng(6)
    await b.check(*lists(rng, CONFIG.max_rows, 5), 10)
    await b.check(np.zeros(3, int), np.arange(ITEMS - 4, dtype=np.int32), 10)


@cocotb.test(timeout_time=4, timeout_unit="ms")
@cocotb.parametrize(stall=STALLS)
async def a_batch_overlaps_and_is_exact(dut: Any, stall: float) -> None:
    """More requests than fit into flight; then a second batch, then a request of the registers."""
    b = await bench(dut, stall, places=int(stall > 0))
    cover = Cover(dut)
    for many, seed in ((13, 3), (1, 4)):
        requests = mixture(many, seed)
        assert await b.run(b.put_batch(requests)) == 0
        b.compare_batch(requests, {})
    if stall == 0.0 and cover.watched:
        assert all(cover.seen[name] for name in ("full", "overlap", "ahead", "waits")), cover.seen
    await b.set("mode", 0)
    await b.check(*lists(np.random.default_rng(5), 7, 9), 5)


@cocotb.test(timeout_time=4, timeout_unit="ms")
@cocotb.parametrize(stall=STALLS)
async def a_bad_request_fails_alone(dut: Any, stall: float) -> None:
    """In the middle of a batch, one after the other, and first and last."""
    b = await bench(dut, stall, places=int(stall > 0))
    requests = mixture(12, 8)
    history, seen = lists(np.random.default_rng(1), 9, 12)
    for i in (4, 5):
        requests[i] = (history, seen, 3)
    arguments = b.put_batch(requests)
    b.memory.put(b.lists[4][1], seen[::-1].astype("<u4").tobytes())
    b.memory.put(b.lists[5][0], (history + ITEMS).astype("<u4").tobytes())
    for i, change in {
        0: {"k": 0},
        1: {"k": CONFIG.k_max + 1},
        7: {"n_history": CONFIG.max_rows + 1},
        8: {"n_seen": CONFIG.max_seen + 1},
        11: {"norm": 1 << 16},
    }.items():
        b.change(i, **change)
    failed = {0: 8, 1: 8, 4: 4, 5: 2, 7: 8, 8: 8, 11: 8}
    assert await b.run(arguments) == 0b1110
    b.compare_batch(requests, failed)
    for many in (0, (1 << 24) + 1):
        b.put_batch(requests)
        assert await b.run({"count": many}) == 0b1000
        assert (b.records(12)["status"] == NOT_WRITTEN).all()


@cocotb.test(timeout_time=2, timeout_unit="ms")
@cocotb.parametrize(turn=range(4))
async def a_bad_list_is_one_request_s(dut: Any, turn: int) -> None:
    """A row beyond the tables, a seen list that does not ascend: of every request in flight."""
    b = await bench(dut, places=turn)
    rng = np.random.default_rng(turn)
    requests = [(*lists(rng, 3, 4), 2) for _ in range(turn + 5)]
    arguments = b.put_batch(requests)
    b.memory.put(b.lists[turn][0] + 4, np.array([ITEMS], "<u4").tobytes())
    b.memory.put(b.lists[turn + 2][1], requests[turn + 2][1][::-1].astype("<u4").tobytes())
    assert await b.run(arguments) == 0b0110
    b.compare_batch(requests, {turn: 2, turn + 2: 4})


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def a_slow_scan_holds_up_the_front(dut: Any) -> None:
    """Empty and shortest histories: all in flight are ready before the scan before them ends."""
    b = await bench(dut)
    rng = np.random.default_rng(3)
    requests = [(*lists(rng, i % 3, 2 * i), 1 + i) for i in range(10)]
    assert await b.run(b.put_batch(requests)) == 0
    b.compare_batch(requests, {})


@cocotb.test(timeout_time=4, timeout_unit="ms")
@cocotb.parametrize(cycles=[150, 900, 2000])
async def reset_in_mid_batch(dut: Any, cycles: int) -> None:
    b = await bench(dut)
    requests = mixture(8, cycles)
    await b.go(b.put_batch(requests))
    await ClockCycles(dut.clk_i, cycles)
    await reset(dut)
    await b.prepare()
    assert await b.run(b.put_batch(requests)) == 0
    b.compare_batch(requests, {})


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def a_reset_of_one_cycle_ends_a_batch(dut: Any) -> None:
    """Nothing of it is left: it is idle, not done, and asks for nothing."""
    b = await bench(dut)
    requests = mixture(8, 2)
    await b.get("ctrl")
    await b.go(b.put_batch(requests))
    await ClockCycles(dut.clk_i, 300)
    await reset(dut, cycles=1)
    read = len(b.memory.reads)
    await ClockCycles(dut.clk_i, 100)
    assert len(b.memory.reads) == read
    assert await b.get("ctrl") == 4  # idle
    await b.prepare()
    assert await b.run(b.put_batch(requests)) == 0
    b.compare_batch(requests, {})


@cocotb.test(timeout_time=4, timeout_unit="ms")
async def a_reset_of_one_cycle_in_any_cycle_ends_a_batch(dut: Any) -> None:
    """From its start until its first seen list is read: nothing is asked for behind it."""
    b = await bench(dut)
    requests = [(*lists(np.random.default_rng(4), 0, 40), 3)] * 2
    arguments = b.put_batch(requests)
    for cycles in range(1, 400):
        await b.set("descriptor", b.addresses["descriptor"])
        b.memory.reads.clear()
        await b.go(arguments | {"n_items": ITEMS})
        await ClockCycles(dut.clk_i, cycles)
        await reset(dut, cycles=1)
        read = len(b.memory.reads)
        await ClockCycles(dut.clk_i, 20)
        assert len(b.memory.reads) == read, cycles
        if b.lists[0][1] in b.memory.reads:
            break
    assert b.lists[0][1] in b.memory.reads
    await b.prepare()
    assert await b.run(b.put_batch(requests)) == 0
    b.compare_batch(requests, {})


@cocotb.test(timeout_time=2, timeout_unit="ms")
@cocotb.parametrize(cycles=[120, 300, 700])
async def reset_in_mid_request(dut: Any, cycles: int) -> None:
    """Whatever the request was doing, the next one after a reset is right."""
    b = await bench(dut)
    rng = np.random.default_rng(cycles)
    history, seen = lists(rng, 60, 20)
    await b.go(b.put(history, seen) | {"k": 10})
    await ClockCycles(dut.clk_i, cycles)
    await reset(dut)
    await b.prepare()
    await b.check(history[::-1].copy(), seen, 10)


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def a_start_in_mid_request_waits_its_turn(dut: Any) -> None:
    """ap_ctrl_hs: the second start is taken when the first request is done; done clears on read."""
    b = await bench(dut)
    history, seen = lists(np.random.default_rng(9), 20, 10)
    control = OFFSETS["ctrl"]
    start_bit, done, idle, ready = 1, 2, 4, 8
    assert await b.master.read_dword(control) & (done | idle | ready) == done | idle | ready
    assert await b.master.read_dword(control) == idle
    for round_ in range(2):
        b.memory.put(b.addresses["result"], bytes(80))
        if round_ == 0:
            await b.go(b.put(history, seen) | {"k": 10})
            assert await b.master.read_dword(control) == 0
            await b.set("ctrl", 1)
            assert await b.master.read_dword(control) == start_bit
        while not await b.master.read_dword(control) & done:
            pass
        await b.set("isr", 1)
        b.compare((history, seen, 10), b.addresses["result"])
    assert await b.master.read_dword(control) == idle


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def bad_requests_are_reported_and_harm_nothing(dut: Any) -> None:
    b = await bench(dut)
    rng = np.random.default_rng(8)
    history, seen = lists(rng, 9, 12)
    good = b.put(history, seen) | {"k": 10}
    b.memory.writes.clear()
    if CONFIG.edges:
        for name, value in (("n_items", CONFIG.edge_items + 1), ("scatter_shift", 48)):
            assert await b.run(good | {name: value}) == 0b1000, name
        await b.set("scatter_shift", b.contract.shifts.scatter)
    for name, value in (
        ("k", 0),
        ("k", CONFIG.k_max + 1),
        ("n_history", CONFIG.max_rows + 1),
        ("n_seen", CONFIG.max_seen + 1),
        ("n_items", 0),
        ("n_items", (1 << 24) + 1),
        ("mode", 3),
    ):
        assert await b.run(good | {"n_items": ITEMS, "mode": 0} | {name: value}) == 0b1000, name
    assert not b.memory.writes  # no record either: it is no batch
    good |= {"n_items": ITEMS, "mode": 0}
    b.memory.put(b.addresses["seen"], seen[::-1].astype("<u4").tobytes())
    assert await b.run(good) == 0b0100
    b.memory.put(b.addresses["seen"], seen.astype("<u4").tobytes())
    b.memory.put(b.addresses["history"], (history + ITEMS).astype("<u4").tobytes())
    assert await b.run(good) == 0b0010
    b.put(history, seen)
    assert await b.run(good) == 0
    b.compare((history, seen, 10), b.addresses["result"])


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def the_rows_of_a_table_are_the_items_where_none_are_named(dut: Any) -> None:
    b = await bench(dut)
    history, seen = np.zeros(5, int), np.array([1, 2, 7], np.int32)
    power = 1 << ITEMS.bit_length() - 1  # and one less: all bits of a count are off, and on
    for items in (power - 1, power):
        history[2] = items  # the first one that is none of them
        assert await b.run(b.put(history, seen) | {"n_items": items, "k": 3}) == 0b0010
        history[2] = items - 1
        assert await b.run(b.put(history, seen)) == 0


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def a_seen_list_ends_long_after_its_answers(dut: Any) -> None:
    """Its last entry is a bad one: the request waits for it."""
    b = await bench(dut)
    seen = np.arange(CONFIG.max_seen, dtype=np.int32)
    for last, status in ((0, 0b0100), (CONFIG.max_seen - 1, 0), (0, 0b0100)):
        seen[-1] = last
        arguments = b.put(np.zeros(3, int), seen) | {"n_items": 9, "k": 1}
        assert await b.run(arguments) == status
        await ClockCycles(dut.clk_i, 2 * len(seen))  # what is left of it, where it did not wait


@cocotb.test(timeout_time=4, timeout_unit="ms")
@cocotb.parametrize(stall=STALLS)
async def edges_of_a_request_are_its_own(dut: Any, stall: float) -> None:
    """Histories of one row over and over: entries in successive cycles, saturation, then nothing.

    What is left in an array after its scan would show in the request after the next one.
    """
    b = await bench(dut, stall, places=int(stall > 0))
    none = np.zeros(0, np.int32)
    repeated = [(np.full(60, row), none, 1 + row % CONFIG.k_max) for row in (0, 1, 64, 65)]
    requests = [*repeated, (none, none, 9), (none, none, 9), *repeated[::-1], (none, none, 9)]
    assert await b.run(b.put_batch(requests)) == 0
    b.compare_batch(requests, {})
