# SPDX-License-Identifier: Apache-2.0
"""rf_topk against its integer model: through its ports alone, so that it takes a netlist too."""

from dataclasses import replace
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, RisingEdge
from scans import NAMES, Array, Bench, Request

from recfabric.kernels.common.dots import Packing
from recfabric.kernels.topk.model import NO_ID
from recfabric.sim.streams import pack, reset, start


@cocotb.test(timeout_time=400, timeout_unit="us")
@cocotb.parametrize(share_in=[0.0, 0.5], share_out=[0.0, 0.7])
async def random_requests(dut: Any, share_in: float, share_out: float) -> None:
    """Back-to-back requests of many lengths, ks and seen lists."""
    bench = Bench(dut, share_in, share_out)
    await start(dut)
    rng = np.random.default_rng(1)
    sizes = [(1, 1), (2, bench.k_max), (90, 5), (33, 1), (150, bench.k_max), (8, 8), (100, 3)]
    shares = [0.0, 0.2, 0.9, 0.5, 0.1, 1.0, 0.0]
    requests = [
        bench.random(rng, n, min(k, bench.k_max), seen)
        for (n, k), seen in zip(sizes, shares, strict=True)
    ]
    if bench.users > 1:  # the last user has no part in one of them
        requests[1] = replace(requests[1], k=(*requests[1].k[:-1], 0))
    await bench.check(*requests)


