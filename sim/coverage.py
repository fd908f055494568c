# SPDX-License-Identifier: Apache-2.0
"""Functional coverage: the RTL's named ``cover`` points, counted by Verilator in cocotb runs.

A point is ``module.name``, summed over the module's instances and parameters: what it names (a
tie, a saturation, a stall) was seen at least once, wherever that was.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

_POINT = re.compile(r"^C '(?P<fields>.*)' (?P<hits>\d+)$", re.MULTILINE)


def read_hits(data: Path) -> Counter[str]:
    """Hits by point from what a simulation built with ``--coverage-user`` has written.

    Points that were never hit are there with 0.
    """
    hits: Counter[str] = Counter()
    for match in _POINT.finditer(data.read_text(errors="replace")):
        pairs = (field.partition("\2") for field in match["fields"].split("\1") if field)
        fields = {key: value for key, _, value in pairs}
        if fields.get("t") == "user":
            hits[f"{Path(fields['f']).stem}.{fields['o']}"] += int(match["hits"])
    return hits


def assert_every_point_hit(
    runs: Iterable[Mapping[str, int]], *, unreachable: Mapping[str, str] | None = None
) -> None:
    """Raise AssertionError naming the points that no run has hit, or where there are no points.

    ``runs``: of each run the hits by point (:meth:`Testbench.hits`); a point counts when one of
    them hits it. ``unreachable``: points that these modules cannot reach, each with the reason;
    one that is hit, or that does not exist, is an error too.
    """
    excused = dict(unreachable or {})
    total: Counter[str] = Counter()
    for hits in runs:
        total.update(hits)
    unhit = sorted(point for point, hits in total.items() if not hits and point not in excused)
    wrong = sorted(point for point in excused if total.get(point) != 0)
    if not total:
        raise AssertionError("These modules have no cover points.")
    if unhit:
        raise AssertionError(f"{len(unhit)} of {len(total)} cover points not hit: {_list(unhit)}")
    if wrong:
        raise AssertionError(
            f"Cover points said to be unreachable, but hit or gone: {_list(wrong)}"
        )


def _list(points: list[str]) -> str:
    return ", ".join(points)
