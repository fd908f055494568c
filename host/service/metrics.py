# SPDX-License-Identifier: Apache-2.0
"""Counts and latencies for Prometheus: of the HTTP side, and of the runtime when it is asked."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from recfabric.host.runtime import Runtime

_BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)
_COUNTS = {
    "batches": "batches that the device answered",
    "faults": "times that the device was taken out",
    "recoveries": "times that it was taken back",
    "rescued": "requests that the fallback answered for it",
    "late": "batches that it answered when the fallback had",
}


class Metrics:
    """A registry of its own for each service, so that several live in one process."""

    def __init__(self, runtime: Runtime) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "recfabric_http_requests", "requests", ("route", "code"), registry=self._registry
        )
        self._seconds = Histogram(
            "recfabric_http_seconds",
            "time in the service",
            ("route",),
            registry=self._registry,
            buckets=_BUCKETS,
        )
        self._registry.register(_OfRuntime(runtime))

    def observe(self, route: str, code: int, seconds: float) -> None:
        """Count one request. ``route``: as the application has it, not as the client wrote it."""
        self._requests.labels(route, str(code)).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """The page, in Prometheus' text format 0.0.4."""
        return generate_latest(self._registry)


class _OfRuntime(Collector):
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def collect(self) -> Iterator[Metric]:
        """The runtime's state at this moment."""
        waiting, running = self._runtime.load
        yield GaugeMetricFamily("recfabric_waiting", "requests that wait", waiting)
        yield GaugeMetricFamily("recfabric_running", "requests on a device", running)
        number = self._runtime.generation.number
        yield GaugeMetricFamily("recfabric_generation", "of the tables", number)
        health = self._runtime.health
        up = GaugeMetricFamily("recfabric_device_up", "1: it answers", labels=["shard", "device"])
        for shard, one in enumerate(health):
            up.add_metric([str(shard), one.device], float(one.up))
        yield up
        for name, text in _COUNTS.items():
            count = CounterMetricFamily(
                f"recfabric_device_{name}", text, labels=["shard", "device"]
            )
            for shard, one in enumerate(health):
                count.add_metric([str(shard), one.device], getattr(one, name))
            yield count
