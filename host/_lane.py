# SPDX-License-Identifier: Apache-2.0
"""One device of the runtime: fed by a thread of its own, watched and stood in for by another."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from recfabric.errors import DeviceError, DeviceTimeoutError
from recfabric.host._batch import Batch
from recfabric.host._generation import Generation, answers
from recfabric.host._resident import LaneOptions, Resident
from recfabric.host.device import Device
from recfabric.host.driver import Prepared

_FOREVER = 3600.0


@dataclass
class _Staging:
    """Tables of a generation that are being written beside those in use."""

    generation: Generation
    pieces: Iterator[None]
    ready: threading.Event = field(default_factory=threading.Event)
    error: Exception | None = None


class Lane(Resident):
    """Answers batches in order on a device, and from the integer model while the device is out.

    Only the lane's own thread touches the device. A fault, a wrong known answer or a batch beyond
    its time-out takes the device out: its batches go to the fallback, the device is reset, its
    tables are written anew, and it is taken back when it gives the known answers.
    """

    def __init__(
        self, shard: int, device: Device, generation: Generation, options: LaneOptions
    ) -> None:
        super().__init__(shard, device, generation, options)
        self._current = generation
        self._staging: _Staging | None = None
        self._queue: deque[Batch] = deque()
        self._rescue: deque[Batch] = deque()
        self._in_hand: dict[Batch, float] = {}  # and when its time is over
        self._lock = threading.Lock()
        self._work, self._watch = threading.Condition(self._lock), threading.Condition(self._lock)
        self._closed = threading.Event()
        self._threads = [
            threading.Thread(target=target, name=f"recfabric-{name}-{shard}", daemon=True)
            for name, target in (("device", self._serve), ("rescue", self._stand_in))
        ]
        for thread in self._threads:
            thread.start()

    def push(self, batch: Batch) -> None:
        """Take a batch; it will be answered or failed, whatever the device does."""
        with self._lock:
            self._current = batch.generation
            if self.health.up:
                self._queue.append(batch)
                self._work.notify()
            else:
                self._rescue.append(batch)
                self._watch.notify()

    def stage(self, generation: Generation) -> Callable[[], None]:
        """Begin to write a generation's tables; call the result to wait until they are there.

        A device that is out does not take part: it gets the tables when it is taken back. The
        call raises what the device raised, such as DeviceError for a lack of memory.
        """
        pieces = self.driver.stage(generation.contract, generation.shards[self.shard])
        staging = _Staging(generation, pieces)
        with self._lock:
            if self.health.up:
                self._staging = staging
                self._work.notify()
            else:
                staging.ready.set()
        return lambda: self._staged_or_error(staging)

    def close(self) -> None:
        """Stop both threads; a thread that a device holds is left behind."""
        with self._lock:
            self._closed.set()
            self._work.notify_all()
            self._watch.notify_all()
        for thread in self._threads:
            thread.join(self.options.timeout_s)

    @staticmethod
    def _staged_or_error(staging: _Staging) -> None:
        staging.ready.wait()
        if staging.error:
            raise staging.error

    # The device's thread.

    def _serve(self) -> None:
        while not self._closed.is_set():
            try:
                self._drive()
            except Exception as error:  # whatever a driver raises, the service goes on
                self._out(error)
                self._recover()

    def _drive(self) -> None:
        """Batches one after another; while one runs, the next is written."""
        running: tuple[Batch, Prepared] | None = None
        while True:
            batch = self._take(idle=running is None)
            ahead = None
            if batch and batch.generation is self._resident:
                ahead = self._prepare(batch, running)
            if running:
                self._finish(*running)
                running = None
            if batch is None:
                if self._closed.is_set():
                    return
                self._write_a_piece()
                continue
            if ahead is None:
                self._switch(batch.generation)
                ahead = self._prepare(batch, None)
            self.driver.launch(ahead)
            running = batch, ahead

    def _take(self, *, idle: bool) -> Batch | None:
        """The next batch; None where there is none but something else to do."""
        with self._lock:
            while idle and not (self._queue or self._staging or self._closed.is_set()):
                if not self.health.up:
                    raise DeviceError(self.health.error)
                self._work.wait()
            if not self.health.up:
                raise DeviceError(self.health.error)
            if not self._queue:
                return None
            batch = self._queue.popleft()
            # A batch that waits for the one before it has that one's time as well.
            # The quarter leaves it to the device to say first that it hangs.
            wait = self.options.timeout_s * (1.25 + len(self._in_hand))
            self._in_hand[batch] = time.monotonic() + wait
            return batch

    def _prepare(self, batch: Batch, running: tuple[Batch, Prepared] | None) -> Prepared:
        queries = batch.queries
        if self.options.check:
            queries = [*queries, batch.generation.known[0]]
        prepared = self.driver.prepare(queries, 1 - running[1].slot if running else 0)
        if len(prepared.queries) != len(queries):
            raise DeviceError(f"A batch of {len(queries)} requests does not fit into the device.")
        return prepared

    def _finish(self, batch: Batch, prepared: Prepared) -> None:
        given = answers(self.driver.collect(prepared, self.options.timeout_s))
        if self.options.check:
            self._compare(given.pop(), batch.generation.expected[self.shard][0])
        with self._lock:
            if self._in_hand.pop(batch, None) is None:
                self.health.late += 1
                return
            self.health.batches += 1
        batch.put(self.shard, given, self.device.name)
        self._write_a_piece()

    def _write_a_piece(self) -> None:
        staging = self._staging
        if staging is None:
            return
        try:
            next(staging.pieces)
            return
        except StopIteration:
            self._staged = staging.generation
        except Exception as error:
            staging.error = error
        self._end_staging()

    def _end_staging(self) -> None:
        with self._lock:
            staging, self._staging = self._staging, None
        if staging:
            staging.ready.set()

    def _out(self, error: Exception) -> None:
        """Take the device out and hand what it had to the fallback."""
        with self._lock:
            if self.health.up:
                self.health.faults += 1
                self.health.error = str(error) or type(error).__name__
            self.health.up = False
            self._rescue.extend([*self._in_hand, *self._queue])
            self._in_hand.clear()
            self._queue.clear()
            self._watch.notify()
        self._end_staging()

    def _recover(self) -> None:
        """Reset, tables, known answers, until all is well."""
        pause = self.options.retry_s
        while not self._closed.is_set():
            try:
                self._restart(self._current)
                with self._lock:
                    self.health.up = True
                    self.health.recoveries += 1
                return
            except Exception as error:  # as in _serve
                self.health.error = str(error) or type(error).__name__
            self._closed.wait(pause)
            pause = min(2 * pause, self.options.retry_max_s)

    # The thread that watches it.

    def _stand_in(self) -> None:
        while not self._closed.is_set():
            batch = self._next_rescue()
            if batch is None:
                continue
            try:
                self._answer_for_it(batch)
            except Exception as error:  # a request must get an answer or an error
                batch.fail(error)

    def _next_rescue(self) -> Batch | None:
        with self._lock:
            if not self._rescue:
                self._watch.wait(self.options.timeout_s / 4)
            late = min(self._in_hand.values(), default=_FOREVER + time.monotonic())
            hanging = time.monotonic() > late
            if not hanging:
                return self._rescue.popleft() if self._rescue else None
        self._out(
            DeviceTimeoutError(
                f"The device '{self.device.name}' holds a batch for more than "
                f"{self.options.timeout_s} s."
            )
        )
        return None

    def _answer_for_it(self, batch: Batch) -> None:
        soft = batch.generation.soft
        if not soft:
            raise DeviceError(
                f"{self.health.error or 'The device failed.'} There is no fallback; send the "
                "request again."
            )
        with self._lock:
            self.health.rescued += len(batch.requests)
        batch.put(self.shard, answers(soft[self.shard].request_many(batch.queries)), "fallback")
