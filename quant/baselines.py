# SPDX-License-Identifier: Apache-2.0
"""The yardsticks: popularity and EASE.

EASE: Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from recfabric.errors import ConfigError, MissingExtraError
from recfabric.quant.lists import windows
from recfabric.quant.metrics import Scorer
from recfabric.requests import Ragged

DOUBLE_LIMIT = 8192  # items up to which EASE is solved in float64
WINDOW = 20  # consecutive interactions of a user that are near each other
NEIGHBOURS = 128  # of an item in the local EASE
KEPT = 128  # entries of a row of the local EASE
BLOCK = 64  # items solved together


def most_pop(popularity: npt.NDArray[np.int64]) -> Scorer:
    """Everybody gets the items with the most training interactions."""
    return lambda low, high: np.tile(popularity, (high - low, 1))


def ease(
    train: Ragged,
    items: int,
    penalty: float,
    *,
    nearby: float = 0.0,
    prior: npt.NDArray[np.floating[Any]] | None = None,
) -> npt.NDArray[np.floating[Any]]:
    """EASE's item-item weights B (I, I), zero on the diagonal: scores of a history = x @ B.

    ``penalty``: the L2 weight (lambda), above 0; ``nearby``: how much more a pair counts for each
    window of 20 consecutive interactions in which a user meets both (0 in EASE proper); ``prior``:
    (I, I), zero on the diagonal, what the weights are drawn to instead of 0: the fewer know an
    item, the more of it stays. float64 up to 8,192 items, float32 beyond (memory: about 3 matrices
    of I x I, 4 with a prior). Solved by PyTorch, in as many threads as that may use.
    """
    if not penalty > 0:
        raise ConfigError(f"EASE's penalty of {penalty} is not above 0; 50 to 500 is usual.")
    torch = _module("torch")
    dtype = np.float64 if items <= DOUBLE_LIMIT else np.float32
    gram = _gram(train, items, nearby, dtype).toarray()
    gram[np.diag_indices(items)] += penalty
    try:
        factor = torch.linalg.cholesky(torch.from_numpy(gram))
    except torch.linalg.LinAlgError:
        raise ConfigError(
            f"EASE's system is singular at a penalty of {penalty}; raise it."
        ) from None
    del gram
    weights: npt.NDArray[np.floating[Any]] = torch.cholesky_inverse(factor).numpy()
    drawn = None
    if prior is not None:  # B = drawn - P (1 + diag drawn) / diag P, where drawn = lambda P B0
        product = torch.from_numpy(weights) @ torch.from_numpy(prior.astype(dtype))
        drawn = penalty * product.numpy()
    weights /= -np.diag(weights).copy()
    if drawn is not None:
        weights *= 1 + np.diag(drawn)
        weights += drawn
    weights[np.diag_indices(items)] = 0
    return weights


def local_ease(
    train: Ragged,
    items: int,
    penalty: float,
    *,
    nearby: float = 0.0,
    neighbours: int = NEIGHBOURS,
    kept: int = KEPT,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """EASE for catalogues whose I x I matrix is too large: targets and weights (I, ``kept``).

    Each item is regressed on the ``neighbours`` items it meets most often in cosine, EASE's own
    ridge regression with all others left out; of each row of the result the strongest entries are
    kept, zeros fill the rest. Memory: I times ``neighbours`` numbers and the sparse co-occurrences.
    """
    gram = _gram(train, items, nearby, np.float32).tocsr()
    count = np.maximum(gram.diagonal(), 1)
    parts = [np.zeros((0, 3))]
    for low in range(0, items, BLOCK):
        parts.append(
            _regress(gram, count, range(low, min(low + BLOCK, items)), penalty, neighbours)
        )
    return _strongest(np.concatenate(parts), items, min(kept, items - 1))


def _regress(
    gram: Any,  # noqa: ANN401
    count: npt.NDArray[np.floating[Any]],
    wanted: range,
    penalty: float,
    neighbours: int,
) -> npt.NDArray[np.float64]:
    """(entry, 3): row, column and weight of the columns ``wanted``."""
    torch = _module("torch")
    found = []
    for j in wanted:
        near, together = _row(gram, j)
        near, together = near[near != j], together[near != j]
        if len(near) > neighbours:
            best = np.argsort(-together / np.sqrt(count[near]), kind="stable")[:neighbours]
            near, together = near[best], together[best]
        found.append((near, together))
    widest = max((len(near) for near, _ in found), default=0)
    system = np.tile(np.eye(widest, dtype=np.float64), (len(found), 1, 1))
    right = np.zeros((len(found), widest, 1))
    for i, (near, together) in enumerate(found):
        n = len(near)
        system[i, :n, :n] = _square(gram, near)
        system[i, np.arange(n), np.arange(n)] += penalty
        right[i, :n, 0] = together
    solved = torch.linalg.solve(torch.from_numpy(system), torch.from_numpy(right)).numpy()
    rows = [
        np.stack([near, np.full(len(near), j), solved[i, : len(near), 0]], 1)
        for i, (j, (near, _)) in enumerate(zip(wanted, found, strict=True))
    ]
    return np.concatenate(rows)


def _row(gram: Any, row: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:  # noqa: ANN401
    low, high = gram.indptr[row], gram.indptr[row + 1]
    return gram.indices[low:high].astype(np.int64), gram.data[low:high].astype(np.float64)


def _square(gram: Any, near: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:  # noqa: ANN401
    return np.asarray(gram[near][:, near].toarray(), np.float64)


def _strongest(
    entries: npt.NDArray[np.float64], items: int, kept: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """The ``kept`` strongest entries of each row; a free slot holds 0 and the target -1."""
    row, column, weight = entries.T
    order = np.lexsort((column, -np.abs(weight), row))
    row, column, weight = row[order].astype(np.int64), column[order], weight[order]
    place = np.arange(len(row)) - np.searchsorted(row, row)
    some = place < kept
    target, value = np.full((items, kept), -1), np.zeros((items, kept), np.float32)
    target[row[some], place[some]] = column[some].astype(np.int64)
    value[row[some], place[some]] = weight[some]
    return target, value


def ease_scorer(weights: npt.NDArray[np.floating[Any]], history: Ragged) -> Scorer:
    """EASE's scores of histories."""
    x = _matrix(history, len(weights), weights.dtype.type)
    return lambda low, high: np.asarray(x[low:high] @ weights)


def _gram(train: Ragged, items: int, nearby: float, dtype: type[np.floating[Any]]) -> Any:  # noqa: ANN401
    """How often items meet, sparse (I, I); meetings within windows count ``nearby`` more."""
    x = _matrix(train, items, dtype)
    gram = x.T @ x
    if nearby:
        close = _matrix(windows(train, WINDOW), items, dtype)
        gram = gram + dtype(nearby) * (close.T @ close)
    return gram


def _matrix(lists: Ragged, items: int, dtype: type[np.floating[Any]]) -> Any:  # noqa: ANN401
    """Scipy CSR (R, I) of ones at the lists' items."""
    ones = np.ones(len(lists.values), dtype)
    return _module("scipy.sparse").csr_array(
        (ones, lists.values, lists.indptr), (len(lists), items)
    )


def _module(name: str) -> Any:  # noqa: ANN401
    import importlib

    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        raise MissingExtraError(name.partition(".")[0], "train") from None
