# SPDX-License-Identifier: Apache-2.0
"""rf_divide against Python's integers."""

import random
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles
from rows import Handshakes

from recfabric.sim.streams import reset, send, sink, source, start


def cases(dut: Any) -> list[tuple[int, int]]:
    """Dividends and divisors whose quotient fits, corners first."""
    rng = random.Random(1)
    top, most = (1 << int(dut.DividendBits.value)) - 1, (1 << int(dut.DivisorBits.value)) - 1
    limit = 1 << int(dut.QuotientBits.value)
    pairs = [(0, most), (top, most), (most, most), (most - 1, most), (0, 1), (limit - 1, 1)]
    pairs += [(rng.randint(0, top), rng.randint(1, most) >> rng.randint(0, 10)) for _ in range(60)]
    pairs += [(1 << 30, 255), (1 << 30, 255 * 1024), (1 << 30, 256)]
    return [(a, b) for a, b in pairs if b and a <= top and a // b < limit]


@cocotb.test(timeout_time=200, timeout_unit="us")
@cocotb.parametrize(share_in=[0.0, 0.5], share_out=[0.0, 0.7])
async def quotients(dut: Any, share_in: float, share_out: float) -> None:
    await start(dut)
    driver = source(dut, "s_axis", share=share_in, seed=1)
    monitor = sink(dut, "m_axis", share=share_out, seed=2)
    pairs = cases(dut)
    assert len(pairs) > 9
    shift = int(dut.DivisorBits.value)
    await send(driver, [a << shift | b for a, b in pairs])
    for a, b in pairs:
        assert (await monitor.recv(compact=False)).tdata[0] == a // b
    await ClockCycles(dut.clk_i, 60)
    assert monitor.empty()


@cocotb.test(timeout_time=20, timeout_unit="us")
async def latency(dut: Any) -> None:
    await start(dut)
    driver, _ = source(dut, "s_axis"), sink(dut, "m_axis")
    await send(driver, [1])
    watch = Handshakes(dut, "s_axis", "m_axis")
    await watch.until("m_axis", 1)
    assert watch.at["m_axis"][0] - watch.at["s_axis"][0] == int(dut.QuotientBits.value) + 1


@cocotb.test(timeout_time=20, timeout_unit="us")
async def reset_in_mid_division(dut: Any) -> None:
    await start(dut)
    driver, monitor = source(dut, "s_axis"), sink(dut, "m_axis")
    shift = int(dut.DivisorBits.value)
    await send(driver, [99 << shift | 7])
    await ClockCycles(dut.clk_i, 8)
    await reset(dut)
    assert not dut.m_axis_tvalid.value
    await send(driver, [100 << shift | 7])
    assert (await monitor.recv(compact=False)).tdata[0] == 14
