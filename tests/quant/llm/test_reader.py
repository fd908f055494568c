# SPDX-License-Identifier: Apache-2.0
"""A text's vector while a request waits: its own, of the recipe that the catalogue was read by."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from recfabric.quant.llm import models
from recfabric.quant.llm.prompts import liked
from recfabric.quant.llm.reader import TextReader
from recfabric.quant.llm.vectors import EncoderConfig, encode, load_encoder

TEXTS = ["calm thing 7", "loud thing number 12", "calm loud calm"]


@pytest.fixture
def adapter(tiny_causal: Path, tmp_path: Path) -> str:
    """A full fine-tuning's folder: the model up to half its depth, every weight a half larger."""
    from safetensors.torch import save_file

    _, network = load_encoder(EncoderConfig(str(tiny_causal), depth=0.5), torch.float32)
    folder = tmp_path / "adapter"
    folder.mkdir()
    weights = {name: (1.5 * one).contiguous() for name, one in network.state_dict().items()}
    save_file(weights, folder / "weights.safetensors")
    about = {"model": str(tiny_causal), "identity": models.identity(str(tiny_causal))}
    (folder / "adapter.json").write_text(json.dumps(about | {"depth": 0.5, "lora": False}))
    return str(folder)


def test_each_text_has_its_own_vector(tiny_causal: Path, cache: Path) -> None:
    """Whatever is read beside or before it; the encoder's, of the prompt with the noun."""
    reader = TextReader(str(tiny_causal), noun="thing")
    found = reader.read(TEXTS)
    expected = encode([liked(text, "thing") for text in TEXTS], EncoderConfig(str(tiny_causal)))
    assert np.allclose(found, expected, rtol=0.05, atol=0.02)
    for text, vector in zip(reversed(TEXTS), reversed(found), strict=True):
        assert np.array_equal(reader.read([text])[0], vector)
    assert reader.texts == 6
    gaps = [np.linalg.norm(found[i] - found[j]) for i, j in ((0, 1), (0, 2), (1, 2))]
    assert min(gaps) > 10 * np.linalg.norm(found - expected, axis=1).max()


def test_a_maps_reader_reads_as_the_one_it_was_made_with(
    tiny_causal: Path, cache: Path, adapter: str
) -> None:
    made = TextReader(str(tiny_causal), adapter=adapter, noun="thing", longest=6)
    found = made.read(TEXTS)
    assert np.array_equal(TextReader.of(made.about).read(TEXTS), found)
    others = (
        TextReader(str(tiny_causal), adapter=adapter, longest=6),
        TextReader(str(tiny_causal), adapter=adapter, noun="thing"),
        TextReader(str(tiny_causal), noun="thing", longest=6),
    )
    for other in others:
        assert not np.allclose(other.read(TEXTS), found, rtol=0.05)


def test_the_cache_keeps_texts_and_nouns_apart(tiny_causal: Path, cache: Path) -> None:
    texts = [TEXTS[0], "", TEXTS[1]]
    reader = TextReader(str(tiny_causal), noun="thing")
    found = reader.cached(texts)
    assert np.array_equal(found[[0, 2]], reader.read(TEXTS[:2])) and not found[1].any()
    count = reader.texts
    assert np.array_equal(reader.cached(texts), found) and reader.texts == count
    assert not np.array_equal(reader.cached([TEXTS[2], "", TEXTS[1]]), found)
    assert not np.array_equal(TextReader(str(tiny_causal), noun="number").cached(texts), found)
