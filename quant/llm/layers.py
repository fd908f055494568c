# SPDX-License-Identifier: Apache-2.0
"""A causal network's trained layers, with LoRA inside or as they are."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from recfabric.errors import ConfigError
from recfabric.quant.llm import models
from recfabric.quant.llm.align import AlignConfig
from recfabric.quant.llm.frozen import frozen_layers
from recfabric.quant.llm.vectors import load_encoder, padded, tokenise


class Network:
    """The encoder to be adapted: its ``upper`` layers are trained, those below ran once an item.

    ``peft``: the whole of it with LoRA inside, None for full fine-tuning, where ``upper`` is the
    whole and reads tokens; ``tokens``: of each text; ``states``: what ``upper`` reads of them else.
    """

    def __init__(
        self, config: AlignConfig, texts: Sequence[str], dtype: torch.dtype, states: Tensor | None
    ) -> None:
        tokenizer, self.whole = load_encoder(config.encoder, dtype)
        # Its parts one by one: the backward pass of fused attention is slow on a CPU.
        self.whole.set_attn_implementation("eager")
        frozen, count = frozen_layers(self.whole, config), len(self.whole.layers)
        self.tokens = tokenise(tokenizer, texts, config.longest)
        self.whole.config.use_cache = False
        self.peft = None if config.full else _with_lora(self.whole, config, range(frozen, count))
        self.upper = self.whole if config.full else _above(self.whole, frozen)
        sizes = [len(one) for one in self.tokens]
        self._strength, self._start = config.strength, None
        if config.full and config.strength < 1:
            self._start = {n: w.detach().clone() for n, w in self.whole.state_dict().items()}
        self._states = None if states is None else torch.split_with_sizes(states, sizes)

    def inputs(self, items: Sequence[int]) -> tuple[dict[str, Tensor], Tensor]:
        """What ``upper`` reads of a batch of items, and the texts' lengths (B,)."""
        ids, lengths = padded([self.tokens[i] for i in items])
        if self._states is None:
            return {"input_ids": ids}, lengths
        return {"inputs_embeds": pad_sequence([self._states[i] for i in items], True)}, lengths

    def save(self, folder: Path) -> None:
        """Write a peft folder (LoRA), or all weights in bfloat16 (full), at their strength."""
        from safetensors.torch import save_file

        if self.peft is not None:
            with models.quiet():
                self.peft.save_pretrained(folder)
            return
        weights = {n: w.detach() for n, w in self.whole.state_dict().items()}
        for name, start in (self._start or {}).items():
            weights[name] = torch.lerp(start.float(), weights[name].float(), self._strength)
        stored = {n: w.to(torch.bfloat16).contiguous() for n, w in weights.items()}
        save_file(stored, folder / "weights.safetensors")


class Dropout(torch.nn.Module):
    """Dropout whose mask is cheap on a CPU: 16 random bits an element, four elements a draw.

    ``torch.nn.Dropout`` draws a Bernoulli number for every element, which was a quarter of LoRA's
    time. ``p``: the share to leave out, kept to 1 / 65536; what stays is divided by its share.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self._below = min(round(p * (1 << 16)), (1 << 16) - 1)

    def forward(self, x: Tensor) -> Tensor:
        """``x`` with some elements zero; ``x`` itself outside training."""
        if not self.training:
            return x
        draws = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(1 << 63), None)
        bits = draws.view(torch.int16)[: x.numel()].view(x.shape)
        mask = torch.ge(bits, self._below - (1 << 15), out=x.new_empty(x.shape))
        return x * mask.div_(1 - self._below / (1 << 16))


def _with_lora(network: Any, config: AlignConfig, layers: range) -> Any:  # noqa: ANN401
    """Inject LoRA into some layers of the network, in place; gives peft's hull."""
    from peft import LoraConfig, get_peft_model

    lora = LoraConfig(
        r=config.rank,
        lora_alpha=2 * config.rank,
        lora_dropout=config.dropout,
        target_modules=list(config.targets),
        layers_to_transform=list(layers),
        layers_pattern="layers",
    )
    try:
        hull = get_peft_model(network, lora)
    except ValueError as error:
        raise ConfigError(
            f"LoRA finds no {', '.join(config.targets)} in '{config.model}' "
            f"({str(error).splitlines()[0]}); name projections that it has."
        ) from None
    for module in hull.modules():
        if config.dropout and hasattr(module, "lora_dropout"):
            module.lora_dropout["default"] = Dropout(config.dropout)
    # What readers multiply by; training itself goes on at full strength.
    hull.peft_config["default"].lora_alpha = 2 * config.rank * config.strength
    return hull


def _above(network: Any, frozen: int) -> Any:  # noqa: ANN401
    """The network of the layers from ``frozen`` on, which reads states; it shares the weights."""
    part = copy.copy(network)
    part._modules = dict(network._modules)
    part.config = copy.deepcopy(network.config)
    part.layers = network.layers[frozen:]
    part.embed_tokens = torch.nn.Identity()
    part.config.num_hidden_layers = len(part.layers)
    if getattr(part.config, "layer_types", None):
        part.config.layer_types = network.config.layer_types[frozen:]
    return part
