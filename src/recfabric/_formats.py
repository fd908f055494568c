# SPDX-License-Identifier: Apache-2.0
"""Sizes, number formats and shifts of a contract; public as names of :mod:`recfabric.contract`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from recfabric.errors import ContractError

IntArray = npt.NDArray[np.signedinteger[Any] | np.unsignedinteger[Any]]


@dataclass(frozen=True)
class FixedPoint:
    """An integer format: ``value = integer * 2**-frac``, as ``ap_fixed<width, width - frac>``."""

    signed: bool
    width: int
    frac: int

    def __post_init__(self) -> None:
        if not 1 <= self.width <= 64 or not -64 <= self.frac <= 64:
            raise ContractError(
                f"A fixed-point format of width {self.width} and frac {self.frac} is outside "
                "1..64 and -64..64."
            )

    @property
    def min(self) -> int:
        """The smallest integer of the format."""
        return -(1 << (self.width - 1)) if self.signed else 0

    @property
    def max(self) -> int:
        """The largest integer of the format."""
        return (1 << (self.width - int(self.signed))) - 1

    @property
    def scale(self) -> float:
        """The value of the integer 1."""
        return float(2.0**-self.frac)

    def holds(self, integers: IntArray) -> bool:
        """Whether every integer of the array lies within the format."""
        return integers.size == 0 or bool(integers.min() >= self.min and integers.max() <= self.max)


@dataclass(frozen=True)
class Shape:
    """Sizes of the model.

    ``items``: catalogue (1 to 2**24); ``dim``: of a table row (16 to 256, a power of two);
    ``heads``: of the attention (1, 2 or 4); ``max_history``: longest history (1 to 1,024);
    ``edges``: slots for item-item edges an item (0, which is none, to 128).
    """

    items: int
    dim: int
    heads: int
    max_history: int = 1024
    edges: int = 0

    def __post_init__(self) -> None:
        limits = {
            "items": 1 <= self.items <= 1 << 24,
            "dim": self.dim in (16, 32, 64, 128, 256),
            "heads": self.heads in (1, 2, 4),
            "max_history": 1 <= self.max_history <= 1024,
            "edges": 0 <= self.edges <= 128,
        }
        for name, good in limits.items():
            if not good:
                raise ContractError(
                    f"A contract's {name} of {getattr(self, name)} is outside its limit; see "
                    "recfabric.contract.Shape."
                )


@dataclass(frozen=True)
class Formats:
    """The format of every tensor and of every stream between two kernels.

    ``state`` is the user vector *and* the attention's answer (they meet in the fuse layer),
    ``logit`` the exponent of the base-2 softmax, ``fused`` the vector that scores the items,
    ``edge`` the weight of an item-item edge (:meth:`no_edges` where there are none).
    """

    message: FixedPoint
    key: FixedPoint
    value: FixedPoint
    item: FixedPoint
    bias: FixedPoint
    norm: FixedPoint
    state: FixedPoint
    logit: FixedPoint
    fuse_weight: FixedPoint
    fuse_bias: FixedPoint
    fused: FixedPoint
    edge: FixedPoint

    @staticmethod
    def no_edges(fused: FixedPoint, item: FixedPoint) -> FixedPoint:
        """What ``edge`` is in a model without edges: 8 bits in the scores' own scale."""
        return FixedPoint(True, 8, fused.frac + item.frac)

    @property
    def score(self) -> FixedPoint:
        """The format of an item's score."""
        return FixedPoint(True, 32, self.fused.frac + self.item.frac)


@dataclass(frozen=True)
class Shifts:
    """Right shifts of the requantisations (``term``: a left shift), all derived from formats."""

    gather: int
    logit: int
    attention: int
    fuse: int
    term: int
    scatter: int

    @classmethod
    def of(cls, formats: Formats) -> Shifts:
        """The shifts that follow from the formats; raises ContractError outside the hardware's."""
        f = formats
        shifts = cls(
            gather=f.message.frac + f.norm.frac - f.state.frac,
            logit=f.state.frac + f.key.frac - f.logit.frac,
            attention=RECIPROCAL_FRAC + f.value.frac - f.state.frac,
            fuse=f.state.frac + f.fuse_weight.frac - f.fused.frac,
            term=f.score.frac - f.bias.frac,
            scatter=f.edge.frac + f.norm.frac - f.score.frac,
        )
        for name, limit in SHIFT_LIMITS.items():
            if not 0 <= getattr(shifts, name) <= limit:
                raise ContractError(
                    f"The {name} shift of {getattr(shifts, name)} that follows from the formats "
                    f"is outside 0..{limit}; train with other scales."
                )
        return shifts


SHIFT_LIMITS = {
    "gather": 47,
    "logit": 31,
    "attention": 47,
    "fuse": 31,
    "term": 15,
    "scatter": 47,
}

# The integer softmax: base 2, exponents with EXP2_FRAC fractional bits, weights of 8 bits.
EXP2_FRAC = 5
EXP2_MAX = 255
RECIPROCAL_FRAC = 30
NORM = FixedPoint(False, 16, 15)

# A message along edges is added to a score in this many bits (the score's own format, SAT).
MESSAGE_BITS = 24


def exp2_table() -> npt.NDArray[np.uint8]:
    """The softmax's table: ``round(255 * 2**(-i / 32))`` for i in 0..31; no entry is a tie."""
    exponents = np.arange(1 << EXP2_FRAC, dtype=np.float64) / (1 << EXP2_FRAC)
    return np.rint(EXP2_MAX * 2.0**-exponents).astype(np.uint8)


def norm_table(max_history: int) -> npt.NDArray[np.uint16]:
    """LightGCN's factor of a history of n items, ``round(2**15 / sqrt(n))``; 0 for n = 0."""
    n = np.arange(1, max_history + 1, dtype=np.float64)
    return np.concatenate([[0], np.rint((1 << NORM.frac) / np.sqrt(n))]).astype(np.uint16)
