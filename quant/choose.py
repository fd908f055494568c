# SPDX-License-Identifier: Apache-2.0
"""The linear model a hybrid starts and learns from, chosen on validation from a small grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from recfabric.errors import ConfigError
from recfabric.quant.fit import HIDDEN, Teacher
from recfabric.quant.hybrid import Edges, Start, pool
from recfabric.quant.judge import Judge
from recfabric.quant.linear import (
    Dense,
    Entries,
    Linear,
    Mixed,
    Sparse,
    alike,
    held,
    linear_scorer,
    smooth,
    solve,
)
from recfabric.quant.lists import take
from recfabric.quant.llm.cold import RidgeConfig, left_out_edges
from recfabric.quant.metrics import rank as ranked
from recfabric.quant.progress import Advance, Progress
from recfabric.requests import Ragged

L = TypeVar("L", bound=Linear)
SAMPLED_USERS = 512
ALIKE_SHARE = 0.2  # of EASE's spread, what alike texts get where they are believed by 1


@dataclass(frozen=True)
class Candidates:
    """The grid: ``penalties`` of EASE; ``nearby``, how much more pairs count that a user met
    within a few interactions (:func:`recfabric.quant.baselines.ease`); ``smooth``, the share of the
    graph's smooth part (:func:`recfabric.quant.linear.smooth`) of EASE's spread; ``texts``, how
    much of what texts say is believed (:class:`Texts`), the smooth part beside it; ``product``, how
    much of the product of rank D the hybrid starts with
    (:meth:`recfabric.quant.linear.Mixed.start`)."""

    penalties: tuple[float, ...] = (50.0, 100.0, 200.0, 300.0, 400.0)
    nearby: tuple[float, ...] = (0.0, 0.4)
    texts: tuple[float, ...] = (0.0, 0.5, 1.0)
    smooth: tuple[float, ...] = (0.0, 0.3)
    product: tuple[float, ...] = (1.0, 0.5)

    def __post_init__(self) -> None:
        for name, values in vars(self).items():
            if not values:
                raise ConfigError(f"The candidates for {name} are none; name at least one number.")


@dataclass(frozen=True, eq=False)
class Texts:
    """What the linear model learns from the items' texts.

    ``features``: (I, F), zeros for an item without a text; ``likeness``: (I, I), the kernel by
    which cold items get their edges (:func:`recfabric.quant.llm.cold.kernel`), or None.

    With it EASE is drawn to the edges that each item would have if nobody knew it
    (:func:`recfabric.quant.llm.cold.left_out_edges`). Without, on catalogues whose I x I matrix is
    too large, how alike texts are is added to it (:func:`recfabric.quant.linear.alike`).
    """

    features: Tensor
    likeness: npt.NDArray[np.float32] | None = None

    def prior(self, between: Dense) -> npt.NDArray[np.float64] | None:
        """(I, I): each item's edges by its text alone, 0 where one of the two has none.

        ``between``: the edges that the interactions give.
        """
        if self.likeness is None:
            return None
        some = np.flatnonzero((self.features != 0).any(1).numpy())
        inner = np.ix_(some, some)
        edges = np.zeros(self.likeness.shape)
        edges[inner] = left_out_edges(
            self.likeness[inner], between.matrix.numpy()[inner].astype(np.float64), RidgeConfig()
        )
        return edges


@dataclass(frozen=True, eq=False)
class Chosen:
    """The models that validate best: ``ease``, with all that helps ``teacher``, and ``start``,
    what the hybrid can hold of the teacher.

    ``sharpness``: of the teacher, see :func:`teach`; ``record``: the values chosen.
    """

    ease: Entries
    teacher: Mixed
    start: Start
    sharpness: float
    record: dict[str, float]


def choose(
    train: Ragged,
    judge: Judge,
    candidates: Candidates,
    *,
    graph: Tensor,
    texts: Texts | None,
    dim: int,
    edges: int,
    seed: int,
    progress: Progress,
) -> Chosen:
    """EASE's penalty, then ``nearby``, ``smooth``, ``texts`` and ``product``, one after another.

    ``graph``: the normalised adjacency of the training part; ``texts``: None where there are none;
    ``dim`` and ``edges`` of the start; ``dim``: of the smooth part too.
    """
    popularity = torch.from_numpy(np.bincount(train.values, minlength=graph.shape[0] - len(train)))
    items = len(popularity)

    def near(weight: float, drawn: npt.NDArray[np.float64] | None = None) -> Entries:
        if not weight and drawn is None:
            return plain
        return solve(train, items, penalty * (1 + weight / 2), weight, drawn)

    def mix(share: float) -> Mixed:
        return Mixed(entries, share * left, right)

    def texted(share: float) -> Mixed:
        if not share or texts is None:
            return mixed
        if prior is not None:
            return replace(mixed, entries=near(nearby, share * prior))
        other = alike(texts.features, popularity, penalty)
        ratio = ALIKE_SHARE * _ratio(entries.sums(sample), other.sums(sample))
        more = Sparse(other.target, share * ratio * other.weight)
        return replace(mixed, entries=entries.plus(more))

    def started(share: float) -> Start:
        torch.manual_seed(seed)
        return teacher.start(dim, edges, (popularity + 1).float().sqrt(), share)

    total = sum(len(values) for values in vars(candidates).values())
    with progress.task("linear models", total) as advance:
        best = partial(_best, judge=judge, advance=advance)
        penalty, plain = best(candidates.penalties, lambda p: solve(train, items, p))
        nearby, entries = best(candidates.nearby, near)
        sample = Edges.of(take(train, spread(len(train), SAMPLED_USERS)))
        torch.manual_seed(seed)
        left, right = smooth(graph, popularity, dim)
        left = left * _ratio(entries.sums(sample), pool(left, sample) @ right.T)
        share, mixed = best(candidates.smooth, mix)
        shares = candidates.texts if texts is not None else (0.0,)
        prior = None
        if texts is not None and any(shares) and isinstance(plain, Dense):
            prior = texts.prior(plain)
        believed, teacher = best(shares, texted)
        starts = {share: started(share) for share in candidates.product}
        product, _ = best(candidates.product, lambda share: held(starts[share]))
    sharpness = _sharpness(teacher, judge)
    record = {
        "penalty": penalty,
        "nearby": nearby,
        "texts": believed,
        "smooth": share,
        "product": product,
        "sharpness": sharpness,
    }
    return Chosen(plain, teacher, starts[product], sharpness, record)


def _ratio(one: Tensor, other: Tensor) -> float:
    """How much further scores (R, I) are spread than other ones."""
    return float(one.std(1).mean() / other.std(1).mean().clamp(min=1e-12))


def teach(linear: Linear, sharpness: float) -> Teacher:
    """A linear model's logits for histories: ``sharpness * n^-1/2`` times its scores."""

    def logits(edges: Edges, some: Tensor | None) -> Tensor:
        norm = edges.length.clamp(min=1).rsqrt()[:, None]
        return sharpness * norm * linear.sums(edges, some)

    return logits


