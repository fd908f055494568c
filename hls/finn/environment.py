# SPDX-License-Identifier: Apache-2.0
"""FINN's own environment: where it is. Nothing of it is imported here; it runs as a process."""

from __future__ import annotations

import os
from pathlib import Path

from recfabric.errors import ToolMissingError

_FOLDER = ".venv-finn"


def folder() -> Path:
    """The environment that ``make finn-env`` made: ``$FINN_VENV``, else ``.venv-finn``.

    Looked for in the current folder, then in the checkout. Raises ToolMissingError where none is,
    or where its installation did not finish.
    """
    named = os.environ.get("FINN_VENV")
    places = (
        [Path(named)] if named else [Path(_FOLDER), Path(__file__).resolve().parents[2] / _FOLDER]
    )
    for place in places:
        if (place / "installed").exists():
            return place.absolute()
    raise ToolMissingError(
        f"FINN's environment is not in {places[0].absolute()}; make it with `make finn-env` or "
        "name it by FINN_VENV."
    )


def python() -> Path:
    """The environment's Python. Raises ToolMissingError as :func:`folder`."""
    return folder() / "bin" / "python"


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
