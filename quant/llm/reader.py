# SPDX-License-Identifier: Apache-2.0
"""Texts to vectors while a request waits: one process, one thread, no padding; under DeepSpeed
inference where that is asked for.

The recipe is that of :mod:`recfabric.quant.llm.vectors`; here a text is read alone, so that its
vector does not depend on what is read beside it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from recfabric.config import cache_dir
from recfabric.errors import ConfigError, MissingExtraError
from recfabric.quant.encoder import store
from recfabric.quant.llm import models
from recfabric.quant.llm.launch import alone
from recfabric.quant.llm.prompts import liked
from recfabric.quant.llm.textmap import TextModel
from recfabric.quant.progress import Progress, Silent

CHARACTERS = 32  # of a text that are looked at for each token that is kept: no more is tokenised


class TextReader:
    """A language model that is loaded at its first text, or by :meth:`load`.

    ``model``: see :func:`recfabric.quant.llm.models.load_model`; ``adapter``: a folder of
    ``recfabric train llm``, or None; ``noun``: what an item is, for a causal model's prompt;
    ``deepspeed``: run the network under DeepSpeed inference, in this process. An adapted model is
    run as deep as it was adapted. Thread-safe; bfloat16 where the CPU multiplies it. ``texts``
    counts what was read.
    """

    def __init__(
        self,
        model: str,
        *,
        adapter: str | None = None,
        noun: str = "",
        longest: int = 128,
        deepspeed: bool = False,
    ) -> None:
        try:
            from recfabric.quant.llm.vectors import EncoderConfig, read_adapter
        except ModuleNotFoundError as error:
            raise MissingExtraError(str(error.name), "train") from None
        depth = read_adapter(Path(adapter))["depth"] if adapter else EncoderConfig().depth
        self.config = EncoderConfig(model, adapter=adapter, longest=longest, depth=depth)
        self.noun, self.texts, self._deepspeed = noun, 0, deepspeed
        self._lock = threading.Lock()
        self._loaded: tuple[Any, Any, bool] | None = None

    def load(self) -> None:
        """Load the model now. Raises as :func:`recfabric.quant.llm.models.load_model` does."""
        import torch

        from recfabric.quant.llm.vectors import is_causal, load_encoder, under_deepspeed

        with self._lock:
            if self._loaded is None:
                dtype = torch.bfloat16 if models.has_bfloat16() else torch.float32
                tokenizer, network = load_encoder(self.config, dtype)
                causal = is_causal(network)
                if self._deepspeed:
                    with alone():
                        network = under_deepspeed(network, dtype)
                self._loaded = tokenizer, network, causal

    def read(
        self, texts: Sequence[str], *, progress: Progress | None = None
    ) -> npt.NDArray[np.float32]:
        """float32 (N, E): a vector for each text, each of which has a word."""
        self.load()
        parts = []
        task = (progress or Silent()).task(f"read text ({self.config.model})", len(texts))
        with task as advance, self._lock, one_thread():
            for text in texts:
                parts.append(self._one(text))
                advance(1)
        return np.concatenate(parts)

    @property
    def characters(self) -> int:
        """Of a text that are looked at; the rest is left out."""
        return CHARACTERS * self.config.longest

    @property
    def about(self) -> TextModel:
        """What a map must know of the model; loads it."""
        self.load()
        assert self._loaded is not None
        config = self.config
        return TextModel(
            name=config.model,
            identity=models.identity(config.model),
            blocks=2 if self._loaded[2] else 1,
            noun=self.noun,
            longest=config.longest,
            adapter=config.adapter,
            adapter_identity=models.identity(config.adapter) if config.adapter else None,
        )

    @classmethod
    def of(cls, model: TextModel, *, deepspeed: bool = False) -> TextReader:
        """The reader of a map's model.

        Raises ConfigError where its weights here, or its adapter's, are others than the map's.
        """
        for name, known in {
            model.name: model.identity,
            model.adapter: model.adapter_identity,
        }.items():
            if name is not None and models.identity(name) != known:
                raise ConfigError(
                    f"The weights of '{name}' are not those that the contract's texts were mapped "
                    "with; bring the right ones or export the model again."
                )
        return cls(
            model.name,
            adapter=model.adapter,
            noun=model.noun,
            longest=model.longest,
            deepspeed=deepspeed,
        )

    def cached(
        self, texts: Sequence[str], *, progress: Progress | None = None
    ) -> npt.NDArray[np.float32]:
        """:meth:`read`, zeros for an empty text, kept in the cache of vectors."""
        from recfabric.quant.llm.vectors import cache_key

        key = cache_key([self.noun, *texts], self.config)
        path = cache_dir() / "vectors" / f"read-{key}.npy"
        if path.exists():
            return np.asarray(np.load(path), np.float32)
        filled = [i for i, text in enumerate(texts) if text.strip()]
        found = self.read([texts[i] for i in filled], progress=progress)
        vectors = np.zeros((len(texts), found.shape[1]), np.float32)
        vectors[filled] = found
        store(path, vectors)
        return vectors

    def _one(self, text: str) -> npt.NDArray[np.float32]:
        import torch

        from recfabric.quant.llm.vectors import padded, pooled, tokenise

        assert self._loaded is not None
        tokenizer, network, causal = self._loaded
        head = text[: self.characters]
        prompt = liked(head, self.noun) if causal else head
        with torch.inference_mode():
            ids, lengths = padded(tokenise(tokenizer, [prompt], self.config.longest))
            state = network(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
            vector: npt.NDArray[np.float32] = pooled(state, lengths, causal).numpy()
        self.texts += 1
        return vector


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread of PyTorch: a second one brings little to one text and waits on busy cores."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
