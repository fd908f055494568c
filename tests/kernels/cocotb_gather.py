# SPDX-License-Identifier: Apache-2.0
"""rf_gather against its integer model."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles
from cocotbext.axi import AxiStreamFrame
from rows import Array, Handshakes, random_rows, rounding, row_beats

from recfabric.kernels.gather.model import Op, gather
from recfabric.sim.streams import reset, send, sink, source, start, unpack


@dataclass(frozen=True)
class Request:
    """A node's rows int8 (n, D), their weights int8 (n,) or None, what is asked of them."""

    rows: Array
    norm: int
    shift: int
    weights: Array | None = None
    op: Op = Op.SUM

    def answer(self) -> list[int]:
        """What the integer model says."""
        values = gather(self.rows, self.norm, self.shift, weights=self.weights, op=self.op)
        return [int(v) for v in values]


class Bench:
    """The device under test with its streams."""

    def __init__(self, dut: Any, share_in: float = 0.0, share_out: float = 0.0) -> None:
        self.dut = dut
        self.dim, self.bits = int(dut.Dim.value), int(dut.ElemBits.value)
        self.beat_bits, self.max_rows = int(dut.BeatBits.value), int(dut.MaxRows.value)
        self.beats = max(1, self.dim * self.bits // self.beat_bits)
        self.chunks = self.dim // int(dut.RequantLanes.value)
        self.weight_bits, self.with_max = int(dut.WeightBits.value), bool(dut.WithMax.value)
        self.cmd = source(dut, "s_axis_cmd", share=share_in, seed=1)
        self.row = source(dut, "s_axis_row", share=share_in, seed=2)
        self.out = sink(dut, "m_axis_vec", share=share_out, seed=3)

    async def put(self, request: Request) -> None:
        """Queue a request."""
        scale = request.op << 24 | request.shift << 16 | request.norm
        await send(self.cmd, [len(request.rows) << 32 | scale])
        beats = row_beats(request.rows, self.bits, self.beat_bits)
        if beats:
            weights = [1] * len(request.rows) if request.weights is None else request.weights
            mask = (1 << max(self.weight_bits, 1)) - 1
            tuser = [int(w) & mask for w in weights for _ in range(self.beats)]
            await self.row.send(AxiStreamFrame(beats, tuser=tuser))

    async def get(self) -> list[int]:
        return unpack((await self.out.recv(compact=False)).tdata[0], 8, self.dim)

    async def check(self, requests: list[Request]) -> None:
        """Queue all requests at once, then compare all answers."""
        for request in requests:
            await self.put(request)
        for request in requests:
            assert await self.get() == request.answer()
        await ClockCycles(self.dut.clk_i, 2 * self.chunks + 8)
        assert self.out.empty()

    def request(self, rng: np.random.Generator, n: int, norm: int = 1, shift: int = 8) -> Request:
        """Random rows, with random weights and either reduction where the kernel has them."""
        weights = None
        if self.weight_bits:
            limit = 1 << (self.weight_bits - 1)
            weights = rng.integers(-limit, limit, n).astype(np.int8)
            shift += self.weight_bits - 1
        op = Op(int(rng.integers(2))) if self.with_max else Op.SUM
        return Request(self.rows(rng, n), norm, shift, weights, op)

    def rows(self, rng: np.random.Generator, n: int) -> Array:
        return random_rows(rng, n, self.dim, self.bits)


@cocotb.test(timeout_time=400, timeout_unit="us")
@cocotb.parametrize(share_in=[0.0, 0.5], share_out=[0.0, 0.7])
async def random_requests(dut: Any, share_in: float, share_out: float) -> None:
    """Back to back, among them empty ones, single rows and repeated rows."""
    bench = Bench(dut, share_in, share_out)
    await start(dut)
    rng = np.random.default_rng(4)
    requests: list[Request] = []
    for n in (1, 0, 0, 2, 31, 3, 0, 1, 1, 1, 40, 5, 7):
        norm, shift = int(rng.integers(1, 1 << 16)), int(rng.integers(12, 24))
        requests.append(bench.request(rng, n, norm, shift))
        if n > 4:
            requests[-1].rows[n // 2 :] = requests[-1].rows[0]
    await bench.check(requests)


@cocotb.test(timeout_time=1200, timeout_unit="us")
@cocotb.parametrize(element=["lowest", "highest"])
async def full_history(dut: Any, element: str) -> None:
    """The widest sums there are, with every kind of shift; then a random full history."""
    bench = Bench(dut)
    await start(dut)
    limit = 1 << (bench.bits - 1)
    value = -limit if element == "lowest" else limit - 1
    rows = np.full((bench.max_rows, bench.dim), value, np.int8)
    exact = bench.bits + 3 + 16  # brings the widest sum just into eight bits
    requests = [Request(rows, 65535, shift) for shift in (0, exact, 47)]
    requests.append(bench.request(np.random.default_rng(5), bench.max_rows, 1, 5))
    if bench.weight_bits:
        most = -(1 << (bench.weight_bits - 1))
        weights = np.full(len(rows), most, np.int8)
        requests.append(Request(rows, 65535, exact + bench.weight_bits - 1, weights))
    await bench.check(requests)


@cocotb.test(timeout_time=200, timeout_unit="us")
async def rounding_and_saturation(dut: Any) -> None:
    """Every branch of RND_CONV and SAT, asserted from the model to be hit."""
    bench = Bench(dut)
    await start(dut)
    rng = np.random.default_rng(6)
    scales = ((1, 0), (1, 1), (3, 2), (40, 0), (64, 8))
    requests = [Request(bench.rows(rng, n), *scale) for n in (1, 2, 3) for scale in scales]
    hit = set[str]()
    for request in requests:
        hit |= rounding(request.rows.sum(axis=0, dtype=np.int64) * request.norm, request.shift)
    assert hit == {"above", "below", "tie up", "tie down"}
    await bench.check(requests)


def spread(sums: Array, low: int, high: int) -> Array:
    """int8 rows (n, D), n at least 1, of elements low..high with these column sums (D,)."""
    rows = []
    while not rows or sums.any():
        rows.append(np.clip(sums, low, high))
        sums = sums - rows[-1]
    return np.array(rows).astype(np.int8)


def summing(bench: Bench, sums: Array, norm: int, shift: int) -> Request:
    """A request whose (weighted) sums are these."""
    low, high = -(1 << (bench.bits - 1)), (1 << (bench.bits - 1)) - 1
    if not bench.weight_bits:
        return Request(spread(sums, low, high), norm, shift)
    coarse = -(1 << (bench.weight_bits - 1))
    parts = [spread(sums // coarse, low, high), spread(sums % coarse, low, high)]
    weights = np.repeat([coarse, 1], [len(part) for part in parts]).astype(np.int8)
    return Request(np.concatenate(parts), norm, shift, weights)


# Norm, shift, sums. A bit below the half, alone, rounds up an even number; a bit above the range,
# alone, saturates; so does a number that lacks one such bit below zero; then ties.
DECIDING = [
    (norm, shift, [2048 + (1 << b) for b in range(11)]) for norm, shift in ((1, 12), (2048, 23))
]
DECIDING += [(1 << 15, 31, [(1 << 15) + (1 << b) for b in range(15)]), (1 << 15, 32, [3 << 15])]
DECIDING += [(1 << 15, 39, [(1 << 23) + (1 << b) for b in range(15, 23)])]
DECIDING += [(1, 0, [1 << b for b in range(7, 13)] + [-(1 << b) - 1 for b in range(7, 13)])]
DECIDING += [(1 << 13, 0, [1 << b for b in range(6)]), (1 << 15, 0, [1 << b for b in range(4, 24)])]
DECIDING += [((1 << b) + 1, 0, [-128]) for b in range(1, 16)]
DECIDING += [(1 << b, b + 15, [(1 << 14) + 1]) for b in range(16)]
DECIDING += [(1 << b, b + 21, [(1 << 20) + 1]) for b in range(16)]
DECIDING += [(1 << b, b + 5, [16, 48, -16, -48]) for b in range(16)]
DECIDING += [(1, 4, [8, 24, -8, -24, *(8 + (1 << b) for b in range(5, 11))])]


@cocotb.test(timeout_time=1200, timeout_unit="us")
async def every_bit_decides(dut: Any) -> None:
    """Each of the sums in every lane of the requantiser, as far as the rows allow."""
    bench = Bench(dut)
    await start(dut)
    lanes, requests = bench.dim // bench.chunks, []
    for norm, shift, sums in DECIDING:
        for first in range(0, len(sums), bench.chunks):
            chosen = np.resize(sums[first : first + bench.chunks], bench.chunks)
            limit = bench.max_rows << (bench.bits - 1 + max(bench.weight_bits - 1, 0))
            if np.abs(chosen).max() <= limit // 4 * 3:
                requests.append(summing(bench, np.repeat(chosen, lanes), norm, shift))
    await bench.check(requests)


@cocotb.test(timeout_time=50, timeout_unit="us")
async def an_answer_does_not_wait_for_its_receiver(dut: Any) -> None:
    """TVALID comes without TREADY, and the answer behind it waits inside."""
    bench = Bench(dut)
    await start(dut)
    bench.out.pause = True
    requests = [bench.request(np.random.default_rng(12), n) for n in (3, 2)]
    for request in requests:
        await bench.put(request)
    await ClockCycles(dut.clk_i, 6 * bench.beats + 3 * bench.chunks + 12)
    assert dut.m_axis_vec_tvalid.value
    bench.out.pause = False
    for request in requests:
        assert await bench.get() == request.answer()


@cocotb.test(timeout_time=400, timeout_unit="us")
async def one_beat_a_cycle(dut: Any) -> None:
    """Latency as documented; back to back a request takes its beats and nothing more."""
    bench = Bench(dut)
    await start(dut)
    rng = np.random.default_rng(7)
    n, count = 3 * bench.chunks, 5
    for _ in range(count):
        await bench.put(bench.request(rng, n))
    watch = Handshakes(dut, "s_axis_cmd", "s_axis_row", "m_axis_vec")
    await watch.until("m_axis_vec", count)
    rows, out = watch.at["s_axis_row"], watch.at["m_axis_vec"]
    stages = (2 + (bench.bits == 4)) if bench.weight_bits else 0
    latency = out[0] - watch.at["s_axis_cmd"][0]
    dut._log.info("latency %d cycles, periods %s", latency, [b - a for a, b in pairwise(out)])
    assert latency == n * bench.beats + bench.chunks + stages + 4
    assert rows[-1] - rows[0] == count * n * bench.beats - 1
    assert all(b - a == n * bench.beats for a, b in pairwise(out))


@cocotb.test(timeout_time=400, timeout_unit="us")
@cocotb.parametrize(degree=[0, 1])
async def short_requests(dut: Any, degree: int) -> None:
    """A node of no or one row is done in the time of its rows or its requantisation."""
    bench = Bench(dut)
    await start(dut)
    rng = np.random.default_rng(8)
    for _ in range(9):
        await bench.put(bench.request(rng, degree))
    watch = Handshakes(dut, "m_axis_vec")
    await watch.until("m_axis_vec", 9)
    period = max(bench.chunks, bench.beats * degree)
    assert all(b - a == period for a, b in pairwise(watch.at["m_axis_vec"]))


@cocotb.test(timeout_time=400, timeout_unit="us")
@cocotb.parametrize(share_in=[0.0, 0.4], share_out=[0.0, 0.6])
async def many_small_nodes(dut: Any, share_in: float, share_out: float) -> None:
    """Degrees of a real graph's tail in any order, every reduction, with and without stalls."""
    bench = Bench(dut, share_in, share_out)
    await start(dut)
    rng = np.random.default_rng(9)
    degrees = rng.choice([0, 1, 1, 1, 2, 3, 9], 60).tolist()
    await bench.check([bench.request(rng, n, int(rng.integers(1, 512))) for n in degrees])


@cocotb.test(timeout_time=200, timeout_unit="us")
async def maximum(dut: Any) -> None:
    """Equal and close rows, all negative ones, a single one, none; the largest first and last."""
    bench = Bench(dut)
    await start(dut)
    rng = np.random.default_rng(10)
    top = (1 << (bench.bits - 1)) - 1
    requests = []
    for at in (0, 1, 4) if bench.with_max else ():
        rows = bench.rows(rng, 5)
        rows[at] = top
        requests.append(Request(rows, 1, 0, op=Op.MAX))
        requests.append(Request(np.minimum(rows, -1), 1, 0, op=Op.MAX))
        requests.append(Request(rows[:1], 3, 2, op=Op.MAX))
        requests.append(Request(rows[:0], 3, 2, op=Op.MAX))
        requests.append(Request(np.repeat(rows[:1], 3, 0), 1, 0, op=Op.MAX))
    for bit in range(bench.bits - 1) if bench.with_max else ():
        for row in (rows[1], ~rows[1]):
            pair = np.stack([row, row ^ (1 << bit)])  # that far apart, up and down
            requests += [Request(pair, 1, 0, op=Op.MAX), Request(pair[::-1], 1, 0, op=Op.MAX)]
    await bench.check(requests)


@cocotb.test(timeout_time=200, timeout_unit="us")
@cocotb.parametrize(moment=range(2, 24))
async def reset_in_mid_request(dut: Any, moment: int) -> None:
    """After a reset the kernel is idle, and the next requests are right."""
    bench = Bench(dut)
    await start(dut)
    rng = np.random.default_rng(moment)
    for _ in range(3):
        await bench.put(bench.request(rng, 5, 1, 0))
    await ClockCycles(dut.clk_i, moment)
    bench.cmd.clear()
    bench.row.clear()
    await reset(dut)
    assert not dut.m_axis_vec_tvalid.value
    bench.out.clear()
    await bench.check([bench.request(rng, n, 1, 2) for n in (4, 0, 2)])
