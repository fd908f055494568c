# SPDX-License-Identifier: Apache-2.0
"""rf_topk against its integer model."""

from dataclasses import dataclass
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge

from recfabric.kernels.topk.model import NO_ID, item_scores, topk
from recfabric.sim.streams import pack, reset, send, sink, source, start

Array = np.ndarray[Any, Any]
NAMES = ("cmd", "query", "item", "term", "seen")


@dataclass(frozen=True)
class Request:
    query: Array
    items: Array
    terms: Array
    seen: Array
    k: int
    term_shift: int = 0

    def answer(self) -> list[tuple[int, int]]:
        ids, scores = topk(
            self.query,
            self.items,
            self.terms,
            term_shift=self.term_shift,
            seen=self.seen,
            k=self.k,
        )
        return list(zip(ids.tolist(), scores.tolist(), strict=True))

    def scores(self) -> Array:
        return item_scores(self.query, self.items, self.terms, term_shift=self.term_shift)


class Bench:
    """The device under test with a driver or a monitor on each stream."""

    def __init__(self, dut: Any, share_in: float = 0.0, share_out: float = 0.0) -> None:
        self.dut = dut
        self.dim, self.bits = int(dut.Dim.value), int(dut.ElemBits.value)
        self.beat_bits, self.k_max = int(dut.BeatBits.value), int(dut.KMax.value)
        self.lanes = max(1, self.beat_bits // (self.dim * self.bits))
        self.beats = max(1, self.dim * self.bits // self.beat_bits)
        self.inputs = {
            name: source(dut, f"s_axis_{name}", share=share_in, seed=i)
            for i, name in enumerate(NAMES)
        }
        self.out = sink(dut, "m_axis_result", share=share_out, seed=9)

    async def put(self, r: Request, *, commanded: int | None = None) -> None:
        command = pack([r.term_shift], 8) | r.k << 8 | len(r.seen) << 16 | len(r.items) << 32
        await send(self.inputs["cmd"], [command])
        await send(self.inputs["query"], [pack(r.query.tolist(), 8)])
        await send(self.inputs["seen"], [int(row) for row in r.seen])
        await send(self.inputs["item"], self.item_beats(r.items)[:commanded])
        await send(self.inputs["term"], self.term_beats(r.terms))

    def item_beats(self, items: Array) -> list[int]:
        """Lanes behind the last item hold the best thinkable items: they must be ignored."""
        if self.lanes > 1:
            missing = -len(items) % self.lanes
            rows = np.pad(items, ((0, missing), (0, 0)), constant_values=7)
            rows = rows.reshape(-1, self.lanes * self.dim)
        else:
            rows = items.reshape(-1, self.dim // self.beats)
        return [pack(row, self.bits) for row in rows.tolist()]

    def term_beats(self, terms: Array) -> list[int]:
        rows = np.pad(terms, (0, -len(terms) % self.lanes), constant_values=32767)
        return [pack(row, 16) for row in rows.reshape(-1, self.lanes).tolist()]

    async def get(self, k: int) -> list[tuple[int, int]]:
        frame = await self.out.recv(compact=False)
        assert len(frame.tdata) == k  # TLAST comes with the k-th result
        words = np.array([[w & 0xFFFFFFFF, w >> 32] for w in frame.tdata], np.uint32)
        return [(int(i), int(s)) for i, s in words.view(np.int32)]

    async def check(self, *requests: Request) -> None:
        for r in requests:
            await self.put(r)
        for r in requests:
            assert await self.get(r.k) == r.answer()
        await ClockCycles(self.dut.clk_i, 8)
        assert self.out.empty()
        assert not self.dut.error_o.value

    def random(self, rng: np.random.Generator, n: int, k: int, seen: float = 0.2) -> Request:
        limit = 1 << (self.bits - 1)
        return Request(
            query=rng.integers(-128, 128, self.dim).astype(np.int8),
            items=rng.integers(-limit, limit, (n, self.dim)).astype(np.int8),
            terms=rng.integers(-32768, 32768, n),
            seen=np.flatnonzero(rng.random(n) < seen),
            k=k,
            term_shift=int(rng.integers(0, 8)),
        )


@cocotb.test(timeout_time=2, timeout_unit="ms")
@cocotb.parametrize(share_in=[0.0, 0.5], share_out=[0.0, 0.7])
async def random_requests(dut: Any, share_in: float, share_out: float) -> None:
    """Back-to-back requests of many lengths, ks and seen lists."""
    bench = Bench(dut, share_in, share_out)
    await start(dut)
    rng = np.random.default_rng(1)
    sizes = [(1, 1), (2, bench.k_max), (90, 5), (33, 1), (150, bench.k_max), (8, 8), (100, 3)]
    shares = [0.0, 0.2, 0.9, 0.5, 0.1, 1.0, 0.0]
    await bench.check(
        *(
            bench.random(rng, n, min(k, bench.k_max), seen)
            for (n, k), seen in zip(sizes, shares, strict=True)
        )
    )


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(order=["ascending", "descending", "equal", "steps"])
async def ordered_scores(dut: Any, order: str) -> None:
    """Scores that defeat any early drop, and ties everywhere: the lower row wins."""
    bench = Bench(dut, 0.2)
    await start(dut)
    n = 6 * bench.k_max + 5
    terms = {
        "ascending": np.arange(n),
        "descending": np.arange(n)[::-1],
        "equal": np.zeros(n, int),
        "steps": np.arange(n) * 7 % 5,
    }[order]
    zeros = np.zeros((n, bench.dim), np.int8)
    r = Request(np.ones(bench.dim, np.int8), zeros, terms, np.arange(3, n, 11), bench.k_max)
    scores = [score for _, score in r.answer()]
    if order in ("equal", "steps"):
        assert len(set(scores)) < len(scores) or bench.k_max == 1
    await bench.check(r)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def extremes(dut: Any) -> None:
    """The largest and smallest scores, both signs of both factors."""
    bench = Bench(dut)
    await start(dut)
    low, high = -(1 << (bench.bits - 1)), (1 << (bench.bits - 1)) - 1
    items = np.array([[low] * bench.dim, [high] * bench.dim] * 8, np.int8)
    terms = np.repeat([-32768, 32767, 0, -1], 4)
    requests = [
        Request(np.full(bench.dim, value, np.int8), items, terms, np.array([2]), bench.k_max, shift)
        for value in (-128, 127)
        for shift in (0, 15)
    ]
    scores = np.concatenate([r.scores() for r in requests])
    assert scores.max() == bench.dim * -128 * low + (32767 << 15)
    assert scores.min() == bench.dim * 127 * low - (1 << 30)
    await bench.check(*requests)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def seen_corners(dut: Any) -> None:
    """Nothing left, one left, rows behind the catalogue, rows that do not fit 24 bits."""
    bench = Bench(dut)
    await start(dut)
    rng = np.random.default_rng(2)
    n = 3 * bench.lanes + 1
    k = min(4, bench.k_max)
    lists = [
        np.arange(n),
        np.arange(n - 1),
        np.array([0]),
        np.array([n - 1]),
        np.array([n, n + 1, 5000]),
        np.array([1, 1 << 24, (1 << 24) + 1, (1 << 32) - 1]),
        np.arange(n + 40),
    ]
    requests = []
    for seen in lists:
        r = bench.random(rng, n, k)
        requests.append(Request(r.query, r.items, r.terms, seen, k))
    assert requests[0].answer()[0][0] == NO_ID and requests[1].answer()[0][0] == n - 1
    await bench.check(*requests)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def late_seen_list(dut: Any) -> None:
    """The scan waits for a seen list that comes after everything else."""
    bench = Bench(dut)
    await start(dut)
    r = bench.random(np.random.default_rng(3), 40, bench.k_max, 0.5)
    bench.inputs["seen"].pause = True
    await bench.put(r)
    await ClockCycles(dut.clk_i, 200)
    assert bench.out.empty()
    bench.inputs["seen"].pause = False
    assert await bench.get(r.k) == r.answer()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def unsorted_seen_list(dut: Any) -> None:
    """A list that is not ascending raises the error; the request ends; the next one is right."""
    bench = Bench(dut)
    await start(dut)
    rng = np.random.default_rng(4)
    for seen in ([5, 5], [30, 2, 1], [9, 10, 3]):
        r = bench.random(rng, 40, bench.k_max)
        await bench.put(Request(r.query, r.items, r.terms, np.array(seen), r.k))
        await bench.get(r.k)
        assert dut.error_o.value
        await bench.check(bench.random(rng, 40, bench.k_max, 0.3))


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def long_seen_list(dut: Any) -> None:
    """More seen rows than can be stored: the list streams through beside the scan."""
    bench = Bench(dut)
    await start(dut)
    n = 3 * int(dut.MaxSeen.value) * bench.lanes if int(dut.MaxSeen.value) <= 64 else 500
    rng = np.random.default_rng(5)
    r = bench.random(rng, n, min(7, bench.k_max), 0.95)
    await bench.check(r, r)


@cocotb.test(timeout_time=2, timeout_unit="ms")
@cocotb.parametrize(scores=["random", "ascending"], seen=[0.0, 0.3])
async def full_rate(dut: Any, scores: str, seen: float) -> None:
    """One beat a cycle from the first to the last; then the results at once, one a cycle."""
    bench = Bench(dut)
    await start(dut)
    n = 256
    r = bench.random(np.random.default_rng(6), n, bench.k_max, seen)
    if scores == "ascending":
        items = np.zeros_like(r.items)
        r = Request(r.query, items, np.arange(n) - 100, r.seen, r.k)
    await bench.put(r)
    commands, beats, results = [], [], []
    cycle = 0
    while len(results) < r.k:
        await FallingEdge(dut.clk_i)
        cycle += 1
        if dut.s_axis_cmd_tvalid.value and dut.s_axis_cmd_tready.value:
            commands.append(cycle)
        if dut.s_axis_item_tvalid.value and dut.s_axis_item_tready.value:
            beats.append(cycle)
        if dut.m_axis_result_tvalid.value and dut.m_axis_result_tready.value:
            results.append(cycle)
    assert await bench.get(r.k) == r.answer()
    assert len(beats) == -(-n // bench.lanes) * bench.beats
    if seen == 0.0:
        assert beats[-1] - commands[0] == len(beats) + 1
    else:  # the list arrives beside the scan, a row a cycle
        span = max(len(beats), len(r.seen))
        assert beats[-1] - commands[0] <= span + 2 + bench.lanes
    elements = min(bench.dim, bench.beat_bits // bench.bits)
    stages = 1 + ((elements - 1).bit_length() + 1) // 2
    assert results[0] - beats[-1] == stages + 5 + (bench.lanes - 1).bit_length()
    assert results[-1] - results[0] == r.k - 1
    assert results[-1] - beats[-1] <= r.k + 30


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(moment=[3, 12, 40, 90, 110])
async def reset_in_mid_request(dut: Any, moment: int) -> None:
    """After a reset the kernel is idle and the next request is right."""
    bench = Bench(dut)
    await start(dut)
    rng = np.random.default_rng(moment)
    await bench.put(bench.random(rng, 60, bench.k_max, 0.5))
    await ClockCycles(dut.clk_i, moment)
    for driver in bench.inputs.values():
        driver.clear()
    await reset(dut)
    await RisingEdge(dut.clk_i)
    bench.out.clear()
    assert dut.s_axis_cmd_tready.value and not dut.m_axis_result_tvalid.value
    await bench.check(bench.random(rng, 50, bench.k_max, 0.3), bench.random(rng, 20, 1))
