# SPDX-License-Identifier: Apache-2.0
"""Layers of PyTorch Geometric as integer layers of ``rf_graph``, quantised after training.

``GCNConv`` (Kipf & Welling, ICLR 2017), ``SAGEConv`` with mean or max (Hamilton et al., NeurIPS
2017), ``GINConv`` with a multilayer perceptron (Xu et al., ICLR 2019) and ``LGConv`` (He et al.,
SIGIR 2020). Features, weights of the dense parts and weights of the edges become int8; every scale
is a power of two but the nodes' factors, which are 16-bit norms. The formats hold the largest value
seen, so that nothing but rounding is lost on the features converted with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from recfabric.contract import FixedPoint
from recfabric.errors import ConfigError
from recfabric.kernels.fixed import saturate
from recfabric.kernels.gather.model import Op
from recfabric.kernels.graph.csr import Csr
from recfabric.kernels.graph.model import DensePart, GraphLayer
from recfabric.kernels.graph.scale import scale_words
from recfabric.kernels.graph.store import GraphModel

Int8 = npt.NDArray[np.int8]
Floats = npt.NDArray[np.float64]
WEIGHT_MAX = 127


@dataclass(frozen=True, eq=False)
class IntegerLayers:
    """Layers that run one after another on integers of ``source`` and give those of ``result``.

    ``gathered``: the format between each layer's gather and its dense part.
    """

    layers: tuple[GraphLayer, ...]
    source: FixedPoint
    gathered: tuple[FixedPoint, ...]
    result: FixedPoint

    def table(self, x: Tensor) -> Int8:
        """Features float (N, D) as the integers the first layer reads."""
        return _integers(_floats(x), self.source)

    def __call__(self, table: Int8) -> Int8:
        """What the last layer writes: int8 (N, R)."""
        for layer in self.layers:
            table = layer(table)
        return table

    def model(self, table: Int8) -> GraphModel:
        """These layers with the rows they read, ready to be saved and compiled."""
        return GraphModel(self.layers, table, self.source, self.result)

    def values(self, rows: Int8) -> Floats:
        """Integers of the result as numbers: float64 (N, R)."""
        return rows.astype(np.float64) * self.result.scale


def covering(values: Floats, width: int = 8) -> FixedPoint:
    """The finest signed format of ``width`` bits that holds every value."""
    peak = float(abs(values).max()) if values.shape[0] else 0.0
    frac = width - 1 - int(np.ceil(np.log2(max(peak, 1e-9))))
    limit = (1 << (width - 1)) - 1
    return FixedPoint(True, width, frac - (round(peak * 2.0**frac) > limit))


def convert(
    module: nn.Module,
    edge_index: Tensor,
    x: Tensor,
    *,
    relu: bool = False,
    source: FixedPoint | None = None,
) -> IntegerLayers:
    """The integer layers of a module on its graph, its formats from the features ``x``.

    ``edge_index``: int64 (2, E), sources and targets; ``x``: float (N, D); ``relu``: a ReLU follows
    the module; ``source``: the format of the integers that come in, from ``x`` by default. Raises
    ConfigError for a module, or an option of it, that has no integer form here.
    """
    kinds: dict[str, Callable[..., IntegerLayers]] = {
        "GCNConv": _gcn,
        "SAGEConv": _sage,
        "GINConv": _gin,
        "LGConv": _light,
    }
    name = type(module).__name__
    if name not in kinds or getattr(module, "flow", "") != "source_to_target":
        raise ConfigError(
            f"A {name} has no integer form; use one of {', '.join(kinds)}, from source to target."
        )
    form = source or covering(_floats(x))
    with torch.no_grad():
        return kinds[name](module, edge_index, _floats(x), form, relu)


class _Gathered(NamedTuple):
    """A quantised gather: its graph and scale, the format and the float values of its vectors."""

    graph: Csr
    scale: npt.NDArray[np.uint32]
    form: FixedPoint
    values: Floats


def _gcn(m: Any, edges: Tensor, x: Floats, form: FixedPoint, relu: bool) -> IntegerLayers:  # noqa: ANN401
    from torch_geometric.nn.conv.gcn_conv import gcn_norm

    index, weight = edges, None
    if m.normalize:
        index, weight = gcn_norm(
            edges, None, len(x), m.improved, m.add_self_loops, m.flow, torch.float64
        )
    gathered = _weighted(index, weight, x, form)
    return _with_dense(gathered, [(_weight(m.lin), m.bias)], form, relu)


def _light(m: Any, edges: Tensor, x: Floats, form: FixedPoint, relu: bool) -> IntegerLayers:  # noqa: ANN401
    from torch_geometric.nn.conv.gcn_conv import gcn_norm

    weight = None
    if m.normalize:
        edges, weight = gcn_norm(
            edges, None, len(x), add_self_loops=False, flow=m.flow, dtype=torch.float64
        )
    g = _weighted(edges, weight, x, form)
    return IntegerLayers((GraphLayer(g.graph, g.scale, None, relu),), form, (g.form,), g.form)


def _gin(m: Any, edges: Tensor, x: Floats, form: FixedPoint, relu: bool) -> IntegerLayers:  # noqa: ANN401
    parts = list(m.nn) if isinstance(m.nn, nn.Sequential) else [m.nn]
    if not all(isinstance(p, nn.Linear if i % 2 == 0 else nn.ReLU) for i, p in enumerate(parts)):
        raise ConfigError("A GINConv's network must be Linear, ReLU, Linear and so on.")
    own = torch.arange(len(x))
    index = torch.cat([edges, torch.stack([own, own])], 1)
    weight = torch.ones(index.shape[1], dtype=torch.float64)
    weight[edges.shape[1] :] = 1 + float(m.eps)
    gathered = _weighted(index, weight, x, form)
    linear = [(p.weight, p.bias) for p in parts[::2] if isinstance(p, nn.Linear)]
    return _with_dense(gathered, linear, form, relu or len(parts) % 2 == 0)


def _sage(m: Any, edges: Tensor, x: Floats, form: FixedPoint, relu: bool) -> IntegerLayers:  # noqa: ANN401
    kind = {"MeanAggregation": Op.SUM, "MaxAggregation": Op.MAX}.get(type(m.aggr_module).__name__)
    if kind is None or m.normalize or m.project or not m.root_weight:
        raise ConfigError(
            "A SAGEConv must take the mean or the maximum, with root_weight, without normalize "
            "and project."
        )
    graph = Csr.of_edges(edges[0].numpy(), edges[1].numpy(), nodes=len(x))
    degree = np.maximum(graph.degree, 1)
    reduced = _reduce(graph, x, kind)
    joined = np.concatenate([reduced, x], axis=1)
    out = covering(joined)
    change = 2.0 ** (out.frac - form.frac)
    scale = np.zeros((len(x), 2), np.uint32)
    scale[:, 0] = scale_words(change / degree if kind is Op.SUM else np.full(len(x), change), kind)
    scale[:, 1] = scale_words(np.full(len(x), change))
    gathered = _Gathered(graph.with_own_row(), scale.reshape(-1), out, joined)
    weight = torch.cat([_weight(m.lin_l), _weight(m.lin_r)], 1)
    return _with_dense(gathered, [(weight, m.lin_l.bias)], form, relu)


def _reduce(graph: Csr, x: Floats, kind: Op) -> Floats:
    """The float mean or maximum over each node's neighbours; 0 where there are none."""
    out = np.zeros((len(graph), x.shape[1]))
    nodes = np.flatnonzero(graph.degree)
    starts = graph.row_ptr[nodes].astype(np.int64)
    reduce = np.maximum if kind is Op.MAX else np.add
    if len(nodes):
        out[nodes] = reduce.reduceat(x[graph.col], starts, axis=0)
    return out if kind is Op.MAX else out / np.maximum(graph.degree, 1)[:, None]


