# SPDX-License-Identifier: Apache-2.0
"""The bench: its rows, its verdicts, its table; a wrong integer or a missed limit fails it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from recfabric.bench import Case, Measure, little
from recfabric.bench import _runner as runner
from recfabric.bench._table import table
from recfabric.cli import main
from recfabric.errors import ConfigError, DeviceTimeoutError
from recfabric.quant.progress import Silent


def case(cycles: float = 101, mismatches: int = 0) -> Case:
    return Case(
        kernel="rf_fifo",
        config="100 beats",
        parameters={"Width": 8, "Depth": 16},
        bound=100,
        formula="beats",
        limit=102,
        limit_formula="1.02 * beats",
        run=lambda: Measure(cycles, 100, mismatches, 200, 0.1),
    )


def test_a_case_becomes_a_row() -> None:
    (row,) = runner.run_cases([case()], Silent().task, cells=False)
    assert (row.cycles, row.ratio, row.met, row.part) == (101, 1.01, True, "")
    text = table([row], [])
    assert "rf_fifo" in text
    assert "102 (1.02 * beats)" in text
    written = json.loads(json.dumps(runner.record([row], [])))
    assert written["memory"]["latency"] == 100
    assert written["memory"]["outstanding"] == 64
    assert set(written["rows"][0]) > {"kernel", "config", "cycles", "bound", "lut", "part", "tool"}
    assert {"python", "recfabric"} <= set(written["versions"])


def test_cells_are_counted_on_every_part_and_may_be_too_many() -> None:
    tight = replace(case(), most={"xc7z020": {"ff": 1}})
    rows = runner.run_cases([tight], Silent().task)
    assert {row.part: row.met for row in rows} == {"xc7z020": False, "xczu5ev": True}
    assert all(row.ff is not None and row.ff > 8 and row.dsp == 0 for row in rows)
    assert "xczu5ev" in table(rows, [])


@pytest.mark.parametrize("bad", [case(cycles=103), case(mismatches=1)])
def test_a_missed_limit_and_a_wrong_integer_are_not_met(bad: Case) -> None:
    (row,) = runner.run_cases([bad], Silent().task, cells=False)
    assert not row.met
    assert "NO" in table([row], []) or "1 of 100 integers WRONG" in table([row], [])


def test_a_kernel_that_stops_fails_its_row_alone() -> None:
    def stop() -> Measure:
        raise DeviceTimeoutError("rf_fifo did not finish within 10 cycles")

    rows = runner.run_cases([replace(case(), run=stop), case()], Silent().task, cells=False)
    assert [row.met for row in rows] == [False, True]
    assert "did not finish" in table(rows, [])


def test_random_reads_have_a_bound_of_their_own() -> None:
    assert little(1000) == 1562.5  # 64 in flight for 100 cycles
    assert little(1000, ports=4) == 1562.5 / 4


def test_every_kernels_cases_are_well_formed() -> None:
    found = runner.cases()
    assert {"rf_topk"} <= {c.kernel for c in found}
    assert len({(c.kernel, c.config) for c in found}) == len(found)
    for c in found:
        assert c.bound > 0
        assert c.formula
        assert c.limit is None or c.limit >= c.bound
    with pytest.raises(ConfigError, match="'rf_nothing' has no cases; choose one of"):
        runner.cases("rf_nothing")


@pytest.mark.parametrize(("mismatches", "code"), [(0, 0), (3, 1)])
def test_the_command_fails_on_wrong_answers(
    mismatches: int,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(runner, "cases", lambda kernel: (case(mismatches=mismatches),))
    file = tmp_path / "rows.json"
    command = ["bench", "kernels", "--kernel", "fifo", "--no-cells", "--json", str(file)]
    assert main(command) == code
    assert ("WRONG" in capsys.readouterr().out) == bool(mismatches)
    assert json.loads(file.read_text())["rows"][0]["mismatches"] == mismatches
