# SPDX-License-Identifier: Apache-2.0
"""rf_fifo: nothing lost, nothing twice, nothing out of order, at full rate and under stalls."""

import random
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles, FallingEdge
from rows import Handshakes

from recfabric.sim.streams import reset, send, sink, source, start


async def levels(dut: Any) -> None:
    """In every cycle the level is what went in, less what came out and what the output holds."""
    inside = 0
    while True:
        await FallingEdge(dut.clk_i)
        if not dut.rst_ni.value:
            inside = 0
            continue
        given = bool(dut.m_axis_tvalid.value)
        assert int(dut.level_o.value) == inside - given
        inside += bool(dut.s_axis_tvalid.value and dut.s_axis_tready.value)
        inside -= bool(given and dut.m_axis_tready.value)


@cocotb.test(timeout_time=100, timeout_unit="us")
@cocotb.parametrize(input_stall=[0.0, 0.5], output_stall=[0.0, 0.5, 0.9])
async def order_is_kept(dut: Any, input_stall: float, output_stall: float) -> None:
    await start(dut)
    driver = source(dut, "s_axis", share=input_stall, seed=1)
    monitor = sink(dut, "m_axis", share=output_stall, seed=2)
    cocotb.start_soon(levels(dut))
    rng = random.Random(3)
    sent = [rng.getrandbits(len(dut.s_axis_tdata)) for _ in range(200)]
    await send(driver, sent)
    received = [(await monitor.recv(compact=False)).tdata[0] for _ in sent]
    assert received == sent
    await ClockCycles(dut.clk_i, 10)
    assert monitor.empty()


@cocotb.test(timeout_time=50, timeout_unit="us")
async def a_beat_a_cycle(dut: Any) -> None:
    """Latency two cycles; then one beat in and one out in every cycle."""
    await start(dut)
    driver, _ = source(dut, "s_axis"), sink(dut, "m_axis")
    await send(driver, list(range(100)))
    watch = Handshakes(dut, "s_axis", "m_axis")
    await watch.until("m_axis", 100)
    into, out = watch.at["s_axis"], watch.at["m_axis"]
    assert into[-1] - into[0] == out[-1] - out[0] == 99
    assert out[0] - into[0] == 2


@cocotb.test(timeout_time=100, timeout_unit="us")
async def fills_and_tells_its_level(dut: Any) -> None:
    """Depth beats and the one at the output go in; the level counts what is stored."""
    await start(dut)
    depth = int(dut.Depth.value)
    driver, monitor = source(dut, "s_axis"), sink(dut, "m_axis")
    cocotb.start_soon(levels(dut))
    monitor.pause = True
    await send(driver, list(range(depth + 5)))
    await ClockCycles(dut.clk_i, depth + 10)
    assert int(dut.level_o.value) == depth
    assert dut.m_axis_tvalid.value and not dut.s_axis_tready.value
    monitor.pause = False
    for i in range(depth + 5):
        assert (await monitor.recv(compact=False)).tdata[0] == i
    await ClockCycles(dut.clk_i, 3)
    assert int(dut.level_o.value) == 0


@cocotb.test(timeout_time=100, timeout_unit="us")
async def reset_forgets_what_is_inside(dut: Any) -> None:
    await start(dut)
    driver, monitor = source(dut, "s_axis"), sink(dut, "m_axis")
    cocotb.start_soon(levels(dut))
    for moment in (2, 3, 4, 7, 12, 19, 33):
        monitor.pause = True
        await send(driver, [1] * (moment + 2))
        await ClockCycles(dut.clk_i, moment)
        driver.clear()
        await reset(dut)
        await FallingEdge(dut.clk_i)
        assert int(dut.level_o.value) == 0 and not dut.m_axis_tvalid.value
        monitor.clear()
        monitor.pause = False
        await send(driver, [moment])
        assert (await monitor.recv(compact=False)).tdata[0] == moment
