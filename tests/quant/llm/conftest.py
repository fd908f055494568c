# SPDX-License-Identifier: Apache-2.0
"""A causal model of four small layers, a data set's texts, a private cache of vectors."""

from pathlib import Path

import numpy as np
import pytest

from recfabric.requests import Ragged

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "calm", "loud", "thing", "number"]


@pytest.fixture(scope="session")
def tiny_causal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an untrained Llama of 16 dimensions and two heads."""
    import torch
    from transformers import BertTokenizer, LlamaConfig, LlamaModel

    folder = tmp_path_factory.mktemp("causal")
    vocabulary = WORDS + [str(i) for i in range(100)]
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    BertTokenizer(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=4,
        num_attention_heads=2,
        num_key_value_heads=2,
        architectures=["LlamaModel"],
    )
    LlamaModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def things() -> tuple[tuple[str, ...], Ragged]:
    """Texts of 24 items, half calm and half loud, and users who like one half."""
    texts = tuple(f"{('calm', 'loud')[i % 2]} thing number {i}" for i in range(24))
    rng = np.random.default_rng(0)
    users = [np.sort(rng.choice(np.arange(u % 2, 24, 2), 6, replace=False)) for u in range(30)]
    return texts, Ragged.of(users)
