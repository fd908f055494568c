# SPDX-License-Identifier: Apache-2.0
"""Texts to vectors under DeepSpeed inference, kept by model, adapter and text.

The vector of a text is the mean of a layer's states over its tokens but the first, which attends
to itself alone and drowns the others; a causal model's last token, which has read everything,
stands behind it.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from recfabric.config import cache_dir
from recfabric.errors import ConfigError, DataError, check_limits
from recfabric.quant.encoder import batches, encode_worded, store
from recfabric.quant.llm import models
from recfabric.quant.llm.launch import alone, launch
from recfabric.quant.progress import Progress, Silent

LAYOUT = 1  # of the vectors; raised when the recipe changes, so that no old cache is read
TOKENS_PER_BATCH = 2048


@dataclass(frozen=True)
class EncoderConfig:
    """How a text becomes a vector.

    ``model``: packaged, or a Hugging Face name or folder; ``adapter``: a folder that
    ``recfabric train llm`` wrote, or None; ``depth``: the share of layers that are run, where what
    a causal model knows lies (the last ones only prepare its next word); ``longest``: tokens
    that are read of a text; ``ranks``: processes that share each layer (tensor parallel).
    """

    model: str = models.DEFAULT
    adapter: str | None = None
    depth: float = 0.8
    longest: int = 128
    ranks: int = 1

    def __post_init__(self) -> None:
        limits = {
            "depth": (0 < self.depth <= 1, "above 0 and at most 1"),
            "longest": (4 <= self.longest <= 2048, "4 to 2048"),
            "ranks": (1 <= self.ranks <= 8, "1 to 8"),
        }
        check_limits(self, limits)


def encode(
    texts: Sequence[str], config: EncoderConfig | None = None, *, progress: Progress | None = None
) -> npt.NDArray[np.float32]:
    """float32 (N, E): a vector for each text, zeros for an empty one; E is twice a causal model's.

    A text of more than ``longest`` tokens is read so far; any language goes through. The vectors
    stay in the cache. Raises ConfigError when no text has a word or the adapter is another
    model's, NetworkError when the model must be fetched and cannot be.
    """
    config = config or EncoderConfig()
    path = cache_dir() / "vectors" / f"{cache_key(texts, config)}.npy"
    if path.exists():
        return np.asarray(np.load(path), np.float32)

    def ranked(some: Sequence[str]) -> npt.NDArray[np.float32]:
        if config.ranks > 1:
            return _run_ranks(some, config)
        with alone():
            return run(some, config, progress or Silent())

    vectors = encode_worded(texts, ranked)
    store(path, vectors)
    return vectors


def cache_key(texts: Sequence[str], config: EncoderConfig) -> str:
    """What the vectors depend on: weights, adapter, recipe, precision, texts."""
    adapter = models.identity(config.adapter) if config.adapter else None
    recipe = asdict(config) | {"model": models.identity(config.model), "adapter": adapter}
    whole = json.dumps([LAYOUT, recipe, models.has_bfloat16(), list(texts)])
    return hashlib.sha256(whole.encode()).hexdigest()[:32]


def _run_ranks(texts: Sequence[str], config: EncoderConfig) -> npt.NDArray[np.float32]:
    """Encode in processes of their own, which split every layer."""
    with tempfile.TemporaryDirectory(prefix="recfabric-encode-") as folder:
        job = Path(folder) / "job.json"
        job.write_text(json.dumps({"kind": "encode", "texts": texts, "config": asdict(config)}))
        launch(job, config.ranks)
        return np.asarray(np.load(Path(folder) / "vectors.npy"), np.float32)


class Watch(Protocol):
    """Who looks on while a network runs on texts: of so many tokens each, a batch at a time."""

    def begin(self, network: Any, lengths: Sequence[int]) -> None:  # noqa: ANN401
        """The network is about to run."""

    def keep(self, batch: Sequence[int]) -> None:
        """It has run on these texts."""


def run(
    texts: Sequence[str],
    config: EncoderConfig,
    progress: Progress,
    *,
    dtype: torch.dtype | None = None,
    watch: Watch | None = None,
) -> npt.NDArray[np.float32]:
    """Encode in this process, one of ``config.ranks``; each of them gets all vectors.

    ``dtype``: of the weights (None: bfloat16 where the CPU has it).
    """
    dtype = dtype or (torch.bfloat16 if models.has_bfloat16() else torch.float32)
    tokenizer, network = load_encoder(config, dtype)
    causal = is_causal(network)
    network = under_deepspeed(network, dtype, config.ranks)
    tokens = tokenise(tokenizer, texts, config.longest)
    sizes = [len(one) for one in tokens]
    order = sorted(range(len(tokens)), key=lambda i: sizes[i])
    parts = []
    if watch:
        watch.begin(network, sizes)
    with progress.task(f"encode text ({config.model})", len(tokens)) as advance:
        for batch in batches(order, sizes, TOKENS_PER_BATCH):
            with torch.inference_mode():
                ids, lengths = padded([tokens[i] for i in batch])
                mask = torch.arange(ids.shape[1]) < lengths[:, None]
                state = network(input_ids=ids, attention_mask=mask.long()).last_hidden_state
                parts.append(pooled(state, lengths, causal).numpy())
            if watch:
                watch.keep(batch)
            advance(len(batch))
    vectors = np.empty((len(tokens), parts[0].shape[1]), np.float32)
    vectors[order] = np.concatenate(parts)
    return vectors


def under_deepspeed(network: Any, dtype: torch.dtype, ranks: int = 1) -> Any:  # noqa: ANN401
    """The network as DeepSpeed inference has made it, its layers shared by so many processes.

    There is no kernel to inject on a CPU.
    """
    import deepspeed

    engine = deepspeed.init_inference(
        network,
        dtype=dtype,
        tensor_parallel={"tp_size": ranks},
        replace_with_kernel_inject=False,
    )
    return engine.module


def load_encoder(config: EncoderConfig, dtype: torch.dtype) -> tuple[Any, Any]:
    """Tokenizer and network up to ``depth``, the adapter's weights added to its own."""
    tokenizer, network = models.load_model(config.model, dtype)
    shorten(network, config.depth)
    if config.adapter:
        network = merge_adapter(network, Path(config.adapter), config)
    return tokenizer, network.eval()


