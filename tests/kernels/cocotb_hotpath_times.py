# SPDX-License-Identifier: Apache-2.0
"""rf_hotpath's account of a run: the times in records and registers, the beats that it has read."""

import os
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge
from hotpath_bench import CONFIG, ITEMS, Bench, bench, mixture

STAGES = ("start", "gather", "attention", "fuse", "scan", "end")
REGISTERS = ("gather", "attention", "fuse", "scan", "total")
FEW = 16  # items of the catalogue where only times are looked at
LONGEST = int(os.environ.get("LONGEST_DELAY", "12"))  # log2 of the cycles that a memory waits


class Handshakes:
    """Cycles, and those of register writes and of write responses."""

    def __init__(self, dut: Any) -> None:
        self.dut, self.cycle = dut, 0
        self.registers: list[int] = []
        self.responses: list[int] = []
        cocotb.start_soon(self.watch())

    async def watch(self) -> None:
        d = self.dut
        while True:
            await FallingEdge(d.clk_i)
            self.cycle += 1
            if d.s_axi_control_wvalid.value and d.s_axi_control_wready.value:
                self.registers.append(self.cycle)
            if d.m_axi_gmem_bvalid.value and d.m_axi_gmem_bready.value:
                self.responses.append(self.cycle)


async def late(b: Bench, arguments: dict[str, int], cycles: int) -> None:
    """A run whose memory takes its first address so many cycles later than it could."""
    b.channels[0].pause = True
    await b.go(arguments)
    await ClockCycles(b.dut.clk_i, 20 + cycles)
    b.channels[0].pause = False
    await RisingEdge(b.dut.interrupt_o)
    await b.set("isr", 1)
    assert await b.get("status") == 0


def times(records: np.ndarray) -> np.ndarray:
    """Requests by stages."""
    return np.array([records[name].astype(np.int64) for name in STAGES]).T


@cocotb.test(timeout_time=40, timeout_unit="ms")
async def a_late_memory_shifts_every_time(dut: Any) -> None:
    """Of a batch, whose descriptors come late, all times; by as many cycles, at every bit."""
    b = await bench(dut)
    await b.set("n_items", FEW)
    await b.set("n_rows", ITEMS)
    requests = mixture(4, 5)
    seen: list[np.ndarray] = []
    delays = [0, *(1 << i for i in range(LONGEST + 1)), 0x555, 0xAAA, 0]
    for delay in delays:
        await late(b, b.put_batch(requests), delay)
        records = b.records(len(requests))
        seen.append(times(records))
        assert (seen[-1] - seen[0] == delay).all(), (delay, seen[-1] - seen[0])
        said = [await b.get(f"cycles_{name}") for name in REGISTERS]
        assert said[:4] == seen[-1][-1][1:5].tolist()
        assert 0 < said[4] - seen[-1][-1][5] < 60  # the record is written in between
        assert await b.get("beats_read") == records[-1]["beats"]
    assert (np.diff(seen[0], axis=1) > 0).all(), seen[0]  # stage by stage
    assert (np.diff(seen[0], axis=0) > 0).all(), seen[0]  # request by request


@cocotb.test(timeout_time=2, timeout_unit="ms")
@cocotb.parametrize(stall=[0.0, 0.3])
async def times_are_those_of_the_ports(dut: Any, stall: float) -> None:
    """A request ends with its answers' write response; also with bad requests between."""
    b = await bench(dut, stall)
    requests = mixture(9, 6)
    ports = Handshakes(dut)
    bad = (0, 3, 4, 7)
    arguments = b.put_batch(requests)
    for i in bad:
        b.change(i, k=0)
    await b.go(arguments)
    started = ports.registers[-1]
    await RisingEdge(dut.interrupt_o)
    records = b.records(9)
    b.compare_batch(requests, dict.fromkeys(bad, 8))
    seen, ends = times(records), []
    answers = iter(ports.responses)
    for i in range(9):
        if i not in bad:
            ends.append(next(answers) - started)
        assert next(answers) - started > seen[i][5]  # the record's own response
    good = [i for i in range(9) if i not in bad]
    assert seen[good, 5].tolist() == [end - 1 for end in ends]  # the run began a cycle later
    assert (np.diff(seen[good], axis=1) > 0).all(), seen
    assert (np.diff(seen[good], axis=0) > 0).all(), seen
    assert not seen[list(bad), 1:5].any()  # they pass no stage
    assert (np.diff(seen[:, [0, 5]], axis=0) > 0).all(), seen
    await b.set("isr", 1)
    assert [await b.get(f"cycles_{name}") for name in REGISTERS[:4]] == seen[-1][1:5].tolist()


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def what_is_not_computed_takes_no_time(dut: Any) -> None:
    """Registers of the last run: of a load, of a bad request, then of a good one."""
    b = await bench(dut)
    names = [f"cycles_{name}" for name in REGISTERS[:4]]
    weights = await b.get("beats_read")
    assert [await b.get(name) for name in (*names, "cycles_total")] == [0] * 5
    assert weights == 0  # nothing is counted before a request has ended
    requests = mixture(1, 3)
    await b.run(b.put_batch(requests) | {"count": 1})
    assert all([await b.get(name) for name in names])
    arguments = b.put_batch(requests)
    b.change(0, k=0)
    assert await b.run(arguments) == 0b1000
    assert [await b.get(name) for name in names] == [0] * 4
    assert 0 < await b.get("cycles_total") < 100
    assert await b.get("beats_read") == -(-64 // CONFIG.beat_bytes)