@cocotb.test(timeout_time=400, timeout_unit="us")
@cocotb.parametrize(order=["ascending", "descending", "equal", "steps"])
async def ordered_scores(dut: Any, order: str) -> None:
    """Scores that defeat any early drop, and ties between all lanes and ports: lower row wins."""
    bench = Bench(dut, 0.2)
    await start(dut)
    n = 6 * bench.k_max + 2 * bench.lanes + 5
    terms = {
        "ascending": np.arange(n),
        "descending": np.arange(n)[::-1],
        "equal": np.zeros(n, int),
        "steps": np.arange(n) * 7 % 5,
    }[order]
    users = np.arange(bench.users)
    r = Request(
        queries=np.ones((bench.users, bench.dim), np.int8),
        items=np.zeros((n, bench.dim), np.int8),
        terms=terms,
        seen=tuple(np.arange(3 + u, n, 11 + u) for u in users),
        k=tuple(max(1, bench.k_max - int(u)) for u in users),
    )
    ids, scores = zip(*r.answers()[0], strict=True)
    if order in ("equal", "steps") and bench.k_max > 1:
        tied = {row // bench.port_lanes % bench.ports for row in ids[: scores.count(scores[0])]}
        assert scores.count(scores[0]) > 1 and len(tied) >= min(2, bench.ports)
    await bench.check(r)


@cocotb.test(timeout_time=400, timeout_unit="us")
async def late_last_place(dut: Any) -> None:
    """An item that is just good enough for the last place, after the lists have long been full."""
    bench = Bench(dut)
    await start(dut)
    late = bench.lanes * 5 * max(bench.k_max, 8)
    terms = np.zeros(late + bench.lanes, int)
    terms[: bench.lanes * (bench.k_max - 1) : bench.lanes] = 100  # of the same lane
    terms[late] = 1
    r = Request(
        queries=np.ones((bench.users, bench.dim), np.int8),
        items=np.zeros((len(terms), bench.dim), np.int8),
        terms=terms,
        seen=(np.zeros(0, int),) * bench.users,
        k=(bench.k_max,) * bench.users,
    )
    assert all(answer[-1] == (late, 1) for answer in r.answers())
    await bench.check(r)


@cocotb.test(timeout_time=400, timeout_unit="us")
async def pause_in_mid_batch(dut: Any) -> None:
    """Pauses that let a sort run dry: after a batch, and one entry after half a batch."""
    bench = Bench(dut)
    await start(dut)
    batch = 1 << (bench.k_max - 1).bit_length()
    first, second = batch + batch // 2 + 1, 2 * batch  # the second phase ends in mid-batch
    best = np.zeros(second, int)
    best[: bench.k_max - 1] = 1000
    best[batch : first - 1] = 500
    best[first - 1 :] = 1
    terms = np.repeat(best, bench.lanes)
    r = Request(
        queries=np.ones((bench.users, bench.dim), np.int8),
        items=np.zeros((len(terms), bench.dim), np.int8),
        terms=terms,
        seen=(np.zeros(0, int),) * bench.users,
        k=(bench.k_max,) * bench.users,
    )
    bench.put(r)
    queues = bench.inputs["item"].queues
    held = [list(queue) for queue in queues]
    for queue in queues:
        queue.clear()
    for start_at, end in ((0, batch), (batch, first), (first, second)):
        for queue, beats in zip(queues, held, strict=True):
            queue.extend(beats[start_at * bench.beats : end * bench.beats])
        await ClockCycles(dut.clk_i, (end - start_at) * bench.beats + 5 * batch + 40)
    assert await bench.answers(r) == r.answers()


@cocotb.test(timeout_time=400, timeout_unit="us")
async def extremes(dut: Any) -> None:
    """The largest and smallest scores, both signs of both factors."""
    bench = Bench(dut)
    await start(dut)
    low, high = -(1 << (bench.bits - 1)), (1 << (bench.bits - 1)) - 1
    items = np.array([[low] * bench.dim, [high] * bench.dim] * 8, np.int8)
    terms = np.repeat([-32768, 32767, 0, -1], 4)
    ends = np.resize([[-128], [127]], (bench.users + 1, 1))
    queries = np.repeat(ends, bench.dim, axis=1).astype(np.int8)
    seen, k = (np.array([2]),) * bench.users, (bench.k_max,) * bench.users
    requests = [
        Request(queries[first : first + bench.users], items, terms, seen, k, shift)
        for first in (0, 1)
        for shift in (0, 15)
    ]
    scores = np.concatenate([r.scores() for r in requests])
    assert scores.max() == bench.dim * -128 * low + (32767 << 15)
    assert scores.min() == bench.dim * 127 * low - (1 << 30)
    await bench.check(*requests)


@cocotb.test(timeout_time=400, timeout_unit="us")
async def few_items(dut: Any) -> None:
    """Every number of items from one to two groups: fewer than ports, than lanes, than k."""
    bench = Bench(dut, 0.1)
    await start(dut)
    rng = np.random.default_rng(7)
    counts = range(1, 2 * bench.lanes + 2) if bench.lanes <= 8 else (1, 2, 3, 15, 16, 17, 31, 33)
    await bench.check(*(bench.random(rng, n, bench.k_max, 0.1) for n in counts))


@cocotb.test(timeout_time=400, timeout_unit="us")
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
    requests = [bench.with_seen(bench.random(rng, n, k), seen) for seen in lists]
    assert requests[0].answers()[0][0][0] == NO_ID
    assert requests[1].answers()[0][0][0] == n - 1
    await bench.check(*requests)


NONE = np.zeros(0, int)


def by_terms(bench: Bench, terms: Array, shift: int = 0, seen: Array = NONE) -> Request:
    """For all users the same scan and the most results; the scores are the shifted terms."""
    users, n = bench.users, len(terms)
    return Request(
        queries=np.zeros((users, bench.dim), np.int8),
        items=np.full((n, bench.dim), -1, np.int8),
        terms=terms,
        seen=(seen,) * users,
        k=(bench.k_max,) * users,
        term_shift=shift,
    )


@cocotb.test(timeout_time=800, timeout_unit="us")
async def every_lane_alone(dut: Any) -> None:
    """One item is left, in each lane in turn: its score of either sign, to the last bit."""
    bench = Bench(dut)
    await start(dut)
    rng = np.random.default_rng(8)
    n = 2 * bench.lanes
    for row in range(n):
        seen = np.delete(np.arange(n), row)
        requests = [bench.with_seen(bench.random(rng, n, 1, 0.0), seen) for _ in range(3)]
        requests = [
            replace(r, seen=(seen,) * bench.users, term_shift=4 * i) for i, r in enumerate(requests)
        ]
        await bench.check(*requests)


@cocotb.test(timeout_time=800, timeout_unit="us")
@cocotb.parametrize(terms=[8, 32768])
async def one_lane_has_the_best(dut: Any, terms: int) -> None:
    """All results are of one lane, in turn: every place of its list, ties and near misses."""
    bench = Bench(dut)
    await start(dut)
    rng = np.random.default_rng(10)
    n = 24 * bench.lanes
    for lane in range(min(bench.lanes, 4)):
        mine = np.arange(n) % bench.lanes == lane
        await bench.check(
            *(by_terms(bench, np.where(mine, rng.integers(0, terms, n), -9)) for _ in range(4))
        )


@cocotb.test(timeout_time=800, timeout_unit="us")
async def scores_one_bit_apart(dut: Any) -> None:
    """Two scores that differ in one bit, either first, of either sign, in any two lanes."""
    bench = Bench(dut)
    await start(dut)
    rng = np.random.default_rng(9)
    n = 3 * bench.lanes
    for bit in range(30):
        shift = max(0, bit - 14)
        requests = []
        for sign in (1, -1):
            terms = np.full(n, -32768)
            less, more = rng.choice(n, 2, replace=False)
            step = 1 << (bit - shift)
            terms[less], terms[more] = (0, step) if sign > 0 else (-step, 0)
            requests.append(by_terms(bench, terms, shift))
            terms = np.resize(np.flip(terms), n)
            requests.append(by_terms(bench, terms - (terms > -32768), shift))
        await bench.check(*requests)


@cocotb.test(timeout_time=800, timeout_unit="us")
async def every_bit_of_a_seen_row(dut: Any) -> None:
    """A row that differs from an item's in one bit is another one; every bit orders a list."""
    bench = Bench(dut)
    await start(dut)
    n = 2 * bench.lanes
    for bit in range((n - 1).bit_length(), 32):
        row = bit % n
        seen = np.array([row, row + (1 << bit)])
        terms = np.where(np.arange(n) == row, n, np.arange(n))  # it would be the best one
        for rows in (seen, seen[1:]):  # apart: a request clears the error of the one before
            await bench.check(by_terms(bench, terms, seen=rows))
        bench.put(by_terms(bench, terms, seen=seen[::-1]))
        for user in range(bench.users):
            await bench.get(user)
        assert int(dut.error_o.value) == (1 << bench.users) - 1


@cocotb.test(timeout_time=800, timeout_unit="us")
async def counts_of_every_size(dut: Any) -> None:
    """A request of 2^n items, or of 2^n seen rows, waits for what does not come."""
    bench = Bench(dut)
    await start(dut)
    few = 2 * bench.lanes
    for bit in range(few.bit_length(), 24):
        one = 1 << bit
        waits = [(one, 0, None), (one + few, 0, None)]
        waits += [(few, one, user) for user in range(bench.users)] if bit < 16 else []
        for items, seen, user in waits:
            request = by_terms(bench, np.arange(few))
            if user is not None:  # the list of this user alone is what does not come
                lists = [np.arange(2) if u == user else NONE for u in range(bench.users)]
                request = replace(request, seen=tuple(lists))
            bench.put(request)
            counts = [seen if u == user else 0 for u in range(bench.users)]
            words = [bench.k_max << 8 | count << 16 | items << 32 for count in counts]
            bench.inputs["cmd"].queues[0][0] = pack(words, 64)
            await ClockCycles(dut.clk_i, few * bench.beats + 5 * bench.k_max + 40)
            assert bench.out.empty() and not int(dut.m_axis_result_tvalid.value)
            assert not int(dut.s_axis_cmd_tready.value)
            left = sum(len(queue) for queue in bench.inputs["item"].queues)
            assert bool(left) == bool(seen)
            bench.streams.clear()
            await reset(dut)
            bench.streams.clear()
    await bench.check(bench.random(np.random.default_rng(3), 20, bench.k_max))


@cocotb.test(timeout_time=400, timeout_unit="us")
@cocotb.parametrize(name=NAMES)
async def late_stream(dut: Any, name: str) -> None:
    """The scan waits for each stream of each bundle that comes after everything else."""
    bench = Bench(dut)
    await start(dut)
    rng = np.random.default_rng(3)
    late = bench.inputs[name]
    for stream in range(late.count):
        r = bench.random(rng, 3 * bench.lanes, bench.k_max, 0.5)
        r = bench.with_seen(r, np.append(r.seen[0], [60, 70, 80, 90, 95, 97, 98, 99]))
        late.paused[stream] = True
        bench.put(r)
        await ClockCycles(dut.clk_i, 3 * bench.lanes + 160)
        assert bench.out.empty()
        late.paused[stream] = False
        assert await bench.answers(r) == r.answers()


@cocotb.test(timeout_time=400, timeout_unit="us")
async def unsorted_seen_list(dut: Any) -> None:
    """A list that is not ascending raises its user's error; the request ends; the next is right."""
    bench = Bench(dut)
    await start(dut)
    rng = np.random.default_rng(4)
    good = np.arange(10)
    for seen in ([5, 5], [30, 2, 1], [9, 10, 3]):
        for user in range(bench.users):
            r = bench.with_seen(bench.random(rng, 40, bench.k_max), good)
            lists = [np.array(seen) if u == user else good for u in range(bench.users)]
            bench.put(replace(r, seen=tuple(lists)))
            got = await bench.answers(r)
            assert int(dut.error_o.value) == 1 << user
            want = replace(r, seen=(good,) * bench.users).answers()
            assert all(got[u] == want[u] for u in range(bench.users) if u != user)
        await bench.check(bench.random(rng, 40, bench.k_max, 0.3))


@cocotb.test(timeout_time=400, timeout_unit="us")
async def long_seen_list(dut: Any) -> None:
    """More seen rows than can be stored: the list streams through beside the scan."""
    bench = Bench(dut)
    await start(dut)
    stored = int(dut.MaxSeen.value)
    n = 3 * stored * bench.lanes if stored * bench.lanes <= 256 else 500
    rng = np.random.default_rng(5)
    r = bench.random(rng, n, min(7, bench.k_max), 0.95)
    await bench.check(r, r)


@cocotb.test(timeout_time=400, timeout_unit="us")
async def full_store(dut: Any) -> None:
    """A seen row in every group, more than can be stored, all there before the first item."""
    bench = Bench(dut)
    await start(dut)
    stored = int(dut.MaxSeen.value)
    n = min(2 * stored + 6, 200) * bench.lanes
    seen = np.arange(0, n, bench.lanes)
    terms = np.arange(n) % 50 + np.where(np.arange(n) % bench.lanes, 0, 100)
    item = bench.inputs["item"]
    item.paused[:] = [True] * item.count
    r = by_terms(bench, terms, seen=seen)
    bench.put(r)
    await ClockCycles(dut.clk_i, 2 * len(seen) + 40)
    item.paused[:] = [False] * item.count
    assert await bench.answers(r) == r.answers()


@cocotb.test(timeout_time=4, timeout_unit="ms")
async def long_catalogue(dut: Any) -> None:
    """The best rows are a long catalogue's last ones of a lane; long seen lists of any length."""
    bench = Bench(dut)
    await start(dut)
    n = (1 << 15) - 2 if bench.lanes > 2 else 1 << 10
    rows = np.arange(n)
    for lane, count in zip(range(bench.lanes), (300, 600, 45, 1000), strict=False):
        terms = np.where(rows % bench.lanes == lane, rows - n // 2, -32768)
        await bench.check(by_terms(bench, terms, seen=rows[:: bench.lanes][:count]))


@cocotb.test(timeout_time=400, timeout_unit="us")
@cocotb.parametrize(scores=["random", "ascending"], seen=[0.0, 0.3])
async def full_rate(dut: Any, scores: str, seen: float) -> None:
    """One beat a cycle and port from the first to the last; then the results, one a cycle."""
    bench = Bench(dut)
    await start(dut)
    n = 256
    r = bench.random(np.random.default_rng(6), n, bench.k_max, seen)
    r = replace(r, seen=(r.seen[0],) * bench.users)
    if scores == "ascending":
        r = replace(r, items=np.zeros_like(r.items), terms=np.arange(n) - 100)
    await bench.check(r)
    command = bench.inputs["cmd"].at[0][0]
    beats, results = bench.inputs["item"].at, bench.out.at
    groups = -(-n // bench.lanes)
    assert {len(at) for at in beats} == {groups * bench.beats}
    assert all(at == beats[0] for at in beats)
    if seen == 0.0:
        assert beats[0][-1] - command == len(beats[0]) + 1
    else:  # the list arrives beside the scan, a row a cycle
        span = max(len(beats[0]), len(r.seen[0]))
        assert beats[0][-1] - command <= span + 2 + bench.lanes
    elements = min(bench.dim, bench.beat_bits // bench.bits)
    if bench.lanes > 1:  # they share a query
        stages = Packing(bench.lanes, elements, bench.bits, 8).stages
    else:  # users share the item
        stages = Packing(bench.users, elements, 8, bench.bits).stages
    depth = (bench.k_max - 1).bit_length()
    sort = 2 * (1 << depth) + 2 * depth + 6 if bench.k_max > 16 else 0  # a bound; 0 is exact
    for at, k in zip(results, r.k, strict=True):
        if k:
            wait = at[0] - beats[0][-1] - (stages + 5 + (bench.lanes - 1).bit_length())
            assert 0 <= wait <= sort
            assert at[-1] - at[0] == k - 1


@cocotb.test(timeout_time=4, timeout_unit="ms")
async def the_end_of_a_short_list(dut: Any) -> None:
    """What an earlier scan left behind a lane's last entry is no result."""
    bench = Bench(dut)
    await start(dut)
    k = min(bench.k_max, 16)
    rng = np.random.default_rng(8)

    def request(terms: Array) -> Request:
        r = bench.random(rng, len(terms), k, 0.0)
        none = (np.arange(0),) * bench.users
        zeros = np.zeros_like(r.items)
        return replace(r, items=zeros, terms=terms, seen=none, k=(k,) * bench.users)

    for lane in range(bench.lanes):
        high = np.full(k * bench.lanes, 1000)
        low = np.full(max(k - 1, 1) * bench.lanes, -1000)
        low[lane :: bench.lanes] = 100  # all of a lane first, then the other lanes
        await bench.check(request(high), request(low))


@cocotb.test(timeout_time=400, timeout_unit="us")
@cocotb.parametrize(moment=[3, 12, 40, 90, 110])
async def reset_in_mid_request(dut: Any, moment: int) -> None:
    """After a reset the kernel is idle and the next request is right."""
    bench = Bench(dut)
    await start(dut)
    rng = np.random.default_rng(moment)
    bench.put(bench.random(rng, 60 * bench.ports, bench.k_max, 0.5))
    await ClockCycles(dut.clk_i, moment)
    bench.streams.clear()
    await reset(dut)
    await RisingEdge(dut.clk_i)
    bench.streams.clear()
    assert int(dut.s_axis_cmd_tready.value) and not int(dut.m_axis_result_tvalid.value)
    await bench.check(bench.random(rng, 50, bench.k_max, 0.3), bench.random(rng, 20, 1))