def spread(users: int, count: int) -> npt.NDArray[np.int64]:
    """About ``count`` of so many users, evenly spread."""
    return np.arange(0, users, max(1, users // count))


def _best(
    values: Sequence[float], make: Callable[[float], L], *, judge: Judge, advance: Advance
) -> tuple[float, L]:
    """The value whose model validates best, the first of equals, and that model."""
    best: tuple[float, float, L] | None = None
    for value in values:
        model = make(value)
        scores = linear_scorer(model, judge.history)
        judged = judge(lambda seen, scores=scores: ranked(scores, seen, k=10))  # type: ignore[misc]
        if best is None or judged > best[0]:
            best = (judged, value, model)
        advance(1)
    assert best is not None
    return best[1], best[2]


def _sharpness(linear: Linear, judge: Judge) -> float:
    """What a linear model's scores must be multiplied by to give validation the best likelihood."""
    users = spread(len(judge.users), SAMPLED_USERS)
    history, wanted = (Edges.of(take(lists, users)) for lists in (judge.history, judge.targets))
    logits = teach(linear, 1.0)(history, None)
    unit = float(logits.std(1).mean())

    def likelihood(sharpness: float) -> float:
        scores = (sharpness * logits).index_put((history.row, history.item), torch.tensor(HIDDEN))
        return float(scores.log_softmax(1)[wanted.row, wanted.item].mean())

    return max((2 ** (step / 4) / unit for step in range(-4, 20)), key=likelihood)
