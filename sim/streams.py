# SPDX-License-Identifier: Apache-2.0
"""AXI-Stream in cocotb: whole beats as integers, seeded stalls, lanes packed and unpacked."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

from cocotb.clock import Clock
from cocotb.handle import Immediate
from cocotb.triggers import ClockCycles
from cocotbext.axi import AxiStreamBus, AxiStreamFrame, AxiStreamSink, AxiStreamSource


def pack(lanes: Sequence[int], bits: int) -> int:
    """Lanes of ``bits`` bits, two's complement, lane 0 in the low bits."""
    mask = (1 << bits) - 1
    return sum((int(lane) & mask) << (bits * i) for i, lane in enumerate(lanes))


def unpack(word: int, bits: int, count: int, *, signed: bool = True) -> list[int]:
    """The inverse of :func:`pack`."""
    mask, sign = (1 << bits) - 1, 1 << (bits - 1)
    lanes = [(word >> (bits * i)) & mask for i in range(count)]
    return [lane - (1 << bits) if signed and lane & sign else lane for lane in lanes]


def stalls(seed: int, share: float) -> Iterator[bool]:
    """An endless pause pattern: True in about ``share`` of the cycles, in random runs."""
    rng = random.Random(seed)
    while True:
        pause = rng.random() < share
        for _ in range(rng.randint(1, 4)):
            yield pause


def source(dut: Any, name: str, *, share: float = 0.0, seed: int = 0) -> AxiStreamSource:  # noqa: ANN401
    """A driver of the slave stream ``name``; a beat is one integer."""
    width = len(getattr(dut, f"{name}_tdata"))
    bus = AxiStreamBus.from_prefix(dut, name)
    driver = AxiStreamSource(bus, dut.clk_i, dut.rst_ni, reset_active_level=False, byte_size=width)
    driver.log.setLevel("WARNING")
    if share:
        driver.set_pause_generator(stalls(seed, share))
    return driver


def sink(dut: Any, name: str, *, share: float = 0.0, seed: int = 0) -> AxiStreamSink:  # noqa: ANN401
    """A receiver of the master stream ``name``; a beat is one integer."""
    width = len(getattr(dut, f"{name}_tdata"))
    bus = AxiStreamBus.from_prefix(dut, name)
    monitor = AxiStreamSink(bus, dut.clk_i, dut.rst_ni, reset_active_level=False, byte_size=width)
    monitor.log.setLevel("WARNING")
    if share:
        monitor.set_pause_generator(stalls(seed, share))
    return monitor


async def send(driver: AxiStreamSource, beats: Sequence[int]) -> None:
    """Queue one packet: its last beat carries TLAST. An empty packet sends nothing."""
    if beats:
        await driver.send(AxiStreamFrame(list(beats)))


async def start(dut: Any, *, cycles: int = 4) -> None:  # noqa: ANN401
    """Start a 10 ns clock and hold reset for some cycles.

    Reset is there before the first edge: until then every register holds a random value.
    """
    dut.clk_i.set(Immediate(0))
    dut.rst_ni.set(Immediate(0))
    Clock(dut.clk_i, 10, "ns").start()
    await reset(dut, cycles=cycles)


async def reset(dut: Any, *, cycles: int = 4) -> None:  # noqa: ANN401
    """Hold reset for some cycles."""
    dut.rst_ni.value = 0
    await ClockCycles(dut.clk_i, cycles)
    dut.rst_ni.value = 1
    await ClockCycles(dut.clk_i, 1)
