# SPDX-License-Identifier: Apache-2.0
"""The front end of the cost model: lists, rows, gather, attention, fuse layer and edges.

It counts beats and cycles, no data. Requests are numbered in order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from recfabric.kernels.hotpath._stages import JOB, Latencies, Sizes
from recfabric.kernels.hotpath._traffic import Command, Reader
from recfabric.kernels.hotpath.config import HotPathConfig


class Front:
    """``rf_front``: lists and rows of a request after the other, until its vector is fused."""

    def __init__(self, config: HotPathConfig, sizes: Sequence[Sizes], reader: Reader) -> None:
        self.config, self.sizes, self.reader = config, sizes, reader
        self.late = Latencies.of(config)
        self.jobs: deque[tuple[int, int]] = deque()  # cycle it is there from, request
        self.issued = 0  # requests whose rows are all asked for
        self.fused: deque[int] = deque()  # cycle from which each vector waits for its scan
        self.terms: deque[int] = deque()  # cycle from which each request's edge terms are there
        self.terms_given = 0  # requests whose terms have all been read
        self._state = "idle"
        self._request = -1
        self._given, self._taken, self._id = 0, 0, -1
        self._left: dict[str, int] = {}
        self._queries: deque[tuple[int, int]] = deque()  # user vectors
        self._requant_until = 0
        self._opened, self._key_request = 0, -1  # queries taken
        self._values: deque[list[int]] = deque()  # request, cycle from which values are taken, left
        self._attended_at, self._fuse_free, self._values_free = 0, 0, 0
        self._gather: deque[list[int]] = deque()  # request, rows' beats left
        self._scatter, self._scatter_at, self._credit, self._edges = -1, 0, 0, 0

    def open(self, now: int, request: int) -> None:
        """One more request."""
        self.jobs.append((now + JOB, request))

    def step(self, now: int) -> None:
        """One cycle."""
        self._attend(now)
        self._reads(now)
        kind = self.reader.head(now)
        if kind is not None and self._consume(kind, now):
            self.reader.take()
        self._scattered(now)

    # ---- reads: rf_row_reads and rf_history ----
    def _reads(self, now: int) -> None:
        if self._state == "idle":
            self._start(now)
            return
        size = self.sizes[self._request]
        if self._state == "list":
            beats = -(-size.rows // size.ids)
            if beats and not self.reader.ready:
                return
            if beats:
                self.reader.give(Command(beats, "list"))
            self._state = "rows"
            return
        passes = 4 if self.config.edges else 3
        if self._id >= 0 and self.reader.ready:
            kind = ("message", "key", "value", "edge")[self._id]
            self.reader.give(Command(size.per_row[self._id], kind))
            self._id = -1
        done = self._given == passes * size.rows
        if done and self._id < 0:
            self.issued += 1
            self._state = "idle"
            return
        if self._id < 0 and not done and self._given % max(size.rows, 1) < self._taken:
            self._id = self._given // size.rows
            self._given += 1

    def _start(self, now: int) -> None:
        """Open the next request once its command has a place in the attention."""
        waiting = self._request + 1 - self._opened
        if not self.jobs or self.jobs[0][0] > now or waiting > 1:
            return
        self._request = self.jobs.popleft()[1]
        self._given, self._taken, self._id, self._state = 0, 0, -1, "list"
        size = self.sizes[self._request]
        self._gather.append([self._request, size.rows * size.per_row[0]])
        if not size.rows:
            self._queries.append((now + self.late.chunks + 5, self._request))
            self._gather.pop()

    # ---- what takes the beats ----
    def _consume(self, kind: str, now: int) -> bool:
        if kind == "list":
            self._taken += self.sizes[self._request].ids
            return True
        if kind == "message":
            return self._message(now)
        if kind == "key":
            return self._key(now)
        if kind == "value":
            return self._value(now)
        return self._edge(now)

    def _message(self, now: int) -> bool:
        job = self._gather[0]
        if job[1] == 1 and self._requant_until > now:
            return False
        job[1] -= 1
        if not job[1]:
            self._gather.popleft()
            self._requant_until = now + 1 + self.late.chunks
            self._queries.append((now + self.late.chunks + 3, job[0]))
        return True

    def _key(self, now: int) -> bool:
        if self._key_request < 0:
            return False
        left = self._left["key"] = self._left["key"] - 1
        if not left:
            size = self.sizes[self._key_request]
            self._values.append(
                [self._key_request, now + self.late.logits, size.rows * size.per_row[2]]
            )
            self._key_request = -1
        return True

    def _value(self, now: int) -> bool:
        if not self._values or now < max(self._values[0][1], self._values_free):
            return False
        job = self._values[0]
        job[2] -= 1
        if not job[2]:
            self._values.popleft()
            self._values_free = now + 6
            self._answer(now)
        return True

    def _answer(self, now: int) -> None:
        """Division, requantisation and the fuse layer of the request whose last value is in."""
        chunks = self.late.chunks
        self._attended_at = max(now + chunks + 27, self._attended_at + chunks + 24)
        start = max(self._attended_at, self._fuse_free)
        self._fuse_free = start + self.late.folds
        self.fused.append(start + self.late.dense)

    def _attend(self, now: int) -> None:
        """A request's query opens its keys."""
        if self._key_request >= 0 or not self._queries or self._queries[0][0] > now:
            return
        if len(self._values) > 1:
            return
        request = self._queries.popleft()[1]
        self._opened += 1
        size = self.sizes[request]
        if not size.rows:
            self._answer(now + self.late.logits)
            return
        self._key_request = request
        self._left["key"] = size.rows * size.per_row[1]

    # ---- edges: rf_scatter ----
    def _edge(self, now: int) -> bool:
        if not self._edges or now < self._scatter_at:
            return False
        size = self.sizes[self._scatter]
        self._edges -= 1
        self._credit += size.edge_cycles
        beats = size.rows * size.per_row[3]
        self._scatter_at = now + self._credit // beats
        self._credit %= beats
        return True

    def _scattered(self, now: int) -> None:
        """All edges of a request are in and the terms before them read: the arrays change."""
        if not self.config.edges or self._edges or now < self._scatter_at:
            return
        if self._scatter >= 0:
            if self.terms_given < self._scatter:
                return
            self.terms.append(now + 6)
        self._scatter += 1
        if self._scatter < len(self.sizes):
            size = self.sizes[self._scatter]
            self._edges, self._scatter_at = size.rows * size.per_row[3], now + 2
