# SPDX-License-Identifier: Apache-2.0
"""Functional coverage: what is read from Verilator's file and what is an error."""

from pathlib import Path

import pytest

from recfabric.sim.coverage import assert_every_point_hit, read_hits

LINE = (
    "C '\1f\2/a/rf_x.sv\1l\2{line}\1n\0029\1t\2{kind}\1page\2v_user/{page}"
    "\1o\2{name}\1h\2TOP' {n}\n"
)


def test_hits_are_summed_over_instances_and_parameters(tmp_path: Path) -> None:
    data = tmp_path / "coverage.dat"
    rows = [
        ("user", "rf_x", "tie", 3),
        ("user", "rf_x__D2", "tie", 4),
        ("user", "rf_x", "full", 0),
        ("line", "rf_x", "block", 9),
    ]
    lines = [LINE.format(line=4, kind=k, page=p, name=o, n=n) for k, p, o, n in rows]
    data.write_text("# SystemC::Coverage-3\n" + "".join(lines))
    assert read_hits(data) == {"rf_x.tie": 7, "rf_x.full": 0}


@pytest.mark.parametrize(
    ("runs", "unreachable", "says"),
    [
        ([], {}, "no cover points"),
        ([{"a.x": 1, "a.y": 0}, {"a.x": 0, "a.z": 0}], {}, "2 of 3 cover points not hit: a.y, a.z"),
        ([{"a.x": 1}], {"a.x": "never"}, "but hit or gone: a.x"),
        ([{"a.x": 1}], {"a.w": "never"}, "but hit or gone: a.w"),
    ],
)
def test_what_is_refused(
    runs: list[dict[str, int]], unreachable: dict[str, str], says: str
) -> None:
    with pytest.raises(AssertionError, match=says):
        assert_every_point_hit(runs, unreachable=unreachable)


def test_a_point_counts_in_any_run() -> None:
    runs = [{"a.x": 1, "a.y": 0, "a.never": 0}, {"a.x": 0, "a.y": 2}]
    assert_every_point_hit(runs, unreachable={"a.never": "the caller never does"})
