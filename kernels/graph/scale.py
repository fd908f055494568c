# SPDX-License-Identifier: Apache-2.0
"""A node's factor as the hardware multiplies by it: a 16-bit norm and a right shift."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recfabric.errors import ConfigError
from recfabric.kernels.gather.model import Op

NORM_BITS = 16
MAX_SHIFT = 47

Floats = npt.NDArray[np.float64]
Words = npt.NDArray[np.uint32]


def scale_words(factor: Floats, op: Op = Op.SUM) -> Words:
    """``{op 8, shift 8, norm 16}`` with norm * 2**-shift next to each factor: uint32 (N,).

    ``factor``: float64 (N,), 0 or within 2**-31 to 2**15. The norm has 16 significant bits,
    rounded half to even, so the relative error is at most 2**-16; a mean over n rows is the factor
    1 / n. Raises ConfigError for a factor outside the range.
    """
    mantissa, exponent = np.frexp(np.asarray(factor, np.float64))
    norm = np.rint(mantissa * (1 << NORM_BITS)).astype(np.int64)
    over = norm == 1 << NORM_BITS  # rounded up to the next power of two
    norm = np.where(over, norm >> 1, norm)
    shift = np.where(norm == 0, 0, NORM_BITS - exponent - over)
    # A factor of 1 or more has a small shift; one too large for 16 bits has a negative one.
    bad = (norm < 0) | (shift < 0) | (shift > MAX_SHIFT)
    if np.any(bad):
        raise ConfigError(
            f"A factor of {np.asarray(factor)[bad][0]:g} is outside what 16 bits and a shift of 0 "
            f"to {MAX_SHIFT} can say; scale the layer's formats."
        )
    words: Words = (np.int64(op) << 24 | shift.astype(np.int64) << 16 | norm).astype(np.uint32)
    return words


def split(words: Words) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], list[Op]]:
    """The inverse: norms and shifts, int64 (N,) each, and the reductions."""
    wide = words.astype(np.int64)
    return wide & 0xFFFF, wide >> 16 & 0xFF, [Op(int(op)) for op in wide >> 24]
