# SPDX-License-Identifier: Apache-2.0
"""The hybrid recommender in floating point: message passing, attention over texts, fused score.

Every table depends on items alone, so a user is nothing but a history:

    u = n^-1/2 sum_i message[i]              LightGCN's user vector, layers and degrees merged
    a = sum_i softmax2(u . key[i]) value[i]  for each head, over the history's texts
    score_j = (W [u; a] + b) . item[j] + bias[j] + n^-1/2 sum_i edge[i, j]

Of ``edge`` an item i has E entries that are not 0: the item-item edges.

``key`` and ``value`` are projections of a language model's item vectors; ``key`` absorbs
``log2(e) / sqrt(D / heads)``, so that the logits are exponents of 2, as in the hardware.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from recfabric.quant.lightgcn import Propagate
from recfabric.requests import Ragged

RIDGE = 10.0  # L2 penalty of the values' start
ANSWER_SHARE = 0.01  # of the attention in the fused vector, at the start


class Tables(NamedTuple):
    """What the hot path reads: ``message``, ``key``, ``value``, ``item`` (I, D), ``bias`` (I,) and
    ``edge`` (I, E), the weights of the item-item edges."""

    message: Tensor
    key: Tensor
    value: Tensor
    item: Tensor
    bias: Tensor
    edge: Tensor


class Start(NamedTuple):
    """A linear item-item model as rank D and E edges an item: ``left``, ``right`` (I, D), whose
    product it is, ``target`` int64 (I, E), distinct in a row or -1, ``weight`` (I, E), 0 there."""

    left: Tensor
    right: Tensor
    target: Tensor
    weight: Tensor


@dataclass(frozen=True, eq=False)
class Edges:
    """The histories of R requests as E edges: ``row`` and ``item`` int64 (E,), ``row`` ascending;
    ``start`` int64 (R,), the first edge of each request; ``length`` int64 (R,)."""

    row: Tensor
    item: Tensor
    start: Tensor
    length: Tensor

    @classmethod
    def of(cls, history: Ragged) -> Edges:
        """The edges of lists of item rows."""
        indptr = torch.from_numpy(history.indptr)
        item = torch.from_numpy(history.values.astype(np.int64))
        length = indptr.diff()
        row = torch.repeat_interleave(torch.arange(len(length)), length)
        return cls(row, item, indptr[:-1], length)

    def keep(self, mask: Tensor) -> Edges:
        """The edges where ``mask`` (E,) is true."""
        row = self.row[mask]
        length = torch.bincount(row, minlength=len(self.length))
        return Edges(row, self.item[mask], length.cumsum(0) - length, length)


def pool(table: Tensor, edges: Edges, weight: Tensor | None = None) -> Tensor:
    """(R, D): the (weighted) sum of the table's rows over each history."""
    if not len(edges.item):
        return table.new_zeros(len(edges.length), table.shape[1]) + 0 * table.sum()
    bag = functional.embedding_bag
    return bag(edges.item, table, edges.start, mode="sum", per_sample_weights=weight)


def scatter(weight: Tensor, target: Tensor, edges: Edges, some: Tensor | None = None) -> Tensor:
    """(R, I): the sum over each history of the item-item edges that end at an item.

    ``weight`` (I, E), ``target`` int64 (I, E): the item each edge of a row ends at, -1 where the
    weight is 0; ``some``: the items (C,) wanted, for (R, C).
    """
    requests, items = len(edges.length), len(weight)
    column = target.clamp(min=0).index_select(0, edges.item)
    values = weight.index_select(0, edges.item)
    if some is not None:
        place = torch.full((items,), len(some)).index_copy(0, some, torch.arange(len(some)))
        column, items = place[column], len(some) + 1  # the last column is for all others
    flat = edges.row[:, None] * items + column
    total = weight.new_zeros(requests * items).index_add(0, flat.reshape(-1), values.reshape(-1))
    total = total.view(requests, items)
    return total if some is None else total[:, :-1]


def logits(query: Tensor, key: Tensor, edges: Edges, heads: int) -> Tensor:
    """(E, heads): each request's query (R, D) times the keys of its history."""
    product = query.index_select(0, edges.row) * key.index_select(0, edges.item)
    return product.view(len(edges.item), heads, -1).sum(-1)


