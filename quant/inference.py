# SPDX-License-Identifier: Apache-2.0
"""Scores and lists of the hybrid models, float or quantised."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from recfabric.quant.hybrid import Edges, Hybrid
from recfabric.quant.judge import Judge
from recfabric.quant.lists import rows
from recfabric.quant.metrics import Scorer, rank
from recfabric.quant.qat import Parts, QuantHybrid, exact
from recfabric.requests import Ragged

BATCH = 256


def scorer(model: Hybrid, history: Ragged, popularity: npt.NDArray[np.int64]) -> Scorer:
    """The float model's scores; an empty history gets the popularity."""
    with torch.no_grad():
        tables = model.tables()

    def score(low: int, high: int) -> npt.NDArray[Any]:
        some = rows(history, low, high)
        with torch.no_grad():
            scores = model(Edges.of(some), tables).numpy()
        return _popular_where_empty(scores, some, popularity)

    return score


def integer_scorer(
    model: QuantHybrid, history: Ragged, popularity: npt.NDArray[np.int64]
) -> Scorer:
    """The quantised model's scores as int64 integers; an empty history gets the popularity."""
    with exact(model):
        tables = model.tables()

    def score(low: int, high: int) -> npt.NDArray[Any]:
        some = rows(history, low, high)
        with exact(model):
            parts = model.parts(Edges.of(some), tables)
        return _popular_where_empty(integers(model, parts)["scores"], some, popularity)

    return score


def integers(model: QuantHybrid, parts: Parts) -> dict[str, npt.NDArray[np.int64]]:
    """The streams of :meth:`QuantHybrid.parts` in exact mode as the integers they stand for."""
    forms = model.formats
    fracs = {"user": forms.state, "answer": forms.state, "fused": forms.fused}
    return {
        name: (stream * 2.0 ** (fracs.get(name) or forms.score).frac).numpy().astype(np.int64)
        for name, stream in parts._asdict().items()
    }


def judged(
    model: Hybrid | QuantHybrid, judge: Judge, popularity: npt.NDArray[np.int64]
) -> Callable[[], float]:
    """A function that measures the model, as it then is, on validation."""

    def measure() -> float:
        if isinstance(model, QuantHybrid):
            scores = integer_scorer(model, judge.history, popularity)
        else:
            scores = scorer(model, judge.history, popularity)
        return judge(lambda seen: rank(scores, seen, k=10, batch=BATCH))

    return measure


def _popular_where_empty(
    scores: npt.NDArray[Any], history: Ragged, popularity: npt.NDArray[np.int64]
) -> npt.NDArray[Any]:
    scores[np.diff(history.indptr) == 0] = popularity
    return scores
