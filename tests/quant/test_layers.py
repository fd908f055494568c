# SPDX-License-Identifier: Apache-2.0
"""PyTorch Geometric layers on ml-100k's graph: float, integer model and RTL."""

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from recfabric.errors import ConfigError
from recfabric.kernels.graph.csr import Csr
from recfabric.kernels.graph.layer import GraphConfig, graph_image
from recfabric.kernels.graph.scale import Words, split
from recfabric.quant.datasets import Dataset
from recfabric.quant.layers import IntegerLayers, convert
from recfabric.sim.bench import Bench
from recfabric.sim.verilated import MemoryModel

Floats = np.ndarray[Any, Any]
DIM = 16
SMALL = {"dim": DIM, "beat_bits": 128, "requant_lanes": DIM, "max_rows": 1024}
DENSE = SMALL | {"rows": DIM, "pe": 16, "simd": 16}
HARDWARE = {
    "gcn": GraphConfig(**DENSE, cols=DIM, weighted=True),
    "gin": GraphConfig(**DENSE, cols=DIM, weighted=True),
    "gin of two layers": GraphConfig(**DENSE, cols=DIM, weighted=True),
    "sage mean": GraphConfig(**DENSE, cols=2 * DIM, with_max=True),
    "sage max": GraphConfig(**DENSE, cols=2 * DIM, with_max=True),
    "lightgcn": GraphConfig(**SMALL, weighted=True),
}


def edges_of(data: Dataset) -> Tensor:
    """The user-item graph in both directions, users first."""
    user, item = torch.from_numpy(data.user).long(), torch.from_numpy(data.item).long()
    item = item + len(data.users)
    return torch.stack([torch.cat([user, item]), torch.cat([item, user])])


@cache
def module(name: str) -> nn.Module:
    """The layer as torch_geometric makes it, with its own initial weights."""
    from torch_geometric.nn import GCNConv, GINConv, LGConv, SAGEConv

    torch.manual_seed(3)
    two = nn.Sequential(nn.Linear(DIM, DIM), nn.ReLU(), nn.Linear(DIM, DIM))
    made: dict[str, nn.Module] = {
        "gcn": GCNConv(DIM, DIM),
        "gin": GINConv(nn.Linear(DIM, DIM), eps=0.25),
        "gin of two layers": GINConv(two, eps=0.0),
        "sage mean": SAGEConv(DIM, DIM),
        "sage max": SAGEConv(DIM, DIM, aggr="max"),
        "lightgcn": LGConv(),
    }
    return made[name].double()


def features(data: Dataset) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    nodes = len(data.users) + len(data.items)
    return torch.randn(nodes, DIM, generator=generator, dtype=torch.float64)


def repeated(name: str, data: Dataset, count: int) -> tuple[list[IntegerLayers], Floats]:
    """The module ``count`` times over, a ReLU between, each in the format the last one gives."""
    x, edges = features(data), edges_of(data)
    parts: list[IntegerLayers] = []
    for i in range(count):
        relu = i + 1 < count and name != "lightgcn"
        part = convert(
            module(name), edges, x, relu=relu, source=parts[-1].result if parts else None
        )
        with torch.no_grad():
            x = module(name)(x, edges)
            x = x.relu() if relu else x
        parts.append(part)
    return parts, x.numpy()


@pytest.mark.parametrize("name", HARDWARE)
def test_rtl_is_the_integer_model(name: str, ml100k: Dataset) -> None:
    """The whole graph, layer after layer, every integer in memory."""
    parts, _ = repeated(name, ml100k, 3 if name == "lightgcn" else 2)
    layers = [layer for part in parts for layer in part.layers]
    config, table = HARDWARE[name], parts[0].table(features(ml100k))
    image = graph_image(layers, table, config)
    memory = MemoryModel(latency=100, outstanding=64)
    with Bench(
        "rf_graph", config.parameters(), memory_bytes=len(image.memory), memory=memory
    ) as bench:
        bench.memory[:] = image.memory
        bench.run(
            {"s_axis_cmd": image.commands}, {"m_axis_done": len(layers)}, max_cycles=2_000_000
        )
        for i, layer in enumerate(layers):
            table = layer(table)
            got = image.output(bench.memory, i)
            assert int((got != table).sum()) == 0
            assert len(np.unique(table)) > 30  # the integers use their range


@pytest.mark.parametrize("name", HARDWARE)
def test_integers_stay_within_the_bound_of_their_rounding(name: str, ml100k: Dataset) -> None:
    """Each integer layer against the float module, element by element, and a tenth of it in all."""
    x, edges = features(ml100k), edges_of(ml100k)
    made = convert(module(name), edges, x)
    got = made.values(made(made.table(x)))
    with torch.no_grad():
        want = module(name)(x, edges).numpy()
    error = abs(got - want)
    assert np.all(error <= bound(made, name, x.numpy(), edges))
    assert np.sqrt((error**2).mean()) <= 0.1 * np.sqrt((want**2).mean())


