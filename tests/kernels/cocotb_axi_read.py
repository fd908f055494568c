# SPDX-License-Identifier: Apache-2.0
"""rf_axi_read: every beat asked for, in order, to its destination; bursts within their pages."""

import random
from collections import deque
from dataclasses import dataclass
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge
from cocotbext.axi import AxiBurstType, AxiRamRead, AxiReadBus

from recfabric.sim.streams import reset, sink, source, stalls, start

SIZE = 1 << 16


class Monitor:
    """Looks at the address channel: bursts stay within 4 KiB, and how many beats are in flight."""

    def __init__(self, dut: Any, beat_bytes: int) -> None:
        self.dut, self.beat_bytes = dut, beat_bytes
        self.bursts: list[tuple[int, int]] = []
        cocotb.start_soon(self.watch())

    async def watch(self) -> None:
        d = self.dut
        while True:
            await RisingEdge(d.clk_i)
            if d.rst_ni.value and d.m_axi_gmem_arvalid.value and d.m_axi_gmem_arready.value:
                addr, beats = int(d.m_axi_gmem_araddr.value), int(d.m_axi_gmem_arlen.value) + 1
                assert addr % self.beat_bytes == 0
                assert addr // 4096 == (addr + beats * self.beat_bytes - 1) // 4096
                self.bursts.append((addr, beats))


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(memory_stall=[0.0, 0.4], output_stall=[0.0, 0.6])
async def beats_come_in_order(dut: Any, memory_stall: float, output_stall: float) -> None:
    beat_bytes = len(dut.m_axis_data_tdata) // 8
    bus = AxiReadBus.from_prefix(dut, "m_axi_gmem")
    ram = AxiRamRead(bus, dut.clk_i, dut.rst_ni, reset_active_level=False, size=SIZE)
    rng = random.Random(1)
    ram.write(0, rng.randbytes(SIZE))
    if memory_stall:
        ram.ar_channel.set_pause_generator(stalls(1, memory_stall))
        ram.r_channel.set_pause_generator(stalls(2, memory_stall))
    await start(dut)
    monitor = Monitor(dut, beat_bytes)
    commands = source(dut, "s_axis_cmd")
    data = sink(dut, "m_axis_data", share=output_stall, seed=3)
    expected: list[tuple[int, int]] = []
    for _ in range(40):
        beats = rng.choice([1, 1, 1, 2, 17, 64])
        place = rng.randrange(0, SIZE // beat_bytes - beats) * beat_bytes
        if beats > 1 and rng.random() < 0.5:  # across the end of a page
            place = rng.randrange(1, SIZE // 4096 - 1) * 4096 - beats // 2 * beat_bytes
        dest = rng.randrange(8)
        await commands.send([(place << 35) | (beats << 3) | dest])
        for i in range(beats):
            raw = ram.read(place + i * beat_bytes, beat_bytes)
            expected.append((int.from_bytes(raw, "little"), dest))
    for word, dest in expected:
        frame = await data.recv(compact=False)
        assert frame.tdata[0] == word
        assert frame.tdest == [dest]
    assert sum(beats for _, beats in monitor.bursts) == len(expected)
    assert any(beats == 1 for _, beats in monitor.bursts)
    assert AxiBurstType(int(dut.m_axi_gmem_arburst.value)) == AxiBurstType.INCR


@cocotb.test(timeout_time=50, timeout_unit="us")
@cocotb.parametrize(response=[0, 1, 2, 3])
async def the_response_is_reported(dut: Any, response: int) -> None:
    """SLVERR and DECERR raise error_o with the beat; OKAY and EXOKAY do not."""
    for name in ("arready", "rvalid", "rlast", "rresp", "rid", "rdata"):
        getattr(dut, f"m_axi_gmem_{name}").value = 0
    commands, data = source(dut, "s_axis_cmd"), sink(dut, "m_axis_data")
    await start(dut)
    dut.m_axi_gmem_arready.value = 1
    await commands.send([(4096 << 35) | (1 << 3) | 5])
    while not dut.m_axi_gmem_rready.value:
        assert not dut.beat_o.value and not dut.error_o.value
        await RisingEdge(dut.clk_i)
    dut.m_axi_gmem_rvalid.value = dut.m_axi_gmem_rlast.value = 1
    dut.m_axi_gmem_rresp.value, dut.m_axi_gmem_rdata.value = response, 77
    await FallingEdge(dut.clk_i)
    assert dut.beat_o.value
    assert dut.error_o.value == (response >= 2)
    await RisingEdge(dut.clk_i)
    dut.m_axi_gmem_rvalid.value = 0
    frame = await data.recv(compact=False)
    assert (frame.tdata, frame.tdest) == ([77], [5])


@dataclass(frozen=True)
class Command:
    addr: int
    beats: int
    dest: int
    tag: int

    @property
    def word(self) -> int:
        return self.tag << 99 | self.addr << 35 | self.beats << 3 | self.dest


class Exact:
    """What rf_axi_read must show in every cycle, a memory beside it and a receiver behind it.

    ``ready``, ``answers`` and ``takes`` are the shares of cycles in which the memory takes an
    address, gives a beat, and the receiver takes one. What an idle channel shows is noise.
    """

    def __init__(
        self, dut: Any, commands: list[Command], *, ready: float, answers: float, takes: float
    ) -> None:
        self.dut, self.commands = dut, deque(commands)
        self.shares = {"ar": ready, "r": answers, "data": takes}
        self.beat_bytes = len(dut.m_axis_data_tdata) // 8
        self.free, self.longest = int(dut.FifoDepth.value), int(dut.MaxBurst.value)
        self.now = Command(0, 0, 0, 0)
        self.shown: Command | None = None  # the burst on the address channel
        self.asked: deque[tuple[int, int, bool, Command]] = deque()
        self.inside: deque[tuple[int, int, int, Command]] = deque()  # with the cycle they came in
        self.taken = self.cycle = 0
        self.rng = random.Random(8)

    def _open(self, channel: str) -> bool:
        return self.rng.random() < self.shares[channel]

    def present(self) -> None:
        """Right after a clock edge: the inputs of this cycle."""
        d, noise = self.dut, self.rng.getrandbits
        d.s_axis_cmd_tvalid.value = bool(self.commands)
        d.s_axis_cmd_tdata.value = (
            self.commands[0].word if self.commands else noise(len(d.s_axis_cmd_tdata))
        )
        d.m_axi_gmem_arready.value = self._open("ar")
        d.m_axis_data_tready.value = self._open("data")
        given = bool(self.asked) and self._open("r")
        word, response, last = noise(8 * self.beat_bytes), noise(2), bool(noise(1))
        if given:
            word, response, last, _ = self.asked[0]
        d.m_axi_gmem_rvalid.value, d.m_axi_gmem_rlast.value = given, last
        d.m_axi_gmem_rdata.value, d.m_axi_gmem_rresp.value = word, response

    def check(self) -> None:
        """When the signals have settled: the outputs, and what the next edge will do."""
        d, now = self.dut, self.now
        page_left = (4096 - now.addr % 4096) // self.beat_bytes
        burst = min(self.longest, now.beats, page_left)
        arready = bool(d.m_axi_gmem_arready.value)
        issue = now.beats > 0 and self.free >= burst and (self.shown is None or arready)
        self._check_address()
        ready = now.beats == 0 or (issue and now.beats == burst)
        assert d.s_axis_cmd_tready.value == ready
        if self.shown is not None and arready:
            self._ask(self.shown)
            self.shown = None
        if issue:
            self.shown = Command(now.addr, burst, now.dest, now.tag)
            after = (now.addr + burst * self.beat_bytes) % (1 << 64)
            self.now = Command(after, now.beats - burst, now.dest, now.tag)
            self.free -= burst
        if ready and self.commands:
            self.now = self.commands.popleft()
        self._check_beats()

    def _check_address(self) -> None:
        d = self.dut
        assert d.m_axi_gmem_arvalid.value == (self.shown is not None)
        if self.shown is not None:
            assert int(d.m_axi_gmem_araddr.value) == self.shown.addr
            assert int(d.m_axi_gmem_arlen.value) == self.shown.beats - 1
            assert 1 << int(d.m_axi_gmem_arsize.value) == self.beat_bytes
            assert int(d.m_axi_gmem_arburst.value) == 1 and int(d.m_axi_gmem_arcache.value) == 3
            assert int(d.m_axi_gmem_arid.value) == int(d.m_axi_gmem_arprot.value) == 0

    def _ask(self, burst: Command) -> None:
        for i in range(burst.beats):
            word, response = self.rng.getrandbits(8 * self.beat_bytes), self.rng.getrandbits(2)
            self.asked.append((word, response, i == burst.beats - 1, burst))

    def _check_beats(self) -> None:
        """A beat is taken from the memory at once, and shown two cycles later."""
        d = self.dut
        shown = bool(self.inside) and self.inside[0][0] <= self.cycle - 2
        assert d.m_axis_data_tvalid.value == shown
        if shown:
            _, word, response, burst = self.inside[0]
            assert int(d.m_axis_data_tdata.value) == word
            assert int(d.m_axis_data_tdest.value) == burst.dest
            assert int(d.m_axis_data_tid.value) == burst.tag
            assert d.m_axis_data_tuser.value == (response >= 2)
            if d.m_axis_data_tready.value:
                self.inside.popleft()
                self.free += 1
                self.taken += 1
        came = bool(d.m_axi_gmem_rvalid.value)
        assert not came or d.m_axi_gmem_rready.value
        assert d.beat_o.value == came
        assert d.error_o.value == (came and int(d.m_axi_gmem_rresp.value) >= 2)
        if came:
            word, response, _, burst = self.asked.popleft()
            self.inside.append((self.cycle, word, response, burst))

    async def run(self, *, beats: int = 0, cycles: int = 1 << 20) -> None:
        """Until so many beats are taken, or for so many cycles."""
        while cycles and not (beats and self.taken == beats):
            self.present()
            await FallingEdge(self.dut.clk_i)
            self.check()
            await RisingEdge(self.dut.clk_i)
            self.cycle += 1
            cycles -= 1


def idle(dut: Any) -> None:
    """No command, no answer, nobody to take a beat."""
    for name in ("s_axis_cmd_tvalid", "m_axis_data_tready", "m_axi_gmem_arready"):
        getattr(dut, name).value = 0
    for name in ("rvalid", "rlast", "rresp", "rid", "rdata"):
        getattr(dut, f"m_axi_gmem_{name}").value = 0


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(shares=[(1.0, 1.0, 1.0), (0.5, 0.9, 1.0), (0.9, 1.0, 0.3), (1.0, 0.4, 0.9)])
async def every_cycle_is_as_said(dut: Any, shares: tuple[float, float, float]) -> None:
    """Addresses of 64 bits, commands of every length, in any place of a page."""
    rng = random.Random(6)
    beat_bytes, tag_bits = len(dut.m_axis_data_tdata) // 8, len(dut.m_axis_data_tid)
    commands = []
    for i in range(160):
        beats = rng.choice([1, 1, 1, rng.randint(2, 40)]) if i < 140 else rng.randint(90, 300)
        addr = rng.getrandbits(64) if i % 3 else (1 << rng.randint(20, 64)) - 8 * beats
        at = addr % (1 << 64) // beat_bytes * beat_bytes
        commands.append(Command(at, min(beats, 150), rng.randrange(8), rng.getrandbits(tag_bits)))
    idle(dut)
    await start(dut)
    ready, answers, takes = shares
    bench = Exact(dut, commands, ready=ready, answers=answers, takes=takes)
    await bench.run(beats=sum(command.beats for command in commands))
    assert not (bench.commands or bench.now.beats or bench.asked or bench.inside)
    await bench.run(cycles=10)


@cocotb.test(timeout_time=200, timeout_unit="us")
async def commands_of_every_size(dut: Any) -> None:
    """A command of 2^n beats and a burst goes on after it, though the next command waits."""
    idle(dut)
    await start(dut)
    longest = int(dut.MaxBurst.value)
    for bit in range(longest.bit_length(), 32):
        commands = [Command(1 << 20, (1 << bit) + longest, 1, 2), Command(1 << 21, 9, 3, 0)]
        bench = Exact(dut, commands, ready=1.0, answers=1.0, takes=1.0)
        await bench.run(cycles=longest + 20)
        assert bench.taken and (bench.now.beats or bit < 9)
        idle(dut)
        await reset(dut)


@cocotb.test(timeout_time=50, timeout_unit="us")
async def a_beat_is_shown_before_anyone_takes_it(dut: Any) -> None:
    """Nothing waits for a ready: not the address, not the beat; and a reset forgets both."""
    idle(dut)
    await start(dut)
    for _ in range(2):
        bench = Exact(dut, [Command(1 << 40, 3, 5, 1)], ready=0.0, answers=0.0, takes=0.0)
        await bench.run(cycles=5)
        assert dut.m_axi_gmem_arvalid.value
        bench.shares |= {"ar": 1.0, "r": 1.0}
        await bench.run(cycles=9)
        assert dut.m_axis_data_tvalid.value and len(bench.inside) == 3
        idle(dut)
        await reset(dut)
        await ClockCycles(dut.clk_i, 3)
        assert not dut.m_axis_data_tvalid.value and not dut.m_axi_gmem_arvalid.value
