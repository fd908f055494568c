# SPDX-License-Identifier: Apache-2.0
"""A GATConv of PyTorch Geometric: float, integers, and RTL on ml-100k's graph."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch_geometric.nn import GATConv
from torch_geometric.utils import add_self_loops, remove_self_loops

from recfabric.bench._gat import (
    attention_parameters,
    dense_parameters,
    run_attention,
    run_dense,
)
from recfabric.errors import ConfigError
from recfabric.kernels.attention.gat import GatLayer, forward, propagate, rows, transform
from recfabric.quant.datasets import Dataset
from recfabric.quant.gat import QuantisedGat, neighbours, quantise_gat
from recfabric.sim.bench import Bench

WIDTH = 16


@pytest.fixture(scope="module")
def graph(ml100k: Dataset) -> torch.Tensor:
    """Both directions of every rating; users first."""
    user = torch.from_numpy(ml100k.user.astype(np.int64))
    item = torch.from_numpy(ml100k.item.astype(np.int64)) + len(ml100k.users)
    return torch.stack([torch.cat([user, item]), torch.cat([item, user])])


def layer(graph: torch.Tensor, heads: int) -> tuple[GATConv, torch.Tensor, QuantisedGat]:
    """A layer whose attention is far from even, features, and its integers."""
    torch.manual_seed(heads)
    module = GATConv(WIDTH, WIDTH // heads, heads=heads)
    torch.nn.init.normal_(module.bias, std=0.3)
    for attention in (module.att_src, module.att_dst):
        torch.nn.init.normal_(attention, std=1.0)
    x = torch.randn(int(graph.max()) + 1, WIDTH)
    return module, x, quantise_gat(module, x, graph)


@pytest.mark.parametrize("heads", [1, 4])
def test_integers_are_near_the_float_module(graph: torch.Tensor, heads: int) -> None:
    """Within a twentieth of the answers' size; a wrong slope or lost bias would be far outside."""
    module, x, gat = layer(graph, heads)
    with torch.no_grad():
        want = module(x, graph).double().numpy()
    whom = neighbours(graph, len(x))

    def error(integers: GatLayer) -> float:
        got = gat.value_of(forward(integers, gat.quantise_input(x), whom))
        return float(np.sqrt(((got - want) ** 2).mean() / (want**2).mean()))

    right = error(gat.layer)
    assert right < 0.06
    size, h = gat.layer.dim, heads
    swapped = np.r_[:size, size + h : size + 2 * h, size : size + h]
    for wrong in (
        replace(gat.layer, slope=256),
        replace(gat.layer, bias=np.zeros_like(gat.layer.bias)),
        replace(gat.layer, weight=gat.layer.weight[swapped]),
        replace(gat.layer, scalar_frac=gat.layer.scalar_frac + 1),
    ):
        assert error(wrong) > 2 * right


@pytest.mark.parametrize("heads", [1, 4])
def test_rtl_equals_the_integers(graph: torch.Tensor, heads: int) -> None:
    """All nodes through rf_dense; the busiest, the quietest and others through rf_attention."""
    _, x, gat = layer(graph, heads)
    integers, whom = gat.quantise_input(x), neighbours(graph, len(x))
    with Bench("rf_dense", dense_parameters(gat.layer)) as bench:
        transformed, _ = run_dense(bench, gat.layer, integers)
    assert (transformed == transform(gat.layer, integers)).all()
    table = rows(gat.layer, transformed)
    # By degree: the keys of a node stream while the values of the one before do.
    order = np.argsort([len(j) for j in whom], kind="stable")
    chosen = np.r_[order[:5], order[40:-5:60], order[-5:]]
    adjacent = [whom[i] for i in chosen]
    degree = np.array([len(j) for j in adjacent])
    some = replace(table, query=table.query[chosen])
    want = propagate(gat.layer, table, whom)[chosen]
    with Bench("rf_attention", attention_parameters(gat.layer)) as bench:
        for stall in (0.0, 0.3):
            got, run = run_attention(bench, gat.layer, some, adjacent, stall=stall)
            assert (got == want).all()
            if not stall:
                assert run.cycles <= np.maximum(degree, 32).sum() + 5 * len(degree) + 2 * degree[-1]
    assert len(np.unique(want)) > 50


def test_neighbours_are_those_of_the_module(graph: torch.Tensor) -> None:
    nodes = int(graph.max()) + 2  # and one without an edge
    looped = torch.cat([graph, torch.tensor([[3, 9], [3, 9]])], dim=1)
    source, target = add_self_loops(remove_self_loops(looped)[0], num_nodes=nodes)[0].numpy()
    found = neighbours(looped, nodes)
    assert found[-1].tolist() == [nodes - 1]
    for i in range(0, nodes, 131):
        assert sorted(found[i]) == sorted(source[target == i])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"heads": 4, "concat": False}, "concat=False"),
        ({"heads": 8}, "heads=8"),
        ({"residual": True}, "residual=True"),
        ({"edge_dim": 3}, "edge_dim"),
        ({"add_self_loops": False}, "add_self_loops=False"),
        ({"negative_slope": 1.5}, "negative_slope=1.5"),
    ],
)
def test_what_the_kernels_lack_is_refused(options: dict[str, object], says: str) -> None:
    module = GATConv(WIDTH, WIDTH, **options)
    with pytest.raises(ConfigError, match=says):
        quantise_gat(module, torch.zeros(3, WIDTH), torch.zeros(2, 0, dtype=torch.int64))
