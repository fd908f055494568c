# SPDX-License-Identifier: Apache-2.0
"""The integer model of ``rf_dense``: it is the specification."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from recfabric.errors import ContractError
from recfabric.kernels.fixed import requantise

Array = npt.NDArray[Any]

# Products of 8-bit integers summed in float32 are exact below 2**24, in any order of summation.
EXACT_COLUMNS = 1024


def dense(x: Array, weight: Array, bias: Array, shift: int) -> npt.NDArray[np.int8]:
    """``sat8(rne(weight @ x + bias, shift))``, exactly.

    ``x``: int8 (..., C); ``weight``: int8 (R, C), or a float32 copy of it, which saves the
    conversion; ``bias``: int32 (R,); ``shift``: 0..62. Returns int8 (..., R). The sum must lie
    within 32 bits, as :class:`recfabric.contract.Contract` guarantees.
    """
    kind = np.float32 if weight.shape[1] <= EXACT_COLUMNS else np.float64
    dot = np.matmul(x.astype(kind), weight.astype(kind, copy=False).T)
    return requantise(dot.astype(np.int64) + bias, shift).astype(np.int8)


def weight_beats(
    weight: Array, bias: Array, *, pe: int, simd: int, beat_bits: int, bits: int = 8
) -> npt.NDArray[np.uint8]:
    """The bytes that load ``rf_dense``: whole beats, the first element in the low bits.

    ``weight``: (R, C) within ``bits`` signed bits; ``bias``: int32 (R,). Word ``f * C/simd + s``
    holds rows ``f*pe ...`` and columns ``s*simd ...``, column by column within a row; each word
    is padded to whole beats. The biases follow, 32 bits each. Raises ContractError when ``pe`` or
    ``simd`` do not divide the matrix or a weight does not fit.
    """
    rows, cols = weight.shape
    if rows % pe or cols % simd:
        raise ContractError(
            f"A {rows} x {cols} matrix cannot be folded by pe {pe} and simd {simd}; "
            "choose divisors of its rows and columns."
        )
    limit = 1 << (bits - 1)
    if weight.size and (weight.min() < -limit or weight.max() >= limit):
        raise ContractError(f"A weight is outside {-limit}..{limit - 1}; it must fit {bits} bits.")
    folded = weight.reshape(rows // pe, pe, cols // simd, simd).swapaxes(1, 2)
    words = np.ascontiguousarray(folded, dtype=np.int8).view(np.uint8).reshape(-1, pe * simd)
    planes = np.unpackbits(words[..., None], axis=-1, count=bits, bitorder="little")
    packed = np.packbits(planes.reshape(len(words), -1), axis=-1, bitorder="little")
    biases = np.ascontiguousarray(bias, dtype="<i4").view(np.uint8).reshape(1, -1)
    return np.concatenate([_whole_beats(packed, beat_bits), _whole_beats(biases, beat_bits)])


def _whole_beats(words: npt.NDArray[np.uint8], beat_bits: int) -> npt.NDArray[np.uint8]:
    """Each row padded to whole beats, all rows one after the other: uint8 (bytes,)."""
    missing = -words.shape[1] % (beat_bits // 8)
    return np.pad(words, ((0, 0), (0, missing))).reshape(-1)


def weights_of_beats(
    image: npt.NDArray[np.uint8], *, rows: int, cols: int, pe: int, simd: int, beat_bits: int
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int32]]:
    """The inverse of :func:`weight_beats` for 8-bit weights; bytes behind the load are ignored.

    Returns the weight int8 (R, C) and the bias int32 (R,).
    """
    word_bytes = -(-pe * simd * 8 // beat_bits) * beat_bits // 8
    end = rows // pe * (cols // simd) * word_bytes
    words = image[:end].reshape(-1, word_bytes)[:, : pe * simd].view(np.int8)
    folded = words.reshape(rows // pe, cols // simd, pe, simd).swapaxes(1, 2)
    bias = image[end : end + 4 * rows].view("<i4").astype(np.int32)
    return np.ascontiguousarray(folded.reshape(rows, cols)), bias