def _weighted(edges: Tensor, weight: Tensor | None, x: Floats, form: FixedPoint) -> _Gathered:
    """A sum with a weight an edge: int8 of each node's largest one, which its factor makes good."""
    source, target = edges[0].numpy(), edges[1].numpy()
    real = np.ones(len(target)) if weight is None else _floats(weight)
    largest = np.zeros(len(x))
    np.maximum.at(largest, target, abs(real))
    largest[largest == 0] = 1.0
    integers = np.rint(real / largest[target] * WEIGHT_MAX).astype(np.int8)
    graph = Csr.of_edges(source, target, nodes=len(x), weight=integers)
    values = np.zeros_like(x)
    np.add.at(values, target, real[:, None] * x[source])
    out = covering(values)
    scale = scale_words(largest / WEIGHT_MAX * 2.0 ** (out.frac - form.frac))
    return _Gathered(graph, scale, out, values)


def _with_dense(
    gathered: _Gathered,
    linear: Sequence[tuple[Tensor, Tensor | None]],
    source: FixedPoint,
    relu: bool,
) -> IntegerLayers:
    """A gather and its dense parts; those behind the first read each node's own row alone."""
    layers, forms = [], []
    graph, scale, form, values = gathered
    for i, (weight, bias) in enumerate(linear):
        rectified = relu or i + 1 < len(linear)
        forms.append(form)
        part, form, values = _dense(_floats(weight), bias, values, form, rectified)
        layers.append(GraphLayer(graph, scale, part, rectified))
        graph = Csr.identity(len(values))
        scale = scale_words(np.ones(len(values)))
    return IntegerLayers(tuple(layers), source, tuple(forms), form)


def _dense(
    weight: Floats, bias: Tensor | None, x: Floats, form: FixedPoint, relu: bool
) -> tuple[DensePart, FixedPoint, Floats]:
    real = np.zeros(len(weight)) if bias is None else _floats(bias)
    out = x @ weight.T + real
    out = np.maximum(out, 0) if relu else out
    weights = covering(weight)
    frac = form.frac + weights.frac
    result = FixedPoint(True, 8, min(covering(out).frac, frac))  # its shift is no left shift
    integers = np.rint(real * 2.0**frac)
    if np.abs(integers).max() + 128 * 128 * weight.shape[1] >= 1 << 31:
        raise ConfigError("A bias does not fit 32 bits beside the products; scale the layer.")
    part = DensePart(_integers(weight, weights), integers.astype(np.int32), frac - result.frac)
    return part, result, out


def _weight(linear: Any) -> Tensor:  # noqa: ANN401
    """A layer's matrix; of a Brevitas layer the quantised one, whose grid the integers keep."""
    if hasattr(linear, "quant_weight"):
        return cast(Tensor, linear.quant_weight().value)
    return cast(Tensor, linear.weight)


def _floats(values: Tensor) -> Floats:
    return values.detach().to(torch.float64).numpy()


def _integers(values: Floats, form: FixedPoint) -> Int8:
    return saturate(np.rint(values * 2.0**form.frac).astype(np.int64), form.width).astype(np.int8)
