# SPDX-License-Identifier: Apache-2.0
"""rf_fifo: nothing lost, nothing twice, nothing out of order, at full rate and under stalls."""

import random
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles

from recfabric.sim.streams import send, sink, source, start


@cocotb.test(timeout_time=100, timeout_unit="us")
@cocotb.parametrize(input_stall=[0.0, 0.5], output_stall=[0.0, 0.5, 0.9])
async def order_is_kept(dut: Any, input_stall: float, output_stall: float) -> None:
    await start(dut)
    driver = source(dut, "s_axis", share=input_stall, seed=1)
    monitor = sink(dut, "m_axis", share=output_stall, seed=2)
    rng = random.Random(3)
    sent = [rng.getrandbits(len(dut.s_axis_tdata)) for _ in range(200)]
    await send(driver, sent)
    received = [(await monitor.recv(compact=False)).tdata[0] for _ in sent]
    assert received == sent
    await ClockCycles(dut.clk_i, 10)
    assert monitor.empty()
