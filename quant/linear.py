# SPDX-License-Identifier: Apache-2.0
"""Linear item-item models, and how a hybrid starts from one.

A history's scores are the sum of its rows of a matrix B (I, I): EASE, drawn to what the items'
texts say or with how alike they are beside it, and the smooth part of the user-item graph, a
low-pass filter over its spectrum (Shen et al., "How Powerful is Graph Convolution for
Recommendation?", CIKM 2021). The hybrid holds of B a product of rank D and E entries of each row,
chosen in turn: the product that is nearest to what the entries leave, then the strongest entries of
what the product leaves.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import normalize, pad

from recfabric.quant.baselines import DOUBLE_LIMIT, ease, local_ease
from recfabric.quant.hybrid import Edges, Start, pool, scatter
from recfabric.quant.lightgcn import sparse_csr
from recfabric.quant.lists import rows
from recfabric.quant.metrics import Scorer
from recfabric.requests import Ragged

ROUNDS = 3  # of low rank and edges in turn
OVERSAMPLE = 32  # of the randomised decomposition
ITERATIONS = 4  # of its subspace
ALIKE = 20  # items whose texts are nearest to an item's
BLOCK = 512  # items compared with all others at once


class Linear(Protocol):
    """A matrix B (I, I)."""

    def sums(self, edges: Edges, some: Tensor | None = None) -> Tensor:
        """(R, I), or (R, C) of the items ``some``: the rows of each history, summed."""

    def times(self, x: Tensor, *, transposed: bool = False) -> Tensor:
        """B x, or its transpose times x; ``x`` (I, Q)."""


class Entries(Linear, Protocol):
    """A matrix that holds its entries, the diagonal 0."""

    def strongest(self, slots: int, product: tuple[Tensor, Tensor]) -> Sparse:
        """The strongest ``slots`` entries of each row when ``left @ right.T`` is added."""

    def plus(self, other: Sparse) -> Entries:
        """The sum with another matrix."""


@dataclass(frozen=True, eq=False)
class Dense:
    """All of B: ``matrix`` float32 (I, I)."""

    matrix: Tensor

    def sums(self, edges: Edges, some: Tensor | None = None) -> Tensor:
        """See :class:`Linear`."""
        total = pool(self.matrix, edges)
        return total if some is None else total[:, some]

    def times(self, x: Tensor, *, transposed: bool = False) -> Tensor:
        """See :class:`Linear`."""
        return (self.matrix.T if transposed else self.matrix) @ x

    def strongest(self, slots: int, product: tuple[Tensor, Tensor]) -> Sparse:
        """See :class:`Entries`."""
        rest = (self.matrix + product[0] @ product[1].T).fill_diagonal_(0)
        target = rest.abs().topk(slots, 1).indices
        return Sparse(target, rest.gather(1, target))

    def plus(self, other: Sparse) -> Dense:
        """See :class:`Entries`."""
        return Dense(self.matrix.scatter_add(1, other.target.clamp(min=0), other.weight))


@dataclass(frozen=True, eq=False)
class Sparse:
    """K entries of each row of B: ``target`` int64 (I, K), ``weight`` float32 (I, K); -1 and 0
    where a row has fewer."""

    target: Tensor
    weight: Tensor

    def sums(self, edges: Edges, some: Tensor | None = None) -> Tensor:
        """See :class:`Linear`."""
        return scatter(self.weight, self.target, edges, some)

    def times(self, x: Tensor, *, transposed: bool = False) -> Tensor:
        """See :class:`Linear`."""
        return (self._transposed if transposed else self._matrix) @ x

    @cached_property
    def _matrix(self) -> Tensor:
        return sparse_csr(*self._entries(), len(self.target))

    @cached_property
    def _transposed(self) -> Tensor:
        place, weight = self._entries()
        return sparse_csr(place.flip(0), weight, len(self.target))

    def _entries(self) -> tuple[Tensor, Tensor]:
        """Row and column int64 (2, N), and weight (N,) of the entries that are not 0."""
        row, slot = self.weight.nonzero().unbind(1)
        return torch.stack([row, self.target[row, slot]]), self.weight[row, slot]

    def plus(self, other: Sparse) -> Sparse:
        """See :class:`Entries`."""
        ends, weights = zip(self._entries(), other._entries(), strict=True)
        total = sparse_csr(torch.cat(ends, 1), torch.cat(weights), len(self.target))
        start = total.crow_indices()
        count = start.diff()
        row = torch.repeat_interleave(torch.arange(len(count)), count)
        slot = torch.arange(len(row)) - start[row]
        shape = (len(count), max(int(count.max()), 1))
        target = torch.full(shape, -1).index_put((row, slot), total.col_indices())
        return Sparse(target, torch.zeros(shape).index_put((row, slot), total.values()))

    def strongest(self, slots: int, product: tuple[Tensor, Tensor]) -> Sparse:
        """See :class:`Entries`; only where B has entries."""
        left, right = product
        columns = [(left * right[target]).sum(1) for target in self.target.unbind(1)]
        rest = torch.where(self.weight != 0, self.weight + torch.stack(columns, 1), 0)
        place = rest.abs().topk(min(slots, rest.shape[1]), 1).indices
        target, weight = self.target.gather(1, place), rest.gather(1, place)
        empty = (0, slots - place.shape[1])
        target = pad(torch.where(weight != 0, target, -1), empty, value=-1)
        return Sparse(target, pad(weight, empty))


@dataclass(frozen=True, eq=False)
class Mixed:
    """EASE and a smooth part: ``entries + left @ right.T``; ``left``, ``right`` (I, R)."""

    entries: Entries
    left: Tensor
    right: Tensor

    def sums(self, edges: Edges, some: Tensor | None = None) -> Tensor:
        """See :class:`Linear`."""
        right = self.right if some is None else self.right[some]
        return self.entries.sums(edges, some) + pool(self.left, edges) @ right.T

    def times(self, x: Tensor, *, transposed: bool = False) -> Tensor:
        """See :class:`Linear`."""
        left, right = (self.right, self.left) if transposed else (self.left, self.right)
        return self.entries.times(x, transposed=transposed) + left @ (right.T @ x)

    def start(self, dim: int, slots: int, weight: Tensor, share: float = 1.0) -> Start:
        """The matrix as rank ``dim`` and ``slots`` edges an item.

        ``weight`` (I,), above 0: how much an error in each row counts for the product. The root of
        the popularity is natural: a row is added that often, squared errors that often.
        ``share``: of the product; less of it is better where it is mostly in places at which a
        sparse matrix has no entry.
        """
        items = len(self.left)
        kept = Sparse(torch.full((items, slots), -1), torch.zeros(items, slots))
        for _ in range(ROUNDS if slots else 1):
            left, right = _low_rank(_Rest(self, kept, weight[:, None]), items, dim)
            left = share * left / weight[:, None]
            rest = torch.cat([self.left, -left], 1), torch.cat([self.right, right], 1)
            kept = self.entries.strongest(slots, rest) if slots else kept
        return Start(left, right, kept.target, kept.weight)


def held(start: Start) -> Mixed:
    """What the hybrid holds at its start, as a matrix."""
    return Mixed(Sparse(start.target, start.weight), start.left, start.right)


@dataclass(frozen=True, eq=False)
class _Rest:
    """What the second leaves of the first, its rows weighted."""

    first: Mixed
    second: Sparse
    weight: Tensor

    def times(self, x: Tensor, *, transposed: bool = False) -> Tensor:
        x = self.weight * x if transposed else x
        first, second = (m.times(x, transposed=transposed) for m in (self.first, self.second))
        return first - second if transposed else self.weight * (first - second)


def solve(
    train: Ragged,
    items: int,
    penalty: float,
    nearby: float = 0.0,
    prior: npt.NDArray[np.float64] | None = None,
) -> Entries:
    """EASE of the training part: whole up to 8,192 items, local beyond, where it has no prior."""
    if items <= DOUBLE_LIMIT:
        found = ease(train, items, penalty, nearby=nearby, prior=prior)
        return Dense(torch.from_numpy(found).float())
    solved = local_ease(train, items, penalty, nearby=nearby)
    return Sparse(*(torch.from_numpy(a) for a in solved))


def alike(features: Tensor, popularity: Tensor, penalty: float) -> Sparse:
    """How alike the texts of items are: the 20 nearest of each, the squared cosines of their
    ``features`` (I, F); no entry for zero features.

    Where both are well known it counts less: each entry is times ``penalty / (penalty + n)`` for
    both of its items, ``n`` the ``popularity`` (I,), as a prior does in ridge regression.
    """
    unit = normalize(features.float())
    known = penalty / (penalty + popularity.float())
    targets, weights = [], []
    for low in range(0, len(unit), BLOCK):
        cosine = unit[low : low + BLOCK] @ unit.T
        cosine[torch.arange(len(cosine)), low + torch.arange(len(cosine))] = 0
        near = cosine.topk(min(ALIKE, len(unit) - 1), 1)
        targets.append(near.indices)
        weights.append(near.values.clamp(min=0).square())
    target, weight = torch.cat(targets), torch.cat(weights)
    weight = weight * known[:, None] * known[target]
    return Sparse(torch.where(weight != 0, target, -1), weight)


def smooth(graph: Tensor, popularity: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """(I, R) twice, the product of which is the low-pass filter ``P^-1/2 V V' P^1/2``.

    ``V``: the ``rank`` strongest right singular vectors of the normalised interactions ``graph``
    (U + I, U + I; see :func:`recfabric.quant.lightgcn.adjacency`); ``P``: the popularity (I,).
    """
    items = len(popularity)
    users = graph.shape[0] - items

    class Squared:
        def times(self, x: Tensor, *, transposed: bool = False) -> Tensor:
            return (graph @ (graph @ pad(x, (0, 0, users, 0))))[users:]

    right = _low_rank(Squared(), items, rank)[1]
    vectors = right / right.square().sum(0).sqrt().clamp(min=1e-12)
    root = popularity.clamp(min=1).float().sqrt()[:, None]
    return vectors / root, vectors * root


def linear_scorer(linear: Linear, history: Ragged) -> Scorer:
    """The scores of histories."""
    return lambda low, high: linear.sums(Edges.of(rows(history, low, high))).numpy()


class _Operator(Protocol):
    def times(self, x: Tensor, *, transposed: bool = False) -> Tensor: ...


def _low_rank(matrix: _Operator, items: int, dim: int) -> tuple[Tensor, Tensor]:
    """(I, D) twice: the first times the second transposed is nearest to the matrix; zero columns
    where the matrix has a lower rank. Randomised subspace iteration (Halko et al., 2011)."""
    q = torch.randn(items, min(dim + OVERSAMPLE, items))
    for _ in range(ITERATIONS):
        q = torch.linalg.qr(matrix.times(q))[0]
        q = torch.linalg.qr(matrix.times(q, transposed=True))[0]
    left, values, right = torch.linalg.svd(matrix.times(q), full_matrices=False)
    rank = min(dim, len(values))
    root, empty = values[:rank].sqrt(), (0, dim - rank)
    return pad(left[:, :rank] * root, empty), pad((q @ right.T)[:, :rank] * root, empty)
