# SPDX-License-Identifier: Apache-2.0
"""Graph layers as an hls4ml project: GCN, GraphSAGE, GIN or LightGCN over a graph in the design.

The layers are those of :mod:`recfabric.kernels.graph.model`; each becomes an ``RfGraph`` and,
where it has a matrix, an ``RfRowsDense``. Integers all the way: inputs and outputs are int8.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from hls4ml.model.graph import ModelGraph

from recfabric.errors import ConfigError
from recfabric.hls.hls4ml.csim import compile_project
from recfabric.hls.hls4ml.project import HlsConfig, from_layers, hls_config, write_vectors
from recfabric.kernels.graph.model import GraphLayer
from recfabric.kernels.graph.scale import split
from recfabric.kernels.graph.store import GraphModel

NAME = "recfabric_graph"
Int8 = npt.NDArray[np.int8]


def graph(
    graph_layers: Sequence[GraphLayer], dim: int, folder: Path, config: HlsConfig
) -> ModelGraph:
    """hls4ml's graph of layers that read a table of ``dim`` columns; write it or compile it.

    Raises ConfigError where there is no layer or one does not fit the one before it.
    """
    nodes = layer_list(graph_layers, dim)
    return from_layers(NAME, nodes, folder, config, hls_config("ap_int<8>"))


def layer_list(graph_layers: Sequence[GraphLayer], dim: int) -> list[dict[str, Any]]:
    """The layers as hls4ml's layer list, from the input ``table`` on."""
    if not graph_layers:
        raise ConfigError("There is no graph layer to compile; give at least one.")
    rows, columns = graph_layers[0].graph.columns, dim
    nodes: list[dict[str, Any]] = [
        {"class_name": "InputLayer", "name": "table", "input_shape": [rows, columns]}
    ]
    for i, layer in enumerate(graph_layers):
        if layer.graph.columns != rows:
            raise ConfigError(
                f"Layer {i} reads a table of {layer.graph.columns} rows but the one before it "
                f"gives {rows}."
            )
        nodes.append(_propagation(layer, f"propagate{i}", nodes[-1]["name"]))
        rows = len(layer.graph)
        if layer.dense is not None:
            shape = layer.dense.weight.shape
            nodes.append(_dense(layer, f"dense{i}", nodes[-1]["name"]))
            rows, columns = rows * columns // shape[1], shape[0]
        elif layer.relu:
            relu = {"class_name": "RfRequantise", "name": f"relu{i}", "shift": 0, "relu": True}
            nodes.append(relu | {"inputs": [nodes[-1]["name"]]})
    return nodes


def _propagation(layer: GraphLayer, name: str, source: str) -> dict[str, Any]:
    norm, shift, ops = split(layer.scale)
    weight = layer.graph.weight
    return {
        "class_name": "RfGraph",
        "name": name,
        "inputs": [source],
        "row_ptr_data": layer.graph.row_ptr,
        "col_data": layer.graph.col,
        "weight_data": np.ones(layer.graph.edges, np.int8) if weight is None else weight,
        "norm_data": norm,
        "shift_data": shift,
        "op_data": np.array([int(op) for op in ops]),
    }


def _dense(layer: GraphLayer, name: str, source: str) -> dict[str, Any]:
    assert layer.dense is not None
    return {
        "class_name": "RfRowsDense",
        "name": name,
        "inputs": [source],
        "matrix_data": layer.dense.weight,
        "bias_data": layer.dense.bias,
        "shift": layer.dense.shift,
        "relu": layer.relu,
    }


def simulate(graph_layers: Sequence[GraphLayer], table: Int8, config: HlsConfig) -> Int8:
    """The layers' C simulation over a table int8 (C, D): int8, as the last layer gives it."""
    with tempfile.TemporaryDirectory() as folder:
        model = graph(graph_layers, table.shape[1], Path(folder), config)
        compile_project(model)
        found = model.predict(np.ascontiguousarray(table[None].astype(np.float64)))
        shape = model.get_output_variables()[0].shape
        return np.asarray(found).reshape(shape).astype(np.int8)


def compile_graph(saved: GraphModel, out: Path, config: HlsConfig) -> ModelGraph:
    """Write the project of a saved graph model to ``out``, with its table as test vector."""
    model = graph(saved.layers, saved.table.shape[1], out, config)
    model.write()
    write_vectors(out, [saved.table], [saved()])
    return model
