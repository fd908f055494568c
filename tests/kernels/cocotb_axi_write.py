# SPDX-License-Identifier: Apache-2.0
"""rf_axi_write: every word in its place, nothing beside it, one response for each packet."""

import random
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge
from cocotbext.axi import AxiRamWrite, AxiWriteBus

from recfabric.sim.streams import pack, reset, send, source, stalls, start

SIZE = 1 << 16
CHANNELS = ("aw_channel", "w_channel", "b_channel")


class Bench:
    """The device under test with its memory, full of a known noise."""

    def __init__(self, dut: Any, *, memory_stall: float = 0.0, word_stall: float = 0.0) -> None:
        self.dut = dut
        bus = AxiWriteBus.from_prefix(dut, "m_axi_gmem")
        self.ram = AxiRamWrite(bus, dut.clk_i, dut.rst_ni, reset_active_level=False, size=SIZE)
        for seed, name in enumerate(CHANNELS):
            if memory_stall:
                channel = getattr(self.ram, name)
                channel.set_pause_generator(stalls(seed, memory_stall))
        self.rng = random.Random(5)
        self.memory = bytearray(self.rng.randbytes(SIZE))
        self.ram.write(0, bytes(self.memory))
        self.words = source(dut, "s_axis_word", share=word_stall, seed=7)
        dut.start_i.value = 0

    async def open(self, page: int, count: int) -> None:
        """Open a burst; the address' low bits are noise, which must not matter."""
        self.dut.start_i.value, self.dut.words_i.value = 1, count
        beat_bytes = len(self.dut.m_axi_gmem_wdata) // 8
        self.dut.addr_i.value = page << 12 | self.rng.randrange(beat_bytes)
        await RisingEdge(self.dut.clk_i)
        self.dut.start_i.value, self.dut.words_i.value = 0, self.rng.getrandbits(8)
        self.dut.addr_i.value = self.rng.getrandbits(64)

    async def put(self, page: int, count: int) -> None:
        """One packet, until its response; then what is in the memory."""
        words = [self.rng.getrandbits(64) for _ in range(count)]
        await self.open(page, count)
        await send(self.words, words)
        error = await self.done()
        assert not error
        for i, word in enumerate(words):
            at = (page << 12) + 8 * i
            self.memory[at : at + 8] = word.to_bytes(8, "little")
        assert self.ram.read(0, SIZE) == bytes(self.memory)

    async def done(self) -> bool:
        """Wait for done_o; whether error_o came with it."""
        while True:
            await FallingEdge(self.dut.clk_i)
            if self.dut.done_o.value:
                return bool(self.dut.error_o.value)
            assert not self.dut.error_o.value


@cocotb.test(timeout_time=400, timeout_unit="us")
@cocotb.parametrize(memory_stall=[0.0, 0.4], word_stall=[0.0, 0.6])
async def packets(dut: Any, memory_stall: float, word_stall: float) -> None:
    """Every length class: one word, less than a beat, whole beats, a rest, the longest."""
    bench = Bench(dut, memory_stall=memory_stall, word_stall=word_stall)
    await start(dut)
    counts = [1, 128, 2, 8, 9, 7, 16, 17, 127, 3, 1, 64]
    for page, count in enumerate(counts):
        await bench.put(page, count)


