# SPDX-License-Identifier: Apache-2.0
"""rf_unpack and rf_pack: parts in order, low part first, one narrow beat a cycle."""

import random
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge

from recfabric.sim.streams import pack, send, sink, source, start

NARROW = 64


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(input_stall=[0.0, 0.5], output_stall=[0.0, 0.5])
async def parts_are_kept_in_order(dut: Any, input_stall: float, output_stall: float) -> None:
    unpacks = hasattr(dut, "count_i")
    await start(dut)
    driver = source(dut, "s_axis", share=input_stall, seed=1)
    monitor = sink(dut, "m_axis", share=output_stall, seed=2)
    ratio = max(len(dut.s_axis_tdata), len(dut.m_axis_tdata)) // NARROW
    rng = random.Random(4)
    for packet in range(4):
        # The last packet of rf_unpack ends inside a wide beat.
        count = 24 * ratio - (packet % ratio if unpacks else 0)
        narrow = [rng.getrandbits(NARROW) for _ in range(24 * ratio)]
        wide = [pack(narrow[i : i + ratio], NARROW) for i in range(0, len(narrow), ratio)]
        if unpacks:
            dut.start_i.value, dut.count_i.value = 1, count
            await RisingEdge(dut.clk_i)
            dut.start_i.value = 0
        await send(driver, wide if unpacks else narrow)
        expected = narrow[:count] if unpacks else wide
        received: list[int] = []
        while len(received) < len(expected):
            received += (await monitor.recv(compact=False)).tdata
        assert received == expected
        await ClockCycles(dut.clk_i, 3)
    assert monitor.empty()
