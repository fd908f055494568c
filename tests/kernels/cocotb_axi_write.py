# SPDX-License-Identifier: Apache-2.0
"""rf_axi_write: every word in its place, nothing beside it, one response for each packet."""

import random
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge
from cocotbext.axi import AxiRamWrite, AxiWriteBus

from recfabric.sim.streams import reset, send, source, stalls, start

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
@cocotb.parametrize(moment=[1, 3, 6, 11])
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
