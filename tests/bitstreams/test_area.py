# SPDX-License-Identifier: Apache-2.0
"""The area model: what its file says is what its samples give, and it is used as it says."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from recfabric.bitstreams import area, area_fit
from recfabric.bitstreams.area import by_kernel, estimate, reader_depths
from recfabric.bitstreams.area_fit import Sample, document, errors, fit
from recfabric.bitstreams.cells import KERNELS
from recfabric.bitstreams.parts import PARTS
from recfabric.errors import ConfigError
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.quant.progress import Silent

PARTS_OF_IT = {*KERNELS, "rf_scatter"}
SAMPLES = [Sample.of(record) for record in area.data()["samples"]]


def test_the_files_coefficients_are_those_of_its_samples() -> None:
    fitted = fit(SAMPLES)
    assert fitted == area.data()["coefficients"]
    assert errors(SAMPLES, fitted) == area.data()["errors"]
    assert [s.record() for s in SAMPLES] == area.data()["samples"]


def test_a_wrong_sample_is_seen() -> None:
    """The errors are of the samples, not of the coefficients' own choosing."""
    wrong = [replace(s, lut=3 * s.lut) if s.held else s for s in SAMPLES]
    rows = errors(wrong, fit(wrong))
    assert max(abs(row["lut"]["error"]) for row in rows if row["held"]) > 0.5


def test_every_kernel_is_fitted_and_held_back() -> None:
    assert {s.kernel for s in SAMPLES if not s.held} == {*PARTS_OF_IT, area.GLUE}
    assert {s.kernel for s in SAMPLES if s.held} == {*PARTS_OF_IT, area_fit.WHOLE}


def test_dsps_are_counted_and_not_guessed() -> None:
    """Products a cycle, those that share a factor in one DSP: exact on every sample."""
    for row in area.data()["errors"]:
        assert round(row["dsp"]["model"]) == row["dsp"]["yosys"], row


def test_an_estimate_is_the_sum_of_its_kernels() -> None:
    config = HotPathConfig(edges=32, edge_items=2048, scan_ports=2)
    found, kernels = estimate(config, "xczu5ev"), by_kernel(config, "xczu5ev")
    assert found.lut == round(sum(kernels["lut"].values()))
    assert found.dsp == round(sum(kernels["dsp"].values()))
    assert set(kernels["lut"]) == {*PARTS_OF_IT, area.GLUE}
    assert found.shares()["dsp"] == found.dsp / PARTS["xczu5ev"].dsp
    assert found.fits and not estimate(config, "xc7z020").fits  # too few DSPs there


def test_more_of_anything_is_not_less() -> None:
    base = HotPathConfig(dim=32, beat_bits=128, pe=2, simd=8, requant_lanes=2)
    plain = estimate(base, "xc7z020")
    for change in ({"pe": 8}, {"scan_ports": 2}, {"requant_lanes": 8}, {"edges": 8}):
        extra = {"edge_items": 2048} if "edges" in change else {}
        more = estimate(replace(base, **change, **extra), "xc7z020")
        assert more.lut > plain.lut, change
        assert more.ff > plain.ff and more.dsp >= plain.dsp, change


def test_sums_wider_than_a_port_take_more_dsps() -> None:
    short, long = (HotPathConfig(max_rows=rows) for rows in (256, 1024))
    assert estimate(long, "xc7z020").dsp == estimate(short, "xc7z020").dsp + 2 * 8
    assert estimate(long, "xczu5ev").dsp == estimate(short, "xczu5ev").dsp


def test_readers_are_those_of_the_ports() -> None:
    assert reader_depths(HotPathConfig()) == (32, 32, 128, 256)
    ports = HotPathConfig(scan_ports=4, beat_bits=128, fifo_depth=64)
    assert reader_depths(ports) == (32, 32, 64, 64, 64, 64, 64, 64)


def test_a_part_must_be_known() -> None:
    with pytest.raises(ConfigError, match="'xc7z010' is not known; choose one of xc7z020"):
        estimate(HotPathConfig(), "xc7z010")


def test_the_file_is_written_anew(tmp_path: Path) -> None:
    out = tmp_path / "area.json"
    found = area_fit.refit("xczu5ev", out, Silent().task)  # measures nothing: all is known
    assert json.loads(out.read_text())["coefficients"] == found["coefficients"]
    assert document(SAMPLES)["samples"] == area.data()["samples"]
    assert "held back" in area_fit.table(found)


def test_a_kernel_without_a_sample_is_named() -> None:
    with pytest.raises(ConfigError, match="no sample of rf_dense"):
        fit([s for s in SAMPLES if s.kernel != "rf_dense"])
