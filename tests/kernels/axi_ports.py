# SPDX-License-Identifier: Apache-2.0
"""AXI4 memories behind packed arrays of ports, cycle by cycle, and streams that stall."""

import random
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import cocotb
from cocotb.triggers import FallingEdge, RisingEdge

ALL = (1 << 64) - 1
PAGE = 4096
SIGNALS = (
    *("araddr", "arlen", "arvalid", "arready", "arsize", "arburst", "arid", "arcache", "arprot"),
    *("rid", "rdata", "rresp", "rlast", "rvalid", "rready"),
)


def part(signal: Any, index: int, width: int) -> int:
    """Element ``index`` of a packed array of ``width``-bit elements."""
    return int(signal.value) >> index * width & (1 << width) - 1


def noise(address: int) -> int:
    """64 bits that say the address: what lies there."""
    return (address * 0x9E3779B97F4A7C15 + (address >> 29)) & ALL


class ReadPorts:
    """Memory behind ``prefix``'s read channels; a beat of b bytes holds ``noise`` of its words.

    ``share``: of the cycles in which a channel pauses; a beat comes ``latency`` cycles after its
    address at the earliest. ``bad`` says which beats come with an error: of these ``error`` tells.
    Checks that an address stays until it is taken, and what AXI4 wants of a burst.
    """

    def __init__(
        self,
        dut: Any,
        prefix: str,
        *,
        ports: int = 1,
        max_burst: int,
        share: float = 0.0,
        latency: int = 2,
        bad: Callable[[int], bool] = lambda address: False,
    ) -> None:
        self.dut, self.ports, self.max_burst = dut, ports, max_burst
        self.share, self.latency, self.bad = share, latency, bad
        self.rng = random.Random(7)
        self.signals = {name: getattr(dut, f"{prefix}_{name}") for name in SIGNALS}
        self.bytes = len(self.signals["rdata"]) // 8 // ports
        self.bursts: list[tuple[int, int, int]] = []  # port, address, beats
        self.errors = 0  # beats given with SLVERR or DECERR
        self.queues: list[deque[tuple[int, int, bool]]] = [deque() for _ in range(ports)]
        self.shown = [False] * ports  # the beat at the head is offered
        self.waiting: list[tuple[int, int] | None] = [None] * ports
        self.frozen = False  # takes no address
        self.cycle = 0
        for name in ("arready", "rvalid", "rlast", "rresp", "rid", "rdata"):
            self.signals[name].value = 0
        cocotb.start_soon(self._run())

    def beat(self, address: int) -> int:
        """What lies at a beat's address."""
        words = range(0, self.bytes, 8)
        return sum(noise((address + at) & ALL) << 8 * at for at in words)

    async def _run(self) -> None:
        while True:
            await RisingEdge(self.dut.clk_i)
            if not self.dut.rst_ni.value:
                self.queues = [deque() for _ in range(self.ports)]
                self.shown, self.waiting = [False] * self.ports, [None] * self.ports
                self.signals["rvalid"].value = 0
                continue
            self.cycle += 1
            self._present()
            await FallingEdge(self.dut.clk_i)
            for port in range(self.ports):
                self._address(port)
                self._data(port)

    def _present(self) -> None:
        values = dict.fromkeys(("arready", "rvalid", "rlast", "rresp", "rdata", "rid"), 0)
        for p, queue in enumerate(self.queues):
            ready = not self.frozen and self.rng.random() >= self.share
            values["arready"] |= ready << p
            values["rid"] |= self.rng.getrandbits(1) << p
            due = bool(queue) and queue[0][0] <= self.cycle
            self.shown[p] = self.shown[p] or (due and self.rng.random() >= self.share)
            last, data, response = self.rng.getrandbits(1), self.rng.getrandbits(32), 0
            if self.shown[p]:
                _, address, last = queue[0]
                data = self.beat(address)
                response = (2 if self.bad(address) else 0) | self.rng.getrandbits(1)
                if response >= 2 and not self.rng.getrandbits(1):
                    response ^= 1
            else:
                response = self.rng.getrandbits(2)
            values["rvalid"] |= self.shown[p] << p
            values["rlast"] |= last << p
            values["rresp"] |= response << 2 * p
            values["rdata"] |= data << 8 * self.bytes * p
        for name, value in values.items():
            self.signals[name].value = value

    def _address(self, p: int) -> None:
        if not part(self.signals["arvalid"], p, 1):
            assert self.waiting[p] is None, "an address went away"
            return
        address = part(self.signals["araddr"], p, 64)
        beats = part(self.signals["arlen"], p, 8) + 1
        assert self.waiting[p] in (None, (address, beats)), "an address changed"
        self.waiting[p] = (address, beats)
        if not part(self.signals["arready"], p, 1):
            return
        self.waiting[p] = None
        assert address % self.bytes == 0 and beats <= self.max_burst
        assert address % PAGE + beats * self.bytes <= PAGE
        assert 1 << part(self.signals["arsize"], p, 3) == self.bytes
        assert part(self.signals["arburst"], p, 2) == 1
        assert part(self.signals["arcache"], p, 4) == 3
        assert not part(self.signals["arid"], p, 1) and not part(self.signals["arprot"], p, 3)
        self.bursts.append((p, address, beats))
        for i in range(beats):
            due = self.cycle + self.latency
            self.queues[p].append((due, address + i * self.bytes, i == beats - 1))

    def _data(self, p: int) -> None:
        if not self.shown[p]:
            return
        assert part(self.signals["rready"], p, 1), "the memory waits for a consumer"
        _, address, _ = self.queues[p].popleft()
        self.errors += self.bad(address)
        self.shown[p] = False


class Taker:
    """Takes the beats of a packed array of streams; which ones pause, and how often, may change.

    Checks that a beat stays until it is taken. ``beats``: what came, a list for each stream.
    """

    def __init__(self, dut: Any, name: str, *, streams: int = 1, tlast: bool = False) -> None:
        self.dut, self.streams = dut, streams
        self.data, self.valid = getattr(dut, f"{name}_tdata"), getattr(dut, f"{name}_tvalid")
        self.ready = getattr(dut, f"{name}_tready")
        self.last = getattr(dut, f"{name}_tlast") if tlast else None
        self.width = len(self.data) // streams
        self.rng = random.Random(3)
        self.shares: Sequence[float] = [0.0] * streams
        self.beats: list[list[int]] = [[] for _ in range(streams)]
        self.lasts: list[bool] = []
        self.ready.value = 0
        cocotb.start_soon(self._run())

    async def _run(self) -> None:
        held: list[int | None] = [None] * self.streams
        while True:
            await RisingEdge(self.dut.clk_i)
            if not self.dut.rst_ni.value:
                held = [None] * self.streams
                continue
            ready = [self.rng.random() >= share for share in self.shares]
            self.ready.value = sum(r << s for s, r in enumerate(ready))
            await FallingEdge(self.dut.clk_i)
            for s in range(self.streams):
                if not part(self.valid, s, 1):
                    assert held[s] is None, "a beat went away"
                    continue
                beat = part(self.data, s, self.width)
                assert held[s] in (None, beat), "a beat changed"
                held[s] = beat
                if ready[s]:
                    held[s] = None
                    self.beats[s].append(beat)
                    if self.last is not None:
                        self.lasts.append(bool(self.last.value))
