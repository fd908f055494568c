# SPDX-License-Identifier: Apache-2.0
"""The runtime: requests in batches over one or several devices, tables swapped under traffic."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, field, replace

from recfabric.contract import Contract
from recfabric.errors import (
    ConfigError,
    DeviceError,
    DeviceTimeoutError,
    OverloadedError,
    SupersededError,
)
from recfabric.host._batch import Batch, Request, Served
from recfabric.host._delivery import awaited
from recfabric.host._direct import DirectLane
from recfabric.host._generation import Generation
from recfabric.host._lane import Lane
from recfabric.host._resident import LaneHealth, LaneOptions
from recfabric.host.device import Device
from recfabric.host.driver import BATCH, Query, list_bytes
from recfabric.host.items import Encoder, ItemRows, free_tokens, insert, text_rows

__all__ = ["Generation", "LaneHealth", "LaneOptions", "Runtime", "RuntimeOptions", "Served"]


@dataclass(frozen=True)
class RuntimeOptions:
    """How the runtime trades latency, throughput and patience.

    ``batch``: requests of a run at most; ``budget_s``: how long a request waits for company;
    ``depth``: batches on their way at a time; ``queue``: requests that may wait;
    ``timeout_s``: of a request; ``fallback``: whether the integer model answers for a device that
    is out; ``lane``: of each device.
    """

    batch: int = BATCH - 1
    budget_s: float = 0.0
    depth: int = 3
    queue: int = 1024
    timeout_s: float = 5.0
    fallback: bool = True
    lane: LaneOptions = field(default_factory=LaneOptions)

    def __post_init__(self) -> None:
        ranges = {"batch": (1, BATCH - 1), "depth": (1, 64), "queue": (1, 1 << 20)}
        for name, (low, high) in ranges.items():
            if not low <= getattr(self, name) <= high:
                raise ConfigError(
                    f"The runtime's {name} of {getattr(self, name)} is outside {low}..{high}."
                )
        if self.budget_s < 0 or self.timeout_s <= 0 or self.lane.timeout_s <= 0:
            raise ConfigError("The runtime's time-outs must be above 0 and its budget at least 0.")


class Runtime:
    """Devices that answer as one; thread-safe.

    Several devices hold consecutive shards of the catalogue. Every answer names the generation
    that it comes from and equals that contract's integer model, or the request fails with a
    RecFabricError.
    """

    def __init__(
        self,
        contract: Contract,
        devices: Sequence[Device],
        options: RuntimeOptions | None = None,
    ) -> None:
        self.options = options or RuntimeOptions()
        self._configs = [device.config for device in devices]
        self._generation = self._make(1, contract)
        self._lanes: list[Lane | DirectLane] = []
        kind = Lane if self.options.lane.thread else DirectLane
        try:
            for i, device in enumerate(devices):
                self._lanes.append(kind(i, device, self._generation, self.options.lane))
        except BaseException:
            for lane in self._lanes:
                lane.close()
            raise
        self._room = min(lane.driver.buffers["lists"].size for lane in self._lanes)
        self._waiting: deque[Request] = deque()
        self._late: list[Request] = []
        self._outstanding: dict[Batch, None] = {}
        self._closed = False
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._retired = threading.Condition(self._lock)
        self._swapping, self._inserting = threading.Lock(), threading.Lock()
        self._former = threading.Thread(target=self._form, name="recfabric-batches", daemon=True)
        self._former.start()

    @property
    def generation(self) -> Generation:
        """The generation that new requests are answered from."""
        return self._generation

    @property
    def health(self) -> tuple[LaneHealth, ...]:
        """A copy of each device's state and counts."""
        return tuple(replace(lane.health) for lane in self._lanes)

    @property
    def load(self) -> tuple[int, int]:
        """Requests that wait, and requests on a device."""
        with self._lock:
            return len(self._waiting), sum(len(batch.requests) for batch in self._outstanding)

    @property
    def ready(self) -> bool:
        """Whether requests will be answered: every device is up, or has a fallback."""
        up = all(lane.health.up for lane in self._lanes)
        return not self._closed and (up or self.options.fallback)

    def submit(
        self, query: Query, *, generation: Generation | None = None, timeout_s: float | None = None
    ) -> Future[Served]:
        """Queue a request; the future gives the answer or a RecFabricError.

        ``generation``: the one that the query's rows are of (None: the current one). Raises
        RequestError for a bad query, OverloadedError when too many wait, SupersededError when the
        tables were swapped since ``generation`` was read.
        """
        patience = timeout_s or self.options.timeout_s
        while True:
            of = generation or self._generation
            checked, now = of.check(query), time.monotonic()
            request = Request(checked, of, Future(), now, now + patience)
            try:
                self._queue(request)
            except SupersededError:
                if generation is not None:
                    raise
                continue  # swapped since the line above: the current one is another now
            return request.future

    def request(
        self, query: Query, *, generation: Generation | None = None, timeout_s: float | None = None
    ) -> Served:
        """:meth:`submit` and wait; raises DeviceTimeoutError when there is no answer in time."""
        patience = timeout_s or self.options.timeout_s
        future = self.submit(query, generation=generation, timeout_s=patience)
        try:
            return future.result(patience)
        except FutureTimeoutError:
            future.cancel()
            raise _too_late(patience) from None

    async def arequest(
        self, query: Query, *, generation: Generation | None = None, timeout_s: float | None = None
    ) -> Served:
        """:meth:`request` for asyncio; many may be awaited at a time."""
        patience = timeout_s or self.options.timeout_s
        future = self.submit(query, generation=generation, timeout_s=patience)
        if future.done():  # no thread but this one was needed
            return future.result()
        try:
            async with asyncio.timeout(patience):
                return await awaited(future)
        except TimeoutError:
            raise _too_late(patience) from None
        finally:
            future.cancel()  # of no effect once it has spoken

    def swap(self, contract: Contract) -> Generation:
        """Replace the tables under traffic; gives the new generation once it alone is in use.

        The new tables are written beside the old ones while requests go on; then all devices
        change over between two batches. Raises ConfigError where a netlist does not fit the
        contract and DeviceError where a device has no memory for it: the old tables stay in use.
        """
        with self._swapping:
            old = self._generation
            new = self._make(old.number + 1, contract)
            for wait in [lane.stage(new) for lane in self._lanes]:
                wait()
            with self._lock:
                if self._closed:
                    raise DeviceError("The runtime was closed during the swap.")
                self._generation = new
                while self._of(old):
                    self._retired.wait()
            return new

    def insert(self, tokens: Sequence[str], rows: ItemRows) -> Generation:
        """Add items, or replace those whose token is known, under traffic; see :meth:`swap`.

        Raises besides as :func:`recfabric.host.items.insert` does; on any error nothing changes.
        """
        with self._inserting:
            return self.swap(insert(self._generation.contract, tokens, rows))

    def add_items(
        self, texts: Sequence[str], encoder: Encoder, tokens: Sequence[str] | None = None
    ) -> list[str]:
        """Add items that are known by their texts alone; gives their tokens.

        ``tokens``: None for ``new-1`` and so on. See :meth:`insert`.
        """
        rows = text_rows(encoder, texts, self._generation.contract)
        with self._inserting:
            contract = self._generation.contract
            names = free_tokens(contract, len(texts)) if tokens is None else list(tokens)
            self.swap(insert(contract, names, rows))
        return names

    def add_item(self, text: str, encoder: Encoder, token: str | None = None) -> str:
        """:meth:`add_items` for one."""
        return self.add_items([text], encoder, None if token is None else [token])[0]

    def close(self) -> None:
        """Fail what waits, stop the threads; the devices stay open."""
        with self._lock:
            self._closed = True
            waiting, late = list(self._waiting), self._late
            self._waiting.clear()
            self._late = []
            self._changed.notify_all()
        for request in waiting:
            if request.future.set_running_or_notify_cancel():
                request.future.set_exception(DeviceError("The runtime was closed."))
        for request in late:
            request.future.set_exception(_too_late(request.deadline - request.arrived))
        self._former.join()
        deadline = time.monotonic() + self.options.timeout_s
        with self._lock:
            while self._outstanding and time.monotonic() < deadline:
                self._retired.wait(0.05)
        for lane in self._lanes:
            lane.close()
        for batch in list(self._outstanding):
            batch.fail(DeviceError("The runtime was closed."))

    def __enter__(self) -> Runtime:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _queue(self, request: Request) -> None:
        with self._lock:
            if self._closed:
                raise DeviceError("The runtime is closed; start another one.")
            if request.generation is not self._generation:
                raise SupersededError(
                    f"The rows are of generation {request.generation.number} but the tables are "
                    f"of {self._generation.number}; look the items up again."
                )
            if len(self._waiting) >= self.options.queue:
                raise OverloadedError(
                    f"{len(self._waiting)} requests are waiting, the most that are taken; send "
                    "this one again later."
                )
            self._waiting.append(request)
            self._hand_out()
        self._work()

    def _work(self) -> None:
        """Run what lies with the devices that have no thread; outside of the lock."""
        for lane in self._lanes:
            lane.work()

    def _make(self, number: int, contract: Contract) -> Generation:
        return Generation.of(number, contract, self._configs, fallback=self.options.fallback)

    def _of(self, generation: Generation) -> bool:
        """Whether a request of a generation is on its way."""
        waiting = bool(self._waiting) and self._waiting[0].generation is generation
        return waiting or any(b.generation is generation for b in self._outstanding)

    def _form(self) -> None:
        """Hand out requests whose budget is over, and tell those that came too late.

        All others are handed out by the thread that brings what was missing: a request, or the
        end of the batch before.
        """
        while not self._closed:
            with self._lock:
                self._hand_out()
                if not self._late:
                    self._changed.wait(self._pause())
                late, self._late = self._late, []
            self._work()
            for request in late:
                request.future.set_exception(_too_late(request.deadline - request.arrived))

    def _hand_out(self) -> None:
        """Cut what is due into batches and give each to every lane; under the lock, in order."""
        while self._pause() == 0:
            batch = self._cut()
            if batch is None:
                self._retired.notify_all()
                continue
            self._outstanding[batch] = None
            for lane in self._lanes:
                lane.push(batch)
        if self._pause():
            self._changed.notify()  # the budget runs

    def _pause(self) -> float | None:
        """How long to wait before a batch is cut: 0 for now, None until something changes."""
        if not self._waiting or len(self._outstanding) >= self.options.depth:
            return None
        if len(self._waiting) >= self.options.batch:
            return 0
        return max(0.0, self._waiting[0].arrived + self.options.budget_s - time.monotonic())

    def _cut(self) -> Batch | None:
        """The next batch: requests of one generation that are still wanted, with lists that fit."""
        taken: list[Request] = []
        now, room = time.monotonic(), self._room - list_bytes(self._generation.known[0])
        while self._waiting and len(taken) < self.options.batch:
            request = self._waiting[0]
            room -= list_bytes(request.query)
            if taken and (room < 0 or request.generation is not taken[0].generation):
                break
            self._waiting.popleft()
            if request.future.set_running_or_notify_cancel():
                (self._late if now > request.deadline else taken).append(request)
        if self._late:
            self._changed.notify()
        return Batch(taken, self._finished) if taken else None

    def _finished(self, batch: Batch) -> None:
        with self._lock:
            self._outstanding.pop(batch, None)
            if not self._closed:
                self._hand_out()
            self._retired.notify_all()


def _too_late(patience: float) -> DeviceTimeoutError:
    return DeviceTimeoutError(
        f"The request had no answer within {patience:g} s; send it again, or allow more time."
    )
