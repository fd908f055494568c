# SPDX-License-Identifier: Apache-2.0
"""A graph attention layer in integers: what ``rf_dense`` and ``rf_attention`` compute of it.

Velickovic et al., "Graph Attention Networks", ICLR 2018: node i attends to its neighbours j,

    e[i, j, h] = LeakyReLU(a_dst[h] . W[h] x[i] + a_src[h] . W[h] x[j])
    out[i, h]  = sum_j softmax_j(e[i, j, h]) W[h] x[j] + b[h]

``rf_dense`` computes, in one pass over the nodes, the rows W x + b and the two scalars of each
head, whose weights are the vectors ``a_src[h] . W[h]`` and ``a_dst[h] . W[h]``. (The weights of a
softmax sum to one: a bias added to every value is a bias of the answer.) ``rf_attention`` with a
``Slope`` does the rest: head h of a key is [source scalar, ONE, 0 ...], of a query [ONE, target
scalar, 0 ...]; a value is W x + b. Shapes: N nodes, F input channels, H heads of C channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from recfabric.contract import EXP2_FRAC, RECIPROCAL_FRAC
from recfabric.errors import ConfigError
from recfabric.kernels.attention.model import attend
from recfabric.kernels.dense.model import dense

Array = npt.NDArray[Any]
Int8 = npt.NDArray[np.int8]

ONE_FRAC = 6
ONE = 1 << ONE_FRAC


@dataclass(frozen=True)
class GatLayer:
    """The integers of one layer.

    ``weight``: int8 (H * C + 2 * H, F): the rows of W, then those of the source scalars, then
    those of the target scalars; ``bias``: int32, one a row, 0 for the scalars; ``shift``: of
    :func:`recfabric.kernels.dense.model.dense`, for all rows; ``heads``: 1, 2 or 4; ``slope``: of
    negative logits in 1/256; ``scalar_frac``: fractional bits of the scalars, in powers of two;
    ``gain``: fractional bits that an answer has more than a value (averages are smaller).
    """

    weight: Int8
    bias: npt.NDArray[np.int32]
    shift: int
    heads: int
    slope: int
    scalar_frac: int
    gain: int = 0

    def __post_init__(self) -> None:
        rows = len(self.weight) - 2 * self.heads
        if self.heads not in (1, 2, 4) or rows % self.heads or rows < 16:
            raise ConfigError(
                f"{len(self.weight)} rows of weights and {self.heads} heads are no layer of "
                "rf_attention: 1, 2 or 4 heads, 16 to 256 channels and two scalars a head."
            )
        if not 0 <= self.logit_shift <= 31:
            raise ConfigError(
                f"Scalars with {self.scalar_frac} fractional bits cannot become logits; "
                f"{EXP2_FRAC - ONE_FRAC} to {31 + EXP2_FRAC - ONE_FRAC} can."
            )

    @property
    def dim(self) -> int:
        """Channels of all heads: H * C."""
        return len(self.weight) - 2 * self.heads

    @property
    def logit_shift(self) -> int:
        """Of ``rf_attention``: a product of a scalar and ONE to EXP2_FRAC fractional bits."""
        return self.scalar_frac + ONE_FRAC - EXP2_FRAC

    @property
    def out_shift(self) -> int:
        """Of ``rf_attention``: a value's fractional bits and ``gain`` more."""
        return RECIPROCAL_FRAC - self.gain

    def padded(self, rows: int) -> tuple[Int8, npt.NDArray[np.int32]]:
        """Weight and bias with rows of zeros up to ``rows``, for a folding that needs them."""
        missing = rows - len(self.weight)
        return np.pad(self.weight, ((0, missing), (0, 0))), np.pad(self.bias, (0, missing))


@dataclass(frozen=True)
class GatRows:
    """What a node keeps in memory: ``query``, ``key`` and ``value``, int8 (N, H * C) each."""

    query: Int8
    key: Int8
    value: Int8


def transform(layer: GatLayer, x: Int8) -> Int8:
    """The pass of ``rf_dense``: int8 (N, F) to int8 (N, H * C + 2 * H)."""
    return dense(x, layer.weight, layer.bias, layer.shift)


def rows(layer: GatLayer, transformed: Int8) -> GatRows:
    """Where the numbers of :func:`transform` stand in the rows that ``rf_attention`` reads."""
    n, heads, dim = len(transformed), layer.heads, layer.dim
    query, key = np.zeros((2, n, heads, dim // heads), np.int8)
    key[..., 0], key[..., 1] = transformed[:, dim : dim + heads], ONE
    query[..., 0], query[..., 1] = ONE, transformed[:, dim + heads : dim + 2 * heads]
    return GatRows(query.reshape(n, dim), key.reshape(n, dim), transformed[:, :dim])


def propagate(layer: GatLayer, table: GatRows, neighbours: list[Array]) -> Int8:
    """The passes of ``rf_attention``: node i attends to the nodes ``neighbours[i]``, in order.

    Returns int8 (len(neighbours), H * C); a node without neighbours gets zeros.
    """
    answers = [
        attend(
            table.query[i],
            table.key[j],
            table.value[j],
            heads=layer.heads,
            logit_shift=layer.logit_shift,
            out_shift=layer.out_shift,
            slope=layer.slope,
        )
        for i, j in enumerate(neighbours)
    ]
    return np.array(answers, np.int8).reshape(len(answers), layer.dim)


def forward(layer: GatLayer, x: Int8, neighbours: list[Array]) -> Int8:
    """The whole layer: int8 (N, F) to int8 (N, H * C)."""
    return propagate(layer, rows(layer, transform(layer, x)), neighbours)
