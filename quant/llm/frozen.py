# SPDX-License-Identifier: Apache-2.0
"""The one pass of the frozen model that a training starts from: vectors, and states half-way.

A training needs the frozen model's vectors and, of every token, what its first trained layer
reads. Both come from the same forward pass and stay in the cache, so that no rank runs a frozen
layer again.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recfabric.config import cache_dir
from recfabric.errors import ConfigError
from recfabric.quant.encoder import encode_worded
from recfabric.quant.fetch import write_whole
from recfabric.quant.llm import models
from recfabric.quant.llm.align import AlignConfig, Matrix
from recfabric.quant.llm.launch import alone
from recfabric.quant.llm.vectors import cache_key, encode, is_causal, run
from recfabric.quant.progress import Progress, Silent


@dataclass(frozen=True, eq=False)
class Start:
    """What training begins with.

    ``vectors``: float32 (W, E), of the frozen model, zeros for an empty text; ``states``: the file
    of :func:`read_states`, None where every layer is trained; ``cpu``: CPU-seconds of the pass when
    it was made, None where nobody counted them.
    """

    vectors: Matrix
    states: Path | None
    cpu: float | None


def first_pass(
    texts: Sequence[str], config: AlignConfig, dtype: torch.dtype, progress: Progress | None = None
) -> Start:
    """Run the frozen model on W texts, or find that in the cache.

    ``dtype``: the training's precision. Raises ConfigError for what is no causal model or where no
    text has a word.
    """
    if config.full:
        return Start(encode(texts, config.encoder, progress=progress), None, None)
    path = cache_dir() / "vectors" / f"{_key(texts, config, dtype)}.safetensors"
    if not path.exists():
        tap = _Tap(config)

        def watched(some: Sequence[str]) -> Matrix:
            return run(some, config.encoder, progress or Silent(), dtype=dtype, watch=tap)

        with alone():
            vectors = encode_worded(texts, watched)
        _store(path, torch.from_numpy(vectors), tap)
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        return Start(file.get_tensor("vectors").numpy(), path, float(file.metadata()["cpu"]))


def read_states(path: Path) -> Tensor:
    """(T, D): what the first trained layer reads of each token, text after text; memory-mapped.

    Empty texts have no part in it.
    """
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        states: Tensor = file.get_tensor("states")
    return states


def frozen_layers(network: Any, config: AlignConfig) -> int:  # noqa: ANN401
    """How many of a causal network's layers stay as they are; raises ConfigError for another."""
    if not is_causal(network):
        raise ConfigError(
            f"'{config.model}' is no causal model with a list of layers; adapt "
            f"{models.DEFAULT}, or use it as it is."
        )
    count = len(network.layers)
    return 0 if config.full else count - max(1, round(config.tuned * count))


class _Tap:
    """Copies what a layer reads while the network runs."""

    def __init__(self, config: AlignConfig) -> None:
        self._config = config
        self._read: Tensor | None = None

    def begin(self, network: Any, lengths: Sequence[int]) -> None:  # noqa: ANN401
        """Listen at the first trained layer of a network that will run on texts so long."""
        frozen = frozen_layers(network, self._config)
        network.layers[frozen].register_forward_pre_hook(self._hear, with_kwargs=True)
        self._ends = np.cumsum(lengths)
        self._lengths = lengths
        self.states: Tensor | None = None
        self._began = time.process_time()

    def _hear(self, _: torch.nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        self._read = given[0] if given else named["hidden_states"]

    def keep(self, batch: Sequence[int]) -> None:
        """Take over what was read of a batch of texts (B, T, D), without its padding."""
        assert self._read is not None
        if self.states is None:
            self.states = self._read.new_empty(int(self._ends[-1]), self._read.shape[2])
        for row, i in enumerate(batch):
            end, length = int(self._ends[i]), self._lengths[i]
            self.states[end - length : end] = self._read[row, :length]
        self.cpu = time.process_time() - self._began


def _key(texts: Sequence[str], config: AlignConfig, dtype: torch.dtype) -> str:
    whole = json.dumps([cache_key(texts, config.encoder), config.tuned, str(dtype)])
    return hashlib.sha256(whole.encode()).hexdigest()[:32]


def _store(path: Path, vectors: Tensor, tap: _Tap) -> None:
    from safetensors.torch import save

    assert tap.states is not None
    tensors = {"vectors": vectors, "states": tap.states}
    write_whole(path, save(tensors, metadata={"cpu": f"{tap.cpu:.3f}"}))
