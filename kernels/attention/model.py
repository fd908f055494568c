# SPDX-License-Identifier: Apache-2.0
"""The integer model of ``rf_attention``: it is the specification.

Shapes: n rows of a history, D dimensions, H heads; head h owns dimensions h*D/H to (h+1)*D/H - 1.
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
EXP2_MAX_WHOLE = 8  # 255 * 2**-9 rounds to 0


def _weight_table() -> npt.NDArray[np.uint8]:
    """The weight of every exponent that has one, and a 0 for all beyond."""
    whole = np.arange((EXP2_MAX_WHOLE + 1) << EXP2_FRAC) >> EXP2_FRAC
    entries = np.tile(exp2_table(), EXP2_MAX_WHOLE + 1)
    return np.append(round_shift(entries, whole), 0).astype(np.uint8)


_WEIGHTS = _weight_table()


def logits(query: Array, keys: Array, *, heads: int, shift: int) -> npt.NDArray[np.int16]:
    """``sat16(rne(sum_d query[d] * keys[i, d], shift))`` of each row and head.

    ``query``: int8 (D,); ``keys``: int8 (n, D); ``shift``: 0..62 (a contract's: 0..31). Returns
    int16 (n, H), exponents of 2 with EXP2_FRAC fractional bits.
    """
    n, dim = keys.shape
    # 256 products of 8-bit integers sum exactly in float32 (below 2**24), in any order.
    q = query.astype(np.float32).reshape(heads, dim // heads, 1)
    k = keys.astype(np.float32).reshape(n, heads, dim // heads).transpose(1, 0, 2)
    dots = np.matmul(k, q)[:, :, 0].T.astype(np.int64)
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
    query: Array, keys: Array, values: Array, *, heads: int, logit_shift: int, out_shift: int
) -> npt.NDArray[np.int8]:
    """Multi-head attention of one query over a history, exactly.

    ``query``: int8 (D,); ``keys``, ``values``: int8 (n, D), n at most 2**15; ``heads`` divides D;
    shifts 0..62 (a contract's: logit 0..31, out 0..47). Returns int8 (D,):
    ``sat8(rne((sum_i p[h, i] * values[i, d]) * R[h], out_shift))``; no rows give the zero vector.
    """
    n, dim = values.shape
    if n == 0:
        return np.zeros(dim, np.int8)
    p = weights(logits(query, keys, heads=heads, shift=logit_shift))
    # Sums below 2**15 * 255 * 128 < 2**53 are exact in float64, in any order.
    v = values.astype(np.float64).reshape(n, heads, dim // heads).transpose(1, 0, 2)
    sums = np.matmul(p.T.astype(np.float64)[:, None, :], v)[:, 0, :].astype(np.int64)
    return requantise(sums * reciprocals(p)[:, None], out_shift).astype(np.int8).reshape(dim)
