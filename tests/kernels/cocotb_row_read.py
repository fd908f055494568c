# SPDX-License-Identifier: Apache-2.0
"""rf_row_read: rows in the order asked for, from every port in turn; one beat a cycle."""

import random
from typing import Any

import cocotb
from axi_ports import ALL, ReadPorts, Taker
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge

from recfabric.sim.streams import reset, start

BEATS = 2  # of a row, as the tests build it


class Bench:
    """The ports' memory, the rows' receiver, and what is asked for."""

    def __init__(
        self, dut: Any, *, memory: float = 0.0, rows: float = 0.0, ids: float = 0.0
    ) -> None:
        self.dut, self.ids = dut, ids
        self.ports = len(dut.m_axi_row_arvalid)
        self.rng = random.Random(2)
        self.bad: set[int] = set()
        self.memory = ReadPorts(
            dut,
            "m_axi_row",
            ports=self.ports,
            max_burst=BEATS,
            share=memory,
            latency=6,
            bad=lambda address: address in self.bad,
        )
        self.rows = Taker(dut, "m_axis_row", tlast=True)
        self.rows.shares = [rows]
        self.errors = self.turn = 0
        dut.s_axis_id_tvalid.value = dut.base_i.value = 0
        cocotb.start_soon(self._count_errors())

    async def _count_errors(self) -> None:
        while True:
            await FallingEdge(self.dut.clk_i)
            self.errors += bool(self.dut.error_o.value)

    async def ask(self, numbers: list[int]) -> int:
        """Ask for rows; the cycles until the last one is taken."""
        cycles = 0
        for number in numbers:
            while self.rng.random() < self.ids:
                self.dut.s_axis_id_tdata.value = self.rng.getrandbits(32)
                await RisingEdge(self.dut.clk_i)
            self.dut.s_axis_id_tdata.value, self.dut.s_axis_id_tvalid.value = number, 1
            await FallingEdge(self.dut.clk_i)
            cycles += 1
            while not self.dut.s_axis_id_tready.value:
                await FallingEdge(self.dut.clk_i)
                cycles += 1
            await RisingEdge(self.dut.clk_i)
            self.dut.s_axis_id_tvalid.value = 0
        return cycles

    def beats(self, base: int, numbers: list[int]) -> list[int]:
        """Addresses of the beats of rows."""
        size = self.memory.bytes
        return [(base + (n * BEATS + i) * size) & ALL for n in numbers for i in range(BEATS)]

    async def check(self, base: int, numbers: list[int]) -> None:
        """All rows, each once and in order, and nothing else asked for."""
        before, bursts = len(self.rows.beats[0]), len(self.memory.bursts)
        self.dut.base_i.value = base
        await self.ask(numbers)
        want = self.beats(base, numbers)
        while len(self.rows.beats[0]) < before + len(want):
            await RisingEdge(self.dut.clk_i)
        await ClockCycles(self.dut.clk_i, 12)
        assert self.rows.beats[0][before:] == [self.memory.beat(a) for a in want]
        assert self.rows.lasts[before:] == ([False] * (BEATS - 1) + [True]) * len(numbers)
        turns = [(self.turn + i) % self.ports for i in range(len(numbers))]
        asked = [(p, a, BEATS) for p, a in zip(turns, want[::BEATS], strict=True)]
        for port in range(self.ports):
            got = [burst for burst in self.memory.bursts[bursts:] if burst[0] == port]
            assert got == [burst for burst in asked if burst[0] == port]
        self.turn += len(numbers)


def any_rows(rng: random.Random, count: int) -> tuple[int, list[int]]:
    """A table anywhere in 64 bits, rows anywhere in 32, repeats among them."""
    numbers = [rng.getrandbits(32) for _ in range(count)]
    numbers += [(1 << 32) - 1, 0, numbers[0], numbers[0]]
    return rng.getrandbits(51) << 13, numbers


SHARES = [(0.0, 0.0, 0.0), (0.5, 0.0, 0.3), (0.2, 0.6, 0.0)]


@cocotb.test(timeout_time=400, timeout_unit="us")
@cocotb.parametrize(shares=SHARES)
async def rows_come_in_order(dut: Any, shares: tuple[float, float, float]) -> None:
    memory, rows, ids = shares
    bench = Bench(dut, memory=memory, rows=rows, ids=ids)
    await start(dut)
    for count in (1, 2, 60, 7, 3):  # an odd number of rows goes on at the next port
        await bench.check(*any_rows(bench.rng, count))
    flipped, numbers = any_rows(random.Random(4), 30)
    for base in (flipped, flipped ^ (ALL << 13 & ALL)):
        await bench.check(base, [n ^ (0 if base == flipped else (1 << 32) - 1) for n in numbers])


@cocotb.test(timeout_time=50, timeout_unit="us")
async def a_beat_a_cycle(dut: Any) -> None:
    """The memory's latency is covered; so is a receiver that waits until all stores are full."""
    bench = Bench(dut)
    await start(dut)
    numbers = list(range(100))
    bench.rows.shares = [1.0]
    asking = cocotb.start_soon(bench.ask(numbers))
    await ClockCycles(dut.clk_i, 60)
    held = sum(beats for _, _, beats in bench.memory.bursts)
    assert held == 8 * bench.ports  # FifoDepth beats at each, as the tests build it
    bench.rows.shares = [0.0]
    begin = bench.memory.cycle
    await asking
    while len(bench.rows.beats[0]) < len(numbers) * BEATS:
        await RisingEdge(dut.clk_i)
    assert bench.memory.cycle - begin <= len(numbers) * BEATS + 12
    assert bench.rows.beats[0] == [bench.memory.beat(a) for a in bench.beats(0, numbers)]


@cocotb.test(timeout_time=100, timeout_unit="us")
async def errors_are_told(dut: Any) -> None:
    """At each port, and at both at once one pulse; rows come as all others."""
    bench = Bench(dut, memory=0.4)
    await start(dut)
    for port in range(bench.ports):
        numbers = [bench.rng.getrandbits(32) for _ in range(24)]
        wrong = bench.beats(0, numbers)[port * BEATS + 1 :: 4 * BEATS * bench.ports]
        bench.bad = set(wrong)
        before = bench.errors
        await bench.check(0, numbers)
        assert bench.errors - before == len(wrong)


@cocotb.test(timeout_time=100, timeout_unit="us")
@cocotb.parametrize(moment=[5, 13, 14, 31])
async def reset_in_mid_row(dut: Any, moment: int) -> None:
    bench = Bench(dut, memory=0.2)
    await start(dut)
    asking = cocotb.start_soon(bench.ask(list(range(40))))
    await ClockCycles(dut.clk_i, moment)
    asking.cancel()
    bench.turn = 0
    dut.s_axis_id_tvalid.value = 0
    await reset(dut)
    for taken in (bench.rows.beats[0], bench.rows.lasts, bench.memory.bursts):
        taken.clear()
    await bench.check(*any_rows(bench.rng, 9))
