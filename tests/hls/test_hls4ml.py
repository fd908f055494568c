# SPDX-License-Identifier: Apache-2.0
"""The hls4ml project in C simulation: every integer equal, every planted fault found and named."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("hls4ml", reason="the extra 'hls' is not installed")

from hls4ml.model.graph import ModelGraph
from hls4ml.utils.config import create_config

from recfabric.contract import Contract
from recfabric.errors import ConfigError, RequestError, ToolMissingError
from recfabric.hls.hls4ml import backend, project
from recfabric.hls.hls4ml.csim import CSimulation, compile_project
from recfabric.hls.hls4ml.project import HlsConfig
from recfabric.kernels.attention.model import attend
from recfabric.kernels.fixed import requantise
from recfabric.kernels.hotpath.model import HotPath
from recfabric.kernels.stimulus import random_contract, random_requests

SHAPES = [
    {"items": 300, "dim": 16, "heads": 1, "bits": 8, "history": 48},
    {"items": 45, "dim": 64, "heads": 4, "bits": 4, "history": 30},
]
EDGED = {"items": 150, "dim": 16, "heads": 1, "bits": 8, "history": 400, "edges": 20}


def differing(simulation: CSimulation, contract: Contract, count: int) -> list[int]:
    """The random requests whose answer is not the integer model's."""
    model, requests = HotPath.of(contract), random_requests(contract, count, seed=7)
    found = []
    for i in range(count):
        history, seen = requests.history[i], requests.seen[i]
        norm = int(contract.tensors.norm[len(history)])
        expected = model.answer(history, norm, seen, simulation.config.k)
        got = simulation.answer(history, seen)
        if any((a != b).any() for a, b in zip(expected, got, strict=True)):
            found.append(i)
    return found


@pytest.mark.parametrize("io_type", project.IO_TYPES)
@pytest.mark.parametrize("shape", [*SHAPES, EDGED], ids=["int8", "int4", "edges"])
def test_random_requests_are_exact(io_type: str, shape: dict[str, int]) -> None:
    contract = random_contract(**shape, seed=5)
    simulation = CSimulation(contract, HlsConfig(io_type=io_type, max_seen=256, k=20))
    assert differing(simulation, contract, 500) == []


def test_tables_in_memory_are_ports_of_their_own() -> None:
    contract = random_contract(**SHAPES[0], seed=5)
    folder = CSimulation(contract, HlsConfig(max_seen=256, k=20)).folder
    text = (folder / "firmware" / f"{project.NAME}.cpp").read_text()
    for name in ("message5", "key6", "value6", "item10", "bias10"):
        assert f"INTERFACE m_axi port={name} bundle=gmem_{name} offset=slave" in text
        assert f"INTERFACE s_axilite port={name} bundle=control" in text
    assert "INTERFACE bram" not in text


def test_edges_are_a_port_and_messages_a_short_stream() -> None:
    contract = random_contract(**EDGED, seed=5)
    for io_type in project.IO_TYPES:
        folder = CSimulation(contract, HlsConfig(io_type=io_type, max_seen=256, k=20)).folder
        text = (folder / "firmware" / f"{project.NAME}.cpp").read_text()
        assert "INTERFACE m_axi port=edge10 bundle=gmem_edge10 offset=slave depth=4800" in text
        assert "HLS STREAM variable=layer10_out depth=2" in text


def test_sums_beyond_the_chip_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    contract = random_contract(**EDGED, seed=5)
    need = -(-18 * 150 // 8)
    monkeypatch.setattr(project, "_block_ram", lambda where: need - 1)
    with pytest.raises(ConfigError, match=r"sums of edges of 150 items need 338 bytes but .* 337"):
        project.graph(contract, tmp_path / "p", HlsConfig(max_seen=256))
    monkeypatch.setattr(project, "_block_ram", lambda where: need)
    project.check(contract, HlsConfig(max_seen=256))
    project.check(random_contract(**SHAPES[0], seed=5), HlsConfig(max_seen=256))


@pytest.mark.parametrize(
    ("header", "right", "wrong", "layer"),
    [
        ("rf_scatter.h", "ap_int<8> weight", "ap_uint<8> weight", "scatter"),
        ("rf_common.h", "(whole & 1)", "true", "attention"),
        ("rf_topk.h", "beaten = row[j] < 0 || s >", "beaten = row[j] < 0 || s >=", "topk"),
    ],
)
def test_a_planted_fault_is_found_and_its_layer_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, header: str, right: str, wrong: str, layer: str
) -> None:
    headers = tmp_path / "nnet_utils"
    shutil.copytree(backend.HEADERS, headers)
    text = (headers / header).read_text()
    assert text.count(right) == 1
    (headers / header).write_text(text.replace(right, wrong))
    monkeypatch.setattr(backend, "HEADERS", headers)
    contract = random_contract(**(EDGED if layer == "scatter" else SHAPES[0]), seed=5)
    try:
        simulation = CSimulation(contract, HlsConfig(max_seen=256, k=20))
        first = differing(simulation, contract, 200)[0]
        request = random_requests(contract, 200, seed=7)
        said = simulation.first_difference(request.history[first], request.seen[first])
        assert said.startswith(f"The layer '{layer}' is the first that differs")
    finally:
        monkeypatch.undo()
        backend.register()


