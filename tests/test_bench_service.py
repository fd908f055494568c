# SPDX-License-Identifier: Apache-2.0
"""What the service's benchmark calls good; tests/host/service/test_process.py runs the load."""

from dataclasses import replace

import pytest

from recfabric.bench._service import ServiceResult

GOOD = ServiceResult(
    items=100,
    bare_p50_ms=0.5,
    bare_p99_ms=1.0,
    saturation=1000.0,
    rate=500.0,
    p50_ms=2.5,
    p99_ms=11.0,
    idle_p50_ms=0.2,
    idle_p99_ms=0.4,
    late_p50_ms=0.1,
    late_p99_ms=0.3,
    load={"200": 5000},
    crowd={"200": 4000, "429": 1000},
)


def test_figures_within_the_limits_are_good() -> None:
    assert GOOD.met
    assert (GOOD.record()["added_p50_ms"], GOOD.record()["added_p99_ms"]) == (2.0, 10.0)
    assert "half of 1000" in GOOD.table()


@pytest.mark.parametrize(
    "change",
    [
        {"p50_ms": 2.6},
        {"p99_ms": 11.1},
        {"load": {"200": 4999, "429": 1}},
        {"crowd": {"200": 4000, "lost": 1}},
        {"crowd": {"200": 4000, "503": 1}},
    ],
)
def test_slow_lost_or_otherwise_refused_requests_are_not(change: dict[str, object]) -> None:
    assert not replace(GOOD, **change).met  # type: ignore[arg-type]
