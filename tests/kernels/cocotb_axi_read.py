# SPDX-License-Identifier: Apache-2.0
"""rf_axi_read: every beat asked for, in order, to its destination; bursts within their pages."""

import random
from typing import Any

import cocotb
from cocotb.triggers import FallingEdge, RisingEdge
from cocotbext.axi import AxiBurstType, AxiRamRead, AxiReadBus

from recfabric.sim.streams import sink, source, stalls, start

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
