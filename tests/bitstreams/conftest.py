# SPDX-License-Identifier: Apache-2.0
"""Stand-ins for the vendor's programs, in a Tcl interpreter that every CI machine must have."""

import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def vivado() -> Iterator[ModuleType]:
    """The stand-in's module; a loud skip without Tcl, a failure in CI."""
    try:
        import tkinter

        tkinter.Tcl()
    except ImportError:
        if os.environ.get("CI"):
            raise
        pytest.skip("NOT TESTED: this Python has no tkinter (Debian: apt install python3-tk)")
    sys.path.insert(0, str(HERE))
    yield importlib.import_module("vivado_stand_in")
    sys.path.remove(str(HERE))
