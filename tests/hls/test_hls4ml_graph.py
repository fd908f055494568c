# SPDX-License-Identifier: Apache-2.0
"""Graph layers as hls4ml projects: C simulation equal to the integer model on every node."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("hls4ml", reason="the extra 'hls' is not installed")

from recfabric.cli import main
from recfabric.contract import FixedPoint
from recfabric.errors import ConfigError, ContractError
from recfabric.hls.hls4ml import graph
from recfabric.hls.hls4ml.project import HlsConfig
from recfabric.kernels.gather.model import Op
from recfabric.kernels.graph.csr import Csr
from recfabric.kernels.graph.model import DensePart, GraphLayer
from recfabric.kernels.graph.scale import scale_words
from recfabric.kernels.graph.store import GraphModel

NODES, DIM = 60, 16


def random_layers(seed: int) -> list[GraphLayer]:
    """A maximum, a weighted sum with a matrix and ReLU, and a mean beside the node's own row."""
    rng = np.random.default_rng(seed)
    source, target = rng.integers(0, NODES, (2, 400))
    target[target == 7] = 8  # node 7 has no edge
    plain = Csr.of_edges(source, target, nodes=NODES)
    weight = rng.integers(-128, 128, 400, dtype=np.int8)
    weighted = Csr.of_edges(source, target, nodes=NODES, weight=weight)
    both = plain.with_own_row()
    factors = np.ones(2 * NODES)
    factors[::2] = 1 / np.maximum(plain.degree, 1)
    ones = np.ones(NODES)
    return [
        GraphLayer(plain, scale_words(ones, Op.MAX), relu=False),
        GraphLayer(weighted, scale_words(ones / 300), _dense(rng, DIM, DIM), relu=True),
        GraphLayer(both, scale_words(factors), _dense(rng, DIM, 2 * DIM)),
    ]


def _dense(rng: np.random.Generator, rows: int, cols: int) -> DensePart:
    weight = rng.integers(-128, 128, (rows, cols), dtype=np.int8)
    return DensePart(weight, rng.integers(-9999, 9999, rows, dtype=np.int32), 9)


@pytest.mark.parametrize("io_type", ["io_parallel", "io_stream"])
def test_three_layers_are_exact_on_every_node(io_type: str) -> None:
    layers = random_layers(3)
    table = np.random.default_rng(4).integers(-128, 128, (NODES, DIM), dtype=np.int8)
    expected = table
    for layer in layers:
        expected = layer(expected)
    found = graph.simulate(layers, table, HlsConfig(io_type=io_type))
    assert np.array_equal(found, expected)
    assert len(np.unique(expected)) > 50  # not all saturated: the comparison can fail


def saved_model(folder: Path) -> GraphModel:
    """Three layers on disk, with the rows they read."""
    table = np.random.default_rng(4).integers(-128, 128, (NODES, DIM), dtype=np.int8)
    form = FixedPoint(True, 8, 6)
    model = GraphModel(tuple(random_layers(3)), table, form, form)
    model.save(folder)
    return model


def test_a_saved_graph_model_comes_back_and_compiles_with_its_vectors(tmp_path: Path) -> None:
    model = saved_model(tmp_path / "model")
    again = GraphModel.load(tmp_path / "model")
    assert again.sha256 == model.sha256
    assert np.array_equal(again(), model())
    out = tmp_path / "hls"
    assert main(["compile", str(tmp_path / "model"), "--board", "u50", "--out", str(out)]) == 0
    assert json.loads((out / "recfabric.json").read_text())["graph"] == model.sha256
    answer = np.array((out / "tb_data" / "tb_output_predictions.dat").read_text().split(), int)
    assert np.array_equal(answer, model().reshape(-1))
    assert "rf_rows_dense" in (out / "firmware" / "recfabric_graph.cpp").read_text()


@pytest.mark.parametrize("damage", ["missing", "changed", "torn"])
def test_a_damaged_graph_model_is_one_sentence(tmp_path: Path, damage: str) -> None:
    saved_model(tmp_path)
    path = tmp_path / "graph.json"
    if damage == "missing":
        (tmp_path / "graph.npz").unlink()
    elif damage == "torn":
        path.write_text(path.read_text()[:-20])
    else:
        path.write_text(path.read_text().replace('"relu": true', '"relu": false'))
    with pytest.raises(ContractError, match=r"no graph model that can be read|not what was saved"):
        GraphModel.load(tmp_path)


def test_layers_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    small = GraphLayer(Csr.identity(5), scale_words(np.ones(5)))
    with pytest.raises(ConfigError, match=r"Layer 1 reads a table of 5 rows but .* gives 60"):
        graph.layer_list([random_layers(1)[0], small], DIM)
    with pytest.raises(ConfigError, match="no graph layer to compile"):
        graph.graph([], DIM, tmp_path / "p", HlsConfig())
    assert not (tmp_path / "p").exists()
