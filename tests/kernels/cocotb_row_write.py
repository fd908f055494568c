# SPDX-License-Identifier: Apache-2.0
"""rf_row_write: every beat to its place, in bursts, done when the memory has answered them all."""

import random
from collections import deque
from typing import Any

import cocotb
from axi_ports import ALL
from cocotb.triggers import FallingEdge, RisingEdge

from recfabric.sim.streams import reset, start

LONGEST = 1 << 14  # beats of a region that is written to its end
BURST = 4  # MaxBurst, as the tests build it
Shares = tuple[float, float, float, float]


class Exact:
    """What rf_row_write must show in every cycle, the memory beside it.

    ``shares``: of the cycles in which a beat is there, an address and a beat are taken, and a
    burst that came whole is answered. ``polite``: ready for an address only once it is there.
    """

    def __init__(self, dut: Any, shares: Shares, *, polite: bool = False) -> None:
        self.dut, self.shares, self.polite = dut, shares, polite
        self.rng = random.Random(9)
        self.clear()
        for name in ("awready", "wready", "bvalid", "bresp", "bid"):
            getattr(dut, f"m_axi_list_{name}").value = 0
        for name in ("start_i", "addr_i", "beats_i", "s_axis_beat_tvalid", "s_axis_beat_tdata"):
            getattr(dut, name).value = 0

    def clear(self) -> None:
        """What a reset leaves."""
        self.todo: deque[tuple[int, int]] = deque()  # bursts whose address is not given
        self.lengths: deque[int] = deque()  # beats still to come of each burst
        self.given = self.whole = self.answered = 0  # bursts: address, data, response
        self.bursts = 0  # of the region
        self.valid = self.valid_now = self.open = self.due = False
        self.waiting: tuple[int, int] | None = None
        self.was_valid = False  # a beat was there in the cycle before
        self.beats: list[int] = []
        self.dones = self.errors = 0
        self.response: int | None = None

    def present(self) -> None:
        d, (beat, address, data, answer) = self.dut, self.shares
        self.was_valid = self.valid_now
        if not self.valid and self.rng.random() < beat:
            self.valid = True
            d.s_axis_beat_tdata.value = self.rng.getrandbits(len(d.s_axis_beat_tdata))
        d.s_axis_beat_tvalid.value = self.valid_now = self.valid
        ready = self.rng.random() < address and (not self.polite or self.waiting is not None)
        d.m_axi_list_awready.value = ready
        d.m_axi_list_wready.value = self.rng.random() < data
        ready = min(self.given, self.whole) > self.answered
        self.response = self.rng.getrandbits(2) if ready and self.rng.random() < answer else None
        d.m_axi_list_bvalid.value = self.response is not None
        d.m_axi_list_bresp.value = 3 if self.response is None else self.response
        d.m_axi_list_bid.value = self.rng.getrandbits(1)

    def check(self) -> None:
        d = self.dut
        assert d.done_o.value == self.due
        self.dones += self.due
        self.open = self.open and not self.due
        assert d.m_axi_list_bready.value
        assert d.error_o.value == (self.response is not None and self.response >= 2)
        self.errors += self.response is not None and self.response >= 2
        self.answered += self.response is not None
        self._check_address()
        self._check_beat()
        self.due = self.open and self.answered == self.bursts

    def _check_address(self) -> None:
        d = self.dut
        if not d.m_axi_list_awvalid.value:
            assert self.waiting is None, "an address went away"
            return
        if self.waiting is None:
            assert self.was_valid, "an address while no beat is here"
            assert self.given - self.whole < 2, "more than a burst ahead"
        self.waiting = self.todo[0]
        address, beats = self.waiting
        assert int(d.m_axi_list_awaddr.value) == address
        assert int(d.m_axi_list_awlen.value) == beats - 1
        assert 8 << int(d.m_axi_list_awsize.value) == len(d.m_axi_list_wdata)
        assert int(d.m_axi_list_awburst.value) == 1 and int(d.m_axi_list_awcache.value) == 3
        assert not int(d.m_axi_list_awid.value) and not int(d.m_axi_list_awprot.value)
        if d.m_axi_list_awready.value:
            self.todo.popleft()
            self.given += 1
            self.waiting = None

    def _check_beat(self) -> None:
        d = self.dut
        taken = bool(d.s_axis_beat_tready.value) and self.valid
        assert taken == bool(d.m_axi_list_wvalid.value and d.m_axi_list_wready.value)
        if not d.m_axi_list_wvalid.value:
            return
        assert self.valid and self.lengths
        assert int(d.m_axi_list_wdata.value) == int(d.s_axis_beat_tdata.value)
        assert int(d.m_axi_list_wstrb.value) == (1 << len(d.m_axi_list_wstrb)) - 1
        assert d.m_axi_list_wlast.value == (self.lengths[0] == 1)
        if taken:
            self.valid = False
            self.lengths[0] -= 1
            if not self.lengths[0]:
                self.lengths.popleft()
                self.whole += 1

    async def cycle(self) -> None:
        self.present()
        await FallingEdge(self.dut.clk_i)
        self.check()
        await RisingEdge(self.dut.clk_i)

    async def begin(self, address: int, beats: int) -> None:
        """Open a region; the address' place in its page is noise, as is what follows."""
        d, size = self.dut, len(self.dut.m_axi_list_wdata) // 8
        self.given = self.whole = self.answered = 0
        d.start_i.value, d.beats_i.value = 1, beats
        d.addr_i.value = address + self.rng.randrange(4096)
        await self.cycle()
        d.start_i.value, d.beats_i.value = 0, self.rng.getrandbits(32)
        d.addr_i.value = self.rng.getrandbits(64)
        self.bursts, self.open = -(-beats // BURST), True
        for first in range(0, min(beats, LONGEST), BURST):
            length = min(BURST, beats - first)
            self.todo.append(((address + first * size) & ALL, length))
            self.lengths.append(length)

    async def region(self, address: int, beats: int) -> int:
        """A whole region; the cycles that it takes."""
        dones, cycles = self.dones, 0
        await self.begin(address, beats)
        while self.dones == dones:
            await self.cycle()
            cycles += 1
        return cycles


def page(rng: random.Random) -> int:
    return rng.getrandbits(52) << 12


@cocotb.test(timeout_time=200, timeout_unit="us")
@cocotb.parametrize(
    shares=[(1.0, 1.0, 1.0, 1.0), (0.8, 0.2, 0.9, 0.3), (0.3, 0.9, 0.6, 0.9), (1.0, 0.6, 0.4, 0.1)]
)
async def every_cycle_is_as_said(dut: Any, shares: Shares) -> None:
    """Regions of every length up to some bursts, one right behind the other, anywhere."""
    bench = Exact(dut, shares)
    await start(dut)
    for beats in (*range(1, 18), 40, 1, 4):
        address = page(bench.rng)
        await bench.region(address, beats)
        await bench.region(address ^ (ALL // 4096 * 4096), BURST)
        for _ in range(3):
            await bench.cycle()
    assert bench.errors > 10
    # A region longer than a page, which borders on one whose address differs in many bits.
    await bench.region(0x0000_7FFF_FFFF_F000, 45 * BURST)


@cocotb.test(timeout_time=50, timeout_unit="us")
async def a_beat_a_cycle(dut: Any) -> None:
    bench = Exact(dut, (1.0, 1.0, 1.0, 1.0))
    await start(dut)
    assert await bench.region(1 << 12, 100) <= 100 + 4


@cocotb.test(timeout_time=50, timeout_unit="us")
async def a_memory_may_wait_for_an_address(dut: Any) -> None:
    bench = Exact(dut, (0.9, 0.5, 0.9, 0.9), polite=True)
    await start(dut)
    for beats in (1, 9, 40):
        await bench.region(page(bench.rng), beats)


@cocotb.test(timeout_time=400, timeout_unit="us")
@cocotb.parametrize(beats=[0x1555, 0x2AAA, *((1 << bit) + 3 for bit in range(5, 12))])
async def long_regions_end(dut: Any, beats: int) -> None:
    """Every second bit of a count, the others, and single ones."""
    bench = Exact(dut, (1.0, 1.0, 1.0, 1.0))
    await start(dut)
    assert await bench.region(page(bench.rng), beats) <= beats + 4


@cocotb.test(timeout_time=100, timeout_unit="us")
async def long_regions_begin(dut: Any) -> None:
    """Of every length of one bit: whole bursts, and not done; a reset ends them."""
    bench = Exact(dut, (1.0, 0.9, 0.9, 0.9))
    await start(dut)
    for bit in range(6, 32):
        await bench.begin(page(bench.rng), 1 << bit)
        for _ in range(40):
            await bench.cycle()
        assert bench.whole > 4
        dut.start_i.value = dut.s_axis_beat_tvalid.value = dut.m_axi_list_bvalid.value = 0
        await reset(dut)
        bench.clear()
    await bench.region(page(bench.rng), 9)


@cocotb.test(timeout_time=100, timeout_unit="us")
@cocotb.parametrize(moment=[2, 3, 5, 9, 12])
async def reset_in_mid_region(dut: Any, moment: int) -> None:
    bench = Exact(dut, (0.9, 0.5, 0.7, 0.5))
    await start(dut)
    await bench.begin(page(bench.rng), 30)
    for _ in range(moment):
        await bench.cycle()
    dut.s_axis_beat_tvalid.value = dut.m_axi_list_bvalid.value = 0
    await reset(dut)
    bench.clear()
    for beats in (7, 1):
        await bench.region(page(bench.rng), beats)
