# SPDX-License-Identifier: Apache-2.0
"""rf_axi_merge: whose turn it is, in every cycle; every beat back to the channel that asked."""

import random
from collections import deque
from typing import Any

import cocotb
from axi_ports import part
from cocotb.triggers import FallingEdge, RisingEdge

from recfabric.sim.streams import reset, start

TURNS = 8
FLIGHT = 16  # FlightMax, as the tests build it; one more stands before the FIFO's output


class Exact:
    """What rf_axi_merge must show in every cycle.

    ``asks``: of each channel, the share of cycles in which it asks for a burst while it has none;
    ``ready``, ``answers``: those in which the memory takes an address and gives a beat.
    """

    def __init__(self, dut: Any, asks: tuple[float, ...], ready: float, answers: float) -> None:
        self.dut, self.asks, self.shares = dut, asks, (ready, answers)
        self.channels = len(dut.s_axi_arvalid)
        self.rng = random.Random(5)
        self.clear()
        self.grants = [0] * self.channels
        self.waits = 0  # cycles in which as many bursts are in flight as there may be

    def clear(self) -> None:
        """What a reset leaves."""
        self.asked: list[tuple[int, int] | None] = [None] * self.channels
        self.given: tuple[int, int, int] | None = None  # on the memory's channel: address, length
        self.flight: deque[tuple[int, int]] = deque()  # channel, cycle of its grant
        self.memory: deque[int] = deque()  # beats of each burst that the memory has
        self.shown = False
        self.turns = self.cycle = 0

    def present(self) -> None:
        d, (ready, answers) = self.dut, self.shares
        for c, share in enumerate(self.asks):
            if self.asked[c] is None and self.rng.random() < share:
                self.asked[c] = self.rng.getrandbits(64), self.rng.choice([0, 0, 1, 255, 7])
        idle = self.rng.getrandbits(64), self.rng.getrandbits(8)  # what an idle channel shows
        bursts = [burst or idle for burst in self.asked]
        d.s_axi_arvalid.value = sum((a is not None) << c for c, a in enumerate(self.asked))
        d.s_axi_araddr.value = sum(a << 64 * c for c, (a, _) in enumerate(bursts))
        d.s_axi_arlen.value = sum(n << 8 * c for c, (_, n) in enumerate(bursts))
        d.m_axi_gmem_arready.value = self.rng.random() < ready
        self.shown = self.shown or (bool(self.memory) and self.rng.random() < answers)
        d.m_axi_gmem_rvalid.value = self.shown
        last = self.memory[0] == 0 if self.shown else bool(self.rng.getrandbits(1))
        d.m_axi_gmem_rlast.value = last
        owner = self.flight[0][0] if self.flight else 0
        others = self.rng.getrandbits(self.channels)  # ready or not: it is not their beat
        d.s_axi_rready.value = others | 1 << owner if self.shown else others

    def check(self) -> None:
        d = self.dut
        asking = [c for c, burst in enumerate(self.asked) if burst is not None]
        room = len(self.flight) - (self.standing() is not None) < FLIGHT
        free = self.given is None or bool(d.m_axi_gmem_arready.value)
        self.waits += not room
        pick = None
        if asking and room and free:
            last = self.channels - 1
            pick = last if asking[-1] == last and self.turns == TURNS else asking[0]
        assert int(d.s_axi_arready.value) == (0 if pick is None else 1 << pick)
        self._check_address()
        self._check_data()
        if pick is not None:
            self._grant(pick, asking)
        self.cycle += 1

    def standing(self) -> int | None:
        """The channel of the burst at the FIFO's output: two cycles after its grant."""
        if not self.flight or self.cycle < self.flight[0][1] + 2:
            return None
        return self.flight[0][0]

    def _grant(self, pick: int, asking: list[int]) -> None:
        burst = self.asked[pick]
        assert burst is not None
        self.given, self.asked[pick] = (*burst, pick), None
        self.flight.append((pick, self.cycle))
        self.grants[pick] += 1
        if pick == self.channels - 1:
            self.turns = 0
        elif asking[-1] == self.channels - 1:
            self.turns = min(self.turns + 1, TURNS)

    def _check_address(self) -> None:
        d = self.dut
        assert d.m_axi_gmem_arvalid.value == (self.given is not None)
        if self.given is None:
            return
        address, length, _ = self.given
        assert int(d.m_axi_gmem_araddr.value) == address
        assert int(d.m_axi_gmem_arlen.value) == length
        if d.m_axi_gmem_arready.value:
            self.memory.append(length)
            self.given = None

    def _check_data(self) -> None:
        d, owner = self.dut, self.standing()
        ready = owner is not None and bool(part(d.s_axi_rready, owner, 1))
        assert d.m_axi_gmem_rready.value == ready
        mine = 1 << owner if self.shown and owner is not None else 0
        assert int(d.s_axi_rvalid.value) == mine
        if not self.shown:
            return
        assert ready
        self.shown = False
        self.memory[0] -= 1
        if self.memory[0] < 0:
            self.memory.popleft()
            self.flight.popleft()
            if self.flight:  # the next one moves up in the next cycle at the earliest
                behind, when = self.flight[0]
                self.flight[0] = behind, max(when, self.cycle - 1)

    async def run(self, cycles: int) -> None:
        for _ in range(cycles):
            self.present()
            await FallingEdge(self.dut.clk_i)
            self.check()
            await RisingEdge(self.dut.clk_i)


def idle(dut: Any) -> None:
    for name in ("s_axi_arvalid", "s_axi_araddr", "s_axi_arlen", "s_axi_rready"):
        getattr(dut, name).value = 0
    for name in ("arready", "rvalid", "rlast"):
        getattr(dut, f"m_axi_gmem_{name}").value = 0


TRAFFIC = {
    "all": ((1.0, 1.0, 1.0, 1.0), 1.0, 1.0),
    "turns": ((0.5, 0.5, 0.6, 1.0), 0.9, 1.0),
    "few": ((0.1, 0.1, 0.1, 0.1), 0.6, 0.7),
    "slow": ((0.5, 0.3, 0.2, 0.3), 0.3, 0.9),
    "full": ((0.6, 0.6, 0.6, 0.6), 0.9, 0.05),
}


@cocotb.test(timeout_time=200, timeout_unit="us")
@cocotb.parametrize(traffic=list(TRAFFIC))
async def every_cycle_is_as_said(dut: Any, traffic: str) -> None:
    bench = Exact(dut, *TRAFFIC[traffic])
    idle(dut)
    await start(dut)
    await bench.run(1500)
    assert all(bench.grants) or traffic in ("all", "full")
    assert bench.waits or traffic != "full"


@cocotb.test(timeout_time=100, timeout_unit="us")
@cocotb.parametrize(moment=[7, 30, 61])
async def reset_in_mid_traffic(dut: Any, moment: int) -> None:
    bench = Exact(dut, *TRAFFIC["full"])
    idle(dut)
    await start(dut)
    await bench.run(moment)
    idle(dut)
    await reset(dut)
    bench.clear()
    await bench.run(200)


@cocotb.test(timeout_time=10, timeout_unit="us")
async def a_burst_is_one_of_an_int_port(dut: Any) -> None:
    """What of an address never changes: whole beats, ascending, of one ID."""
    idle(dut)
    await start(dut)
    assert 1 << int(dut.m_axi_gmem_arsize.value) == 64
    assert int(dut.m_axi_gmem_arburst.value) == 1
    assert int(dut.m_axi_gmem_arcache.value) == 3
    assert not int(dut.m_axi_gmem_arid.value) and not int(dut.m_axi_gmem_arprot.value)
