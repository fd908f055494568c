# SPDX-License-Identifier: Apache-2.0
"""Training, validation and test parts of a data set, named so that results can be compared."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from recfabric.errors import ConfigError
from recfabric.quant.datasets import TEST, TRAIN, VALID, Dataset
from recfabric.requests import Ragged

PROTOCOLS = ("random-80-10-10", "last-out", "given")
RANKING = "full ranking, train+valid masked"


@dataclass(frozen=True, eq=False)
class Split:
    """The three parts of a data set, one list of item rows for each user, oldest first.

    ``protocol``: the sentence that goes with every result; ``items``: size of the catalogue.
    An item a user met more than once counts once, the first time.
    """

    protocol: str
    items: int
    train: Ragged
    valid: Ragged
    test: Ragged

    @property
    def users(self) -> int:
        """Number of users, with and without test items."""
        return len(self.train)

    @property
    def seen(self) -> Ragged:
        """Training and validation items of each user, ascending: what a test list leaves out."""
        pairs = zip(self.train, self.valid, strict=True)
        return Ragged.of([np.sort(np.concatenate(pair)) for pair in pairs])

    @property
    def popularity(self) -> npt.NDArray[np.int64]:
        """int64 (I,): training interactions of each item."""
        return np.bincount(self.train.values, minlength=self.items).astype(np.int64)


def natural(dataset: Dataset) -> str:
    """The protocol of a data set for which none is named: its own split where it brings one."""
    return PROTOCOLS[0] if dataset.given is None else "given"


def split(dataset: Dataset, protocol: str = "random-80-10-10", *, seed: int = 42) -> Split:
    """Split a data set by a named protocol.

    ``random-80-10-10``: each user's interactions, in file order, are permuted by one
    ``numpy.random.default_rng(seed)`` (users in index order) and cut at 0.8 and 0.9.
    ``last-out``: by time, the last interaction is tested and the one before validates; users with
    fewer than three only train. ``given``: the files' own test part; a random tenth of each user's
    training part validates. Raises ConfigError for another name, and for ``given`` where the data
    set brings no split.
    """
    if protocol not in PROTOCOLS:
        raise ConfigError(f"The protocol '{protocol}' is none of {', '.join(PROTOCOLS)}.")
    if protocol == "given" and dataset.given is None:
        raise ConfigError(
            f"The data set '{dataset.name}' brings no split of its own for the protocol 'given'; "
            f"use '{PROTOCOLS[0]}' or '{PROTOCOLS[1]}'."
        )
    kept = _first_meetings(dataset)
    order = kept[np.argsort(dataset.user[kept], kind="stable")]
    bounds = np.searchsorted(dataset.user[order], np.arange(len(dataset.users) + 1))
    rng = np.random.default_rng(seed)
    part = np.full(len(dataset.user), TRAIN, np.int8)
    for low, high in pairwise(bounds):
        _assign(dataset, protocol, order[low:high], part, rng)
    return _collect(dataset, order, part, _describe(protocol, seed))


def _assign(
    dataset: Dataset,
    protocol: str,
    rows: npt.NDArray[np.int64],
    part: npt.NDArray[np.int8],
    rng: np.random.Generator,
) -> None:
    n = len(rows)
    if protocol == "random-80-10-10":
        shuffled = rows[rng.permutation(n)]
        part[shuffled[int(n * 0.8) : int(n * 0.9)]] = VALID
        part[shuffled[int(n * 0.9) :]] = TEST
    elif protocol == "last-out" and n >= 3:
        part[_by_time(dataset, rows)[-2:]] = (VALID, TEST)
    elif protocol == "given" and dataset.given is not None:
        train = rows[dataset.given[rows] == TRAIN]
        part[rows[dataset.given[rows] == TEST]] = TEST
        part[train[rng.permutation(len(train))][int(np.ceil(len(train) * 0.9)) :]] = VALID


def _collect(
    dataset: Dataset, order: npt.NDArray[np.int64], part: npt.NDArray[np.int8], protocol: str
) -> Split:
    keys: list[npt.NDArray[Any]] = [dataset.user[order]]
    if dataset.timestamp is not None:
        keys.insert(0, dataset.timestamp[order])
    order = order[np.lexsort(keys)]
    parts = {}
    for name, code in (("train", TRAIN), ("valid", VALID), ("test", TEST)):
        rows = order[part[order] == code]
        counts = np.bincount(dataset.user[rows], minlength=len(dataset.users))
        indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        parts[name] = Ragged(indptr, dataset.item[rows].astype(np.int32))
    return Split(protocol=protocol, items=len(dataset.items), **parts)


def _describe(protocol: str, seed: int) -> str:
    if protocol == "last-out":
        return f"last-out by time, {RANKING}"
    if protocol == "given":
        return f"given test part, a tenth of train validates, seed {seed}, {RANKING}"
    return f"{protocol} seed {seed}, {RANKING}"


def _first_meetings(dataset: Dataset) -> npt.NDArray[np.int64]:
    pairs = dataset.user.astype(np.int64) * len(dataset.items) + dataset.item
    return np.sort(np.unique(pairs, return_index=True)[1])


def _by_time(dataset: Dataset, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    if dataset.timestamp is None:
        return rows
    ordered: npt.NDArray[np.int64] = rows[np.argsort(dataset.timestamp[rows], kind="stable")]
    return ordered
