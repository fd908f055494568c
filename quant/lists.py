# SPDX-License-Identifier: Apache-2.0
"""Parts of ragged lists: by position, by index, by age."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recfabric.requests import Ragged


def rows(lists: Ragged, low: int, high: int) -> Ragged:
    """The lists ``low`` to ``high`` (exclusive), without a copy of the values."""
    start, end = lists.indptr[low], lists.indptr[high]
    return Ragged(lists.indptr[low : high + 1] - start, lists.values[start:end])


def take(lists: Ragged, index: npt.NDArray[np.int64]) -> Ragged:
    """The lists at ``index``, in that order."""
    length = np.diff(lists.indptr)[index]
    indptr = np.concatenate([[0], np.cumsum(length)]).astype(np.int64)
    offset = np.arange(indptr[-1]) - np.repeat(indptr[:-1], length)
    return Ragged(indptr, lists.values[np.repeat(lists.indptr[index], length) + offset])


def latest(lists: Ragged, longest: int) -> Ragged:
    """The last ``longest`` entries of each list."""
    length = np.minimum(np.diff(lists.indptr), longest)
    indptr = np.concatenate([[0], np.cumsum(length)]).astype(np.int64)
    offset = np.arange(indptr[-1]) - np.repeat(indptr[1:], length)
    return Ragged(indptr, lists.values[np.repeat(lists.indptr[1:], length) + offset])


def within(lists: Ragged, items: npt.NDArray[np.int64], catalogue: int) -> Ragged:
    """Of each list the entries among ``items``, as positions in it; ``catalogue``: items in all."""
    place = np.full(catalogue, -1, np.int64)
    place[items] = np.arange(len(items))
    found = place[lists.values]
    owner = np.repeat(np.arange(len(lists)), np.diff(lists.indptr))[found >= 0]
    count = np.bincount(owner, minlength=len(lists))
    indptr = np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
    return Ragged(indptr, found[found >= 0].astype(np.int32))


def windows(lists: Ragged, size: int) -> Ragged:
    """Each list in windows of at most ``size`` consecutive entries, each half over the next."""
    step = max(size // 2, 1)
    length = np.diff(lists.indptr)
    count = np.where(length > 0, np.maximum(-(-(length - step) // step), 1), 0)
    owner = np.repeat(np.arange(len(lists)), count)
    number = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    start = lists.indptr[owner] + number * step
    end = np.minimum(start + size, lists.indptr[owner + 1])
    indptr = np.concatenate([[0], np.cumsum(end - start)]).astype(np.int64)
    offset = np.arange(indptr[-1]) - np.repeat(indptr[:-1], end - start)
    return Ragged(indptr, lists.values[np.repeat(start, end - start) + offset])