@cocotb.test(timeout_time=50, timeout_unit="us")
async def one_word_a_cycle(dut: Any) -> None:
    """The words stream through; the address channel says what the burst is."""
    bench = Bench(dut)
    await start(dut)
    beat_words = len(dut.m_axi_gmem_wdata) // 64
    count = 61
    await bench.open(3, count)
    await send(bench.words, list(range(count)))
    taken: list[int] = []
    cycle = 0
    while len(taken) < count:
        await FallingEdge(dut.clk_i)
        cycle += 1
        if dut.s_axis_word_tvalid.value and dut.s_axis_word_tready.value:
            taken.append(cycle)
        if dut.m_axi_gmem_awvalid.value:
            assert int(dut.m_axi_gmem_awaddr.value) == 3 << 12
            assert int(dut.m_axi_gmem_awlen.value) == -(-count // beat_words) - 1
            assert 1 << int(dut.m_axi_gmem_awsize.value) == 8 * beat_words
            assert int(dut.m_axi_gmem_awburst.value) == 1
            assert int(dut.m_axi_gmem_awcache.value) == 3
            assert not int(dut.m_axi_gmem_awid.value) and not int(dut.m_axi_gmem_awprot.value)
    assert taken[-1] - taken[0] == count - 1
    assert not await bench.done()


@cocotb.test(timeout_time=50, timeout_unit="us")
@cocotb.parametrize(response=[0, 1, 2, 3])
async def the_response_is_reported(dut: Any, response: int) -> None:
    """SLVERR and DECERR raise error_o with done_o; OKAY and EXOKAY do not."""
    for name in ("awready", "wready", "bvalid", "bresp", "bid"):
        getattr(dut, f"m_axi_gmem_{name}").value = 0
    words = source(dut, "s_axis_word")
    dut.start_i.value = 0
    await start(dut)
    dut.m_axi_gmem_awready.value = dut.m_axi_gmem_wready.value = 1
    dut.m_axi_gmem_bresp.value = response  # which means nothing without BVALID
    dut.start_i.value, dut.words_i.value, dut.addr_i.value = 1, 1, 4096
    await RisingEdge(dut.clk_i)
    dut.start_i.value = 0
    await send(words, [5])
    await ClockCycles(dut.clk_i, 6)
    assert not dut.done_o.value and not dut.error_o.value
    assert dut.m_axi_gmem_bready.value
    dut.m_axi_gmem_bvalid.value, dut.m_axi_gmem_bresp.value = 1, response
    await FallingEdge(dut.clk_i)
    assert dut.done_o.value
    assert dut.error_o.value == (response >= 2)
    await RisingEdge(dut.clk_i)


@cocotb.test(timeout_time=100, timeout_unit="us")
@cocotb.parametrize(moment=[1, 2, 3, 4, 6, 11])
async def reset_in_mid_packet(dut: Any, moment: int) -> None:
    """After a reset the writer is idle, and the next packet is right."""
    bench = Bench(dut)
    await start(dut)
    await bench.open(1, 100)
    # The memory's channels stand still: what it took before the reset would be half a burst.
    for name in CHANNELS[:2]:
        getattr(bench.ram, name).pause = True
    await send(bench.words, [1] * 100)
    await ClockCycles(dut.clk_i, moment)
    bench.words.clear()
    await reset(dut)
    assert not dut.m_axi_gmem_awvalid.value and not dut.m_axi_gmem_wvalid.value
    for name in CHANNELS[:2]:
        getattr(bench.ram, name).pause = False
    await bench.put(2, 9)


class Exact:
    """What rf_axi_write must show in every cycle; what an idle channel shows is noise.

    ``shares``: of the cycles in which a word is there, an address and a beat are taken.
    """

    def __init__(self, dut: Any, shares: tuple[float, float, float]) -> None:
        self.dut, self.shares = dut, shares
        self.lanes = len(dut.m_axi_gmem_wdata) // 64
        self.rng = random.Random(9)
        self.left = self.length = self.addr = 0
        self.beat: list[int] = []  # words of the beat that is not yet full
        self.shown: tuple[list[int], bool] | None = None  # the beat on the data channel, its WLAST
        self.unasked = self.asking = False
        self.valid = False

    def present(self) -> None:
        """Right after a clock edge: the inputs of this cycle. A word stays until it is taken."""
        d, (word, address, beat) = self.dut, self.shares
        if not self.valid:
            self.valid = self.rng.random() < word
            d.s_axis_word_tdata.value = self.rng.getrandbits(64)
        d.s_axis_word_tvalid.value = self.valid
        d.m_axi_gmem_awready.value = self.rng.random() < address
        d.m_axi_gmem_wready.value = self.rng.random() < beat

    def check(self) -> None:
        """When the signals have settled: the outputs, and what the next edge will do."""
        d = self.dut
        ready = self.left > 0 and (self.shown is None or bool(d.m_axi_gmem_wready.value))
        assert d.s_axis_word_tready.value == ready
        assert d.m_axi_gmem_awvalid.value == self.asking
        if self.asking:
            assert int(d.m_axi_gmem_awaddr.value) == self.addr
            assert int(d.m_axi_gmem_awlen.value) == self.length
            self.asking = not d.m_axi_gmem_awready.value
        self._check_beat()
        if ready and self.valid:
            self._take(int(d.s_axis_word_tdata.value))

    def _check_beat(self) -> None:
        d = self.dut
        assert d.m_axi_gmem_wvalid.value == (self.shown is not None)
        if self.shown is None:
            return
        words, last = self.shown
        assert d.m_axi_gmem_wlast.value == last
        assert int(d.m_axi_gmem_wstrb.value) == (1 << 8 * len(words)) - 1
        mask = (1 << 64 * len(words)) - 1
        assert int(d.m_axi_gmem_wdata.value) & mask == pack(words, 64)
        if d.m_axi_gmem_wready.value:
            self.shown = None

    def _take(self, word: int) -> None:
        self.valid = False
        self.beat.append(word)
        self.left -= 1
        if len(self.beat) == self.lanes or not self.left:
            self.shown, self.beat = (self.beat, not self.left), []
            self.asking, self.unasked = self.asking or self.unasked, False

    async def cycle(self) -> None:
        self.present()
        await FallingEdge(self.dut.clk_i)
        self.check()
        await RisingEdge(self.dut.clk_i)

    async def packet(self, addr: int, words: int) -> None:
        d = self.dut
        d.start_i.value, d.addr_i.value, d.words_i.value = 1, addr, words
        await self.cycle()
        d.start_i.value, d.words_i.value = 0, self.rng.getrandbits(8)
        d.addr_i.value = self.rng.getrandbits(64)
        self.left, self.unasked = words, True
        self.addr, self.length = addr, -(-words // self.lanes) - 1
        while self.left or self.shown or self.asking:
            await self.cycle()


@cocotb.test(timeout_time=200, timeout_unit="us")
@cocotb.parametrize(shares=[(1.0, 1.0, 1.0), (0.9, 0.2, 0.5), (0.4, 0.9, 0.8)])
async def every_cycle_is_as_said(dut: Any, shares: tuple[float, float, float]) -> None:
    """Addresses of 64 bits, anywhere in a page; a burst ends where it ends at the latest."""
    bench = Exact(dut, shares)
    dut.start_i.value = dut.m_axi_gmem_bvalid.value = 0
    await start(dut)
    for words in [*range(1, 35), 63, 64, 65, 96, 127, 128]:
        size = 8 * bench.lanes
        page = bench.rng.getrandbits(52) << 12
        await bench.packet(page + bench.rng.randrange((4096 - 8 * words) // size + 1) * size, words)
        for _ in range(3):
            await bench.cycle()
