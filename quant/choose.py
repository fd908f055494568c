# SPDX-License-Identifier: Apache-2.0
"""The linear model a hybrid starts and learns from, chosen on validation from a small grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from recfabric.errors import ConfigError
from recfabric.quant.fit import HIDDEN, Teacher
from recfabric.quant.hybrid import Edges, pool
from recfabric.quant.judge import Judge
from recfabric.quant.linear import Entries, Linear, Mixed, linear_scorer, smooth, solve
from recfabric.quant.lists import take
from recfabric.quant.metrics import rank as ranked
from recfabric.quant.progress import Advance, Progress
from recfabric.requests import Ragged

L = TypeVar("L", bound=Linear)
SAMPLED_USERS = 512


@dataclass(frozen=True)
class Candidates:
    """The grid: ``penalties`` of EASE; ``nearby``, how much more pairs count that a user met
    within a few interactions (:func:`recfabric.quant.baselines.ease`); ``smooth``, the share of
    the graph's smooth part (:func:`recfabric.quant.linear.smooth`), of EASE's spread."""

    penalties: tuple[float, ...] = (50.0, 100.0, 200.0, 300.0, 400.0)
    nearby: tuple[float, ...] = (0.0, 0.4)
    smooth: tuple[float, ...] = (0.0, 0.3)

    def __post_init__(self) -> None:
        for name, values in vars(self).items():
            if not values:
                raise ConfigError(f"The candidates for {name} are none; name at least one number.")


@dataclass(frozen=True, eq=False)
class Chosen:
    """The models that validate best: ``ease`` and, with all that helps, ``teacher``.

    ``sharpness``: of the teacher, see :func:`teach`; ``record``: the values chosen.
    """

    ease: Entries
    teacher: Mixed
    sharpness: float
    record: dict[str, float]


def choose(
    train: Ragged,
    judge: Judge,
    candidates: Candidates,
    *,
    graph: Tensor,
    rank: int,
    seed: int,
    progress: Progress,
) -> Chosen:
    """EASE's penalty, then how much nearby pairs count, then the share of the smooth part.

    ``graph``: the normalised adjacency of the training part; ``rank``: of the smooth part.
    """
    popularity = torch.from_numpy(np.bincount(train.values, minlength=graph.shape[0] - len(train)))
    items = len(popularity)

    def near(weight: float) -> Entries:
        return solve(train, items, penalty * (1 + weight / 2), weight) if weight else plain

    def mix(share: float) -> Mixed:
        return Mixed(entries, share * left, right)

    total = sum(len(values) for values in vars(candidates).values())
    with progress.task("linear models", total) as advance:
        best = partial(_best, judge=judge, advance=advance)
        penalty, plain = best(candidates.penalties, lambda p: solve(train, items, p))
        nearby, entries = best(candidates.nearby, near)
        torch.manual_seed(seed)
        left, right = smooth(graph, popularity, rank)
        sample = Edges.of(take(train, spread(len(train), SAMPLED_USERS)))
        scores = pool(left, sample) @ right.T
        left = left * entries.sums(sample).std(1).mean() / scores.std(1).mean()
        share, teacher = best(candidates.smooth, mix)
    sharpness = _sharpness(teacher, judge)
    record = {"penalty": penalty, "nearby": nearby, "smooth": share, "sharpness": sharpness}
    return Chosen(plain, teacher, sharpness, record)


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
