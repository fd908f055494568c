# SPDX-License-Identifier: Apache-2.0
"""The integer model of ``rf_scatter``: it is the specification."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from recfabric.contract import MESSAGE_BITS
from recfabric.kernels.fixed import requantise

Array = npt.NDArray[Any]

TARGET_BITS = 24  # of an edge in memory, low bits first: the row it leads to, then the weight


def edge_sums(targets: Array, weights: Array, items: int) -> npt.NDArray[np.int32]:
    """``sum[j]`` of the weights of all edges to j, exactly: int32 (items,).

    ``targets``: integers (n, E), the rows that the edges of n history items lead to, those from
    ``items`` on without effect; ``weights``: int8 (n, E), 0 in an unused slot. At most 1,024 edges
    may lead to one item; then 18 signed bits hold its sum.
    """
    row, weight = np.ravel(targets), np.ravel(weights)
    used = (weight != 0) & (row < items)
    # Sums of integers in float64 are exact up to 2**53.
    sums = np.bincount(row[used].astype(np.int64), weight[used].astype(np.float64), items)
    return sums.astype(np.int32)


def scatter(
    targets: Array, weights: Array, norm: int, shift: int, *, items: int
) -> npt.NDArray[np.int32]:
    """``sat24(rne(norm * sum[j], shift))``, exactly: what edges add to each item's score.

    ``targets``, ``weights``: as in :func:`edge_sums`; ``norm``: 0..65535; ``shift``: 0..47.
    Returns int32 (items,); all 0 where there are no edges.

    It is the item-based half of a linear recommender (Ning and Karypis, SLIM, ICDM 2011;
    Steck, EASE, WWW 2019): a history's row vector times a sparse item-item matrix.
    """
    sums = edge_sums(targets, weights, items).astype(np.int64)
    return requantise(sums * norm, shift, MESSAGE_BITS).astype(np.int32)


def pack_edges(targets: Array, weights: Array) -> npt.NDArray[np.uint32]:
    """Edges as they lie in memory: the target row in bits 0..23, the int8 weight in 24..31.

    ``targets``: integers 0..2**24 - 1, any shape; ``weights``: int8 of that shape. A slot of
    weight 0 becomes 0 altogether.
    """
    words: npt.NDArray[np.uint32] = np.where(weights != 0, targets, 0).astype("<u4")
    words |= weights.astype(np.int8).view(np.uint8).astype("<u4") << np.uint32(TARGET_BITS)
    return words


def unpack_edges(
    words: npt.NDArray[np.uint32],
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int8]]:
    """The inverse of :func:`pack_edges`: targets and weights of that shape."""
    targets = (words & np.uint32((1 << TARGET_BITS) - 1)).astype(np.int32)
    return targets, (words >> np.uint32(TARGET_BITS)).astype(np.uint8).view(np.int8)


def spread(targets: Array, weights: Array, *, banks: int, beats: int, lanes: int = 4) -> Array:
    """An order of a row's slots in which edges to one bank lie far apart: indices (n, S).

    ``targets``, ``weights``: (n, S), S = slots of a row, in ``beats`` beats of groups of ``lanes``
    slots; ``banks``: the on-chip array's, an edge falls into ``target % banks``. Edges in the
    order of their banks are dealt to the beats in turn, and in a beat to its groups: those of one
    bank meet in a group only when there are more of them than groups.
    """
    slots = targets.shape[1]
    bank = np.where(weights != 0, targets % banks, banks).astype(np.uint8)
    dealt = np.argsort(bank, axis=1, kind="stable")
    groups = max(slots // lanes, beats)
    place = np.arange(slots)
    beat, group, lane = place % groups % beats, place % groups // beats, place // groups
    slot = (beat * (groups // beats) + group) * (slots // groups) + lane
    order = np.empty_like(dealt)
    order[:, slot] = dealt
    return order


def bank_cycles(words: npt.NDArray[np.uint32], *, banks: int, beats: int) -> npt.NDArray[np.int64]:
    """Cycles in which each row's edges are added when nothing waits: int64 (n,).

    ``words``: rows of edges as they lie in memory (n, slots), in ``beats`` beats. A beat takes as
    many cycles as its fullest bank has edges, one at least.
    """
    targets, weights = unpack_edges(words)
    bank = np.where(weights != 0, targets % banks, banks).reshape(len(words), beats, -1)
    counts = np.stack([(bank == b).sum(axis=2) for b in range(banks)])
    cycles: npt.NDArray[np.int64] = np.maximum(counts.max(axis=0), 1).sum(axis=1)
    return cycles
