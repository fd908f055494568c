# SPDX-License-Identifier: Apache-2.0
"""Dropout by 16 bits an element: its share, its scale, its seed; LoRA has it."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from recfabric.quant.llm.align import AlignConfig
from recfabric.quant.llm.layers import Dropout, Network


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_dropout_leaves_a_share_out_and_scales_the_rest(share: float, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    x = torch.full((301, 1007), 3.0, dtype=dtype)  # odd: the last draw is used in part
    found = Dropout(share)(x)
    assert found.dtype == dtype and found.shape == x.shape
    assert set(found.unique().tolist()) == {0.0, torch.tensor(3 / (1 - share), dtype=dtype).item()}
    # Six standard deviations, over all and for each of the four places in a draw.
    for part in (found.flatten(), *(found.flatten()[i::4] for i in range(4))):
        spread = (share * (1 - share) / len(part)) ** 0.5
        assert float((part == 0).double().mean()) == pytest.approx(share, abs=6 * spread)


def test_dropout_is_the_seeds_and_only_in_training() -> None:
    x, dropout = torch.ones(64, 64), Dropout(0.5)
    torch.manual_seed(1)
    first, second = dropout(x), dropout(x)
    torch.manual_seed(1)
    assert torch.equal(dropout(x), first) and not torch.equal(first, second)
    assert dropout.eval()(x) is x


def test_dropout_has_torchs_gradient() -> None:
    x = torch.full((8, 8), 2.0, requires_grad=True)
    found = Dropout(0.5)(x)
    found.sum().backward()
    assert x.grad is not None and torch.equal(x.grad, found.detach() / 2)


@pytest.mark.parametrize("share", [0.0, 0.25])
def test_every_projection_of_lora_has_it(tiny_causal: Path, cache: Path, share: float) -> None:
    config = replace(AlignConfig(), model=str(tiny_causal), depth=1.0, tuned=1.0, dropout=share)
    network = Network(config, ["a calm thing", "a loud thing"], torch.float32, None)
    found = [m.lora_dropout["default"] for m in network.whole.modules() if hasattr(m, "lora_A")]
    assert len(found) == 2 * len(network.whole.layers)
    assert {type(one) for one in found} == {Dropout if share else torch.nn.Identity}
