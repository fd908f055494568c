# SPDX-License-Identifier: Apache-2.0
"""rf_list_read: every list's beats, once and in order, whatever the other lists' receivers do."""

import random
from typing import Any

import cocotb
from axi_ports import ALL, ReadPorts, Taker
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge

from recfabric.sim.streams import reset, start

BURST, DEPTH = 4, 8  # MaxBurst and ListDepth, as the tests build it


class Bench:
    """The port's memory and the lists' receivers."""

    def __init__(self, dut: Any, *, memory: float = 0.0) -> None:
        self.dut = dut
        self.lists = len(dut.m_axis_list_tvalid)
        self.rng = random.Random(2)
        self.bad: set[int] = set()
        self.memory = ReadPorts(
            dut,
            "m_axi_list",
            max_burst=BURST,
            share=memory,
            latency=6,
            bad=lambda address: address in self.bad,
        )
        self.taker = Taker(dut, "m_axis_list", streams=self.lists)
        self.errors = 0
        dut.start_i.value = dut.addr_i.value = dut.beats_i.value = 0
        cocotb.start_soon(self._count_errors())

    async def _count_errors(self) -> None:
        while True:
            await FallingEdge(self.dut.clk_i)
            self.errors += bool(self.dut.error_o.value)

    async def open(self, addresses: list[int], beats: list[int]) -> None:
        """Start; what stands on the inputs afterwards is noise."""
        d = self.dut
        for taken in self.taker.beats:
            taken.clear()
        self.memory.bursts.clear()
        d.start_i.value = 1
        d.addr_i.value = sum(a << 64 * i for i, a in enumerate(addresses))
        d.beats_i.value = sum(n << 32 * i for i, n in enumerate(beats))
        await RisingEdge(d.clk_i)
        d.start_i.value = 0
        d.addr_i.value = self.rng.getrandbits(64 * self.lists)
        d.beats_i.value = self.rng.getrandbits(32 * self.lists)

    def at(self, address: int, beats: int) -> list[int]:
        """The addresses of a list's beats."""
        return [(address + i * self.memory.bytes) & ALL for i in range(beats)]

    async def taken(self, beats: list[int]) -> None:
        """Wait until so many beats of each list are taken."""
        while any(len(got) < n for got, n in zip(self.taker.beats, beats, strict=True)):
            await RisingEdge(self.dut.clk_i)

    async def check(self, addresses: list[int], beats: list[int]) -> None:
        """All lists whole, and nothing else asked for."""
        await self.open(addresses, beats)
        await self.taken(beats)
        await ClockCycles(self.dut.clk_i, 20)
        for got, address, n in zip(self.taker.beats, addresses, beats, strict=True):
            assert got == [self.memory.beat(a) for a in self.at(address, n)]
        asked = sorted(a for _, at, n in self.memory.bursts for a in self.at(at, n))
        assert asked == sorted(
            a for at, n in zip(addresses, beats, strict=True) for a in self.at(at, n)
        )

    def places(self) -> list[int]:
        """A place for each list, anywhere in 64 bits and in a page."""
        size = self.memory.bytes
        return [self.rng.getrandbits(64) // size * size for _ in range(self.lists)]


@cocotb.test(timeout_time=400, timeout_unit="us")
@cocotb.parametrize(memory=[0.0, 0.5], lists=[0.0, 0.6])
async def lists_come_whole(dut: Any, memory: float, lists: float) -> None:
    """Empty ones, of less than a burst, across pages; all at once, or each with its own pace."""
    bench = Bench(dut, memory=memory)
    await start(dut)
    bench.taker.shares = [lists * (1 + i) / bench.lists for i in range(bench.lists)]
    sizes = [0, 1, 3, 4, 5, 17, 40]
    for turn in range(10):
        places = bench.places()
        beats = [bench.rng.choice(sizes) for _ in places]
        if turn == 0:
            beats = [0] * bench.lists
        await bench.check(places, beats)
        await bench.check([a ^ (ALL // 4096 * 4096) for a in places], beats[::-1])


@cocotb.test(timeout_time=100, timeout_unit="us")
async def no_list_holds_up_another(dut: Any) -> None:
    """Of each list in turn no beat is taken until the others are there."""
    bench = Bench(dut)
    await start(dut)
    for blocked in range(bench.lists):
        beats = [30] * bench.lists
        bench.taker.shares = [float(i == blocked) for i in range(bench.lists)]
        places = bench.places()
        await bench.open(places, beats)
        await bench.taken([0 if i == blocked else 30 for i in range(bench.lists)])
        await ClockCycles(dut.clk_i, 30)
        asked = sum(n for _, a, n in bench.memory.bursts if a in bench.at(places[blocked], 30))
        assert asked == DEPTH  # as many as its store holds, and no more
        bench.taker.shares = [0.0] * bench.lists
        await bench.taken(beats)
        assert bench.taker.beats[blocked] == [
            bench.memory.beat(a) for a in bench.at(places[blocked], 30)
        ]


@cocotb.test(timeout_time=50, timeout_unit="us")
async def a_beat_a_cycle(dut: Any) -> None:
    """Several lists together fill the port; bursts are as long as they may be, in turn."""
    bench = Bench(dut)
    await start(dut)
    beats = [40] * bench.lists
    await bench.open([i << 20 for i in range(bench.lists)], beats)
    begin = bench.memory.cycle
    await bench.taken(beats)
    assert bench.memory.cycle - begin <= sum(beats) + 20
    assert [n for _, _, n in bench.memory.bursts] == [BURST] * (sum(beats) // BURST)
    first = [a >> 20 for _, a, _ in bench.memory.bursts[: bench.lists]]
    assert sorted(first) == list(range(bench.lists))


@cocotb.test(timeout_time=200, timeout_unit="us")
async def long_lists_begin(dut: Any) -> None:
    """Of every length of one bit: whole bursts, more than a store holds; a reset ends them."""
    bench = Bench(dut)
    await start(dut)
    for number in range(26 * bench.lists):
        one, bit = number % bench.lists, 6 + number // bench.lists
        await bench.open(bench.places(), [1 << bit if i == one else 0 for i in range(bench.lists)])
        await ClockCycles(dut.clk_i, 50)
        lengths = [n for _, _, n in bench.memory.bursts]
        assert sum(lengths) >= 3 * DEPTH and max(lengths) == BURST
        await reset(dut)
    await bench.check(bench.places(), [5] * bench.lists)


@cocotb.test(timeout_time=100, timeout_unit="us")
async def errors_are_told(dut: Any) -> None:
    bench = Bench(dut, memory=0.3)
    await start(dut)
    for wrong in range(bench.lists):
        places = bench.places()
        bench.bad = set(bench.at(places[wrong], 12)[2::3])
        before = bench.errors
        await bench.check(places, [12] * bench.lists)
        assert bench.errors - before == 4


@cocotb.test(timeout_time=100, timeout_unit="us")
@cocotb.parametrize(moment=[3, 9, 17, 40])
async def reset_in_mid_list(dut: Any, moment: int) -> None:
    bench = Bench(dut, memory=0.2)
    await start(dut)
    bench.taker.shares = [0.7] * bench.lists
    await bench.open(bench.places(), [50] * bench.lists)
    await ClockCycles(dut.clk_i, moment)
    await reset(dut)
    bench.taker.shares = [0.0] * bench.lists
    await bench.check(bench.places(), [9, 0, 21, 4][: bench.lists])
