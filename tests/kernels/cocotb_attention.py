# SPDX-License-Identifier: Apache-2.0
"""rf_attention against its integer model."""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles
from rows import Array, Handshakes, random_rows, rounding, row_beats
from weighing import DIGITS, Weighing, deciding, digits, dots_apart, full_scale, random_weighings

from recfabric.contract import exp2_table
from recfabric.kernels.attention.model import SLOPE_ONE, attend, leaky, logits, reciprocals, weights
from recfabric.sim.streams import pack, reset, send, sink, source, start, unpack


@dataclass(frozen=True)
class Request:
    query: Array
    keys: Array
    values: Array
    logit_shift: int
    out_shift: int

    @property
    def command(self) -> int:
        return len(self.keys) << 16 | self.logit_shift << 8 | self.out_shift


class Bench:
    """The device under test with its streams."""

    def __init__(self, dut: Any, share_in: float = 0.0, share_out: float = 0.0) -> None:
        self.dut = dut
        names = ("Dim", "Heads", "KeyBits", "ValueBits", "BeatBits", "MaxRows", "RequantLanes",
                 "Slope")  # fmt: skip
        (self.dim, self.heads, self.key_bits, self.value_bits, self.beat_bits, self.max_rows,
         lanes, self.slope) = (int(getattr(dut, name).value) for name in names)  # fmt: skip
        self.head_dim = self.dim // self.heads
        self.chunks = self.dim // lanes
        self.key_beats = max(1, self.dim * self.key_bits // self.beat_bits)
        self.value_beats = max(1, self.dim * self.value_bits // self.beat_bits)
        streams = ("s_axis_cmd", "s_axis_query", "s_axis_key", "s_axis_value")
        self.inputs = [source(dut, s, share=share_in, seed=i) for i, s in enumerate(streams)]
        self.cmd, self.query, self.key, self.value = self.inputs
        self.out = sink(dut, "m_axis_vec", share=share_out, seed=9)

    async def open(self, request: Request) -> None:
        await send(self.cmd, [request.command])
        await send(self.query, [pack(request.query.tolist(), 8)])

    async def put(self, request: Request) -> None:
        await self.open(request)
        await send(self.key, row_beats(request.keys, self.key_bits, self.beat_bits))
        await send(self.value, row_beats(request.values, self.value_bits, self.beat_bits))

    def want(self, r: Request) -> list[int]:
        vec = attend(
            r.query,
            r.keys,
            r.values,
            heads=self.heads,
            logit_shift=r.logit_shift,
            out_shift=r.out_shift,
            slope=self.slope,
        )
        return [int(v) for v in vec]

    async def answers(self, requests: list[Request]) -> None:
        for request in requests:
            got = unpack((await self.out.recv(compact=False)).tdata[0], 8, self.dim)
            assert got == self.want(request)
        await ClockCycles(self.dut.clk_i, 60)
        assert self.out.empty()

    async def check(self, requests: list[Request]) -> None:
        """Queue all requests at once, then compare all answers."""
        for request in requests:
            await self.put(request)
        await self.answers(requests)

    def logits(self, r: Request) -> Array:
        return logits(r.query, r.keys, heads=self.heads, shift=r.logit_shift, slope=self.slope)

    def sums(self, r: Request) -> Array:
        """What the output's requantisation reads: (H, D / H)."""
        p = weights(self.logits(r))
        values = r.values.astype(np.int64).reshape(-1, self.heads, self.head_dim)
        return np.einsum("ih,ihd->hd", p.astype(np.int64), values) * reciprocals(p)[:, None]

    def random(self, rng: np.random.Generator, n: int, out_shift: int = 29) -> Request:
        # Logits of some hundreds: weights of every size.
        shift = max(0, (self.head_dim.bit_length() - 1) // 2 + self.key_bits - 4)
        return Request(
            rng.integers(-128, 128, self.dim).astype(np.int8),
            random_rows(rng, n, self.dim, self.key_bits),
            random_rows(rng, n, self.dim, self.value_bits),
            shift,
            out_shift,
        )


@cocotb.test(timeout_time=800, timeout_unit="us")
@cocotb.parametrize(share_in=[0.0, 0.5], share_out=[0.0, 0.7])
async def random_requests(dut: Any, share_in: float, share_out: float) -> None:
    """Back to back, among them empty ones, single rows and repeated rows."""
    bench = Bench(dut, share_in, share_out)
    await start(dut)
    rng = np.random.default_rng(4)
    requests = []
    for n in (1, 0, 0, 2, 30, 3, 0, 1, 1, 1, 40, 5):
        request = bench.random(rng, n)
        if n > 4:
            request.keys[n // 2 :] = request.keys[0]
            request.values[n // 2 :] = request.values[0]
        requests.append(request)
    await bench.check(requests)


@cocotb.test(timeout_time=800, timeout_unit="us")
async def one_port(dut: Any) -> None:
    """A single memory port delivers the keys, then the values of one request, then the next's."""
    bench = Bench(dut)
    await start(dut)
    rng = np.random.default_rng(5)
    requests = [bench.random(rng, n) for n in (7, 0, 1, 20, 2, 0, 9)]
    for request in requests:
        await bench.open(request)
    for request in requests:
        for driver, rows, bits in (
            (bench.key, request.keys, bench.key_bits),
            (bench.value, request.values, bench.value_bits),
        ):
            await send(driver, row_beats(rows, bits, bench.beat_bits))
            await driver.wait()
    await bench.answers(requests)


@cocotb.test(timeout_time=1500, timeout_unit="us")
async def full_history(dut: Any) -> None:
    """The widest sums there are, below and above (all rows alike), then long random histories."""
    bench = Bench(dut)
    await start(dut)
    n, dim = bench.max_rows, bench.dim
    low_key, low_value = -(1 << bench.key_bits - 1), -(1 << bench.value_bits - 1)
    query = np.full(dim, -128, np.int8)
    lowest = np.full((n, dim), low_key, np.int8), np.full((n, dim), low_value, np.int8)
    shift = 30 + bench.value_bits - 8
    requests = [
        Request(query, *lowest, 0, shift),
        Request(query, lowest[0], ~lowest[1], 0, shift),
    ]
    rng = np.random.default_rng(6)
    requests += [bench.random(rng, length) for length in (n, 65, 135, n // 2 + 7)]
    assert bench.want(requests[0]) == [-128] * dim
    assert bench.want(requests[1]) == [127 >> 8 - bench.value_bits << 8 - bench.value_bits] * dim
    await bench.check(requests)


@cocotb.test(timeout_time=400, timeout_unit="us")
async def logits_round_and_saturate(dut: Any) -> None:
    """Ties both ways and both ends of 16 bits, asserted from the model to be hit."""
    bench = Bench(dut)
    await start(dut)
    rng = np.random.default_rng(7)
    limit = 1 << (bench.key_bits - 1)
    query = np.full(bench.dim, -128, np.int8)
    steps = np.linspace(-limit, limit - 1, 12).astype(np.int8)
    ramp = np.repeat(steps[:, None], bench.dim, axis=1)
    values = random_rows(rng, 12, bench.dim, bench.value_bits)
    requests = [Request(query, ramp, values, shift, 29) for shift in (0, 1, 6, 31)]
    seen = np.concatenate([bench.logits(r).ravel() for r in requests])
    assert seen.max() == 2**15 - 1
    assert seen.min() == -(2**15)
    ties = [bench.random(rng, 9) for _ in range(4)]
    requests += [Request(r.query, r.keys, r.values, 1, 29) for r in ties]
    requests += [Request(r.query // 16, r.keys, r.values, 4, 29) for r in ties]
    hit = set[str]()
    for r in requests:
        hit |= logit_branches(bench, r)
    assert hit == {"tie up", "tie down"}
    await bench.check(requests)


@cocotb.test(timeout_time=800, timeout_unit="us")
async def close_logits(dut: Any) -> None:
    """Logits one apart, rising through the maximum's every bit, and logits all below the least."""
    bench = Bench(dut)
    await start(dut)
    rng, limit = np.random.default_rng(14), (1 << bench.key_bits - 1) - 1
    query = np.zeros((bench.heads, bench.head_dim), np.int8)
    query[:, :2] = limit, 1
    requests = []
    for base in (1 << bit for bit in range(2 * bench.key_bits - 2)):
        whole, rest = divmod(base, limit)
        if whole > limit:
            continue
        for n in (2, min(9, limit + 1 - rest)):
            keys = np.zeros((n, bench.heads, bench.head_dim), np.int8)
            keys[:, :, 0], keys[:, :, 1] = whole, rest + np.arange(n)[:, None]
            values = random_rows(rng, n, bench.dim, bench.value_bits)
            rows = keys.reshape(n, bench.dim)
            requests.append(Request(query.ravel(), rows, values, 0, 29))
    keys = np.repeat(limit - np.arange(4)[:, None], bench.dim, axis=1).astype(np.int8)
    values = random_rows(rng, 4, bench.dim, bench.value_bits)
    requests.append(Request(np.full(bench.dim, -128, np.int8), keys, values, 0, 29))
    await bench.check(requests)


def logit_branches(bench: Bench, r: Request) -> set[str]:
    shape = (-1, bench.heads, bench.head_dim)
    keys, query = r.keys.astype(np.int64).reshape(shape), r.query.astype(np.int64)
    dots = np.einsum("ihd,hd->ih", keys, query.reshape(shape[1:]))
    # Scaled by 2^-8 so that `rounding`, which knows 8 bits, sees 16-bit ties as ties.
    kept = dots[np.abs(dots) < 100 << r.logit_shift]
    return rounding(kept, r.logit_shift)


@cocotb.test(timeout_time=800, timeout_unit="us")
async def negative_logits_get_a_slope(dut: Any) -> None:
    """All of -500 to -1 and the lowest, each seen through its distance from another; ties."""
    bench = Bench(dut)
    await start(dut)
    n, shape = bench.head_dim, (bench.heads, bench.head_dim)
    query = np.zeros(shape)
    query[:, :3] = (-1, -16, -64)
    requests, seen = [], set[int]()
    for first in range(1, 501, n):
        keys, values = np.zeros((n + 1, *shape)), np.zeros((n + 1, *shape))
        below = np.minimum(np.append(np.arange(first, first + n), first), 500)[:, None]
        keys[..., 0] = (below + 8) % 16 - 8
        keys[..., 1], keys[..., 2] = (below + 8) // 16 % 4, (below + 8) // 64
        values[:n] = np.eye(n)[:, None, :] * ((1 << bench.value_bits - 1) - 1)
        arrays = [a.reshape(-1, bench.dim).astype(np.int8) for a in (query, keys, values)]
        requests.append(Request(arrays[0][0], arrays[1], arrays[2], 0, 20 + bench.value_bits))
        seen |= set(logits(arrays[0][0], arrays[1], heads=bench.heads, shift=0).ravel().tolist())
    assert seen == set(range(-500, 0))
    lowest = np.full((2, bench.dim), -(1 << bench.key_bits - 1), np.int8)
    lowest[1] += 1
    values = lowest >> max(0, bench.key_bits - bench.value_bits)
    requests.append(Request(np.full(bench.dim, 127, np.int8), lowest, values, 0, 28))
    if bench.slope != SLOPE_ONE:
        x = np.arange(-500, 0)
        assert set((leaky(x, bench.slope) * 256 - x * bench.slope).tolist()) >= {-128, 128}
    await bench.check(requests)


@cocotb.test(timeout_time=1500, timeout_unit="us")
async def every_weight(dut: Any) -> None:
    """Each exponent from 0 to beyond the last weight that is not 0, seen alone in one output."""
    bench = Bench(dut)
    await start(dut)
    n, exponents = bench.head_dim, np.arange(300)
    requests, seen = [], set[int]()
    for first in range(0, len(exponents), n):  # the same in each head
        below = np.resize(exponents[first : first + n], (bench.heads, n))
        request = weight_request(bench, below)
        p = weights(bench.logits(request))[1:, 0].astype(int)
        if p.any():  # to the last bit
            request = replace(request, out_shift=full_scale(p, int(request.values.max())))
        x = bench.logits(request).astype(int)
        seen |= set((x.max(axis=0) - x)[1:].ravel().tolist())
        requests.append(request)
    assert seen >= set(exponents.tolist())
    table = exp2_table().astype(int)
    ties = {int(table[e & 31] >> (e >> 5)) & 1 for e in range(32, 288)
            if table[e & 31] % (1 << (e >> 5)) == 1 << ((e >> 5) - 1)}  # fmt: skip
    assert ties == {0, 1}  # rounded down to even, and up to even
    await bench.check(requests)


def weight_request(bench: Bench, below: Array) -> Request:
    """A request whose row 1 + i has the logit max - below[h, i] and alone feeds output (h, i)."""
    n, shape = bench.head_dim, (bench.heads, bench.head_dim)
    query, keys = np.zeros(shape), np.zeros((1 + n, *shape))
    query[:, :3] = (-1, -16, -64)
    keys[1:, :, 0] = ((below + 8) % 16 - 8).T
    keys[1:, :, 1] = ((below + 8) // 16 % 4).T
    keys[1:, :, 2] = ((below + 8) // 64).T
    values = np.zeros((1 + n, *shape))
    values[1:, :, :] = np.eye(n)[:, None, :] * ((1 << bench.value_bits - 1) - 1)
    flat = [a.reshape(-1, bench.dim).astype(np.int8) for a in (query, keys, values)]
    # Full scale for a weight of 255 beside about n/4 others of that size.
    shift = 30 + bench.value_bits - 8 - max(0, n.bit_length() - 4)
    return Request(flat[0][0], flat[1], flat[2], 0, shift)


@cocotb.test(timeout_time=400, timeout_unit="us")
async def outputs_round_and_saturate(dut: Any) -> None:
    """Every branch of the output's RND_CONV and SAT, asserted from the model to be hit."""
    bench = Bench(dut)
    await start(dut)
    rng = np.random.default_rng(8)
    requests = [bench.random(rng, 3, shift) for shift in (0, 20, 26, 47)]
    # Weights 255 and 1 sum to 256, whose reciprocal is exact: an odd value gives a tie.
    query, keys = np.zeros(bench.dim), np.zeros((2, bench.dim))
    query[:: bench.head_dim], keys[0, :: bench.head_dim] = 127, 2
    values = np.zeros((2, bench.dim))
    values[1] = np.resize((1, 3, -1, -3, 5, -5, 2, 7), bench.dim)
    arrays = [a.astype(np.int8) for a in (query, keys, values)]
    requests.append(Request(*arrays, 0, 23))
    assert weights(bench.logits(requests[-1])).tolist() == [[255] * bench.heads, [1] * bench.heads]
    hit = set[str]()
    for r in requests:
        hit |= rounding(bench.sums(r), r.out_shift)
    assert hit == {"above", "below", "tie up", "tie down"}
    await bench.check(requests)


LEVEL = 13  # 2^13 is a sum of 33 weights


def weighed(bench: Bench, weighing: Weighing, values: Array | None, shift: int) -> list[Request]:
    """The request of these values, twice: both banks."""
    if values is None:
        return []
    one = weight_request(bench, np.full((bench.heads, bench.head_dim), weighing.exponent))
    keys = np.repeat(one.keys[:2], [weighing.full, 1], axis=0)
    return [Request(one.query, keys, values, 0, shift)] * 2


@cocotb.test(timeout_time=1500, timeout_unit="us")
async def every_bit_decides(dut: Any) -> None:
    """Each bit of a product and each of a reciprocal, in every lane and in both banks."""
    bench = Bench(dut)
    await start(dut)
    rng, requests = np.random.default_rng(11), list[Request]()
    high, dim = (1 << bench.value_bits - 1) - 1, bench.dim
    for full, weight, shift, value in deciding(LEVEL):
        weighing = Weighing(full, weight, high)
        requests += weighed(bench, weighing, weighing.exactly(np.full(dim, value)), shift)
    weighing = Weighing(1 << LEVEL - 8, 1 << LEVEL - 8, high)
    for extra in range(LEVEL):  # sums of every size, to their last bit
        sums = rng.integers(-127 << extra, 127 << extra, dim)
        requests += weighed(bench, weighing, weighing.exactly(sums), 30 - LEVEL + extra)
    assert len(requests) >= (180 if bench.value_bits == 8 else 30)
    for weighing in random_weighings(rng, bench.max_rows, high):
        for shift in (22 + bench.value_bits, 23 + bench.value_bits):
            requests += weighed(bench, weighing, weighing.beside_a_half(shift, dim), shift)
    await bench.check(requests)


@cocotb.test(timeout_time=800, timeout_unit="us")
async def every_bit_of_a_dot_product_decides(dut: Any) -> None:
    """In each head, as far as it is below a logit's binary point."""
    bench = Bench(dut)
    await start(dut)
    n, shape, requests = bench.head_dim, (bench.heads, bench.head_dim), []
    for shift, dots in dots_apart(bench.key_bits):
        for first in range(0, len(dots), n):
            request = weight_request(bench, np.zeros(shape, int))
            keys, query = np.zeros((1 + n, *shape), np.int8), np.zeros(shape, np.int8)
            query[:, :3] = [-digit for digit in DIGITS]
            for i, part in enumerate(digits(np.resize(dots[first : first + n], n))):
                keys[1:, :, i] = part[:, None]
            query, keys = query.reshape(-1), keys.reshape(1 + n, -1)
            requests.append(Request(query, keys, request.values, shift, request.out_shift - 2))
            logit = bench.logits(requests[-1])
            assert logit.min() >= -50 and (logit[0] == 0).all() and logit.max() == 0
    await bench.check(requests)


@cocotb.test(timeout_time=200, timeout_unit="us")
async def one_at_a_time(dut: Any) -> None:
    """Alone in the kernel, in either bank, with every shift that leaves something."""
    bench = Bench(dut)
    await start(dut)
    rng = np.random.default_rng(13)
    for shift in np.repeat(range(22, 35), 2).tolist():
        await bench.check([bench.random(rng, 2, shift)])


@cocotb.test(timeout_time=200, timeout_unit="us")
async def late_queries(dut: Any) -> None:
    """The query comes long after all else of its request, which waits for it."""
    bench = Bench(dut)
    await start(dut)
    rng = np.random.default_rng(12)
    for request in [bench.random(rng, n) for n in (3, 0, 2)]:
        await send(bench.cmd, [request.command])
        await send(bench.key, row_beats(request.keys, bench.key_bits, bench.beat_bits))
        await send(bench.value, row_beats(request.values, bench.value_bits, bench.beat_bits))
        await ClockCycles(dut.clk_i, 50)
        await send(bench.query, [pack(request.query.tolist(), 8)])
        await bench.answers([request])


@cocotb.test(timeout_time=1500, timeout_unit="us")
@cocotb.parametrize(n=[1, 8, 40, 256])
async def rate(dut: Any, n: int) -> None:
    """Latency as documented; back to back with two streams a request takes its rows and five."""
    bench = Bench(dut)
    await start(dut)
    rng = np.random.default_rng(9)
    count = 4
    for _ in range(count):
        await bench.put(bench.random(rng, n))
    watch = Handshakes(dut, "s_axis_cmd", "m_axis_vec")
    await watch.until("m_axis_vec", count)
    out = watch.at["m_axis_vec"]
    latency, periods = out[0] - watch.at["s_axis_cmd"][0], [b - a for a, b in pairwise(out)]
    dut._log.info("%d rows: latency %d cycles, periods %s", n, latency, periods)
    lanes = min(bench.head_dim, bench.beat_bits // bench.key_bits)
    stages = 1 + (lanes.bit_length()) // 2
    beats = n * (bench.key_beats + bench.value_beats)
    assert latency == beats + bench.chunks + stages + 35 + (bench.slope != SLOPE_ONE)
    limit = max(n * max(bench.key_beats, bench.value_beats) + 5, bench.chunks + 24)
    assert all(period <= limit for period in periods)


@cocotb.test(timeout_time=400, timeout_unit="us")
@cocotb.parametrize(moment=range(3, 72, 3))
async def reset_in_mid_request(dut: Any, moment: int) -> None:
    """After a reset the kernel is idle, and the next requests are right."""
    bench = Bench(dut)
    await start(dut)
    rng = np.random.default_rng(moment)
    for _ in range(3):
        await bench.put(bench.random(rng, 6))
    await ClockCycles(dut.clk_i, moment)
    for driver in bench.inputs:
        driver.clear()
    await reset(dut)
    assert not dut.m_axis_vec_tvalid.value
    bench.out.clear()
    await bench.check([bench.random(rng, n) for n in (4, 0, 2)])
