# SPDX-License-Identifier: Apache-2.0
"""The integer model of ``rf_topk``: it is the specification."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from recfabric.errors import RequestError

Array = npt.NDArray[Any]

NO_ID = -1  # 0xFFFFFFFF as the hardware says it
NO_SCORE = -(1 << 31)
MAX_TERM_SHIFT = 15


def topk(
    query: Array,
    items: Array,
    terms: Array,
    *,
    term_shift: int,
    seen: Array,
    k: int,
    messages: Array | None = None,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """The k best items by ``query . item + (term << term_shift) + message``, and their scores.

    ``query``: int8 (D,); ``items``: int8 (N, D), or a float32 copy of it, which saves the
    conversion; ``terms``: within 16 signed bits, (N,); ``term_shift``: 0..15; ``seen``: rows to
    leave out, in any order, those from N on without effect; ``k``: at least 1; ``messages``: within
    24 signed bits, (N,), of :mod:`recfabric.kernels.scatter` (0 by default). Returns rows and
    scores, int32 (k,) each, exactly: higher score first, then lower row; NO_ID and NO_SCORE where
    fewer than k items are left. Raises RequestError for a k or a shift outside its limits.
    """
    if k < 1 or not 0 <= term_shift <= MAX_TERM_SHIFT:
        raise RequestError(
            f"A k of {k} with a term shift of {term_shift} is outside k >= 1 and "
            f"0..{MAX_TERM_SHIFT}."
        )
    scores = item_scores(query, items, terms, term_shift=term_shift, messages=messages)
    rows = np.asarray(seen, dtype=np.int64)
    scores[rows[rows < len(scores)]] = NO_SCORE
    return best(scores, k)


def topk_users(
    queries: Array,
    items: Array,
    terms: Array,
    *,
    term_shift: int,
    seen: Sequence[Array],
    k: Sequence[int],
) -> list[tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]]:
    """Several users' answers from one scan of the items: :func:`topk` of each, in their order.

    ``queries``: int8 (U, D); ``seen`` and ``k``: one a user; a k of 0 is a user without a request,
    whose answer is empty. Raises RequestError as :func:`topk`, and for lists of unequal lengths.
    """
    if not len(queries) == len(seen) == len(k):
        raise RequestError(
            f"{len(queries)} queries, {len(seen)} seen lists and {len(k)} values of k are given; "
            "each user has one of each."
        )
    nothing = np.zeros(0, np.int32)
    return [
        topk(query, items, terms, term_shift=term_shift, seen=rows, k=wanted)
        if wanted
        else (nothing, nothing)
        for query, rows, wanted in zip(queries, seen, k, strict=True)
    ]


def port_rows(items: int, *, ports: int, lanes: int = 1) -> list[npt.NDArray[np.int64]]:
    """Which rows of a catalogue each port's stream holds, in its order.

    Ports take groups of ``lanes`` consecutive rows (those that share a beat) in turn: group g is
    the (g // ports)-th of port g % ports. Every row is in one port, and no port has more than one
    group more than another.
    """
    rows = np.arange(items, dtype=np.int64)
    port = rows // lanes % ports
    return [rows[port == p] for p in range(ports)]


def item_scores(
    query: Array,
    items: Array,
    terms: Array,
    *,
    term_shift: int,
    messages: Array | None = None,
) -> npt.NDArray[np.int32]:
    """``items @ query + (terms << term_shift) + messages``: int32 (N,), as in :func:`topk`.

    The products are summed in float32, which is exact in any order: with D <= 256 elements of 8
    bits no partial sum exceeds 2**22. With a term of at most 2**30 no score wraps.
    """
    dot = np.matmul(items.astype(np.float32, copy=False), query.astype(np.float32))
    scores: npt.NDArray[np.int32] = dot.astype(np.int32)
    scores += np.left_shift(terms.astype(np.int32), term_shift)
    if messages is not None:
        scores += messages.astype(np.int32)
    return scores


def best(
    scores: npt.NDArray[np.int32], k: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Rows and values of the k highest scores, ties by lower row; NO_SCORE is no item."""
    rows = _candidates(scores, k)
    order = np.lexsort((rows, -scores[rows].astype(np.int64)))[:k]
    rows = rows[order]
    ids = np.full(k, NO_ID, np.int32)
    values = np.full(k, NO_SCORE, np.int32)
    ids[: len(rows)], values[: len(rows)] = rows, scores[rows]
    ids[values == NO_SCORE] = NO_ID
    return ids, values


def _candidates(scores: npt.NDArray[np.int32], k: int) -> npt.NDArray[np.intp]:
    """Rows that hold the k best: all above the k-th score, and the first ones that equal it."""
    if len(scores) <= k:
        return np.arange(len(scores))
    threshold = np.partition(scores, len(scores) - k)[len(scores) - k]
    rows = np.flatnonzero(scores >= threshold)
    above = scores[rows] > threshold
    ties = rows[~above][: k - np.count_nonzero(above)]
    return np.concatenate([rows[above], ties])
