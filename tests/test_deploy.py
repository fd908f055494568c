# SPDX-License-Identifier: Apache-2.0
"""``recfabric deploy``: a project, one sentence without the tool, the host code on the RTL."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from recfabric import deploy as deployment
from recfabric.bitstreams.cells import Utilisation
from recfabric.cli import main
from recfabric.contract import Contract
from recfabric.environments import PYNQ
from recfabric.errors import ConfigError, ToolMissingError
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.kernels.hotpath.manifest import Manifest
from recfabric.kernels.stimulus import random_contract, random_requests

SMALL = ["--hardware", "pe=4", "--hardware", "simd=4"]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """The contract of tests/host/test_pynq.py: one netlist for all."""
    contract = random_contract(items=400, dim=16, heads=1, seed=11)
    contract.save(tmp_path / "model")
    random_requests(contract, 120).save(tmp_path / "model")
    return tmp_path / "model"


def test_without_vivado_the_project_is_whole_and_one_sentence_is_said(
    model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    out = tmp_path / "out"
    assert main(["deploy", str(model), "--board", "PYNQ-Z2", "--out", str(out), *SMALL]) == 2
    said = capsys.readouterr()
    assert said.out == f"project: {out} (PYNQ-Z2, xc7z020clg400-1)\n"
    assert said.err.count("\n") == 1
    assert "vivado is not on the PATH; the project in" in said.err
    manifest = Manifest.load(out)
    manifest.check(out, Contract.load(model))
    assert (manifest.config.pe, manifest.config.beat_bits, manifest.bound) == (4, 64, False)


def test_a_layer_with_weights_inside_binds_the_bitstream_to_its_contract(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slot = tmp_path / "rf_fuse.sv"
    slot.write_text("// weights\nmodule rf_fuse; endmodule\n")
    monkeypatch.setattr(deployment, "fuse_slot", lambda *_: (slot,))
    written = deployment.deploy(model, "kv260", tmp_path / "out", fuse="alkaid")
    assert written.manifest.bound
    assert (tmp_path / "out" / "rtl" / "rf_fuse.sv").read_text() == slot.read_text()


@pytest.mark.parametrize(
    ("board", "hardware"), [("pynq-z2", SMALL), ("u250", [*SMALL, "--hardware", "beat_bits=64"])]
)
def test_the_boards_host_code_on_the_simulated_netlist(
    model: Path,
    board: str,
    hardware: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if board == "pynq-z2":
        PYNQ.folder()
    monkeypatch.delitem(sys.modules, "pyxrt", raising=False)
    assert main(["deploy", str(model), "--board", board, "--simulate", "100", *hardware]) == 0
    said = capsys.readouterr().out
    assert "100 requests, 2000 integers, 0 mismatches" in said
    assert "no board" in said
    assert ("pynq 4.0.0" if board == "pynq-z2" else "a stand-in for pyxrt") in said
    monkeypatch.delitem(sys.modules, "pyxrt", raising=False)


def test_a_mismatch_is_exit_code_1(
    model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "pyxrt", raising=False)
    keep = deployment._xrt

    def wrong(*words: object) -> object:
        answers, about = keep(*words)  # type: ignore[arg-type]
        answers.scores[7, 3] += 1
        return answers, about

    monkeypatch.setattr(deployment, "_xrt", wrong)
    hardware = [*SMALL, "--hardware", "beat_bits=64"]
    assert main(["deploy", str(model), "--board", "u250", "--simulate", "20", *hardware]) == 1
    assert "1 mismatches" in capsys.readouterr().out
    monkeypatch.delitem(sys.modules, "pyxrt", raising=False)


@pytest.mark.parametrize(("dsp", "code"), [(104, 0), (221, 1)])
def test_cells_beyond_the_part_are_exit_code_1(
    model: Path,
    dsp: int,
    code: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def counted(config: HotPathConfig, parts: list[str]) -> list[Utilisation]:
        asked.append((config.beat_bits, parts))
        return [Utilisation("rf_hotpath", parts[0], {}, 9, 7, dsp, 1.5, 1, 0, (), "a tool")]

    monkeypatch.setattr(deployment, "kernel_utilisation", counted)
    assert main(["deploy", str(model), "--board", "pynq-z2", "--cells", *SMALL]) == code
    said = capsys.readouterr().out
    assert f"DSP{dsp:>13} of     220" in said
    assert "LUT           10 of   53200" in said
    assert asked == [(64, ["xc7z020"])]


def test_the_cells_of_a_card_are_told_beside_its_part(
    model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def counted(config: HotPathConfig, parts: list[str]) -> list[Utilisation]:
        assert (config.scan_ports, parts) == (8, ["xcu50"])
        return [Utilisation("rf_hotpath", parts[0], {}, 9, 7, 5, 1.5, 1, 0, (), "a tool")]

    monkeypatch.setattr(deployment, "kernel_utilisation", counted)
    assert main(["deploy", str(model), "--board", "u50", "--cells"]) == 0
    assert "DSP            5 of    5952" in capsys.readouterr().out


def test_the_cells_of_a_board_without_a_known_part_are_not_counted(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = replace(deployment.boards.board("u50"), part="")
    monkeypatch.setattr(deployment.boards, "board", lambda name: own)
    with pytest.raises(ConfigError, match="cells of xcu50-fsvh2104-2-e are not counted here"):
        deployment.cells(model, "u50")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["deploy", "{}", "--board", "z9"], "The board 'z9' is not known"),
        (["deploy", "{}", "--board", "kv260", "--simulate", "0"], "0 requests cannot be sent"),
        (["recommend", "{}", "item1", "--device", "pynq"], "'pynq' needs --bitstream"),
        (["recommend", "{}", "item1", "--device", "xrt", "--bitstream", "/no"], "cannot be read"),
    ],
)
def test_bad_input_is_one_sentence(
    model: Path, words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([word.format(model) for word in words]) == 2
    assert says in capsys.readouterr().err


def test_a_missing_environment_is_one_sentence(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYNQ_VENV", str(tmp_path))
    with pytest.raises(ToolMissingError, match="make pynq-env"):
        deployment.simulate(model, "pynq-z2", 5, hardware={"pe": 4, "simd": 4})
