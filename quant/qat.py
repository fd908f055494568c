# SPDX-License-Identifier: Apache-2.0
"""The quantised hybrid in Brevitas: in float64 and eval mode it computes the hardware's integers.

Every scale is a constant power of two, chosen once on the float model (:func:`calibrate`), so the
formats of the contract exist before the first step of quantization-aware training.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import NamedTuple

import brevitas.nn as qnn
import torch
from brevitas.inject.enum import ScalingImplType
from brevitas.quant.fixed_point import Int8ActPerTensorFixedPoint, Int8WeightPerTensorFixedPoint
from brevitas.quant.scaled_int import Int32Bias
from torch import Tensor, nn

from recfabric.contract import (
    EXP2_FRAC,
    MESSAGE_BITS,
    NORM,
    FixedPoint,
    Formats,
    Shifts,
    norm_table,
)
from recfabric.errors import ConfigError
from recfabric.quant.hybrid import (
    Edges,
    Hybrid,
    HybridSizes,
    Tables,
    TextProjection,
    attend,
    logits,
    pool,
    scatter,
    softmax2,
)
from recfabric.quant.softmax import integer_softmax

CALIBRATION_EDGES = 1 << 18


@dataclass(frozen=True)
class Bits:
    """Bits of each table's entries: 2 to 8. In memory 5 to 8 take 8, and 2 to 4 take 4; an edge's
    weight takes 8 always."""

    message: int = 8
    key: int = 8
    value: int = 8
    item: int = 8
    edge: int = 8

    def __post_init__(self) -> None:
        for name, bits in vars(self).items():
            if not 2 <= bits <= 8:
                raise ConfigError(f"The {name} table's {bits} bits are not 2 to 8.")

    @classmethod
    def read(cls, text: str) -> Bits:
        """Bits from ``4`` (message, key, value and item; the edges keep 8) or
        ``message=4,item=8``; raises ConfigError."""
        if text.isdecimal():
            return cls(*[int(text)] * 4)
        given = dict(part.partition("=")[::2] for part in text.split(","))
        names = [f.name for f in fields(cls)]
        if not all(name in names and bits.isdecimal() for name, bits in given.items()):
            raise ConfigError(
                f"The bits '{text}' are no number and no list such as message=4,item=8 of "
                f"{', '.join(names)}."
            )
        return cls(**{name: int(bits) for name, bits in given.items()})


class Parts(NamedTuple):
    """What the hot path computes on the way: ``user``, ``answer``, ``fused`` (R, D); ``term``,
    what the edges bring, and ``scores`` (R, I)."""

    user: Tensor
    answer: Tensor
    fused: Tensor
    term: Tensor
    scores: Tensor


def _threshold(form: FixedPoint) -> dict[str, object]:
    return {
        "bit_width": form.width,
        "scaling_impl_type": ScalingImplType.CONST,
        "scaling_init": 2.0 ** (form.width - 1 - form.frac),
    }


def _quantizer(form: FixedPoint, *, metadata: bool = False) -> nn.Module:
    quantizer: nn.Module = qnn.QuantIdentity(
        act_quant=Int8ActPerTensorFixedPoint, return_quant_tensor=metadata, **_threshold(form)
    )
    return quantizer


class Fuse(nn.Module):
    """The dense layer ``f = W [u; a] + b`` between its two quantizers; the unit of QONNX export."""

    def __init__(self, dim: int, formats: Formats) -> None:
        super().__init__()
        self.state = _quantizer(formats.state, metadata=True)
        weight = {f"weight_{k}": v for k, v in _threshold(formats.fuse_weight).items()}
        self.linear = qnn.QuantLinear(
            2 * dim,
            dim,
            bias=True,
            weight_quant=Int8WeightPerTensorFixedPoint,
            bias_quant=Int32Bias,
            **weight,
        )
        self.fused = _quantizer(formats.fused)

    def forward(self, x: Tensor) -> Tensor:
        """(R, D) from (R, 2 D)."""
        fused: Tensor = self.fused(self.linear(self.state(x)))
        return fused


class QuantHybrid(nn.Module):
    """The hybrid with every table, stream and weight in its integer format.

    ``features``: (I, F) of the text projection, None where items have no text;
    ``longest``: the longest history.
    """

    norm: Tensor
    target: Tensor

    def __init__(
        self, sizes: HybridSizes, formats: Formats, *, features: Tensor | None, longest: int
    ) -> None:
        super().__init__()
        self.sizes, self.formats, self.shifts = sizes, formats, Shifts.of(formats)
        shape = (sizes.items, sizes.dim)
        self.message, self.item = nn.Parameter(torch.zeros(shape)), nn.Parameter(torch.zeros(shape))
        self.text = TextProjection(sizes, features)
        self.bias = nn.Parameter(torch.zeros(sizes.items))
        slots = (sizes.items, sizes.edges)
        self.edge = nn.Parameter(torch.zeros(slots))
        self.register_buffer("target", torch.full(slots, -1))
        self.fuse = Fuse(sizes.dim, formats)
        norm = torch.from_numpy(norm_table(longest).astype("float64")) * NORM.scale
        self.register_buffer("norm", norm)
        self.quant = nn.ModuleDict(
            {name: _quantizer(getattr(formats, name)) for name in (*Tables._fields, "logit")}
        )
        self.quant["term"] = _quantizer(FixedPoint(True, MESSAGE_BITS, formats.score.frac))

    def tables(self) -> Tables:
        """The tables on their grids."""
        key, value = self.text()
        edge = self.edge * (self.target >= 0)
        raw = Tables(self.message, key, value, self.item, self.bias, edge)
        return Tables(
            *(self.quant[name](table) for name, table in zip(raw._fields, raw, strict=True))
        )

    def parts(
        self, edges: Edges, tables: Tables | None = None, some: Tensor | None = None
    ) -> Parts:
        """Every stream of the hot path for R histories, as values on their grids.

        ``some``: the items (C,) to score, for (R, C) instead of (R, I).
        """
        t = tables or self.tables()
        norm = self.norm.to(t.message.dtype)[edges.length][:, None]
        user = self.fuse.state(norm * pool(t.message, edges)).value
        exponent = self.quant["logit"](logits(user, t.key, edges, self.sizes.heads))
        weight = integer_softmax(exponent, edges.row, len(edges.length))
        answer = self.fuse.state(attend(weight, t.value, edges)).value
        fused = self.fuse(torch.cat([user, answer], 1))
        item, bias = (t.item, t.bias) if some is None else (t.item[some], t.bias[some])
        term = self.quant["term"](norm * scatter(t.edge, self.target, edges, some))
        return Parts(user, answer, fused, term, torch.addmm(bias, fused, item.T) + term)

    def forward(
        self, edges: Edges, tables: Tables | None = None, some: Tensor | None = None
    ) -> Tensor:
        """(R, I): the scores of the catalogue, or (R, C) of ``some`` items, for R histories."""
        return self.parts(edges, tables, some).scores


@contextmanager
def exact(model: QuantHybrid) -> Iterator[QuantHybrid]:
    """The model in eval mode and float64, where every sum of the hot path is exact."""
    training = model.training
    model.double().eval()
    try:
        with torch.no_grad():
            yield model
    finally:
        model.float().train(training)


def quantise(model: Hybrid, edges: Edges, bits: Bits, *, longest: int) -> QuantHybrid:
    """A quantised copy of a trained float model, its axes rotated, its formats calibrated on
    histories."""
    with torch.no_grad():
        model = model.rotated()
        tables = model.tables()
        formats = calibrate(model, tables, edges, bits)
        features = model.text.features
        learned = isinstance(features, nn.Parameter)
        quantised = QuantHybrid(
            model.sizes, formats, features=None if learned else features, longest=longest
        )
        quantised.text.load_state_dict(model.text.state_dict())
        quantised.message.copy_(tables.message)
        quantised.item.copy_(tables.item)
        quantised.bias.copy_(tables.bias)
        quantised.edge.copy_(tables.edge)
        quantised.target.copy_(model.target)
        quantised.fuse.linear.weight.copy_(model.fuse.weight)
        quantised.fuse.linear.bias.copy_(model.fuse.bias)
    return quantised


def calibrate(model: Hybrid, tables: Tables, edges: Edges, bits: Bits) -> Formats:
    """The formats of least squared error on the float model's tables and streams."""
    norm = edges.length.clamp(min=1).float().rsqrt()[:, None]
    user = norm * pool(tables.message, edges)
    weight = softmax2(logits(user, tables.key, edges, model.sizes.heads), edges)
    joined = torch.cat([user, attend(weight, tables.value, edges)], 1)
    form = {
        name: best(getattr(tables, name), width)
        for name, width in vars(bits).items()
        if getattr(tables, name).numel()
    }
    state, fused = best(joined, 8), best(model.fuse(joined), 8)
    weights = best(model.fuse.weight, 8)
    low = EXP2_FRAC - state.frac  # the logits' shift must not be negative
    form["key"] = FixedPoint(True, bits.key, max(form["key"].frac, low))
    weights = FixedPoint(True, 8, max(weights.frac, fused.frac - state.frac))
    score = fused.frac + form["item"].frac
    if model.sizes.edges:  # neither may the edges' shift be
        form["edge"] = FixedPoint(True, bits.edge, max(form["edge"].frac, score - NORM.frac))
    else:
        form["edge"] = Formats.no_edges(fused, form["item"])
    bias = min(max(best(tables.bias, 16).frac, score - 15), score)
    return Formats(
        **form,
        bias=FixedPoint(True, 16, bias),
        norm=NORM,
        state=state,
        logit=FixedPoint(True, 16, EXP2_FRAC),
        fuse_weight=weights,
        fuse_bias=FixedPoint(True, 32, state.frac + weights.frac),
        fused=fused,
    )


def best(values: Tensor, width: int) -> FixedPoint:
    """The signed format of ``width`` bits with the least squared error on the values."""
    peak = float(values.abs().max().clamp(min=1e-12).log2().ceil())
    widest = width - 1 - int(peak)
    limit = 2 ** (width - 1)

    def error(frac: int) -> float:
        grid = (values * 2.0**frac).round().clamp(-limit, limit - 1) * 2.0**-frac
        return float((grid - values).square().mean())

    return FixedPoint(True, width, min(range(widest, widest + 6), key=error))
