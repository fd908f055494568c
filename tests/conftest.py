# SPDX-License-Identifier: Apache-2.0
"""Shared by all tests: a missing tool is a loud skip on a laptop and a failure in CI."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from recfabric.errors import MissingExtraError, NetworkError, ToolMissingError

if TYPE_CHECKING:
    from recfabric.quant.datasets import Dataset


WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "calm", "loud", "thing", "number"]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item):  # type: ignore[no-untyped-def]  # noqa: ANN201
    try:
        return (yield)
    except (MissingExtraError, ToolMissingError) as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"NOT TESTED: {error}")


@pytest.fixture(autouse=True)
def _same_folder() -> Iterator[None]:
    """A Tcl interpreter's ``cd`` moves the whole process, and builds are kept below the folder."""
    before = Path.cwd()
    yield
    os.chdir(before)


@pytest.fixture(scope="session")
def ml100k() -> "Dataset":
    """ml-100k, from the cache or fetched into it."""
    from recfabric.quant.datasets import load_dataset
    from recfabric.quant.movielens import fetch_ml100k

    try:
        return load_dataset(fetch_ml100k())
    except NetworkError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"NOT TESTED: {error}")


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
