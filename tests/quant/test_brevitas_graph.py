# SPDX-License-Identifier: Apache-2.0
"""A graph network trained in Brevitas keeps its own integers on the way to hls4ml."""

from pathlib import Path

import numpy as np
import pytest
import torch
from brevitas.nn import QuantLinear
from brevitas.quant import Int8WeightPerTensorFixedPoint
from torch import nn
from torch_geometric.nn import GCNConv, GINConv, LGConv, SAGEConv

from recfabric.kernels.graph.store import GraphModel
from recfabric.quant.layers import convert

NODES, DIM = 50, 16


def linear(cols: int, rows: int, *, bias: bool) -> QuantLinear:
    """A Brevitas layer whose weights have a power-of-two scale."""
    return QuantLinear(cols, rows, bias=bias, weight_quant=Int8WeightPerTensorFixedPoint)


def module(kind: str) -> nn.Module:
    """A layer of PyTorch Geometric with Brevitas' matrices in it."""
    if kind == "GCN":
        conv = GCNConv(DIM, DIM)
        conv.lin = linear(DIM, DIM, bias=False)
        return conv
    if kind == "SAGE":
        sage = SAGEConv(DIM, DIM)
        sage.lin_l, sage.lin_r = linear(DIM, DIM, bias=True), linear(DIM, DIM, bias=False)
        return sage
    if kind == "GIN":
        return GINConv(nn.Sequential(linear(DIM, DIM, bias=True), nn.ReLU(), nn.Linear(DIM, DIM)))
    return LGConv()


def trained(kind: str, x: torch.Tensor, edges: torch.Tensor) -> nn.Module:
    """The module after a few steps of quantization-aware training towards a random target."""
    torch.manual_seed(5)
    conv = module(kind)
    target = torch.randn(NODES, DIM)
    optimiser = torch.optim.Adam(list(conv.parameters()) or [torch.zeros(1)], lr=0.01)
    for _ in range(20):
        optimiser.zero_grad()
        loss = (conv(x, edges) - target).square().mean()
        if loss.requires_grad:
            loss.backward()
            optimiser.step()
    return conv.eval()


@pytest.mark.parametrize("kind", ["GCN", "SAGE", "GIN", "LightGCN"])
def test_trained_layers_are_near_in_integers_and_exact_in_c(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(4)
    x, edges = torch.randn(NODES, DIM), torch.randint(0, NODES, (2, 300))
    conv = trained(kind, x, edges)
    integer = convert(conv, edges, x)
    model = integer.model(integer.table(x))
    with torch.no_grad():
        real = conv(x, edges).numpy()
    found = integer.values(model())
    assert np.abs(found - real).max() < 0.05 * np.abs(real).max()
    if kind == "GCN":
        ours = model.layers[0].dense
        assert ours is not None
        theirs = conv.lin.quant_weight().int().numpy().astype(np.int64)
        ratio = np.abs(ours.weight).max() // np.abs(theirs).max()
        assert np.array_equal(ours.weight, theirs * ratio)
    model.save(tmp_path)
    pytest.importorskip("hls4ml", reason="the extra 'hls' is not installed")
    from recfabric.hls.hls4ml.graph import simulate
    from recfabric.hls.hls4ml.project import HlsConfig

    again = GraphModel.load(tmp_path)
    assert np.array_equal(simulate(again.layers, again.table, HlsConfig()), model())
