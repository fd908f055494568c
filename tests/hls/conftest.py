# SPDX-License-Identifier: Apache-2.0
"""FINN's environment for the tests that need it: a loud skip on a laptop, a failure in CI."""

import os

import pytest

from recfabric.errors import ToolMissingError
from recfabric.hls.finn import environment


@pytest.fixture(scope="session")
def finn() -> str:
    """FINN's version; `make test` makes the environment."""
    try:
        return environment.version()
    except ToolMissingError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
