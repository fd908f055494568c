# SPDX-License-Identifier: Apache-2.0
"""A device of the runtime that is run by whoever brings it work."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from recfabric.errors import DeviceError, RecFabricError
from recfabric.host._batch import Batch
from recfabric.host._generation import Generation, answers
from recfabric.host._resident import LaneOptions, Resident
from recfabric.host.device import Device
from recfabric.host.driver import Answer

_END: Final = object()


class DirectLane(Resident):
    """A lane without threads: whoever brings a batch runs it, at the next :meth:`work`.

    For the integer model, which computes where it is started: a thread of its own would only
    change places with the one that waits for it. One thread is on the device at a time; who finds
    another one there leaves the batch to it. There is no time-out and nothing stands in: a batch
    on which the device raises fails, and the device starts anew.
    """

    def __init__(
        self, shard: int, device: Device, generation: Generation, options: LaneOptions
    ) -> None:
        super().__init__(shard, device, generation, options)
        self._queue: deque[Batch] = deque()
        self._busy = threading.Lock()

    def push(self, batch: Batch) -> None:
        """Take a batch; it is run by :meth:`work`."""
        self._queue.append(batch)

    def work(self) -> None:
        """Run what waits, unless another thread does, which then runs this as well."""
        while self._queue:
            if not self._busy.acquire(blocking=False):
                return
            try:
                while self._queue:
                    self._run(self._queue.popleft())
            finally:
                self._busy.release()

    def stage(self, generation: Generation) -> Callable[[], None]:
        """Call the result to write a generation's tables; batches are run between its pieces."""
        pieces = self.driver.stage(generation.contract, generation.shards[self.shard])

        def write() -> None:
            whole = False
            while not whole:
                with self._busy:
                    whole = next(pieces, _END) is _END
                self.work()
            self._staged = generation

        return write

    def close(self) -> None:
        """Nothing is left to stop."""

    def _run(self, batch: Batch) -> None:
        try:
            if not self.health.up:
                self._recover(batch.generation)
            if batch.generation is not self._resident:
                self._switch(batch.generation)
            given = self._answers(batch)
        except Exception as error:  # whatever a driver raises, the request gets an answer
            self._failed(batch, error)
            return
        self.health.batches += 1
        batch.put(self.shard, given, self.device.name)

    def _answers(self, batch: Batch) -> list[Answer]:
        queries = batch.queries
        if self.options.check:
            queries = [*queries, batch.generation.known[0]]
        elif len(queries) == 1:
            return [self.driver.ask(queries[0])]  # without a descriptor and a record
        given = answers(self.driver.request_many(queries))
        if self.options.check:
            self._compare(given.pop(), batch.generation.expected[self.shard][0])
        return given

    def _failed(self, batch: Batch, error: Exception) -> None:
        words = str(error) or type(error).__name__
        self.health.faults += self.health.up
        self.health.up, self.health.error = False, words
        batch.fail(error if isinstance(error, RecFabricError) else DeviceError(words))
        with suppress(Exception):  # then the next batch begins with it
            self._recover(batch.generation)

    def _recover(self, generation: Generation) -> None:
        self._restart(generation)
        self.health.up = True
        self.health.recoveries += 1
