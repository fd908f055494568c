# SPDX-License-Identifier: Apache-2.0
"""The service against the bare device: what HTTP, queue and batches add to a request."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recfabric.bench._load import Outcome, closed_loop, many_clients, open_loop, run
from recfabric.config import tool_versions
from recfabric.contract import Contract
from recfabric.errors import DeviceError
from recfabric.host.catalogue import Catalogue
from recfabric.host.driver import HotPathDriver, Query
from recfabric.host.soft import SoftDevice
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.kernels.stimulus import random_contract

P50_MS, P99_MS = 2.0, 10.0  # most that the service may add
CLIENTS = 200
_ITEMS = 1682  # as many as ml-100k has, where no contract is given
_BODIES = 200
_QUEUE = 4  # beside the batches on their way: so that some of the clients are refused
_K = 10
_PACE_S = 0.002


@dataclass(frozen=True)
class ServiceResult:
    """Milliseconds and rates; ``load``, ``crowd``: status codes of the open loop and of the
    clients at once.

    ``idle``: the same load on an application that does nothing, ``late``: how long after it was due
    a request to the service was sent: what the load generator and the machine have in the figures.
    """

    items: int
    bare_p50_ms: float
    bare_p99_ms: float
    saturation: float
    rate: float
    p50_ms: float
    p99_ms: float
    idle_p50_ms: float
    idle_p99_ms: float
    late_p50_ms: float
    late_p99_ms: float
    load: dict[str, int]
    crowd: dict[str, int]

    @property
    def added_p50_ms(self) -> float:
        """The service's own share at the median."""
        return self.p50_ms - self.bare_p50_ms

    @property
    def added_p99_ms(self) -> float:
        """The service's own share of the slowest hundredth."""
        return self.p99_ms - self.bare_p99_ms

    @property
    def met(self) -> bool:
        """Whether the figures are within their limits: all answered, every refusal a 429."""
        fast = self.added_p50_ms <= P50_MS and self.added_p99_ms <= P99_MS
        return fast and set(self.load) == {"200"} and set(self.crowd) <= {"200", "429"}

    def record(self) -> dict[str, Any]:
        """For a JSON file."""
        added = {"added_p50_ms": self.added_p50_ms, "added_p99_ms": self.added_p99_ms}
        return asdict(self) | added | {"met": self.met, "versions": tool_versions()}

    def table(self) -> str:
        """For a terminal."""
        return (
            f"catalogue {self.items} items, soft device, k {_K}\n"
            f"bare device      p50 {self.bare_p50_ms:7.2f} ms  p99 {self.bare_p99_ms:7.2f} ms\n"
            f"service          p50 {self.p50_ms:7.2f} ms  p99 {self.p99_ms:7.2f} ms  at "
            f"{self.rate:.0f} requests/s, half of {self.saturation:.0f}\n"
            f"no application   p50 {self.idle_p50_ms:7.2f} ms  p99 {self.idle_p99_ms:7.2f} ms  at "
            "the same rate: HTTP and the load itself\n"
            f"sent late by     p50 {self.late_p50_ms:7.2f} ms  p99 {self.late_p99_ms:7.2f} ms\n"
            f"added            p50 {self.added_p50_ms:7.2f} ms  p99 {self.added_p99_ms:7.2f} ms  "
            f"(limits {P50_MS:g} and {P99_MS:g})\n"
            f"open loop        {self.load}\n"
            f"{CLIENTS} clients      {self.crowd} with a queue of {_QUEUE}"
        )


def measure(folder: Path | None, *, seconds: float = 10.0) -> ServiceResult:
    """Start the service in a process of its own, load it from this one, and stop it."""
    with tempfile.TemporaryDirectory() as scratch:
        if folder is None:
            folder = Path(scratch) / "model"
            random_contract(items=_ITEMS, seed=1).save(folder)
        contract = Contract.load(folder)
        histories = _histories(contract)
        bodies = [json.dumps({"history": h, "k": _K}).encode() for h in histories]
        bare = _bare(contract, histories)
        with running(folder) as port:
            run(closed_loop(port, bodies, clients=16, seconds=1.0))  # warm-up
            full = run(closed_loop(port, bodies, clients=64, seconds=seconds / 2))
            half = full.rate / 2
            load = run(open_loop(port, bodies, rate=half, seconds=seconds))
        with idle() as port:
            nothing = run(open_loop(port, bodies, rate=half, seconds=seconds / 2))
        with running(folder, "--queue", str(_QUEUE)) as port:
            crowd = run(many_clients(port, bodies, clients=CLIENTS, requests=25))
    return ServiceResult(
        items=contract.shape.items,
        bare_p50_ms=bare.quantile_ms(0.5),
        bare_p99_ms=bare.quantile_ms(0.99),
        saturation=full.rate,
        rate=half,
        p50_ms=load.quantile_ms(0.5),
        p99_ms=load.quantile_ms(0.99),
        idle_p50_ms=nothing.quantile_ms(0.5),
        idle_p99_ms=nothing.quantile_ms(0.99),
        late_p50_ms=load.late_ms(0.5),
        late_p99_ms=load.late_ms(0.99),
        load=dict(load.codes),
        crowd=dict(crowd.codes),
    )


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[int]:
    """A service on a free port of loopback, ready; gives the port. Raises DeviceError."""
    main = "from recfabric.cli import main; raise SystemExit(main())"
    port = free_port()
    with _process(port, "-c", main, "serve", str(folder), "--port", str(port), *arguments):
        yield port


@contextmanager
def idle() -> Iterator[int]:
    """An application that does nothing, on the service's own HTTP server; gives the port."""
    port = free_port()
    with _process(port, "-m", "recfabric.bench._idle", str(port)):
        yield port


@contextmanager
def _process(port: int, *arguments: str) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, *arguments], env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    try:
        _await(port, process)
        yield
    finally:
        process.terminate()
        process.wait(20)


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise DeviceError("The service did not come up within 60 s; start it by hand and read its log.")


def _histories(contract: Contract) -> list[list[str]]:
    rng = np.random.default_rng(1)
    lengths = rng.integers(1, min(80, contract.shape.items), _BODIES)
    tokens = np.array(contract.tokens)
    return [tokens[rng.integers(0, len(tokens), n)].tolist() for n in lengths]


def _bare(contract: Contract, histories: Sequence[Sequence[str]]) -> Outcome:
    """The same requests on the device alone, one at a time, at the pace of an idle service.

    Back to back they would find every cache warm, which no request of a service does.
    """
    config = HotPathConfig.for_contract(contract)
    driver, catalogue = HotPathDriver(SoftDevice(config), contract), Catalogue(contract, config)
    queries = [q for h in histories if isinstance(q := catalogue.query(h, _K), Query)]
    driver.request_many(queries[:8])
    outcome = Outcome()
    for query in queries * 3:
        time.sleep(_PACE_S)
        begin = time.perf_counter()
        driver.request(query.history, query.seen, query.k)
        outcome.seconds.append(time.perf_counter() - begin)
    return outcome
