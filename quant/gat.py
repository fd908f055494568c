# SPDX-License-Identifier: Apache-2.0
"""A GATConv of PyTorch Geometric as the integers of ``rf_dense`` and ``rf_attention``.

Scales are powers of two, chosen so that nothing seen in the calibration saturates. The softmax's
base goes into the scalars' weights: LeakyReLU commutes with the factor log2(e). The slope becomes
the nearest multiple of 1/256 (0.2, the default, becomes 51/256).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from recfabric.contract import EXP2_FRAC
from recfabric.errors import ConfigError
from recfabric.kernels.attention.gat import ONE_FRAC, GatLayer
from recfabric.kernels.attention.model import SLOPE_ONE

_INT8_MAX = 127


@dataclass(frozen=True)
class QuantisedGat:
    """A layer in integers and what its integers mean.

    An input is its integer times 2 ** -``input_frac``, an answer times 2 ** -``output_frac``.
    """

    layer: GatLayer
    input_frac: int
    output_frac: int

    def quantise_input(self, x: Tensor) -> npt.NDArray[np.int8]:
        """int8 (N, F) of float (N, F): rounded half to even, saturated."""
        return _integers(x.detach().double().numpy(), self.input_frac, np.int8)

    def value_of(self, answers: npt.NDArray[np.int8]) -> npt.NDArray[np.float64]:
        """What the integers of an answer mean."""
        return answers.astype(np.float64) * 2.0**-self.output_frac


def quantise_gat(module: Any, x: Tensor, edge_index: Tensor) -> QuantisedGat:  # noqa: ANN401
    """The integers of ``module``, a trained ``torch_geometric.nn.GATConv``, for inputs like ``x``.

    ``x``: float (N, F) and ``edge_index``: int64 (2, E), the calibration: the largest input,
    output of the linear part, scalar and answer in it fix the scales. Raises ConfigError for an
    option that has no place in the kernels.
    """
    _check(module)
    heads, channels = module.heads, module.out_channels
    with torch.no_grad():
        w = module.lin.weight.detach().double()
        att = torch.cat([module.att_src, module.att_dst]).detach().double()  # (2, H, C)
        per_head = w.reshape(heads, channels, -1)
        scalars = torch.einsum("khc,hcf->khf", att, per_head).reshape(2 * heads, -1)
        scalars = scalars * math.log2(math.e)
        bias = torch.zeros(heads * channels, dtype=torch.float64)
        if module.bias is not None:
            bias = module.bias.detach().double()
        inputs = x.detach().double()
        values, tops = inputs @ w.T + bias, inputs @ scalars.T
        answers = module(x, edge_index)
    input_frac = _frac(inputs)
    value_frac = _frac(values)
    # A scalar below the logits' resolution or above a key's width has no sense.
    scalar_frac = min(max(_frac(tops), EXP2_FRAC - ONE_FRAC), EXP2_FRAC + 8)
    # One shift serves all rows: the weights' fractions make up for the outputs' different ones.
    shift = min(input_frac + _frac(w) - value_frac, input_frac + _frac(scalars) - scalar_frac)
    if shift < 0:
        raise ConfigError(
            f"The layer's answers are {2**-shift} times finer than its inputs and weights allow; "
            "scale its inputs down."
        )
    parts = ((w, value_frac), (scalars, scalar_frac))
    rows = [_integers(part.numpy(), frac + shift - input_frac, np.int8) for part, frac in parts]
    biases = _integers(bias.numpy(), value_frac + shift, np.int32)
    layer = GatLayer(
        weight=np.concatenate(rows),
        bias=np.pad(biases, (0, 2 * heads)),
        shift=shift,
        heads=heads,
        slope=round(module.negative_slope * SLOPE_ONE),
        scalar_frac=scalar_frac,
        gain=max(_frac(answers) - value_frac, 0),
    )
    return QuantisedGat(layer, input_frac, value_frac + layer.gain)


def neighbours(edge_index: Tensor, nodes: int) -> list[npt.NDArray[np.int64]]:
    """Whom each node attends to, as GATConv with self loops does: its sources, then itself.

    ``edge_index``: int64 (2, E), sources above targets. Loops in it are dropped first.
    """
    source, target = (row.numpy() for row in edge_index)
    kept = source != target
    order = np.argsort(target[kept], kind="stable")
    source, target = source[kept][order], target[kept][order]
    ends = np.searchsorted(target, np.arange(nodes + 1))
    return [np.append(source[ends[i] : ends[i + 1]], i) for i in range(nodes)]


def _check(module: Any) -> None:  # noqa: ANN401
    wrong = {
        "concat=False": not module.concat and module.heads > 1,
        "residual=True": getattr(module, "res", None) is not None,
        "edge_dim": module.edge_dim is not None,
        "a pair of input widths": module.lin is None,
        "add_self_loops=False": not module.add_self_loops,
        f"heads={module.heads}": module.heads not in (1, 2, 4),
        f"negative_slope={module.negative_slope}": not 0 <= module.negative_slope <= 1,
    }
    for option, refused in wrong.items():
        if refused:
            raise ConfigError(
                f"A GATConv with {option} has no kernel; rf_attention takes 1, 2 or 4 concatenated "
                "heads, self loops, a slope of 0 to 1 and no edge features."
            )


def _frac(x: Tensor) -> int:
    """The most fractional bits with which int8 holds every element of ``x``."""
    largest = float(x.abs().max()) if x.numel() else 0.0
    return math.floor(math.log2(_INT8_MAX / largest)) if largest else 0


def _integers(x: npt.NDArray[np.float64], frac: int, kind: type[Any]) -> npt.NDArray[Any]:
    limits = np.iinfo(kind)
    return np.clip(np.rint(x * 2.0**frac), limits.min, limits.max).astype(kind)
