# SPDX-License-Identifier: Apache-2.0
"""The integer model of ``rf_attention`` and ``rf_attention_matrix``: it is the specification.

Shapes: n rows of a history, D dimensions, H heads; head h owns dimensions h*D/H to (h+1)*D/H - 1.
Many queries over one set of keys are q rows; each of them gives what it would give alone.
The softmax has base 2: the model's scale absorbs log2(e), so that hardware needs a table of one
octave and a shift (Stevens et al., "Softermax", DAC 2021).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from recfabric.contract import EXP2_FRAC, RECIPROCAL_FRAC, exp2_table
from recfabric.kernels.fixed import requantise, round_shift

Array = npt.NDArray[Any]

LOGIT_WIDTH = 16
SLOPE_FRAC = 8
SLOPE_ONE = 1 << SLOPE_FRAC
EXP2_MAX_WHOLE = 8  # 255 * 2**-9 rounds to 0


def _weight_table() -> npt.NDArray[np.uint8]:
    """The weight of every exponent that has one, and a 0 for all beyond."""
    whole = np.arange((EXP2_MAX_WHOLE + 1) << EXP2_FRAC) >> EXP2_FRAC
    entries = np.tile(exp2_table(), EXP2_MAX_WHOLE + 1)
    return np.append(round_shift(entries, whole), 0).astype(np.uint8)


_WEIGHTS = _weight_table()


def leaky(logits: Array, slope: int) -> npt.NDArray[np.int16]:
    """LeakyReLU: ``x`` where it is not negative, else ``rne(x * slope, 8)``.

    ``logits``: int16, any shape; ``slope``: of negative numbers in 1/256, 0..256; PyTorch
    Geometric's default 0.2 is 51 (0.1992). The softmax's base changes nothing: LeakyReLU commutes
    with positive factors.
    """
    x = logits.astype(np.int64)
    return np.where(x < 0, round_shift(x * slope, SLOPE_FRAC), x).astype(np.int16)


def logits(
    query: Array, keys: Array, *, heads: int, shift: int, slope: int = SLOPE_ONE
) -> npt.NDArray[np.int16]:
    """``leaky(sat16(rne(sum_d query[d] * keys[i, d], shift)))`` of each row and head.

    ``query``: int8 (D,); ``keys``: int8 (n, D); ``shift``: 0..62 (a contract's: 0..31); ``slope``:
    see :func:`leaky`, by default none. Returns int16 (n, H), exponents of 2 with EXP2_FRAC
    fractional bits.
    """
    n, dim = keys.shape
    q = query.reshape(heads, dim // heads, 1)
    k = keys.reshape(n, heads, dim // heads).transpose(1, 0, 2)
    x: npt.NDArray[np.int16] = _logits(k, q, shift)[:, :, 0].T
    return x if slope == SLOPE_ONE else leaky(x, slope)


def _logits(keys: Array, queries: Array, shift: int) -> npt.NDArray[np.int16]:
    """Matrix products of int8 keys (..., n, d) and queries (..., d, q), requantised."""
    # 256 products of 8-bit integers sum exactly in float32 (below 2**24), in any order.
    dots = np.matmul(keys.astype(np.float32), queries.astype(np.float32)).astype(np.int64)
    return requantise(dots, shift, LOGIT_WIDTH).astype(np.int16)


def weights(logits: Array) -> npt.NDArray[np.uint8]:
    """The softmax's numerators: ``rne(255 * 2**(-(max - logit) / 32))`` by table and shift.

    ``logits``: int16 (n, H), n at least 1. Returns uint8 (n, H); each head's maximum has 255.
    """
    x = logits.astype(np.int64)
    below = x.max(axis=0) - x
    result: npt.NDArray[np.uint8] = _WEIGHTS[np.minimum(below, len(_WEIGHTS) - 1)]
    return result


def reciprocals(weights: Array) -> npt.NDArray[np.int64]:
    """``floor(2**30 / sum_i weights[i])`` of each head; ``weights``: uint8 (n, H) -> int64 (H,)."""
    total: npt.NDArray[np.int64] = weights.sum(axis=0, dtype=np.int64)
    return np.floor_divide(1 << RECIPROCAL_FRAC, total, dtype=np.int64)


def attend(
    query: Array,
    keys: Array,
    values: Array,
    *,
    heads: int,
    logit_shift: int,
    out_shift: int,
    slope: int = SLOPE_ONE,
) -> npt.NDArray[np.int8]:
    """Multi-head attention of one query over a history, exactly.

    ``query``: int8 (D,); ``keys``, ``values``: int8 (n, D), n at most 2**15; ``heads`` divides D;
    shifts 0..62 (a contract's: logit 0..31, out 0..47); ``slope``: see :func:`leaky`, by default
    none. Returns int8 (D,):
    ``sat8(rne((sum_i p[h, i] * values[i, d]) * R[h], out_shift))``; no rows give the zero vector.
    """
    n, dim = values.shape
    if n == 0:
        return np.zeros(dim, np.int8)
    p = weights(logits(query, keys, heads=heads, shift=logit_shift, slope=slope))
    v = values.reshape(n, heads, dim // heads).transpose(1, 0, 2)
    sums = weighted_sums(p.T[:, None, :], v)[:, 0, :]
    return requantise(sums * reciprocals(p)[:, None], out_shift).astype(np.int8).reshape(dim)


def attend_matrix(
    queries: Array, keys: Array, values: Array, *, logit_shift: int, out_shift: int
) -> npt.NDArray[np.int8]:
    """One head's attention of many queries over the same keys and values, exactly.

    ``queries``: int8 (q, D), D at most 256; ``keys``, ``values``: int8 (n, D), n at most 2**15;
    shifts 0..62. Returns int8 (q, D): row i is ``attend(queries[i], keys, values, heads=1, ...)``.
    """
    if len(keys) == 0:
        return np.zeros(queries.shape, np.int8)
    p = weights(_logits(keys, queries.T, logit_shift))  # a query has the place of a head
    sums = weighted_sums(p.T, values)
    return requantise(sums * reciprocals(p)[:, None], out_shift).astype(np.int8)


def weighted_sums(weights: Array, values: Array) -> npt.NDArray[np.int64]:
    """Matrix products of uint8 weights (..., q, n) and int8 values (..., n, d)."""
    # Sums below 2**15 * 255 * 128 < 2**53 are exact in float64, in any order.
    sums: npt.NDArray[np.int64] = np.matmul(
        weights.astype(np.float64), values.astype(np.float64)
    ).astype(np.int64)
    return sums
