# SPDX-License-Identifier: Apache-2.0
"""Shared by all tests: a missing tool is a loud skip on a laptop and a failure in CI."""

import os

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
