# SPDX-License-Identifier: Apache-2.0
"""Bundles of AXI-Streams: stream i has bit i of tvalid and tready, slice i of tdata.

Only top-level ports are touched, as flat vectors, so that the same test runs on a netlist.
"""

import random
from collections import deque
from collections.abc import Iterator
from itertools import repeat
from typing import Any

import cocotb
from cocotb.triggers import FallingEdge, RisingEdge

from recfabric.sim.streams import stalls


def _pauses(share: float, seed: int, count: int) -> list[Iterator[bool]]:
    return [stalls(seed + 101 * i, share) if share else repeat(False) for i in range(count)]


class Source:
    """Gives the beats of its queues, a queue a stream; what an idle stream shows is noise."""

    def __init__(self, dut: Any, prefix: str, *, share: float = 0.0, seed: int = 0) -> None:
        self.valid = getattr(dut, f"{prefix}_tvalid")
        self.ready = getattr(dut, f"{prefix}_tready")
        self.data = getattr(dut, f"{prefix}_tdata")
        self.count = len(self.valid)
        self.width = len(self.data) // self.count
        self.queues: list[deque[int]] = [deque() for _ in range(self.count)]
        self.paused = [False] * self.count
        self.at: list[list[int]] = [[] for _ in range(self.count)]  # cycles of the handshakes
        self._pauses = _pauses(share, seed, self.count)
        self._rng = random.Random(seed)
        self._shown = self._accepted = 0
        self._beats = [0] * self.count
        self.valid.value = 0

    def clear(self) -> None:
        for queue in self.queues:
            queue.clear()
        self._shown = self._accepted = 0
        self.valid.value = 0

    def present(self) -> None:
        """Right after a clock edge: show the next beats."""
        before, changed = self._shown, self._accepted
        for i, queue in enumerate(self.queues):
            bit = 1 << i
            if self._accepted & bit:
                queue.popleft()
                self._shown &= ~bit
                self._beats[i] = self._rng.getrandbits(self.width)
            if not self._shown & bit and queue and not (self.paused[i] or next(self._pauses[i])):
                self._shown |= bit
                self._beats[i] = queue[0]
                changed |= bit
        self._accepted = 0
        if changed:
            self.data.value = sum(b << (i * self.width) for i, b in enumerate(self._beats))
        if self._shown != before:
            self.valid.value = self._shown

    def sample(self, cycle: int) -> None:
        """When the signals have settled: which beats the next edge hands over."""
        self._accepted = int(self.ready.value) & self._shown
        for i, at in enumerate(self.at):
            if self._accepted >> i & 1:
                at.append(cycle)


class Sink:
    """Collects the packets of each stream and checks that a beat stays until it is taken."""

    def __init__(self, dut: Any, prefix: str, *, share: float = 0.0, seed: int = 0) -> None:
        self.valid = getattr(dut, f"{prefix}_tvalid")
        self.ready = getattr(dut, f"{prefix}_tready")
        self.data = getattr(dut, f"{prefix}_tdata")
        self.last = getattr(dut, f"{prefix}_tlast")
        self.count = len(self.valid)
        self.width = len(self.data) // self.count
        self.packets: list[list[list[int]]] = [[[]] for _ in range(self.count)]
        self.paused = [False] * self.count
        self.at: list[list[int]] = [[] for _ in range(self.count)]
        self._pauses = _pauses(share, seed, self.count)
        self._open = 0
        self._waiting: dict[int, tuple[int, int]] = {}
        self.ready.value = 0

    def clear(self) -> None:
        self.packets = [[[]] for _ in range(self.count)]
        self._waiting.clear()
        self._open = 0
        self.ready.value = 0

    def present(self) -> None:
        before, self._open = self._open, 0
        for i in range(self.count):
            self._open |= (not (self.paused[i] or next(self._pauses[i]))) << i
        if self._open != before:
            self.ready.value = self._open

    def sample(self, cycle: int) -> None:
        valid = int(self.valid.value)
        if not valid and not self._waiting:
            return
        data, last = int(self.data.value), int(self.last.value)
        for i in range(self.count):
            beat = data >> (i * self.width) & ((1 << self.width) - 1), last >> i & 1
            held = self._waiting.pop(i, None)
            assert held is None or (valid >> i & 1 and beat == held), "not stable until ready"
            if not valid >> i & 1:
                continue
            if not self._open >> i & 1:
                self._waiting[i] = beat
                continue
            self.at[i].append(cycle)
            self.packets[i][-1].append(beat[0])
            if beat[1]:
                self.packets[i].append([])

    def pop(self, stream: int) -> list[int] | None:
        """The oldest whole packet of a stream, or None."""
        return self.packets[stream].pop(0) if len(self.packets[stream]) > 1 else None

    def empty(self) -> bool:
        return all(packets == [[]] for packets in self.packets)


class Streams:
    """Moves all sources and sinks, cycle by cycle, from the first clock edge on."""

    def __init__(self, dut: Any, *streams: Source | Sink) -> None:
        self.dut, self.streams, self.cycle = dut, streams, 0
        self._task = cocotb.start_soon(self._run())

    def clear(self) -> None:
        for stream in self.streams:
            stream.clear()

    async def _run(self) -> None:
        while True:
            await RisingEdge(self.dut.clk_i)
            reset = not int(self.dut.rst_ni.value)
            for stream in self.streams:
                if not reset:
                    stream.present()
            await FallingEdge(self.dut.clk_i)
            self.cycle += 1
            for stream in self.streams:
                if not reset:
                    stream.sample(self.cycle)
