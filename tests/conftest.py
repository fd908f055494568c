# SPDX-License-Identifier: Apache-2.0
"""Shared by all tests: a missing tool is a loud skip on a laptop and a failure in CI."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from recfabric.errors import MissingExtraError, ToolMissingError


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
