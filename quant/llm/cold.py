# SPDX-License-Identifier: Apache-2.0
"""Cold items: a part of the catalogue nobody has met, ranked by what its text says.

Edges from warm to cold items are computed from text: kernel ridge regression of the users'
interactions with the warm items on the items' features. A history's scores are then sums of edges,
as those that EASE learns between warm items, and the hardware adds them likewise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from recfabric.errors import ConfigError, DataError
from recfabric.quant.baselines import ease, ease_scorer
from recfabric.quant.datasets import Dataset
from recfabric.quant.metrics import Ids, ndcg, rank
from recfabric.requests import Ragged

ELIGIBLE = 5  # interactions an item must have to be chosen
SHARE = 5  # one item in so many becomes cold
SLOTS, WEIGHT_BITS = 128, 8  # edges an item that the hardware holds, and their width

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class ColdSplit:
    """R users with at least one warm item: what they met, and which cold items they will meet.

    ``seed``: of the draw; ``warm``, ``cold``: int64, item rows of the catalogue, ascending and as
    drawn; ``history`` holds positions in ``warm``, ``targets`` positions in ``cold``.
    """

    seed: int
    warm: npt.NDArray[np.int64]
    cold: npt.NDArray[np.int64]
    history: Ragged
    targets: Ragged

    @classmethod
    def draw(cls, dataset: Dataset, seed: int) -> ColdSplit:
        """The split of a seed: ``default_rng(seed).permutation(eligible)[:len(eligible) // 5]``.

        Raises DataError when so few items are eligible that none would be cold.
        """
        pairs = np.unique(np.stack([dataset.user, dataset.item], 1).astype(np.int64), axis=0)
        return cls._of(pairs, len(dataset.users), np.arange(len(dataset.items)), seed)

    @classmethod
    def validation(cls, dataset: Dataset, seed: int) -> ColdSplit:
        """A split of what is warm for ``seed``: cold items to choose by, warm to learn from."""
        return cls.draw(dataset, seed).nested(1000 + seed)

    def nested(self, seed: int) -> ColdSplit:
        """The same of the warm part alone: where everything is chosen that may be chosen."""
        users = np.repeat(np.arange(len(self.history)), np.diff(self.history.indptr))
        pairs = np.stack([users, self.history.values.astype(np.int64)], 1)
        inner = self._of(pairs, len(self.history), np.arange(len(self.warm)), seed)
        warm, cold = self.warm[inner.warm], self.warm[inner.cold]
        return ColdSplit(self.seed, warm, cold, inner.history, inner.targets)

    @classmethod
    def _of(
        cls, pairs: npt.NDArray[np.int64], users: int, items: npt.NDArray[np.int64], seed: int
    ) -> ColdSplit:
        eligible = np.flatnonzero(np.bincount(pairs[:, 1], minlength=len(items)) >= ELIGIBLE)
        count = len(eligible) // SHARE
        if not count:
            raise DataError(
                f"{len(eligible)} items have at least {ELIGIBLE} interactions, too few to make a "
                "fifth of them cold; bring a larger data set."
            )
        cold = np.random.default_rng(seed).permutation(eligible)[:count]
        warm = np.setdiff1d(items, cold)
        history, targets = _lists_of(pairs, users, warm), _lists_of(pairs, users, cold)
        known = np.flatnonzero(np.diff(history.indptr))
        parts = [Ragged.of([lists[int(u)] for u in known]) for lists in (history, targets)]
        return cls(seed, warm, cold, *parts)

    def judge(self, lists: Ids) -> float:
        """NDCG@10 of top-k lists of positions in ``cold``."""
        return ndcg(lists, self.targets)

    def ndcg(self, edges: Matrix) -> float:
        """NDCG@10 of edges (W, C) from warm to cold items."""
        return self.judge(rank(ease_scorer(edges, self.history), self.unseen, k=10))

    @property
    def unseen(self) -> Ragged:
        """An empty list a user: nobody has met a cold item."""
        return Ragged(np.zeros(len(self.history) + 1, np.int64), np.zeros(0, np.int32))


def _lists_of(pairs: npt.NDArray[np.int64], users: int, items: npt.NDArray[np.int64]) -> Ragged:
    """Each user's items among ``items``, as positions in it."""
    place = np.full(int(max(pairs[:, 1].max(), items.max())) + 1, -1, np.int64)
    place[items] = np.arange(len(items))
    kept = pairs[place[pairs[:, 1]] >= 0]
    kept = kept[np.argsort(kept[:, 0], kind="stable")]
    indptr = np.concatenate([[0], np.cumsum(np.bincount(kept[:, 0], minlength=users))])
    return Ragged(indptr.astype(np.int64), place[kept[:, 1]].astype(np.int32))


@dataclass(frozen=True)
class RidgeConfig:
    """How text becomes edges; the defaults come from a grid on ml-100k's cold items, seeds 0 to 4.

    No nested split has confirmed them yet: `recfabric cold --nested` does.

    ``penalty``: ridge's lambda; ``sharpness`` g: the kernel is ``exp(g * sum of block products)``,
    0 for the sum itself (linear ridge); ``smoothing``: EASE's penalty between warm items, whose
    matrix B turns a history into ``direct * x + x @ B`` first; 0: the history alone.
    """

    penalty: float = 5.0
    sharpness: float = 0.25
    smoothing: float = 400.0
    direct: float = 0.3

    def __post_init__(self) -> None:
        for name in ("penalty", "sharpness", "smoothing", "direct"):
            value, least = getattr(self, name), name == "penalty"
            if not np.isfinite(value) or value < 0 or (least and not value):
                raise ConfigError(
                    f"A {name} of {value} is not {'above' if least else 'at least'} 0."
                )


LINEAR = RidgeConfig(penalty=10.0, sharpness=0.0, smoothing=0.0)


def block(vectors: npt.NDArray[Any], reference: npt.NDArray[np.int64] | None = None) -> Matrix:
    """A feature block: :func:`unit` rows, centred on the mean of ``reference`` (None: all)."""
    return unit(vectors, middle(vectors, reference))


def middle(vectors: npt.NDArray[Any], reference: npt.NDArray[np.int64] | None = None) -> Matrix:
    """(E,): the mean of the rows ``reference`` (None: all) that have a text; zeros without one."""
    known = np.any(vectors != 0, axis=1)
    if reference is not None:
        known &= np.isin(np.arange(len(known)), reference)
    mean: Matrix = vectors[known].mean(axis=0) if known.any() else np.zeros_like(vectors[0])
    return mean


def unit(vectors: npt.NDArray[Any], centre: npt.ArrayLike) -> Matrix:
    """float32 (N, E): rows less ``centre``, each of length 1.

    A row without text (all zeros) stays zero: it is like no item.
    """
    filled = np.any(vectors != 0, axis=1, keepdims=True)
    centred = vectors - np.asarray(centre, vectors.dtype)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.asarray(np.where(filled, centred / np.maximum(length, 1e-9), 0), np.float32)


def kernel(blocks: Sequence[npt.NDArray[Any]], sharpness: float) -> Matrix:
    """float32 (N, N): the items' likeness by their feature blocks; by PyTorch's threads."""
    import torch

    product = np.zeros((len(blocks[0]), len(blocks[0])), np.float32)
    for one in blocks:
        features = torch.from_numpy(one.astype(np.float32))
        product += (features @ features.T).numpy()
    return np.exp(np.float32(sharpness) * product) if sharpness else product


def text_edges(likeness: Matrix, split: ColdSplit, config: RidgeConfig) -> Matrix:
    """float32 (W, C): edges from warm to cold items; scores of a history = x @ edges.

    ``likeness``: a kernel over the whole catalogue. Solves ``(K + penalty) S = K_cold`` in
    float64 and puts EASE's edges between warm items before it.
    """
    warm, cold = split.warm, split.cold
    known = likeness[np.ix_(warm, warm)].astype(np.float64)
    known[np.diag_indices(len(warm))] += config.penalty
    edges = np.linalg.solve(known, likeness[np.ix_(warm, cold)].astype(np.float64))
    if config.smoothing:
        between = ease(split.history, len(warm), config.smoothing)
        edges = config.direct * edges + between @ edges
    return edges.astype(np.float32)


def left_out_edges(
    likeness: Matrix, between: npt.NDArray[Any], config: RidgeConfig
) -> npt.NDArray[np.float64]:
    """float64 (N, N): what :func:`text_edges` gives each item when it alone is cold.

    ``likeness``: (N, N), a kernel; ``between``: (N, N), edges between the items, known to all, in
    the place of EASE's. Column j is an item's edges from all others by their texts, 0 from itself;
    with ``Q = (K + penalty)^-1`` they are ``-Q / diag(Q)``. By PyTorch, in as many threads as that
    may use: a training has one, so that its integers do not depend on the machine's.
    """
    import torch

    edges = torch.from_numpy(likeness.astype(np.float64))
    edges.diagonal().add_(config.penalty)
    edges = torch.linalg.inv(edges)
    edges /= -edges.diagonal().clone()
    edges.fill_diagonal_(0)
    edges = config.direct * edges + torch.from_numpy(between).double() @ edges
    found: npt.NDArray[np.float64] = edges.fill_diagonal_(0).numpy()
    return found


@dataclass(frozen=True, eq=False)
class IntegerEdges:
    """Edges as the hardware holds them: ``SLOTS`` an item, int8 weights of one power of two.

    ``target``: int32 (W, E), positions in ``cold``; ``weight``: int8 (W, E), 0 in a slot without
    an edge; a weight's value is ``weight * 2**-frac``.
    """

    target: npt.NDArray[np.int32]
    weight: npt.NDArray[np.int8]
    frac: int

    def dense(self, items: int) -> npt.NDArray[np.int64]:
        """int64 (W, items): the same as a matrix."""
        matrix = np.zeros((len(self.target), items), np.int64)
        np.add.at(matrix, (np.arange(len(self.target))[:, None], self.target), self.weight)
        return matrix


def quantise_edges(edges: Matrix, slots: int = SLOTS) -> IntegerEdges:
    """Keep each item's ``slots`` largest weights, as int8 of the format with the least error."""
    if not 1 <= slots <= SLOTS:
        raise ConfigError(f"{slots} edges an item are not 1 to {SLOTS}.")
    kept = min(slots, edges.shape[1])
    target = np.argsort(-np.abs(edges), axis=1, kind="stable")[:, :kept].astype(np.int32)
    weight = np.take_along_axis(edges, target, axis=1).astype(np.float64)
    largest = float(np.abs(weight).max(initial=0)) or 1.0
    top = int(np.floor(np.log2(127 / largest)))
    errors = {
        frac: np.square(_rounded(weight, frac) * 2.0**-frac - weight).sum()
        for frac in range(top, top + 4)
    }
    frac = min(errors, key=lambda f: (errors[f], f))
    whole = _rounded(weight, frac).astype(np.int8)
    return IntegerEdges(np.where(whole != 0, target, 0).astype(np.int32), whole, frac)


def _rounded(weight: npt.NDArray[np.float64], frac: int) -> npt.NDArray[np.float64]:
    """Half to even, saturated to int8."""
    return np.clip(np.rint(weight * 2.0**frac), -128, 127)
