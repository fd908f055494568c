# SPDX-License-Identifier: Apache-2.0
"""LightGCN: propagation over the user-item graph and the plain model trained by BPR.

He et al., "LightGCN: Simplifying and Powering Graph Convolution Network for Recommendation",
SIGIR 2020; BPR: Rendle et al., UAI 2009.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.nn import MessagePassing

from recfabric.quant.judge import Judge
from recfabric.quant.metrics import Scorer, rank
from recfabric.quant.progress import Progress
from recfabric.quant.splits import Split
from recfabric.requests import Ragged


@dataclass(frozen=True)
class LightGcnConfig:
    """Plain LightGCN: ``dim`` of the embeddings, ``layers`` of propagation, BPR by Adam.

    ``penalty``: L2 on the embeddings of each batch; training stops when the validation NDCG@10,
    measured every ``every`` epochs, has not risen ``patience`` times.
    """

    dim: int = 64
    layers: int = 3
    epochs: int = 100
    batch: int = 8192
    rate: float = 0.02
    penalty: float = 1e-3
    every: int = 5
    patience: int = 3


class _SymmetricProduct(torch.autograd.Function):
    """``adjacency @ x`` for a symmetric sparse matrix: the backward pass is the same product."""

    @staticmethod
    def forward(ctx: Any, adjacency: Tensor, x: Tensor) -> Tensor:  # noqa: ANN401
        ctx.adjacency = adjacency
        return adjacency @ x

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:  # noqa: ANN401
        return None, ctx.adjacency @ gradient


class Propagate(MessagePassing):  # type: ignore[misc]
    """One layer of LightGCN: each node becomes the normalised sum of its neighbours."""

    def __init__(self) -> None:
        super().__init__(aggr="add")

    def forward(self, x: Tensor, adjacency: Tensor) -> Tensor:
        """(U + I, D) from (U + I, D) and the normalised adjacency, sparse CSR."""
        out: Tensor = self.propagate(adjacency, x=x)
        return out

    def message_and_aggregate(self, adjacency: Tensor, x: Tensor) -> Tensor:
        """The fused gather and sum: one sparse product."""
        product: Tensor = _SymmetricProduct.apply(adjacency, x)  # type: ignore[no-untyped-call]
        return product


def adjacency(train: Ragged, items: int) -> Tensor:
    """Sparse CSR (U + I, U + I): ``D^-1/2 A D^-1/2`` of the bipartite graph, users first."""
    users = len(train)
    user = np.repeat(np.arange(users), np.diff(train.indptr))
    item = train.values.astype(np.int64)
    weight = 1.0 / np.sqrt(np.bincount(user, minlength=users)[user] * np.bincount(item)[item])
    ends = np.stack([np.concatenate([user, item + users]), np.concatenate([item + users, user])])
    values = torch.from_numpy(np.concatenate([weight, weight]).astype(np.float32))
    return sparse_csr(torch.from_numpy(ends), values, users + items)


def sparse_csr(place: Tensor, values: Tensor, size: int) -> Tensor:
    """Sparse CSR (``size``, ``size``) of entries at ``place`` int64 (2, E), row and column; entries
    at one place are added."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse")
        return torch.sparse_coo_tensor(place, values, (size, size)).coalesce().to_sparse_csr()


class LightGcn(nn.Module):
    """Embeddings of users and items, averaged over 0 to ``layers`` propagations."""

    def __init__(self, users: int, graph: Tensor, config: LightGcnConfig) -> None:
        super().__init__()
        self.users, self.graph, self.layers = users, graph, config.layers
        self.embedding = nn.Parameter(0.1 * torch.randn(graph.shape[0], config.dim))
        self.propagate = Propagate()

    def forward(self) -> Tensor:
        """(U + I, D): the propagated embeddings, users first."""
        x = total = self.embedding
        for _ in range(self.layers):
            x = self.propagate(x, self.graph)
            total = total + x
        return total / (self.layers + 1)


@dataclass(frozen=True, eq=False)
class TrainedLightGcn:
    """Propagated embeddings: ``user`` (U, D), ``item`` (I, D), and where they were best.

    An item without interactions has no neighbours: its row is its own embedding, divided by the
    number of layers and one, which training met as a negative alone. ``curve``: NDCG@10 on
    validation, an entry each ``every`` epochs.
    """

    user: Tensor
    item: Tensor
    epoch: int
    curve: tuple[float, ...]

    @property
    def scorer(self) -> Scorer:
        """Scores of the training users."""
        return lambda low, high: (self.user[low:high] @ self.item.T).numpy()


def train_lightgcn(
    split: Split, config: LightGcnConfig, *, judge: Judge, seed: int, progress: Progress
) -> TrainedLightGcn:
    """Train by BPR with one uniform negative per edge; the best epoch on validation is kept."""
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    model = LightGcn(split.users, adjacency(split.train, split.items), config)
    optimiser = torch.optim.Adam(model.parameters(), config.rate)
    user = torch.from_numpy(np.repeat(np.arange(split.users), np.diff(split.train.indptr)))
    item = torch.from_numpy(split.train.values.astype(np.int64))
    best, best_epoch, stale, curve = model().detach(), 0, 0, [-1.0]
    with progress.task("LightGCN", config.epochs) as advance:
        for epoch in range(1, config.epochs + 1):
            for edges in torch.split(torch.randperm(len(user), generator=generator), config.batch):
                negative = torch.randint(split.items, (len(edges),), generator=generator)
                loss = _bpr(model, user[edges], item[edges], negative, config.penalty)
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
            advance(1)
            if epoch % config.every:
                continue
            final = model().detach()
            value = _validate(judge, final, split.users)
            stale = 0 if value > max(curve) else stale + 1
            if not stale:
                best, best_epoch = final, epoch
            curve.append(value)
            if stale >= config.patience:
                break
    return TrainedLightGcn(best[: split.users], best[split.users :], best_epoch, tuple(curve[1:]))


def _bpr(model: LightGcn, user: Tensor, item: Tensor, negative: Tensor, penalty: float) -> Tensor:
    final = model()
    nodes = torch.cat([user, item + model.users, negative + model.users])
    u, i, j = final.index_select(0, nodes).chunk(3)
    norm = model.embedding.index_select(0, nodes).square().sum()
    margin = (u * (i - j)).sum(1)
    return functional.softplus(-margin).mean() + penalty * norm / (2 * len(user))


def _validate(judge: Judge, final: Tensor, users: int) -> float:
    some = TrainedLightGcn(final[torch.from_numpy(judge.users)], final[users:], 0, ())
    return judge(lambda seen: rank(some.scorer, seen, k=10))
