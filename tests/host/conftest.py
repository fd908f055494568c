# SPDX-License-Identifier: Apache-2.0
"""pynq's environment for the tests that need it: a loud skip on a laptop, a failure in CI."""

import os

import pytest

from recfabric.environments import PYNQ
from recfabric.errors import ToolMissingError


@pytest.fixture(scope="session")
def pynq_python() -> str:
    """pynq's Python; `make test` makes the environment."""
    try:
        return str(PYNQ.python())
    except ToolMissingError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"NOT TESTED: {error}")