def softmax2(x: Tensor, edges: Edges) -> Tensor:
    """(E, heads): base-2 softmax of logits over each history."""
    top = x.detach().new_full((len(edges.length), x.shape[1]), -math.inf)
    top = top.scatter_reduce(0, edges.row[:, None].expand_as(x), x.detach(), "amax")
    power = torch.exp2(x - top.index_select(0, edges.row))
    total = torch.zeros_like(top).index_add(0, edges.row, power)
    return power / total.index_select(0, edges.row)


def attend(weight: Tensor, value: Tensor, edges: Edges) -> Tensor:
    """(R, D): values summed with each head's weights (E, heads)."""
    slices = zip(weight.unbind(1), value.chunk(weight.shape[1], 1), strict=True)
    return torch.cat([pool(v.contiguous(), edges, w.contiguous()) for w, v in slices], 1)


@dataclass(frozen=True)
class HybridSizes:
    """``items`` I, ``dim`` D, ``heads``, ``layers`` of two-hop propagation of the item tables,
    ``edges`` E of each item."""

    items: int
    dim: int
    heads: int
    layers: int
    edges: int = 0


class TextProjection(nn.Module):
    """Keys and values (I, D) from item features (I, F); learned features where there is no text."""

    features: Tensor

    def __init__(self, sizes: HybridSizes, features: Tensor | None) -> None:
        super().__init__()
        learned = features is None
        start = 0.1 * torch.randn(sizes.items, sizes.dim) if features is None else features
        if learned:
            self.features = nn.Parameter(start)
        else:
            self.register_buffer("features", start)
        self.key = nn.Linear(start.shape[1], sizes.dim, bias=False)
        self.value = nn.Linear(start.shape[1], sizes.dim, bias=False)
        self.scale = math.log2(math.e) / math.sqrt(sizes.dim / sizes.heads)

    def start_from(self, goal: Tensor) -> None:
        """Start with values that predict ``goal`` (I, D) by ridge regression on the features.

        Learned features start at the goal's own columns, scaled to unit variance.
        """
        with torch.no_grad():
            if isinstance(self.features, nn.Parameter):
                self.features.copy_(goal / goal.square().mean(0).sqrt().clamp(min=1e-6))
            x = self.features
            gram = x.T @ x + RIDGE * torch.eye(x.shape[1])
            self.value.weight.copy_(torch.linalg.solve(gram, x.T @ goal).T)

    def forward(self) -> tuple[Tensor, Tensor]:
        """The key and the value table."""
        return self.scale * self.key(self.features), self.value(self.features)


