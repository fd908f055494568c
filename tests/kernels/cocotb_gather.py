# SPDX-License-Identifier: Apache-2.0
"""rf_gather against its integer model."""

from itertools import pairwise
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles
from rows import Array, Handshakes, random_rows, rounding, row_beats

from recfabric.kernels.gather.model import gather
from recfabric.sim.streams import reset, send, sink, source, start, unpack


class Bench:
    """The device under test with its streams."""

    def __init__(self, dut: Any, share_in: float = 0.0, share_out: float = 0.0) -> None:
        self.dut = dut
        self.dim, self.bits = int(dut.Dim.value), int(dut.ElemBits.value)
        self.beat_bits, self.max_rows = int(dut.BeatBits.value), int(dut.MaxRows.value)
        self.beats = max(1, self.dim * self.bits // self.beat_bits)
        self.chunks = self.dim // int(dut.RequantLanes.value)
        self.cmd = source(dut, "s_axis_cmd", share=share_in, seed=1)
        self.row = source(dut, "s_axis_row", share=share_in, seed=2)
        self.out = sink(dut, "m_axis_vec", share=share_out, seed=3)

    async def put(self, rows: Array, norm: int, shift: int) -> list[int]:
        """Queue a request; returns what the model answers."""
        await send(self.cmd, [len(rows) << 24 | norm << 8 | shift])
        await send(self.row, row_beats(rows, self.bits, self.beat_bits))
        return [int(v) for v in gather(rows, norm, shift)]

    async def get(self) -> list[int]:
        return unpack((await self.out.recv(compact=False)).tdata[0], 8, self.dim)

    async def check(self, requests: list[tuple[Array, int, int]]) -> None:
        """Queue all requests at once, then compare all answers."""
        wanted = [await self.put(*request) for request in requests]
        for want in wanted:
            assert await self.get() == want
        await ClockCycles(self.dut.clk_i, 2 * self.chunks + 8)
        assert self.out.empty()

    def rows(self, rng: np.random.Generator, n: int) -> Array:
        return random_rows(rng, n, self.dim, self.bits)


@cocotb.test(timeout_time=400, timeout_unit="us")
@cocotb.parametrize(share_in=[0.0, 0.5], share_out=[0.0, 0.7])
async def random_requests(dut: Any, share_in: float, share_out: float) -> None:
    """Back to back, among them empty ones, single rows and repeated rows."""
    bench = Bench(dut, share_in, share_out)
    await start(dut)
    rng = np.random.default_rng(4)
    requests = []
    for n in (1, 0, 0, 2, 31, 3, 0, 1, 1, 1, 40, 5, 7):
        rows = bench.rows(rng, n)
        if n > 4:
            rows[n // 2 :] = rows[0]
        requests.append((rows, int(rng.integers(1, 1 << 16)), int(rng.integers(12, 24))))
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
    requests = [(rows, 65535, shift) for shift in (0, exact, 47)]
    requests.append((bench.rows(np.random.default_rng(5), bench.max_rows), 1, 5))
    await bench.check(requests)


@cocotb.test(timeout_time=200, timeout_unit="us")
async def rounding_and_saturation(dut: Any) -> None:
    """Every branch of RND_CONV and SAT, asserted from the model to be hit."""
    bench = Bench(dut)
    await start(dut)
    rng = np.random.default_rng(6)
    scales = ((1, 0), (1, 1), (3, 2), (40, 0), (64, 8))
    requests = [(bench.rows(rng, n), *scale) for n in (1, 2, 3) for scale in scales]
    hit = set[str]()
    for rows, norm, shift in requests:
        hit |= rounding(rows.sum(axis=0, dtype=np.int64) * norm, shift)
    assert hit == {"above", "below", "tie up", "tie down"}
    await bench.check(requests)


@cocotb.test(timeout_time=400, timeout_unit="us")
async def one_beat_a_cycle(dut: Any) -> None:
    """Latency as documented; back to back a request takes its beats and nothing more."""
    bench = Bench(dut)
    await start(dut)
    rng = np.random.default_rng(7)
    n, count = 3 * bench.chunks, 5
    for _ in range(count):
        await bench.put(bench.rows(rng, n), 1, 8)
    watch = Handshakes(dut, "s_axis_cmd", "s_axis_row", "m_axis_vec")
    await watch.until("m_axis_vec", count)
    rows, out = watch.at["s_axis_row"], watch.at["m_axis_vec"]
    latency = out[0] - watch.at["s_axis_cmd"][0]
    dut._log.info("latency %d cycles, periods %s", latency, [b - a for a, b in pairwise(out)])
    assert latency == n * bench.beats + bench.chunks + 4
    assert rows[-1] - rows[0] == count * n * bench.beats - 1
    assert all(b - a == n * bench.beats for a, b in pairwise(out))


@cocotb.test(timeout_time=400, timeout_unit="us")
async def short_requests(dut: Any) -> None:
    """Requests shorter than their requantisation follow one another at its rate, plus a cycle."""
    bench = Bench(dut)
    await start(dut)
    rng = np.random.default_rng(8)
    for _ in range(6):
        await bench.put(bench.rows(rng, 1), 1, 8)
    watch = Handshakes(dut, "m_axis_vec")
    await watch.until("m_axis_vec", 6)
    period = max(bench.chunks + 1, bench.beats)
    assert all(b - a <= period for a, b in pairwise(watch.at["m_axis_vec"]))


@cocotb.test(timeout_time=200, timeout_unit="us")
@cocotb.parametrize(moment=range(2, 24))
async def reset_in_mid_request(dut: Any, moment: int) -> None:
    """After a reset the kernel is idle, and the next requests are right."""
    bench = Bench(dut)
    await start(dut)
    rng = np.random.default_rng(moment)
    for _ in range(3):
        await bench.put(bench.rows(rng, 5), 1, 0)
    await ClockCycles(dut.clk_i, moment)
    bench.cmd.clear()
    bench.row.clear()
    await reset(dut)
    assert not dut.m_axis_vec_tvalid.value
    bench.out.clear()
    await bench.check([(bench.rows(rng, n), 1, 2) for n in (4, 0, 2)])
