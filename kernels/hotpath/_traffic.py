# SPDX-License-Identifier: Apache-2.0
"""The read side of the cost model: masters with credits, the merge of a port, the memory behind it.

Counts beats, not bits: what ``rf_axi_read``, ``rf_axi_merge`` and the simulated memory do in a
cycle, with no data. A step is one clock cycle; parts are stepped from the memory towards the
commands, so that each sees what the others held before the clock edge.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

PAGE = 4096  # no burst crosses a multiple of so many bytes
TURNS = 8  # bursts of others before the last master of a port gets one
FLIGHT = 128  # bursts in flight of a merged port
_OUT_OF_FIFO = 2  # cycles from a beat on the port to the consumer


class Command(NamedTuple):
    """A read: ``beats`` from ``address`` on, for the consumer ``kind``."""

    beats: int
    kind: str
    address: int = 0


@dataclass
class Reader:
    """A read master: ``depth`` beats of its FIFO are promised, bursts have ``burst`` beats."""

    depth: int
    burst: int
    beat_bytes: int
    left: int = 0
    address: int = 0
    kind: str = ""
    pending: tuple[int, str] | None = None  # a burst on the address channel
    data: deque[tuple[int, str]] = field(default_factory=deque)  # cycle it is there from, kind
    free: int = field(init=False)

    def __post_init__(self) -> None:
        self.free = self.depth
        self.burst = min(self.burst, self.depth)

    @property
    def ready(self) -> bool:
        """Whether a command is taken in this cycle; ask after :meth:`step`."""
        return not self.left

    def give(self, command: Command) -> None:
        """Take a command."""
        self.left, self.kind, self.address = command.beats, command.kind, command.address

    def step(self) -> None:
        """Ask for a burst where there is room for its beats."""
        if not self.left or self.pending is not None:
            return
        page = (PAGE - self.address % PAGE) // self.beat_bytes
        beats = min(self.left, self.burst, page)
        if self.free >= beats:
            self.pending = (beats, self.kind)
            self.free -= beats
            self.left -= beats
            self.address += beats * self.beat_bytes

    def head(self, now: int) -> str | None:
        """Kind of the beat that the consumer sees."""
        return self.data[0][1] if self.data and self.data[0][0] <= now else None

    def take(self) -> None:
        """The consumer takes the beat."""
        self.data.popleft()
        self.free += 1


class Port:
    """An AXI4 read port: its masters in order of precedence, and the memory's share behind it.

    ``merged``: through ``rf_axi_merge``, which costs a cycle.
    """

    def __init__(
        self, readers: list[Reader], latency: int, outstanding: int, *, merged: bool
    ) -> None:
        self._readers, self._latency, self._outstanding = readers, latency, outstanding
        self._merged = merged
        self._asked: tuple[Reader, int, str] | None = None  # on the port's address channel
        self._flight: deque[list[int]] = deque()  # cycle of the first beat, beats left
        self._whose: deque[tuple[Reader, str]] = deque()
        self._turns = 0

    def step(self, now: int) -> None:
        """One cycle of the memory, then of the merge."""
        room = len(self._flight) < self._outstanding
        if self._flight and self._flight[0][0] <= now:
            reader, kind = self._whose[0]
            reader.data.append((now + _OUT_OF_FIFO, kind))
            self._flight[0][1] -= 1
            if not self._flight[0][1]:
                self._flight.popleft()
                self._whose.popleft()
        if self._asked is not None and room:
            reader, beats, kind = self._asked
            self._flight.append([now + self._latency, beats])
            self._whose.append((reader, kind))
            self._asked = None
        if self._asked is None and len(self._flight) < FLIGHT:
            self._merge(now, room)

    def _merge(self, now: int, room: bool) -> None:
        reader = self._pick()
        if reader is None or reader.pending is None:
            return
        beats, kind = reader.pending
        if self._merged:
            self._asked = (reader, beats, kind)
        elif room:
            self._flight.append([now + self._latency, beats])
            self._whose.append((reader, kind))
        else:
            return
        reader.pending = None

    def _pick(self) -> Reader | None:
        last = self._readers[-1]
        if last.pending is not None and self._turns == TURNS:
            self._turns = 0
            return last
        for reader in self._readers:
            if reader.pending is not None:
                if reader is last:
                    self._turns = 0
                elif last.pending is not None:
                    self._turns += 1
                return reader
        return None