def graph_of(nodes: list[dict[str, object]], inputs: list[str], folder: Path) -> ModelGraph:
    """A user's own hls4ml model that names RecFabric's layers."""
    backend.register()
    settings = create_config(output_dir=str(folder), project_name="mine", backend="Vitis")
    settings["HLSConfig"] = {
        "Model": {"Precision": "ap_fixed<8,1>", "ReuseFactor": 1, "Strategy": "Latency"},
        "LayerName": {"sums": {"Precision": {"result": "ap_fixed<16,5>"}}},
    }
    return ModelGraph.from_layer_list(settings, nodes, inputs=inputs)


def test_attention_over_a_matrix_is_exact_for_each_query(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    queries, keys, values = (
        rng.integers(-128, 128, s, np.int8) for s in ((5, 16), (9, 16), (9, 16))
    )
    names = ["queries", "keys", "values"]
    shapes = [a.shape for a in (queries, keys, values)]
    nodes: list[dict[str, object]] = [
        {"class_name": "InputLayer", "name": n, "input_shape": list(s)}
        for n, s in zip(names, shapes, strict=True)
    ]
    nodes.append(
        {
            "class_name": "RfAttentionMatrix",
            "name": "attention",
            "inputs": names,
            "heads": 2,
            "logit_shift": 6,
            "out_shift": 30,
        }
    )
    model = graph_of(nodes, names, tmp_path)
    compile_project(model)
    got = model.predict([np.ascontiguousarray(a[None] / 128.0) for a in (queries, keys, values)])
    expected = [attend(q, keys, values, heads=2, logit_shift=6, out_shift=30) for q in queries]
    assert np.array_equal(np.asarray(got).reshape(5, 16) * 128, np.stack(expected))


@pytest.mark.parametrize("relu", [False, True])
def test_requantisation_rounds_half_to_even_and_saturates(tmp_path: Path, relu: bool) -> None:
    sums = np.arange(-(1 << 15), 1 << 15, 5, dtype=np.int64)[:13104]
    nodes: list[dict[str, object]] = [
        {"class_name": "InputLayer", "name": "sums", "input_shape": [16]},
        {"class_name": "RfRequantise", "name": "out", "inputs": ["sums"], "shift": 6, "relu": relu},
    ]
    model = graph_of(nodes, ["sums"], tmp_path)
    compile_project(model)
    got = np.asarray(model.predict(sums.reshape(-1, 16) / 2.0**11)) * 128
    expected = requantise(sums, 6)
    assert np.array_equal(got.reshape(-1), np.maximum(expected, 0) if relu else expected)


def test_the_plug_in_brings_the_layers_to_any_hls4ml() -> None:
    code = "from hls4ml.model.layers import layer_map; print('RfTopK' in layer_map)"
    env = os.environ | {"HLS4ML_BACKEND_PLUGINS": "recfabric.hls.hls4ml"}
    done = subprocess.run(
        [sys.executable, "-c", f"import hls4ml; {code}"],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "True"


def test_tables_beyond_the_board_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    contract = random_contract(items=3000, dim=256, seed=1)
    with pytest.raises(ConfigError, match=r"3,078,000 bytes but the block RAM of .* has 645,120"):
        project.graph(contract, tmp_path / "p", HlsConfig(board="pynq-z2", memory=False))
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"board": "pynq-z9"}, "board 'pynq-z9' is not known"),
        ({"io_type": "io_serial"}, "io_type 'io_serial' is not one of io_parallel, io_stream"),
        ({"k": 0}, "k of 0 is outside 1..128"),
        ({"reuse_factor": 0}, "reuse_factor of 0 is outside 1..65536"),
    ],
)
def test_a_bad_configuration_is_one_sentence(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        HlsConfig(**wrong)  # type: ignore[arg-type]


def test_a_list_longer_than_the_project_is_refused() -> None:
    contract = random_contract(**SHAPES[0], seed=5)
    simulation = CSimulation(contract, HlsConfig(max_seen=256, k=20))
    with pytest.raises(RequestError, match="seen has 257 rows but the project holds 256"):
        simulation.answer(np.zeros(1, np.int32), np.arange(257, dtype=np.int32))


def test_without_a_compiler_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ToolMissingError, match=r"g\+\+ is missing; install it"):
        CSimulation(random_contract(items=20, dim=16, seed=9), HlsConfig(k=5))
