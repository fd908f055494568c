# SPDX-License-Identifier: Apache-2.0
"""rf_dense against its integer model."""

import random
from itertools import pairwise
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge
from rows import Handshakes

from recfabric.kernels.common.dots import Packing
from recfabric.kernels.dense.model import dense, weight_beats
from recfabric.kernels.fixed import round_shift
from recfabric.sim.streams import pack, reset, send, sink, source, start, unpack

Array = np.ndarray[Any, Any]


class Bench:
    """The device under test with its streams, and a matrix loaded into it."""

    def __init__(self, dut: Any, share_in: float = 0.0, share_out: float = 0.0) -> None:
        self.dut = dut
        names = ("Rows", "Cols", "Pe", "Simd", "InBits", "WeightBits", "OutBits", "BeatBits")
        names += ("PortBits", "Fields")
        self.p = {name: int(getattr(dut, name).value) for name in names}
        self.load = source(dut, "s_axis_weight", share=share_in, seed=1)
        self.vec = source(dut, "s_axis_vec", share=share_in, seed=2)
        self.out = sink(dut, "m_axis_vec", share=share_out, seed=3)
        self.cycles_per_vector = self.p["Rows"] // self.p["Pe"] * (self.p["Cols"] // self.p["Simd"])

    async def set(self, weight: Array, bias: Array, shift: int) -> None:
        self.weight, self.bias, self.shift = weight, bias, shift
        self.dut.shift_i.value = shift
        p = self.p
        image = weight_beats(
            weight, bias, pe=p["Pe"], simd=p["Simd"], beat_bits=p["BeatBits"], bits=p["WeightBits"]
        )
        beats = image.reshape(-1, p["BeatBits"] // 8)
        await send(self.load, [int.from_bytes(beat.tobytes(), "little") for beat in beats])
        await self.load.wait()

    async def put(self, x: Array) -> None:
        simd = self.p["Simd"]
        await send(
            self.vec,
            [pack(x[i : i + simd].tolist(), self.p["InBits"]) for i in range(0, len(x), simd)],
        )

    async def get(self) -> list[int]:
        result: list[int] = []
        for _ in range(self.p["Rows"] // self.p["Pe"]):
            beat = (await self.out.recv(compact=False)).tdata[0]
            result += unpack(beat, self.p["OutBits"], self.p["Pe"])
        return result

    def want(self, x: Array) -> list[int]:
        return [int(v) for v in dense(x, self.weight, self.bias, self.shift)]


def random_layer(bench: Bench, rng: np.random.Generator) -> tuple[Array, Array]:
    limit = 1 << (bench.p["WeightBits"] - 1)
    shape = (bench.p["Rows"], bench.p["Cols"])
    weight = rng.integers(-limit, limit, shape).astype(np.int8)
    return weight, rng.integers(-5000, 5000, shape[0]).astype(np.int32)


def random_vector(bench: Bench, rng: np.random.Generator) -> Array:
    return rng.integers(-128, 128, bench.p["Cols"]).astype(np.int8)


@cocotb.test(timeout_time=400, timeout_unit="us")
@cocotb.parametrize(share_in=[0.0, 0.6], share_out=[0.0, 0.7])
async def random_matrices(dut: Any, share_in: float, share_out: float) -> None:
    """Two loads, each followed by vectors back to back."""
    bench = Bench(dut, share_in, share_out)
    await start(dut)
    rng = np.random.default_rng(4)
    for shift in (0, 7, 11):
        await bench.set(*random_layer(bench, rng), shift)
        vectors = [random_vector(bench, rng) for _ in range(6)]
        for x in vectors:
            await bench.put(x)
        for x in vectors:
            assert await bench.get() == bench.want(x)
    await ClockCycles(dut.clk_i, 20)
    assert bench.out.empty()


@cocotb.test(timeout_time=100, timeout_unit="us")
@cocotb.parametrize(sign_x=[-128, 127], sign_w=[-1, 1], shift=[0, 31, 63])
async def extremes(dut: Any, sign_x: int, sign_w: int, shift: int) -> None:
    """The largest sums both ways, and the largest biases."""
    bench = Bench(dut)
    await start(dut)
    limit = 1 << (bench.p["WeightBits"] - 1)
    weight = np.full((bench.p["Rows"], bench.p["Cols"]), limit - 1 if sign_w > 0 else -limit)
    bias = np.where(np.arange(bench.p["Rows"]) % 2, 2**31 - 2**24, -(2**31) + 2**24)
    await bench.set(weight.astype(np.int8), bias.astype(np.int32), min(shift, 62))
    dut.shift_i.value = shift
    x = np.full(bench.p["Cols"], sign_x).astype(np.int8)
    await bench.put(x)
    assert await bench.get() == bench.want(x)


@cocotb.test(timeout_time=200, timeout_unit="us")
async def rounding_and_saturation(dut: Any) -> None:
    """Every branch of RND_CONV and SAT, asserted to be hit, from sums chosen by the bias."""
    bench = Bench(dut)
    await start(dut)
    rng = np.random.default_rng(5)
    rows, shift = bench.p["Rows"], 4
    corners = [8, 24, 7, 9, -8, -24, -7, -9, 127 * 16 + 7, 127 * 16 + 8, -128 * 16 - 8]
    corners += [-128 * 16 - 9, 0, 2**31 - 1 - 2**24, -(2**31) + 2**24]
    weight, _ = random_layer(bench, rng)
    x = random_vector(bench, rng)
    dot = weight.astype(np.int64) @ x
    seen: set[int] = set()
    for first in range(0, len(corners), rows):
        sums = np.resize(np.roll(corners, -first), rows)
        await bench.set(weight, (sums - dot).astype(np.int32), shift)
        await bench.put(x)
        assert await bench.get() == bench.want(x)
        seen |= {int(v) for v in dot + bench.bias}
    floor = {v: v >> shift for v in seen}
    ties = [v for v in seen if v % 16 == 8]
    assert {int(round_shift(v, shift)) - floor[v] for v in ties} == {0, 1}  # down and up
    rounded = {int(round_shift(v, shift)) for v in seen}
    assert min(rounded) < -128 and max(rounded) > 127  # saturated both ways
    assert 127 in rounded and -128 in rounded  # and just not


@cocotb.test(timeout_time=400, timeout_unit="us")
async def every_bit_decides(dut: Any) -> None:
    """In every lane: a bit below the half, alone, rounds up; one above the range saturates."""
    bench = Bench(dut)
    await start(dut)
    cases = [(31, (1 << 30) + (1 << bit)) for bit in range(30)]
    cases += [(0, value) for bit in range(7, 31) for value in (1 << bit, -(1 << bit) - 1)]
    cases += [(4, value) for value in (8, 24, -8, -24, *(8 + (1 << bit) for bit in range(5, 11)))]
    weight = np.zeros((bench.p["Rows"], bench.p["Cols"]), np.int8)
    ties = [(at, step << (at - 1)) for at in (1, 2, 16, 31) for step in (1, 3, -1, -3)]
    cases += [(at, value) for at, value in ties if abs(value) < 1 << 31]
    for shift in sorted({at for at, _ in cases}):
        values = [value for at, value in cases if at == shift]
        folds = bench.p["Rows"] // bench.p["Pe"]
        for first in range(0, len(values), folds):
            chosen = np.resize(values[first : first + folds], folds)
            await bench.set(weight, np.repeat(chosen, bench.p["Pe"]).astype(np.int32), shift)
            x = np.zeros(bench.p["Cols"], np.int8)
            await bench.put(x)
            assert await bench.get() == bench.want(x)


@cocotb.test(timeout_time=100, timeout_unit="us")
async def a_result_waits_behind_the_one_shown(dut: Any) -> None:
    """Nothing is lost in a stall, neither a beat nor a cycle: the next result is there at once."""
    bench = Bench(dut)
    await start(dut)
    rng = np.random.default_rng(7)
    await bench.set(*random_layer(bench, rng), 8)
    vectors = [random_vector(bench, rng) for _ in range(3)]
    bench.out.pause = True
    for x in vectors:
        await bench.put(x)
    await ClockCycles(dut.clk_i, 3 * bench.cycles_per_vector + 20)
    watch = Handshakes(dut, "m_axis_vec")
    bench.out.pause = False
    await watch.until("m_axis_vec", 2)
    assert watch.at["m_axis_vec"][1] - watch.at["m_axis_vec"][0] == 1
    for x in vectors:
        assert await bench.get() == bench.want(x)


@cocotb.test(timeout_time=200, timeout_unit="us")
async def no_bubble(dut: Any) -> None:
    """Back to back, a vector takes exactly Rows/Pe * Cols/Simd cycles."""
    bench = Bench(dut)
    await start(dut)
    rng = np.random.default_rng(6)
    await bench.set(*random_layer(bench, rng), 8)
    vectors = [random_vector(bench, rng) for _ in range(8)]
    for x in vectors:
        await bench.put(x)
    beats = bench.p["Rows"] // bench.p["Pe"]
    stamps: list[int] = []
    first_input = cycle = 0
    while len(stamps) < beats * len(vectors):
        await FallingEdge(dut.clk_i)
        cycle += 1
        if not first_input and dut.s_axis_vec_tvalid.value and dut.s_axis_vec_tready.value:
            first_input = cycle
        if dut.m_axis_vec_tvalid.value and dut.m_axis_vec_tready.value:
            stamps.append(cycle)
    for x in vectors:
        assert await bench.get() == bench.want(x)
    steps = bench.p["Cols"] // bench.p["Simd"]
    assert [b - a for a, b in pairwise(stamps)] == [steps] * (len(stamps) - 1)
    p = bench.p
    packing = Packing(
        p["Pe"], p["Simd"], p["WeightBits"], p["InBits"], p["PortBits"], fields=p["Fields"]
    )
    latency = stamps[beats - 1] - first_input
    dut._log.info("latency of a vector: %d cycles", latency)
    assert latency == bench.cycles_per_vector + 3 + packing.stages


@cocotb.test(timeout_time=200, timeout_unit="us")
@cocotb.parametrize(moment=[1, 5, 13, 29])
async def reset_in_mid_vector(dut: Any, moment: int) -> None:
    """After a reset, also in mid-load, the kernel is idle and a new load and vectors are right."""
    bench = Bench(dut)
    await start(dut)
    rng = np.random.default_rng(moment)
    await bench.set(*random_layer(bench, rng), 5)
    for _ in range(3):
        await bench.put(random_vector(bench, rng))
    await send(bench.load, [random.Random(1).getrandbits(bench.p["BeatBits"])])
    await ClockCycles(dut.clk_i, moment)
    bench.vec.clear()
    bench.load.clear()
    await reset(dut)
    await RisingEdge(dut.clk_i)
    bench.out.clear()
    assert not dut.m_axis_vec_tvalid.value
    await bench.set(*random_layer(bench, rng), 7)
    x = random_vector(bench, rng)
    await bench.put(x)
    assert await bench.get() == bench.want(x)
