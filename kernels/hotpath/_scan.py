# SPDX-License-Identifier: Apache-2.0
"""The back end of the cost model: the scan and the write-back of one request after the other."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from recfabric.kernels.hotpath._front import Front
from recfabric.kernels.hotpath._stages import JOB, Latencies, Sizes
from recfabric.kernels.hotpath._traffic import Command, Reader
from recfabric.kernels.hotpath.config import HotPathConfig


class Scan:
    """``rf_scan``: the seen list, biases and items of a request after the other."""

    def __init__(
        self, config: HotPathConfig, sizes: Sequence[Sizes], front: Front, readers: Sequence[Reader]
    ) -> None:
        self.config, self.sizes, self.front = config, sizes, front
        self.seen_reader, self.bias_reader, self.item_reader = readers
        self.late = Latencies.of(config)
        self.opened = 0
        self.results: deque[tuple[int, int]] = deque()  # cycle the first is there from, how many
        self.settled: deque[int] = deque()
        self._jobs: deque[tuple[int, int]] = deque()
        self._runs: deque[tuple[int, int]] = deque()
        self._read = 0  # requests whose scan is asked for
        self._seen_wanted: deque[int] = deque()  # beats
        self._wanted: deque[Command] = deque()  # biases, or biases and items of one port
        self._items_wanted: deque[Command] = deque()
        self._state, self._request = "wait", -1
        self._group, self._beat, self._terms, self._bias_left = 0, 0, 0, 0
        self._seen_at: list[int] = []  # cycle from which each seen item is known
        self._seen_left, self._next_seen = 0, 0
        self._terms_at = 0

    def open(self, now: int, request: int) -> None:
        """One more request."""
        self._jobs.append((now + JOB, request))
        self._runs.append((now + JOB, request))

    def step(self, now: int) -> None:
        """One cycle."""
        self._run(now)
        self._ask(now)

    def _ask(self, now: int) -> None:
        """Hand out commands; the next request's once its rows are asked for."""
        pairs = (
            (self._wanted, self.bias_reader),
            (self._items_wanted, self.item_reader),
        )
        idle = True
        for wanted, reader in pairs:
            if wanted:
                idle = False
                if reader.ready:
                    reader.give(wanted.popleft())
        if self._seen_wanted:
            idle = False
            if self.seen_reader.ready:
                self.seen_reader.give(Command(self._seen_wanted.popleft(), "seen"))
        if idle and self._jobs and self._jobs[0][0] <= now and self._read < self.front.issued:
            self._plan(self.sizes[self._jobs.popleft()[1]])
            self._read += 1

    def _plan(self, size: Sizes) -> None:
        """The commands of a request's scan."""
        if len(size.seen):
            self._seen_wanted.append(-(-len(size.seen) // size.ids))
        beat = self.config.beat_bytes
        if self.config.scan_ports > 1:
            self._wanted.append(Command(-(-size.groups // size.bias_groups), "bias"))
            self._items_wanted.append(Command(size.groups * size.group_beats, "item"))
            return
        for first in range(0, size.groups, size.bias_groups):
            chunk = min(size.bias_groups, size.groups - first) * size.group_beats
            self._wanted.append(Command(1, "bias", first // size.bias_groups * beat))
            self._wanted.append(Command(chunk, "item", first * size.group_beats * beat))

    # ---- one request after the other in rf_topk ----
    def _run(self, now: int) -> None:
        if self._state == "wait":
            if self._runs and self._runs[0][0] <= now:
                self._begin(now, self._runs.popleft()[1])
            return
        self._seen(now)
        if self._state == "query":
            if self.front.fused and self.front.fused[0] <= now:
                self.front.fused.popleft()
                self._state = "scan"
        elif self._state == "scan":
            self._scan(now)
        elif self._state == "flush" and self.settled_at <= now:
            self.settled.append(now)
            self._state = "wait"

    def _begin(self, now: int, request: int) -> None:
        size = self.sizes[request]
        self._state, self._request = "query", request
        self._group, self._beat, self._terms, self._bias_left = 0, 0, 0, size.groups
        self._seen_at, self._seen_left, self._next_seen = [], 0, 0
        self._terms_at = 0

    def _seen(self, now: int) -> None:
        """The seen list at an item a cycle."""
        size = self.sizes[self._request]
        if len(self._seen_at) == len(size.seen):
            return
        if self._seen_left:
            self._seen_at.append(now + 3)
            self._seen_left -= 1
        wanted = len(size.seen) - len(self._seen_at)
        if wanted and not self._seen_left and self.seen_reader.head(now):
            self.seen_reader.take()
            self._seen_left = min(size.ids, wanted)

    def _known(self, now: int) -> bool:
        """Whether it is known which items of the group were seen."""
        seen = self.sizes[self._request].seen
        while self._next_seen < len(seen) and seen[self._next_seen] <= self._group:
            self._next_seen += 1
        there = self._next_seen if self._next_seen < len(seen) else len(seen) - 1
        return there < 0 or (there < len(self._seen_at) and self._seen_at[there] <= now)

    def _scan(self, now: int) -> None:
        size = self.sizes[self._request]
        bias = self.bias_reader.head(now) == "bias"
        room = self._terms == 0
        if self.item_reader.head(now) == "item" and self._may(now):
            self.item_reader.take()
            if not self._beat:
                self._terms -= 1
                room = self._terms == 0
            self._beat += 1
            if self._beat == size.group_beats:
                self._beat, self._group = 0, self._group + 1
                if self._group == size.groups:
                    self._end(now, size)
        if bias and room and self._bias_left:
            self.bias_reader.take()
            self._terms = min(size.bias_groups, self._bias_left)
            self._bias_left -= self._terms

    def _may(self, now: int) -> bool:
        """Whether the filter, the terms and the edges let the beat pass."""
        if self._beat:
            return True
        if not self._terms or not self._known(now):
            return False
        if self.config.edges and not self._group:
            return bool(self.front.terms) and self.front.terms[0] <= now
        return True

    def _end(self, now: int, size: Sizes) -> None:
        if self.config.edges:
            self.front.terms.popleft()
            self.front.terms_given += 1
        self.results.append((now + self.late.score, size.k))
        self._state, self.settled_at = "drain", 0

    def drained(self, now: int) -> None:
        """The last result was taken."""
        self._state, self.settled_at = "flush", now + 2


class Finish:
    """``rf_finish``: writes answers and records, one request after the other."""

    def __init__(self, config: HotPathConfig, scan: Scan, latency: int, *, batch: bool) -> None:
        self.scan, self.latency, self.batch = scan, latency, batch
        self.ends: list[int] = []
        self._state, self._at, self._left = "idle", 0, 0

    def step(self, now: int) -> bool:
        """One cycle; whether a request has ended."""
        results = self.scan.results
        # The answers' write is open a cycle after the request before has ended.
        if self._state == "idle" and results and results[0][0] <= now and now > self._at:
            self._left = results.popleft()[1]
            self._state = "words"
        if self._state == "words":
            self._left -= 1
            if not self._left:
                self.scan.drained(now)
                self._state, self._at = "answers", now + self.latency + 3
        elif self._state == "answers" and now >= self._at and self.scan.settled:
            self.scan.settled.popleft()
            self.ends.append(now)
            self._state = "record"
            self._at = now + (8 + self.latency if self.batch else 1)
        elif self._state == "record" and now >= self._at:
            self._state = "idle"
            self._at = now + 1
            return True
        return False
