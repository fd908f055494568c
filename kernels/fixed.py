# SPDX-License-Identifier: Apache-2.0
"""The one rounding rule and the one overflow rule, on integers (``rf_pkg.sv`` says the same)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Int64Array = npt.NDArray[np.int64]


def round_shift(integers: npt.ArrayLike, shift: int | Int64Array) -> Int64Array:
    """``integers * 2**-shift`` rounded half to even (``RND_CONV``), exactly.

    ``integers``: any shape, within 62 bits; ``shift``: 0..62, a number or an array to broadcast.
    """
    x = np.asarray(integers, dtype=np.int64)
    s = np.asarray(shift, dtype=np.int64)
    half = np.left_shift(np.int64(1), s) >> 1
    tie = np.minimum(half, 1)
    # Just below a half is added to an even floor and a half to an odd one; nothing where s is 0.
    result: Int64Array = (x + (half - tie) + ((x >> s) & tie)) >> s
    return result


def saturate(integers: npt.ArrayLike, width: int) -> Int64Array:
    """Clip to the range of a signed format of ``width`` bits (``SAT``)."""
    limit = 1 << (width - 1)
    x = np.asarray(integers, dtype=np.int64)
    clipped: Int64Array = np.minimum(np.maximum(x, -limit), limit - 1)  # np.clip is slow to call
    return clipped


def requantise(integers: npt.ArrayLike, shift: int, width: int = 8) -> Int64Array:
    """Shift right by ``shift`` with RND_CONV, then SAT to ``width`` signed bits."""
    return saturate(round_shift(integers, shift), width)


def dtype_of(width: int) -> type[np.signedinteger[Any]]:
    """The smallest signed NumPy type that holds ``width`` bits."""
    return np.int8 if width <= 8 else np.int16 if width <= 16 else np.int32
