# SPDX-License-Identifier: Apache-2.0
"""Requests on their way through the runtime, and the exact merge of the shards' answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np

from recfabric.host._delivery import together
from recfabric.host._generation import Generation
from recfabric.host.device import Cycles
from recfabric.host.driver import Answer, Query, Rows
from recfabric.kernels.topk.model import NO_ID, NO_SCORE


@dataclass(frozen=True)
class Served:
    """An answer and where it comes from.

    ``rows``, ``scores``: int32 (k,), best first, row -1 where no item was left; ``generation``: the
    one whose contract's integer model gives the same; ``devices``: who answered, a name for each
    shard; ``cycles``: of a single device with a clock.
    """

    rows: Rows
    scores: Rows
    generation: Generation
    devices: tuple[str, ...]
    cycles: Cycles | None = None

    @property
    def contract(self) -> str:
        """The contract's name."""
        return self.generation.contract.sha256

    @property
    def answer(self) -> Answer:
        """As a driver gives it."""
        return Answer(self.rows, self.scores, self.cycles)


@dataclass(frozen=True)
class Request:
    """A checked query of one generation; times are of ``time.monotonic``."""

    query: Query
    generation: Generation
    future: Future[Served]
    arrived: float
    deadline: float


class Batch:
    """Requests of one generation, which every shard answers once: the first answer counts."""

    def __init__(self, requests: Sequence[Request], done: Callable[[Batch], None]) -> None:
        self.requests = requests
        self.generation = requests[0].generation
        self.queries = [request.query for request in requests]
        self._parts: list[list[Answer] | None] = [None] * len(self.generation.shards)
        self._names = [""] * len(self._parts)
        self._missing = len(self._parts)
        self._lock = threading.Lock()
        self._done = done

    def put(self, shard: int, answers: list[Answer], name: str) -> bool:
        """Take a shard's answers; False, and nothing happens, where it has answered already."""
        if len(answers) != len(self.requests):
            raise ValueError(f"{len(answers)} answers for {len(self.requests)} requests")
        with self._lock:
            if self._missing == 0 or self._parts[shard] is not None:
                return False
            self._parts[shard], self._names[shard] = answers, name
            self._missing -= 1
            if self._missing:
                return True
        self._resolve()
        return True

    def fail(self, error: Exception) -> None:
        """Give every request the error, unless all are answered."""
        with self._lock:
            if self._missing == 0:
                return
            self._missing = 0
        with together():
            for request in self.requests:
                request.future.set_exception(error)
        self._done(self)

    def _resolve(self) -> None:
        names = tuple(self._names)
        with together():
            for i, request in enumerate(self.requests):
                best = merge([part[i] for part in self._parts if part is not None], request.query.k)
                served = Served(best.rows, best.scores, self.generation, names, best.cycles)
                request.future.set_result(served)
        self._done(self)


def merge(parts: Sequence[Answer], k: int) -> Answer:
    """The k best of the shards' answers: higher score first, then lower row of the catalogue.

    Exact: each of the k best of the whole is among the k best of its shard.
    """
    if len(parts) == 1:
        return parts[0]
    rows = np.concatenate([part.rows for part in parts])
    scores = np.concatenate([part.scores for part in parts])
    found = rows >= 0
    rows, scores = rows[found], scores[found]
    order = np.lexsort((rows, -scores.astype(np.int64)))[:k]
    best, values = np.full(k, NO_ID, np.int32), np.full(k, NO_SCORE, np.int32)
    best[: len(order)], values[: len(order)] = rows[order], scores[order]
    return Answer(best, values, None)
