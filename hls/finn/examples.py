# SPDX-License-Identifier: Apache-2.0
"""Small Brevitas models, none of them a recommender: QONNX to co-simulate. Untrained, seeded.

``python -m recfabric.hls.finn.examples conv conv.onnx`` writes one; needs the extra ``train``.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from recfabric.errors import ConfigError, MissingExtraError

try:
    import torch
    from brevitas.export import export_qonnx
    from brevitas.nn import QuantConv2d, QuantIdentity, QuantLinear, QuantReLU
    from torch import nn
except ImportError as error:
    raise MissingExtraError(error.name or "brevitas", "train") from None

_WEIGHT_BITS, _ACT_BITS = 4, 4
_OPTIONS: dict[str, Any] = {"bias": False, "weight_bit_width": _WEIGHT_BITS}


class _Chain(nn.Module):
    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.layers(x)
        return out


def mlp() -> nn.Module:
    """Three linear layers, 32 to 24 to 16 to 8: five layers in hardware."""
    layers = nn.Sequential(
        QuantIdentity(bit_width=8),
        QuantLinear(32, 24, **_OPTIONS),
        QuantReLU(bit_width=_ACT_BITS),
        QuantLinear(24, 16, **_OPTIONS),
        QuantReLU(bit_width=_ACT_BITS),
        QuantLinear(16, 8, **_OPTIONS),
    )
    return _Chain(layers)


def conv() -> nn.Module:
    """Three convolutions of a 3 x 8 x 8 image: padded, strided, and 1 x 1."""
    layers = nn.Sequential(
        QuantIdentity(bit_width=8),
        QuantConv2d(3, 8, 3, padding=1, **_OPTIONS),
        QuantReLU(bit_width=_ACT_BITS),
        QuantConv2d(8, 8, 3, stride=2, **_OPTIONS),
        QuantReLU(bit_width=_ACT_BITS),
        QuantConv2d(8, 4, 1, **_OPTIONS),
    )
    return _Chain(layers)


class Residual(nn.Module):
    """A skip around a linear layer: one stream is duplicated, two are added."""

    def __init__(self) -> None:
        super().__init__()
        self.first = QuantLinear(16, 16, **_OPTIONS)
        self.second = QuantLinear(16, 16, **_OPTIONS)
        self.third = QuantLinear(16, 8, **_OPTIONS)
        self.input = QuantIdentity(bit_width=8)
        self.shared = QuantIdentity(bit_width=6, return_quant_tensor=True)
        self.relu = QuantReLU(bit_width=_ACT_BITS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 16) to (N, 8)."""
        skip = self.shared(self.first(self.input(x)))
        out: torch.Tensor = self.third(self.relu(skip + self.shared(self.second(skip))))
        return out


MODELS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "mlp": (mlp, (1, 32)),
    "residual": (Residual, (1, 16)),
    "conv": (conv, (1, 3, 8, 8)),
}


def qonnx(name: str) -> bytes:
    """The QONNX file of a model, its scales calibrated on seeded noise; always the same bytes.

    Raises ConfigError for another name.
    """
    if name not in MODELS:
        raise ConfigError(f"'{name}' is no example; choose one of {', '.join(MODELS)}.")
    make, shape = MODELS[name]
    torch.manual_seed(1)
    model = make()
    model.train()
    for _ in range(20):
        model(torch.randn(16, *shape[1:]))
    model.eval()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.onnx"
        export_qonnx(model, args=torch.randn(*shape), export_path=str(path), dynamo=False)
        return path.read_bytes()


if __name__ == "__main__":
    Path(sys.argv[2]).write_bytes(qonnx(sys.argv[1]))