def shorten(network: Any, depth: float) -> None:  # noqa: ANN401
    """Keep the first layers of a causal network, without its last norm; leave others whole."""
    if not is_causal(network) or depth == 1:
        return
    kept = max(1, round(depth * len(network.layers)))
    network.layers = network.layers[:kept]
    network.config.num_hidden_layers = kept
    if getattr(network.config, "layer_types", None):
        network.config.layer_types = network.config.layer_types[:kept]
    network.config.use_cache = False
    network.norm = torch.nn.Identity()


def read_adapter(folder: Path) -> dict[str, Any]:
    """What an adapter belongs to: model, identity, depth, lora; raises DataError."""
    try:
        about = json.loads((folder / "adapter.json").read_text())
        return {name: about[name] for name in ("model", "identity", "depth", "lora")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{folder} holds no adapter ({str(error).splitlines()[0]}); name a folder that "
            "`recfabric train llm` wrote."
        ) from None


def merge_adapter(network: Any, folder: Path, config: EncoderConfig) -> Any:  # noqa: ANN401
    """The network with an adapter's weights added (LoRA) or put in (full fine-tuning)."""
    about = read_adapter(folder)
    if (about["identity"], about["depth"]) != (models.identity(config.model), config.depth):
        raise ConfigError(
            f"The adapter in {folder} belongs to '{about['model']}' at depth {about['depth']}, not "
            f"to '{config.model}' at depth {config.depth}; encode with that model or train anew."
        )
    if about["lora"]:
        from peft import PeftModel

        with models.quiet():
            return PeftModel.from_pretrained(network, str(folder)).merge_and_unload()
    from safetensors.torch import load_file

    network.load_state_dict(load_file(folder / "weights.safetensors"))
    return network


def is_causal(network: Any) -> bool:  # noqa: ANN401
    """Whether a token sees only those before it."""
    return not hasattr(network, "encoder") and hasattr(network, "layers")


def tokenise(tokenizer: Any, texts: Sequence[str], longest: int) -> list[list[int]]:  # noqa: ANN401
    """Token ids of each text, at least one, at most ``longest``."""
    found = tokenizer(list(texts), truncation=True, max_length=longest)["input_ids"]
    return [one or [0] for one in found]


def padded(tokens: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """int64 (B, T) ids, filled up with 0 on the right, and the lengths (B,)."""
    lengths = torch.tensor([len(one) for one in tokens])
    ids = torch.zeros(len(tokens), int(lengths.max()), dtype=torch.long)
    for row, one in enumerate(tokens):
        ids[row, : len(one)] = torch.tensor(one)
    return ids, lengths


def pooled(state: Tensor, lengths: Tensor, causal: bool) -> Tensor:
    """float32 (B, E) of states (B, T, D): E = 2 D for a causal model, else D."""
    state, place = state.float(), torch.arange(state.shape[1])
    inside = (place < lengths[:, None]).float()
    if causal:
        inside[:, 0] = (lengths == 1).float()
    mean = (state * inside[..., None]).sum(1) / inside.sum(1, keepdim=True)
    last = state[torch.arange(len(state)), lengths - 1]
    return torch.cat([mean, last], 1) if causal else mean
