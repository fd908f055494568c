# SPDX-License-Identifier: Apache-2.0
"""The hardware's softmax, trained through.

Forward: the integer algorithm of :mod:`recfabric.contract` (base 2, a table of 32 powers, one
reciprocal for each request and head). Backward: the gradient of the base-2 softmax at the weights
the forward pass gave (straight through the rounding).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from recfabric.contract import EXP2_FRAC, RECIPROCAL_FRAC, exp2_table

SHIFT_LIMIT = 8  # a power of two further below the maximum has the weight 0


def exp2_weights(below: Tensor) -> Tensor:
    """8-bit powers ``255 * 2**(-below / 32)``, half to even, of integers below the maximum.

    ``below``: int64, at least 0, any shape. The same shape comes back, int64 in 0..255.
    """
    table = torch.from_numpy(exp2_table().astype("int64"))
    mantissa = table[below & ((1 << EXP2_FRAC) - 1)]
    shift = (below >> EXP2_FRAC).clamp(max=SHIFT_LIMIT + 1)
    floor = mantissa >> shift
    rest, half = mantissa - (floor << shift), torch.ones_like(shift) << (shift - 1).clamp(min=0)
    up = (rest > half) | ((rest == half) & (floor & 1 == 1))
    power = floor + torch.where(shift > 0, up, False).long()
    return torch.where(shift > SHIFT_LIMIT, 0, power)


class _Softmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, row: Tensor, requests: int) -> Tensor:  # noqa: ANN401
        exponent = torch.round(x * (1 << EXP2_FRAC)).long()
        lowest = torch.iinfo(torch.int64).min
        top = exponent.new_full((requests, x.shape[1]), lowest)
        top = top.scatter_reduce(0, row[:, None].expand_as(x), exponent, "amax")
        power = exp2_weights(top[row] - exponent)
        total = torch.zeros_like(top).index_add(0, row, power)
        reciprocal = (1 << RECIPROCAL_FRAC) // total.clamp(min=1)
        weight = (power * reciprocal[row]).to(x.dtype) * 2.0**-RECIPROCAL_FRAC
        ctx.save_for_backward(weight, row)
        ctx.requests = requests
        return weight

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:  # noqa: ANN401
        weight, row = ctx.saved_tensors
        mean = gradient.new_zeros(ctx.requests, gradient.shape[1])
        mean = mean.index_add(0, row, weight * gradient)
        return math.log(2) * weight * (gradient - mean[row]), None, None


def integer_softmax(x: Tensor, row: Tensor, requests: int) -> Tensor:
    """Weights (E, heads) of logits ``x`` (E, heads) that are multiples of 1/32.

    ``row``: int64 (E,), the request of each edge. A weight is ``p * R * 2**-30``: the 8-bit power
    times the request's reciprocal ``floor(2**30 / sum p)``, exact in float64.
    """
    weight: Tensor = _Softmax.apply(x, row, requests)  # type: ignore[no-untyped-call]
    return weight
