# SPDX-License-Identifier: Apache-2.0
"""rf_unpack and rf_pack: parts in order, low part first, one narrow beat a cycle."""

import random
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge
from rows import Handshakes

from recfabric.sim.streams import pack, reset, send, sink, source, start

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


async def open_packet(dut: Any, count: int) -> None:
    """Open a packet of rf_unpack; rf_pack needs none."""
    if hasattr(dut, "count_i"):
        dut.start_i.value, dut.count_i.value = 1, count
        await RisingEdge(dut.clk_i)
        dut.start_i.value, dut.count_i.value = 0, random.getrandbits(32)


@cocotb.test(timeout_time=50, timeout_unit="us")
async def no_bubble(dut: Any) -> None:
    """One narrow beat a cycle from the first to the last, also from one wide beat to the next."""
    await start(dut)
    driver, _ = source(dut, "s_axis"), sink(dut, "m_axis")
    ratio = max(len(dut.s_axis_tdata), len(dut.m_axis_tdata)) // NARROW
    narrow = "m_axis" if hasattr(dut, "count_i") else "s_axis"
    count = 6 * ratio
    await open_packet(dut, count)
    await send(driver, list(range(6 if narrow == "m_axis" else count)))
    watch = Handshakes(dut, narrow)
    await watch.until(narrow, count)
    assert watch.at[narrow][-1] - watch.at[narrow][0] == count - 1


@cocotb.test(timeout_time=100, timeout_unit="us")
async def reset_in_mid_beat(dut: Any) -> None:
    """A reset forgets the parts that are inside, whatever part it was at."""
    await start(dut)
    driver, monitor = source(dut, "s_axis"), sink(dut, "m_axis")
    ratio = max(len(dut.s_axis_tdata), len(dut.m_axis_tdata)) // NARROW
    unpacks = hasattr(dut, "count_i")
    for moment in range(2, 3 + 2 * ratio):
        await open_packet(dut, 4 * ratio)
        await send(driver, [1] * (4 if unpacks else 4 * ratio - 1))
        await ClockCycles(dut.clk_i, moment)
        driver.clear()
        await reset(dut)
        assert not dut.m_axis_tvalid.value
        monitor.clear()
        narrow = [random.getrandbits(NARROW) for _ in range(ratio)]
        await open_packet(dut, ratio)
        await send(driver, [pack(narrow, NARROW)] if unpacks else narrow)
        received: list[int] = []
        while len(received) < (ratio if unpacks else 1):
            received += (await monitor.recv(compact=False)).tdata
        assert received == (narrow if unpacks else [pack(narrow, NARROW)])


@cocotb.test(timeout_time=50, timeout_unit="us")
async def one_beat_goes_in_before_anyone_listens(dut: Any) -> None:
    """What fills the output register is taken while nothing is given, and no more."""
    await start(dut)
    driver, monitor = source(dut, "s_axis"), sink(dut, "m_axis")
    monitor.pause = True
    ratio = max(len(dut.s_axis_tdata), len(dut.m_axis_tdata)) // NARROW
    narrow = [random.getrandbits(NARROW) for _ in range(2 * ratio)]
    wide = [pack(narrow[i : i + ratio], NARROW) for i in (0, ratio)]
    unpacks = hasattr(dut, "count_i")
    await open_packet(dut, 2 * ratio)
    await send(driver, wide if unpacks else narrow)
    await ClockCycles(dut.clk_i, ratio + 5)
    assert dut.m_axis_tvalid.value and not dut.s_axis_tready.value
    assert int(dut.m_axis_tdata.value) == (narrow if unpacks else wide)[0]


WHOLE = {*range(1027), 1 << 14}  # packets of so many narrow beats are given to their ends


async def give(dut: Any, count: int, most: int) -> tuple[int, int]:
    """Narrow beats given and wide ones taken, a beat a cycle, until ``most`` are given."""
    given = taken = 0
    for _ in range(most + 4):
        await FallingEdge(dut.clk_i)
        taken += bool(dut.s_axis_tready.value)
        if dut.m_axis_tvalid.value:
            given += 1
            assert dut.m_axis_tlast.value == (given == count)
        if given == most < count:
            break
    return given, taken


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def packets_of_every_size(dut: Any) -> None:
    """A packet takes the beats it needs and no more, however many wait; TLAST marks its last."""
    if not hasattr(dut, "count_i"):
        return
    await start(dut)
    dut.s_axis_tvalid.value = dut.m_axis_tready.value = 1
    ratio = len(dut.s_axis_tdata) // NARROW
    for count in [1 << bit for bit in range(32)] + [(1 << bit) + 2 for bit in range(32)]:
        assert not dut.s_axis_tready.value  # nothing is owed
        most = count if count in WHOLE else 2 * ratio
        await open_packet(dut, count)
        given, taken = await give(dut, count, most)
        assert given == most
        assert taken == (-(-count // ratio) if most == count else most // ratio + 1)
        if most < count:
            await reset(dut)
