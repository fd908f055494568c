# SPDX-License-Identifier: Apache-2.0
"""CPU-seconds and peak memory of a piece of work, its children included."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_WHO = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)


@contextmanager
def metered(record: dict[str, Any]) -> Iterator[None]:
    """Adds ``cpu`` (seconds) and ``peak_mb`` of what runs inside to ``record``.

    The peak is the process's own since it started, or its largest child's: Python and its
    packages are in it, and whatever ran before in the same process.
    """
    before = _cpu()
    yield
    peak = max(resource.getrusage(who).ru_maxrss for who in _WHO)
    record["cpu"] = round(record.get("cpu", 0.0) + _cpu() - before, 2)
    record["peak_mb"] = round(peak / 1024)


def _cpu() -> float:
    return sum(u.ru_utime + u.ru_stime for u in map(resource.getrusage, _WHO))
