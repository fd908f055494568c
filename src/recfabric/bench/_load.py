# SPDX-License-Identifier: Apache-2.0
"""A load generator for one HTTP/1.1 route on loopback: closed loop, open loop, many clients."""

from __future__ import annotations

import asyncio
import select
import selectors
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

_PATIENCE_S = 30.0


@dataclass
class Outcome:
    """Status codes by count, ``lost`` for what had none, and seconds of each answer.

    ``late``: seconds from when each request of an open loop was due to when it was sent.
    """

    codes: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    wall_s: float = 0.0

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.seconds) / self.wall_s

    def quantile_ms(self, q: float) -> float:
        """Milliseconds that a share of the answers took at most."""
        return float(np.quantile(self.seconds, q)) * 1e3

    def late_ms(self, q: float) -> float:
        """Milliseconds that a share of the requests was late at most."""
        return float(np.quantile(self.late, q)) * 1e3


class Client:
    """One connection, kept alive; one request at a time."""

    def __init__(self, port: int, path: str = "/recommend") -> None:
        self._port, self._path = port, path
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, body: bytes) -> str:
        """Send a body; gives the status code, or ``lost`` where there was no answer."""
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return await self._post(body)
        except (OSError, EOFError, TimeoutError, ValueError, IndexError):
            self.close()
            return "lost"

    async def _post(self, body: bytes) -> str:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write(
            f"POST {self._path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.split("content-length:")[1].split("\r\n")[0])
        await reader.readexactly(length)
        if "connection: close" in head:
            self.close()
        return head.split(" ")[1]

    def close(self) -> None:
        """Give the connection up."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


def run(load: Coroutine[Any, Any, Outcome]) -> Outcome:
    """Run a load in an event loop whose timers are exact."""
    with asyncio.Runner(loop_factory=_exact_loop) as runner:
        return runner.run(load)


class _ExactSelector(selectors.EpollSelector):
    """Epoll whose time-out is not rounded up to a millisecond: select waits for epoll itself."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout > 0:
            select.select([self.fileno()], [], [], timeout)
        return super().select(0)


def _exact_loop() -> asyncio.AbstractEventLoop:
    return asyncio.SelectorEventLoop(_ExactSelector())


async def closed_loop(
    port: int, bodies: Sequence[bytes], *, clients: int, seconds: float
) -> Outcome:
    """Clients that each send the next request when the last one is answered."""
    end = time.perf_counter() + seconds

    def more(sent: int) -> bool:
        return time.perf_counter() < end

    return await _clients(port, bodies, clients, more)


async def many_clients(
    port: int, bodies: Sequence[bytes], *, clients: int, requests: int
) -> Outcome:
    """As :func:`closed_loop`, with a number of requests for each client."""
    return await _clients(port, bodies, clients, lambda sent: sent < requests)


async def open_loop(
    port: int, bodies: Sequence[bytes], *, rate: float, seconds: float, seed: int = 1
) -> Outcome:
    """Requests at random times, ``rate`` a second, whether or not earlier ones are answered.

    A request's time counts from when it was due: a service that stands still is charged for it.
    """
    gaps = np.random.default_rng(seed).exponential(1 / rate, round(rate * seconds))
    outcome, idle = Outcome(), [Client(port) for _ in range(16)]
    begin = time.perf_counter()

    async def one(due: float, body: bytes) -> None:
        client = idle.pop() if idle else Client(port)
        outcome.late.append(time.perf_counter() - due)
        outcome.codes[await client.post(body)] += 1
        outcome.seconds.append(time.perf_counter() - due)
        idle.append(client)

    tasks = set()
    for i, due in enumerate(begin + np.cumsum(gaps)):
        pause = due - time.perf_counter()
        if pause > 0:
            await asyncio.sleep(pause)
        task = asyncio.create_task(one(float(due), bodies[i % len(bodies)]))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    outcome.wall_s = time.perf_counter() - begin
    for client in idle:
        client.close()
    return outcome


async def _clients(
    port: int,
    bodies: Sequence[bytes],
    count: int,
    more: Callable[[int], bool],
) -> Outcome:
    outcome, begin = Outcome(), time.perf_counter()

    async def run(number: int) -> None:
        client, sent = Client(port), 0
        while more(sent):
            start = time.perf_counter()
            code = await client.post(bodies[(number * 31 + sent) % len(bodies)])
            outcome.codes[code] += 1
            outcome.seconds.append(time.perf_counter() - start)
            sent += 1
        client.close()

    await asyncio.gather(*(run(number) for number in range(count)))
    outcome.wall_s = time.perf_counter() - begin
    return outcome
