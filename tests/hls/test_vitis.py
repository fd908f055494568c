# SPDX-License-Identifier: Apache-2.0
"""Reports of real runs are read right (reports/README.md); without Vitis there is one sentence."""

import shutil
from pathlib import Path

import pytest

pytest.importorskip("hls4ml", reason="the extra 'hls' is not installed")

from recfabric.errors import ToolMissingError
from recfabric.hls.hls4ml import vitis

REPORTS = Path(__file__).parent / "reports"


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A folder as Vitis HLS leaves it, with the real reports."""
    solution = tmp_path / "myproject_prj" / "solution1"
    (solution / "syn" / "report").mkdir(parents=True)
    (tmp_path / "project.tcl").write_text(
        'set project_name "myproject"\nset backend "vitis"\nset part "xc7z020clg400-1"\n'
    )
    (tmp_path / "myproject_prj" / "hls.app").write_text(
        '<project><solutions><solution name="solution1"/></solutions></project>'
    )
    shutil.copy(REPORTS / "csynth.xml", solution / "syn" / "report" / "myproject_csynth.xml")
    return tmp_path


def test_a_synthesis_report_is_read(built: Path) -> None:
    report = vitis.read(built)
    assert (report.latency, report.interval, report.clock_ns) == ((10, 10), (8, 8), (5.0, 4.049))
    assert (report.lut, report.ff, report.dsp, report.bram36) == (2532, 7969, 73, 0)
    assert (report.tool, report.cosimulation) == ("HLS estimate", "not run")


def test_vivados_cells_go_before_the_estimate(built: Path) -> None:
    shutil.copy(REPORTS / "vivado_synth.rpt", built)
    report = vitis.read(built)
    assert (report.lut, report.ff, report.dsp, report.bram36) == (1526, 2428, 66, 0)
    assert report.tool == "Vivado synthesis"


def test_a_folder_without_reports_is_one_sentence(built: Path, tmp_path: Path) -> None:
    next(built.rglob("*.xml")).unlink()
    with pytest.raises(ToolMissingError, match="holds no report of Vitis HLS; run `vitis-run"):
        vitis.read(built)
    shutil.rmtree(built / "myproject_prj")
    with pytest.raises(ToolMissingError, match="holds no report of Vitis HLS"):
        vitis.read(built)


def test_without_vitis_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ToolMissingError, match="vitis-run is not on the PATH; the project is"):
        vitis.require()
