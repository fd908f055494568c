# SPDX-License-Identifier: Apache-2.0
"""Texts to vectors under DeepSpeed inference: bad texts, the cache, tensor parallel."""

import os
from pathlib import Path

import numpy as np
import pytest

from recfabric.errors import ConfigError, DataError, NetworkError
from recfabric.quant.llm import models, vectors
from recfabric.quant.llm.launch import OpBuildLockError, check_locks
from recfabric.quant.llm.vectors import EncoderConfig, cache_key, encode

TEXTS = ["calm thing number 7", "", "loud thing", "映画についての文章", "calm " * 10_000]


def test_texts_of_every_kind(tiny_causal: Path, cache: Path) -> None:
    found = encode(TEXTS, EncoderConfig(str(tiny_causal), longest=32))
    assert found.shape == (5, 32) and found.dtype == np.float32
    assert np.isfinite(found).all()
    assert not found[1].any() and found[[0, 2, 3, 4]].any(axis=1).all()
    assert not np.array_equal(found[0], found[2])
    with pytest.raises(ConfigError, match="None of the 2 texts"):
        encode(["", " "], EncoderConfig(str(tiny_causal)))


def test_the_cache_answers_the_second_time(
    tiny_causal: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = EncoderConfig(str(tiny_causal))
    first = encode(TEXTS[:3], config)

    def fail(*_: object) -> None:
        raise AssertionError("the model was asked again")

    monkeypatch.setattr(vectors, "run", fail)
    assert np.array_equal(encode(TEXTS[:3], config), first)
    for other in (EncoderConfig(str(tiny_causal), depth=0.5), EncoderConfig("minilm")):
        assert cache_key(TEXTS, other) != cache_key(TEXTS, config)
    with pytest.raises(AssertionError):
        encode([*TEXTS[:3], "bright"], config)


def test_depth_reads_an_inner_layer(
    tiny_causal: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Vectors at half the depth are the mean and last states behind the second of four layers."""
    import torch

    monkeypatch.setattr(models, "has_bfloat16", lambda: False)
    tokenizer, network = models.load_model(str(tiny_causal), torch.float32)
    ids = tokenizer(TEXTS[0], return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        state = network(input_ids=ids, output_hidden_states=True).hidden_states[2][0]
    expected = torch.cat([state[1:].mean(0), state[-1]]).numpy()
    found = encode(TEXTS[:3], EncoderConfig(str(tiny_causal), depth=0.5))
    assert np.allclose(found[0], expected, atol=1e-5)


def test_two_ranks_share_each_layer() -> None:
    """The real model through the launcher: as one rank, but for the order of sums in bfloat16."""
    texts = ["Toy Story (1995). Genres: Animation", f"Quarterly report {os.getpid()} of income tax"]
    try:
        alone = encode(texts, EncoderConfig())
    except NetworkError as error:
        pytest.skip(f"NOT TESTED: {error}")
    shared = encode(texts, EncoderConfig(ranks=2))
    mean = np.linalg.norm(alone, axis=1)
    assert np.all(np.linalg.norm(alone - shared, axis=1) < 0.05 * mean)
    assert np.linalg.norm(alone[0] - alone[1]) > 0.2 * mean[0]


def test_what_is_no_adapter(tiny_causal: Path, cache: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no adapter"):
        encode(TEXTS, EncoderConfig(str(tiny_causal), adapter=str(tmp_path)))


def test_a_lock_that_nobody_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path))
    check_locks()
    lock = tmp_path / "deepspeed_shm_comm" / "lock"
    lock.parent.mkdir()
    with lock.open("w"):
        check_locks()  # a build that runs holds it
    with pytest.raises(OpBuildLockError, match="remove that file"):
        check_locks()


@pytest.mark.parametrize("wrong", [{"depth": 0.0}, {"longest": 1}, {"ranks": 9}])
def test_bad_configuration(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        EncoderConfig(**wrong)
