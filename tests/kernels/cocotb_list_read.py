# SPDX-License-Identifier: Apache-2.0
"""rf_list_read: every list's beats, once and in order, whatever the other lists' receivers do."""

import random
from typing import Any

import cocotb
from axi_ports import ALL, PAGE, ReadPorts, Taker
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge

from recfabric.sim.streams import reset, start

BURST, DEPTH = 4, 8  # MaxBurst and ListDepth, as the tests build it
LONG = 4095  # beats of a long list


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

    async def one_taken(self, index: int) -> None:
        """Take one beat of a list that waits with one, and wait until that has had its effect."""
        before = len(self.taker.beats[index])
        await FallingEdge(self.dut.clk_i)
        self.taker.shares[index] = 0.0
        await FallingEdge(self.dut.clk_i)
        self.taker.shares[index] = 1.0
        await ClockCycles(self.dut.clk_i, 2 * self.lists + 4)
        assert len(self.taker.beats[index]) == before + 1

    async def cycles(self, bursts: int) -> list[int]:
        """When the memory takes the next bursts."""
        found: list[int] = []
        while len(found) < bursts:
            await FallingEdge(self.dut.clk_i)
            if self.dut.m_axi_list_arvalid.value and self.dut.m_axi_list_arready.value:
                found.append(self.memory.cycle)
        return found

    def asked(self, address: int, beats: int) -> int:
        """Of a list, the beats that were asked for."""
        whole = set(self.at(address, beats))
        return sum(n for _, a, n in self.memory.bursts if a in whole)

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
        assert bench.asked(places[blocked], 30) == DEPTH  # as many as its store holds, no more
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


@cocotb.test(timeout_time=100, timeout_unit="us")
@cocotb.parametrize(memory=[0.0, 0.4, 0.8])
async def bursts_go_in_turn(dut: Any, memory: float) -> None:
    """While there is room: the order of lists of up to two bursts, whatever the memory does."""
    bench = Bench(dut, memory=memory)
    await start(dut)
    for _ in range(30):
        places = bench.places()
        beats = [bench.rng.randint(0, DEPTH) for _ in places]
        await bench.check(places, beats)
        bursts = [bench.at(a, n) for _, a, n in bench.memory.bursts]  # two at a page's end
        got = [beat for burst in bursts for beat in burst]
        orders = []
        for first in range(bench.lists):  # the turn goes round while there is nothing to ask for
            turns = [(first + i) % bench.lists for i in range(bench.lists)]
            parts = [(i, at) for at in range(0, DEPTH, BURST) for i in turns]
            orders.append(
                [a for i, at in parts for a in bench.at(places[i], beats[i])[at : at + BURST]]
            )
        assert got in orders


@cocotb.test(timeout_time=50, timeout_unit="us")
async def a_turn_is_a_cycle(dut: Any) -> None:
    """One list alone is asked for once a round."""
    bench = Bench(dut)
    await start(dut)
    for one in range(bench.lists):
        await bench.open(bench.places(), [DEPTH if i == one else 0 for i in range(bench.lists)])
        first, second = await bench.cycles(DEPTH // BURST)
        assert second - first == bench.lists
        await bench.taken([DEPTH if i == one else 0 for i in range(bench.lists)])


@cocotb.test(timeout_time=50, timeout_unit="us")
async def a_burst_waits_at_the_port(dut: Any) -> None:
    """The third one, of the next list that has one: it goes right behind those that are ahead."""
    bench = Bench(dut)
    await start(dut)
    for empty in range(bench.lists):
        beats = [0 if i == empty else DEPTH for i in range(bench.lists)]
        bench.memory.frozen = True
        await bench.open([i << 20 for i in range(bench.lists)], beats)
        await ClockCycles(dut.clk_i, 6 * bench.lists)
        bench.memory.frozen = False
        cycles = await bench.cycles(3)
        assert cycles == list(range(cycles[0], cycles[0] + 3))
        await bench.taken(beats)


@cocotb.test(timeout_time=100, timeout_unit="us")
async def room_is_used_as_it_comes(dut: Any) -> None:
    """A burst is asked for with the beat that makes room for all of it, not before, not after."""
    bench = Bench(dut)
    await start(dut)
    for one in range(bench.lists):
        for more in range(1, 2 * BURST + 2):
            beats = [DEPTH + more if i == one else DEPTH + 1 for i in range(bench.lists)]
            bench.taker.shares = [1.0] * bench.lists
            places = bench.places()
            await bench.open(places, beats)
            await ClockCycles(dut.clk_i, 40 + 2 * DEPTH * bench.lists)
            asked = DEPTH
            for taken in range(1, DEPTH + more + 1):
                await bench.one_taken(one)
                burst = min(BURST, beats[one] - asked)
                asked += burst if DEPTH - asked + taken >= burst else 0
                assert bench.asked(places[one], beats[one]) == asked
            bench.taker.shares = [0.0] * bench.lists
            await bench.taken(beats)


@cocotb.test(timeout_time=100, timeout_unit="us")
async def addresses_carry(dut: Any) -> None:
    """Lists that begin a beat below an address of one bit."""
    bench = Bench(dut)
    await start(dut)
    for bit in range(12, 64, bench.lists):
        places = [(1 << min(bit + i, 63)) - bench.memory.bytes for i in range(bench.lists)]
        await bench.check([a ^ i << 4 for i, a in enumerate(places)], [7] * bench.lists)


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def long_lists_end(dut: Any) -> None:
    """All beats of two lists of many, beside others that are short.

    The bits of their lengths are set in an even number of bursts of one, an odd one of the other.
    """
    bench = Bench(dut)
    await start(dut)
    for one in range(bench.lists):
        lengths = [LONG, LONG - BURST, *[5] * (bench.lists - 2)]
        await bench.check(bench.places(), lengths[-one:] + lengths[:-one])


@cocotb.test(timeout_time=400, timeout_unit="us")
@cocotb.parametrize(more=[0, 2 * BURST])
async def long_lists_begin(dut: Any, more: int) -> None:
    """Of every length of one bit: whole bursts, more than a store holds, and of no other list; a
    reset ends them.
    """
    bench = Bench(dut)
    await start(dut)
    for number in range(26 * bench.lists):
        one, bit = number % bench.lists, 6 + number // bench.lists
        beats = (1 << bit) + more
        places = bench.places()
        await bench.open(places, [beats if i == one else 0 for i in range(bench.lists)])
        await ClockCycles(dut.clk_i, 50)
        lengths = [n for _, _, n in bench.memory.bursts]
        assert all((a - places[one]) & ALL < PAGE for _, a, _ in bench.memory.bursts)
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
