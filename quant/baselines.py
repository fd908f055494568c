# SPDX-License-Identifier: Apache-2.0
"""The yardsticks: popularity and EASE.

EASE: Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from recfabric.errors import ConfigError, MissingExtraError
from recfabric.quant.metrics import Scorer
from recfabric.requests import Ragged

DOUBLE_LIMIT = 8192  # items up to which EASE is solved in float64


def most_pop(popularity: npt.NDArray[np.int64]) -> Scorer:
    """Everybody gets the items with the most training interactions."""
    return lambda low, high: np.tile(popularity, (high - low, 1))


def ease(train: Ragged, items: int, penalty: float) -> npt.NDArray[np.floating[Any]]:
    """EASE's item-item weights B (I, I), zero on the diagonal: scores of a history = x @ B.

    ``penalty``: the L2 weight (lambda), above 0. float64 up to 8,192 items, float32 beyond
    (memory: about 3 matrices of I x I). Solved by PyTorch, in as many threads as that may use.
    """
    if not penalty > 0:
        raise ConfigError(f"EASE's penalty of {penalty} is not above 0; 50 to 500 is usual.")
    torch = _module("torch")
    dtype = np.float64 if items <= DOUBLE_LIMIT else np.float32
    x = _matrix(train, items, dtype)
    gram = (x.T @ x).toarray()
    gram[np.diag_indices(items)] += penalty
    try:
        factor = torch.linalg.cholesky(torch.from_numpy(gram))
    except torch.linalg.LinAlgError:
        raise ConfigError(
            f"EASE's system is singular at a penalty of {penalty}; raise it."
        ) from None
    del gram
    weights: npt.NDArray[np.floating[Any]] = torch.cholesky_inverse(factor).numpy()
    weights /= -np.diag(weights).copy()
    weights[np.diag_indices(items)] = 0
    return weights


def ease_scorer(weights: npt.NDArray[np.floating[Any]], history: Ragged) -> Scorer:
    """EASE's scores of histories."""
    x = _matrix(history, len(weights), weights.dtype.type)
    return lambda low, high: np.asarray(x[low:high] @ weights)


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
