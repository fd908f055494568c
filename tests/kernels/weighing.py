# SPDX-License-Identifier: Apache-2.0
"""What the tests of rf_attention and rf_attention_matrix share: weighted sums to order.

Some rows have the softmax weight 255, ``full`` of them, and one more has another weight; so the
weights' sum and its reciprocal are known, and the elements of the rows make any weighted sum.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from rows import Array

from recfabric.kernels.attention.model import weights

KNOWN = weights(-np.arange(300)[:, None]).ravel()  # the weight of each exponent


@dataclass(frozen=True)
class Weighing:
    full: int
    weight: int
    high: int  # of an element; the lowest is -high - 1

    @property
    def exponent(self) -> int:
        """By how much the other row's logit is below the maximum."""
        return int(np.flatnonzero(self.weight == KNOWN)[0])

    @property
    def reciprocal(self) -> int:
        return (1 << 30) // (255 * self.full + self.weight)

    def rows(self, first: Array, rest: Array) -> Array:
        """Elements int8 (full + 1, D): of the full rows with the sums first (D,), of the other."""
        steps = np.arange(self.full)[:, None] < first % self.full
        return np.concatenate([first // self.full + steps, rest[None]]).astype(np.int8)

    def exactly(self, sums: Array) -> Array | None:
        """Rows with these weighted sums (D,), if the elements' range allows them."""
        rest = sums * pow(self.weight, -1, 255) % 255
        rest = np.where(rest > self.high, rest - 255, rest)
        first = (sums - self.weight * rest) // 255
        most = max(np.abs(rest).max(), -(-np.abs(first).max() // self.full))
        return self.rows(first, rest) if most <= self.high else None

    def beside_a_half(self, shift: int, dim: int) -> Array:
        """Rows whose sums, scaled, are as little as can be above a half, and below one, in turn."""
        most = min(self.full * self.high, 250)
        grid = np.meshgrid(np.arange(-most, most + 1), np.arange(-self.high, self.high + 1))
        first, rest = (side.ravel() for side in grid)
        product = (255 * first + self.weight * rest) * self.reciprocal
        over = product % (1 << shift) - (1 << (shift - 1))
        over[np.abs(product) >= 127 << shift] = 1 << shift
        above, under = np.where(over >= 0, over, 1 << shift), np.where(over < 0, -over, 1 << shift)
        at = np.resize([above.argmin(), under.argmin()], dim)
        return self.rows(first[at], rest[at])


def deciding(level: int) -> Iterator[tuple[int, int, int, int]]:
    """Full rows, the other's weight, shift, sum: what one bit of a product decides.

    ``level``: the weights' sum is 2^level in some of them, 8 to 16; its reciprocal 2^(30 - level).
    That of 1,387 is 2^12 plus 2 modulo 2^14, that of 2,774 is 2^11 plus 1 modulo 2^13.
    """
    full = weight = 1 << (level - 8)
    one = 30 - level
    # A half and one bit below it, alone, which rounds up to an odd number.
    for bit in range(level):
        yield full, weight, 31, (1 << level) + (1 << bit)
    for bit in range(level, level + 6):
        yield full, weight, one + bit + 2, 3 << bit
    for bit in range(18):
        yield 5, 112, bit + 13, 1 << bit
    yield 10, 224, 12, 1
    # Ties, far below and near.
    for bit in range(level + 6):
        yield full, weight, one + bit + 1, 1 << bit
    for value in (3, -1, -3, 5, -5, *(1 + (1 << bit) for bit in range(2, 8))):
        yield full, weight, one + 1, value
    yield 205, 152, 13, 1  # 2^14 + 2^12
    yield 127, 128, 9, 1  # 2^15 + 2^8
    # One bit above the range, alone, and a number below zero that lacks one.
    for bit in range(7, level + 7):
        yield full, weight, one, 1 << bit
        yield full, weight, one, -(1 << bit) - 1
    for bit in range(level + 7):
        yield full, weight, 0, 1 << bit


def random_weighings(rng: np.random.Generator, most: int, high: int) -> Iterator[Weighing]:
    """Sums of weights of every size, of at most so many rows."""
    for full in (*(1,) * 16, *(2,) * 6, 3, 5, 9, 17, 40):
        if full < most:
            yield Weighing(full, int(rng.choice(np.unique(KNOWN))), high)


def full_scale(weights: Array, high: int) -> int:
    """A shift with which the largest of these weights (n,), each alone in an output, just fits."""
    total, largest = 255 + int(weights.sum()), int(weights.max())
    return max(0, (largest * high * ((1 << 30) // total) // 127).bit_length())


DIGITS = (1, 16, 128)  # of a dot product, negated


def dots_apart(key_bits: int) -> Iterator[tuple[int, Array]]:
    """Shifts, and dot products below zero beside a tie: one bit off, or just it; odd and even.

    They are such that the logits are some tens at most: the weights tell them apart.
    """
    for shift in range(1, 5 if key_bits == 4 else 9):
        half = 1 << (shift - 1)
        off = [0, *(sign << bit for bit in range(shift - 1) for sign in (1, -1))]
        wholes = [(7 * i + 3 * odd) % 40 for odd in (0, 1) for i in range(len(off))]
        wholes = [whole - whole % 2 + i // len(off) for i, whole in enumerate(wholes)]
        yield shift, np.array(wholes) * 2 * half + half + np.resize(off, len(wholes))


def digits(values: Array) -> list[Array]:
    """Key elements whose products with DIGITS add up to these values."""
    low = (values + 8) % 16 - 8
    middle = ((values - low) // 16 + 4) % 8 - 4
    return [low, middle, (values - low - 16 * middle) // 128]
