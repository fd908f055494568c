# SPDX-License-Identifier: Apache-2.0
"""Results on their way from a device's thread into an event loop: one wake-up for many."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

T = TypeVar("T")
_Pairs = list[tuple["asyncio.Future[Any]", "Future[Any]"]]
_Held = dict[asyncio.AbstractEventLoop, _Pairs]

_thread = threading.local()


def awaited(future: Future[T]) -> asyncio.Future[T]:
    """A future of the running loop that speaks when ``future`` does.

    asyncio's ``wrap_future`` wakes the loop for every single result, by a system call at which
    both threads change places.
    """
    loop = asyncio.get_running_loop()
    waiting: asyncio.Future[T] = loop.create_future()

    def put(done: Future[T]) -> None:
        held: _Held | None = getattr(_thread, "held", None)
        if held is None:
            _send(loop, [(waiting, done)])
        else:
            held.setdefault(loop, []).append((waiting, done))

    future.add_done_callback(put)
    return waiting


@contextmanager
def together() -> Iterator[None]:
    """Results that this thread gives meanwhile reach each loop by one wake-up, at the end."""
    held: _Held = {}
    _thread.held = held
    try:
        yield
    finally:
        _thread.held = None
        for loop, pairs in held.items():
            _send(loop, pairs)


def _send(loop: asyncio.AbstractEventLoop, pairs: _Pairs) -> None:
    with suppress(RuntimeError):  # the loop is closed: nobody waits any more
        loop.call_soon_threadsafe(_hand_out, pairs)


def _hand_out(pairs: _Pairs) -> None:
    for waiting, done in pairs:
        if waiting.done() or done.cancelled():
            waiting.cancel()
        elif error := done.exception():
            waiting.set_exception(error)
        else:
            waiting.set_result(done.result())