class Hybrid(nn.Module):
    """The float model over a fixed training graph.

    ``graph``: the normalised adjacency (see :func:`recfabric.quant.lightgcn.adjacency`);
    ``degree``: (I,) training interactions; ``features``: (I, F) text features or None.
    """

    graph: Tensor
    target: Tensor

    def __init__(
        self, sizes: HybridSizes, graph: Tensor, degree: Tensor, features: Tensor | None
    ) -> None:
        super().__init__()
        self.sizes = sizes
        self.graph = graph
        self.message = nn.Parameter(0.1 * torch.randn(sizes.items, sizes.dim))
        self.item = nn.Parameter(0.1 * torch.randn(sizes.items, sizes.dim))
        self.message_layers = nn.Parameter(torch.eye(sizes.layers + 1)[0])
        self.item_layers = nn.Parameter(torch.eye(sizes.layers + 1)[0])
        self.root = nn.Buffer(degree.clamp(min=1).float().sqrt()[:, None])
        self.text = TextProjection(sizes, features)
        self.fuse = nn.Linear(2 * sizes.dim, sizes.dim)
        self.bias = nn.Parameter(torch.zeros(sizes.items))
        self.edge = nn.Parameter(torch.zeros(sizes.items, sizes.edges))
        self.target = nn.Buffer(torch.full((sizes.items, sizes.edges), -1))
        self.propagate = Propagate()
        with torch.no_grad():
            identity = torch.eye(sizes.dim)
            self.fuse.weight.copy_(torch.cat([identity, ANSWER_SHARE * identity], 1))
            self.fuse.bias.zero_()

    def start_from(self, start: Start, sharpness: float) -> None:
        """Start at ``sharpness`` times the scores of a linear model, times ``n^-1/2``.

        The attention starts as the texts' prediction of the user's vector, at its size for a
        history of mean length.
        """
        users = self.graph.shape[0] - self.sizes.items
        length = float(self.root.square().sum()) / max(users, 1)
        left = start.left * sharpness**0.5
        with torch.no_grad():
            self.message.copy_(left * self.root)
            self.item.copy_(start.right * sharpness**0.5)
            self.edge.copy_(start.weight * sharpness)
            self.target.copy_(start.target)
        self.text.start_from(left * max(length, 1.0) ** 0.5)

    def rotated(self) -> Hybrid:
        """The same scores from a copy with other axes, drawn at random.

        The user's vector turns within each head, the items' apart from it; keys and the fuse layer
        turn back. A table's entries are then about equally spread over its columns, which a
        quantizer with one scale and few levels needs.
        """
        dim, heads = self.sizes.dim, self.sizes.heads
        turns = [torch.linalg.qr(torch.randn(dim // heads, dim // heads))[0] for _ in range(heads)]
        user = torch.block_diag(*turns)  # type: ignore[no-untyped-call]
        item = torch.linalg.qr(torch.randn(dim, dim))[0]
        model = copy.deepcopy(self, {id(self.graph): self.graph})  # sparse tensors do not copy
        with torch.no_grad():
            model.message.copy_(self.message @ user)
            model.item.copy_(self.item @ item)
            model.text.key.weight.copy_(user.T @ self.text.key.weight)
            both = torch.block_diag(user, torch.eye(dim))  # type: ignore[no-untyped-call]
            model.fuse.weight.copy_(item.T @ self.fuse.weight @ both)
            model.fuse.bias.copy_(item.T @ self.fuse.bias)
        return model

    def tables(self) -> Tables:
        """The merged tables: layers summed by their weights, degree factors folded in."""
        both = torch.cat([self.message, self.item], 1)
        weight = torch.stack([self.message_layers, self.item_layers], 1)
        weight = weight.repeat_interleave(self.sizes.dim, 1)
        users = self.graph.shape[0] - self.sizes.items
        x = functional.pad(both, (0, 0, users, 0))
        total = both * weight[0]
        for layer in range(1, self.sizes.layers + 1):
            x = self.propagate(self.propagate(x, self.graph), self.graph)
            total = total + x[users:] * weight[layer]
        message, item = total.chunk(2, 1)
        key, value = self.text()
        return Tables(
            message / self.root, key, value, item, self.bias, self.edge * (self.target >= 0)
        )

    def forward(
        self, edges: Edges, tables: Tables | None = None, some: Tensor | None = None
    ) -> Tensor:
        """(R, I): the scores of the catalogue, or (R, C) of ``some`` items, for R histories."""
        t = tables or self.tables()
        norm = edges.length.clamp(min=1).float().rsqrt()[:, None]
        user = norm * pool(t.message, edges)
        weight = softmax2(logits(user, t.key, edges, self.sizes.heads), edges)
        answer = attend(weight, t.value, edges)
        fused: Tensor = self.fuse(torch.cat([user, answer], 1))
        item, bias = (t.item, t.bias) if some is None else (t.item[some], t.bias[some])
        scores = torch.addmm(bias, fused, item.T)
        return scores + norm * scatter(t.edge, self.target, edges, some)


def _covariance(rows: npt.NDArray[np.float64]) -> Tensor:
    x = torch.from_numpy(rows)
    return x.T @ x / max(len(rows), 1)


def text_features(vectors: npt.NDArray[np.float32], dim: int) -> Tensor:
    """float32 (I, F), F <= ``dim``: principal components of language-model vectors (I, E).

    Items without text (zero vectors) stay zero; the others are centred, and every component is
    scaled to unit variance. Each feature is an affine function of the vector.
    """
    filled = np.any(vectors != 0, axis=1)
    some = vectors[filled].astype(np.float64)
    some = some - some.mean(axis=0)
    values, axes = (t.numpy() for t in torch.linalg.eigh(_covariance(some)))
    kept = values[::-1][:dim] > 1e-6 * values[-1]
    axes = axes[:, ::-1][:, :dim][:, kept] / np.sqrt(values[::-1][:dim][kept])
    features = np.zeros((len(vectors), axes.shape[1]), np.float32)
    features[filled] = some @ (axes * np.sign(axes.sum(axis=0)))
    return torch.from_numpy(features)
