# SPDX-License-Identifier: Apache-2.0
"""Ranking quality over the full catalogue: exact top-k lists, NDCG and recall.

NDCG with binary gains: Järvelin & Kekäläinen, ACM TOIS 20(4), 2002. The ideal list of a user has
``min(k, targets)`` hits; means are over users with at least one target.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from recfabric.quant.lists import rows
from recfabric.requests import Ragged

# The scores (high - low, I) of the requests low to high, exclusive.
Scorer = Callable[[int, int], npt.NDArray[Any]]
Ids = npt.NDArray[np.int32]


def top_k(scores: npt.NDArray[Any], seen: Ragged, k: int) -> Ids:
    """int32 (R, k): the best rows of ``scores`` (R, I), higher first, then lower item row.

    Items of ``seen`` are left out; -1 stands where a list runs out of items. ``scores`` are
    floats, or integers above the smallest of their type.
    """
    lowest = -np.inf if scores.dtype.kind == "f" else np.iinfo(scores.dtype).min
    left = scores.copy()
    left[np.repeat(np.arange(len(seen)), np.diff(seen.indptr)), seen.values] = lowest
    k_here = min(k, left.shape[1])
    edge = np.partition(left, left.shape[1] - k_here, axis=1)[:, left.shape[1] - k_here]
    row, item = np.nonzero((left >= edge[:, None]) & (left > lowest))
    best = left[row, item]
    order = np.lexsort((item, -best if best.dtype.kind == "f" else ~best, row))
    row, item = row[order], item[order]
    rank = np.arange(len(row)) - np.searchsorted(row, row)
    ids = np.full((len(left), k), -1, np.int32)
    ids[row[rank < k], rank[rank < k]] = item[rank < k]
    return ids


def rank(scorer: Scorer, seen: Ragged, *, k: int, batch: int = 512) -> Ids:
    """int32 (R, k): the top-k lists of the R requests of ``seen``, ``batch`` at a time."""
    parts = [np.zeros((0, k), np.int32)]
    for low in range(0, len(seen), batch):
        high = min(low + batch, len(seen))
        parts.append(top_k(scorer(low, high), rows(seen, low, high), k))
    return np.concatenate(parts)


def hits(ids: Ids, targets: Ragged) -> npt.NDArray[np.bool_]:
    """bool (R, K): which entries of the lists are held-out items of their user."""
    if not len(targets.values):
        return np.zeros(ids.shape, np.bool_)
    items = int(max(ids.max(initial=0), targets.values.max())) + 1
    user = np.arange(len(ids), dtype=np.int64)
    wanted = np.repeat(user, np.diff(targets.indptr)) * items + targets.values
    found: npt.NDArray[np.bool_] = np.isin(user[:, None] * items + ids, wanted) & (ids >= 0)
    return found


def ndcg(ids: Ids, targets: Ragged, k: int = 10) -> float:
    """Mean NDCG@k of the lists ``ids`` (R, K), K >= k; 0 where nobody has a target."""
    return _mean(*_gains(ids, targets, k))


def ndcg_each(ids: Ids, targets: Ragged, k: int = 10) -> npt.NDArray[np.float64]:
    """float64 (R,): NDCG@k of each list, NaN where its user has no target."""
    reached, ideal = _gains(ids, targets, k)
    return np.where(ideal > 0, reached / np.maximum(ideal, 1e-300), np.nan)


def _gains(
    ids: Ids, targets: Ragged, k: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The discounted gain of each list and that of its ideal."""
    gains = 1.0 / np.log2(np.arange(2, k + 2))
    ideal = np.concatenate([[0.0], np.cumsum(gains)])[np.minimum(np.diff(targets.indptr), k)]
    return hits(ids[:, :k], targets) @ gains, ideal


def recall(ids: Ids, targets: Ragged, k: int = 20) -> float:
    """Mean share of a user's targets within the first k entries of its list."""
    found = hits(ids[:, :k], targets).sum(axis=1)
    return _mean(found, np.diff(targets.indptr))


def accuracy(model: str, protocol: str, ids: Ids, targets: Ragged) -> dict[str, str | float]:
    """One row of a result: NDCG@10 and recall@20 of lists of at least 20."""
    return {
        "model": model,
        "protocol": protocol,
        "ndcg@10": ndcg(ids, targets, 10),
        "recall@20": recall(ids, targets, 20),
    }


def _mean(part: npt.NDArray[Any], whole: npt.NDArray[Any]) -> float:
    wanted = whole > 0
    return float((part[wanted] / whole[wanted]).mean()) if wanted.any() else 0.0