def bound(made: IntegerLayers, name: str, x: Floats, edges: Tensor) -> Floats:
    """How far rounding alone may take the result: |A'| e + |A' - A| |x| + 1/2 ulp a step.

    e is the error of what comes in, A the float matrix of a step and A' the one its integers are;
    a maximum is as far off as its inputs at most.
    """
    form, error = made.source, np.full_like(x, made.source.scale / 2)
    results = [*made.gathered[1:], made.result]
    for i, (layer, gathered, result) in enumerate(
        zip(made.layers, made.gathered, results, strict=True)
    ):
        near = matrix(layer.graph, layer.scale) * 2.0 ** (form.frac - gathered.frac)
        real = np.eye(len(x)) if i else adjacency(name, edges, len(x))
        value, grown = real @ x, abs(near) @ error + abs(near - real) @ abs(x)
        if name == "sage max":
            value[::2], grown[::2] = maxima(x, edges), error.max(axis=0)
        joined = len(near) // len(x) * DIM
        x, error = value.reshape(-1, joined), grown.reshape(-1, joined) + gathered.scale / 2
        if layer.dense is not None:
            weight, bias = linear(name, i)
            weights = layer.dense.weight * 2.0 ** (gathered.frac - layer.dense.shift - result.frac)
            biases = layer.dense.bias * 2.0 ** -(layer.dense.shift + result.frac)
            error = error @ abs(weights).T + abs(x) @ abs(weights - weight).T + abs(biases - bias)
            x, error = x @ weight.T + bias, error + result.scale / 2
            x = np.maximum(x, 0) if layer.relu else x
        form = result
    return error * (1 + 1e-9)


def matrix(graph: Csr, scale: Words) -> Floats:
    """What the integers of a gather multiply a table by: float64 (N, columns)."""
    norm, shift, _ = split(scale)
    out = np.zeros((len(graph), graph.columns))
    weight = np.ones(graph.edges) if graph.weight is None else graph.weight.astype(float)
    np.add.at(out, (np.repeat(np.arange(len(graph)), graph.degree), graph.col), weight)
    return out * (norm * 2.0**-shift)[:, None]


def adjacency(name: str, edges: Tensor, nodes: int) -> Floats:
    """The float matrix of the module's message passing, from its definition."""
    out = np.zeros((nodes, nodes))
    np.add.at(out, (edges[1].numpy(), edges[0].numpy()), 1.0)
    if name.startswith("sage"):
        both = np.zeros((nodes, 2, nodes))
        both[:, 0] = out / np.maximum(out.sum(1), 1)[:, None]
        both[:, 1] = np.eye(nodes)
        return both.reshape(-1, nodes)
    if name.startswith("gin"):
        return out + np.eye(nodes) * (1 + float(module(name).eps))
    out += np.eye(nodes) if name == "gcn" else 0.0
    root = 1 / np.sqrt(np.maximum(out.sum(1), 1))
    return root[:, None] * out * root


def maxima(x: Floats, edges: Tensor) -> Floats:
    out = np.full_like(x, -np.inf)
    np.maximum.at(out, edges[1].numpy(), x[edges[0].numpy()])
    return np.where(np.isinf(out), 0.0, out)


def linear(name: str, part: int) -> tuple[Floats, Floats]:
    """The float weight and bias of a dense part."""
    m: Any = module(name)
    if name == "gcn":
        weight, bias = m.lin.weight, m.bias
    elif name.startswith("sage"):
        weight, bias = torch.cat([m.lin_l.weight, m.lin_r.weight], 1), m.lin_l.bias
    else:
        layer = m.nn[2 * part] if isinstance(m.nn, nn.Sequential) else m.nn
        weight, bias = layer.weight, layer.bias
    return weight.detach().numpy(), bias.detach().numpy()


def test_what_has_no_integer_form_is_refused() -> None:
    from torch_geometric.nn import GINConv, SAGEConv

    edges, x = torch.tensor([[0, 1], [1, 0]]), torch.ones(2, DIM)
    bad = (
        (nn.Linear(DIM, DIM), "Linear has no integer form"),
        (SAGEConv(DIM, DIM, aggr="add"), "the mean or the maximum"),
        (SAGEConv(DIM, DIM, normalize=True), "without normalize"),
        (GINConv(nn.Sequential(nn.Linear(DIM, DIM), nn.Tanh())), "Linear, ReLU, Linear"),
    )
    for layer, message in bad:
        with pytest.raises(ConfigError, match=message):
            convert(layer, edges, x)
