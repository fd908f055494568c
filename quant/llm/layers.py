# SPDX-License-Identifier: Apache-2.0
"""A causal network in two: frozen layers that run once an item, and those that are trained."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from recfabric.errors import ConfigError
from recfabric.quant.llm import models
from recfabric.quant.llm.align import AlignConfig
from recfabric.quant.llm.vectors import is_causal, load_encoder, padded, tokenise


class Network:
    """The encoder to be adapted: ``lower`` (None: nothing is frozen) and ``upper`` layers.

    ``peft``: the whole of it with LoRA inside, None for full fine-tuning; ``tokens``: of each text.
    """

    def __init__(self, config: AlignConfig, texts: Sequence[str], dtype: torch.dtype) -> None:
        tokenizer, self.whole = load_encoder(config.encoder, dtype)
        if not is_causal(self.whole):
            raise ConfigError(
                f"'{config.model}' is no causal model with a list of layers; adapt "
                f"{models.DEFAULT}, or use it as it is."
            )
        self.tokens = tokenise(tokenizer, texts, config.longest)
        self.whole.config.use_cache = False
        count = len(self.whole.layers)
        frozen = 0 if config.full else count - max(1, round(config.tuned * count))
        self.peft = None if config.full else _with_lora(self.whole, config, range(frozen, count))
        self.lower, self.upper = _split(self.whole, frozen)
        self._states: dict[int, Tensor] = {}

    def inputs(self, items: Sequence[int]) -> tuple[dict[str, Tensor], Tensor]:
        """What ``upper`` reads of a batch of items, and the texts' lengths (B,)."""
        ids, lengths = padded([self.tokens[i] for i in items])
        if self.lower is None:
            return {"input_ids": ids}, lengths
        self._remember([i for i in items if i not in self._states])
        first = self._states[items[0]]
        states = first.new_zeros(len(items), ids.shape[1], first.shape[1])
        for row, i in enumerate(items):
            states[row, : int(lengths[row])] = self._states[i]
        return {"inputs_embeds": states}, lengths

    def _remember(self, items: Sequence[int]) -> None:
        """Run the frozen layers on items they have not read."""
        if not items:
            return
        ids, lengths = padded([self.tokens[i] for i in items])
        mask = (torch.arange(ids.shape[1]) < lengths[:, None]).long()
        assert self.lower is not None
        with torch.no_grad():
            states = self.lower(input_ids=ids, attention_mask=mask).last_hidden_state
        for row, i in enumerate(items):
            self._states[i] = states[row, : int(lengths[row])].clone()


def _with_lora(network: Any, config: AlignConfig, layers: range) -> Any:  # noqa: ANN401
    """Inject LoRA into some layers of the network, in place; gives peft's hull."""
    from peft import LoraConfig, get_peft_model

    lora = LoraConfig(
        r=config.rank,
        lora_alpha=2 * config.rank,
        target_modules=list(config.targets),
        layers_to_transform=list(layers),
        layers_pattern="layers",
    )
    try:
        return get_peft_model(network, lora)
    except ValueError as error:
        raise ConfigError(
            f"LoRA finds no {', '.join(config.targets)} in '{config.model}' "
            f"({str(error).splitlines()[0]}); name projections that it has."
        ) from None


def _split(network: Any, frozen: int) -> tuple[Any, Any]:  # noqa: ANN401
    """Networks of the layers below and from ``frozen`` on, which share the weights."""
    if not frozen:
        return None, network
    lower, upper = (_part(network, part) for part in (slice(frozen), slice(frozen, None)))
    lower.norm = torch.nn.Identity()
    upper.embed_tokens = torch.nn.Identity()
    return lower, upper


def _part(network: Any, layers: slice) -> Any:  # noqa: ANN401
    part = copy.copy(network)
    part._modules = dict(network._modules)
    # Hooks of its own: ZeRO 3 hooks `upper`, and a shared dictionary would run them on `lower` too.
    vars(part).update({n: v.copy() for n, v in vars(network).items() if "_hooks" in n})
    part.config = copy.deepcopy(network.config)
    part.layers = network.layers[layers]
    part.config.num_hidden_layers = len(part.layers)
    if getattr(part.config, "layer_types", None):
        part.config.layer_types = network.config.layer_types[layers]
    return part
