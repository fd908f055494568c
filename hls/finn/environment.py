# SPDX-License-Identifier: Apache-2.0
"""FINN's own environment: where it is. Nothing of it is imported here; it runs as a process."""

from __future__ import annotations

from pathlib import Path

from recfabric.environments import FINN
from recfabric.errors import ToolMissingError


def folder() -> Path:
    """The environment that ``make finn-env`` made: ``$FINN_VENV``, else ``.venv-finn``.

    Looked for in the current folder, then in the checkout. Raises ToolMissingError where none is,
    or where its installation did not finish.
    """
    return FINN.folder()


def python() -> Path:
    """The environment's Python. Raises ToolMissingError as :func:`folder`."""
    return FINN.python()


def site_packages() -> Path:
    """Where the environment's packages lie. Raises ToolMissingError as :func:`folder`."""
    found = sorted(folder().glob("lib/python3*/site-packages/finn"))
    if not found:
        raise ToolMissingError(f"{folder()} holds no finn-plus; make it anew with `make finn-env`.")
    return found[0].parent


def rtllib() -> Path:
    """The folder of FINN's SystemVerilog. Raises ToolMissingError as :func:`folder`."""
    return site_packages() / "finn" / "finn-rtllib"


def version() -> str:
    """finn-plus' version in the environment, part of every result's key."""
    found = sorted(site_packages().glob("finn_plus-*.dist-info"))
    return found[0].name.removesuffix(".dist-info").split("-")[1] if found else "unknown"
