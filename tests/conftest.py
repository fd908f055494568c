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
