# SPDX-License-Identifier: Apache-2.0
"""Planted faults: a check counts only when it has been seen to fail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Fault:
    """A planted fault: in ``file``, the only occurrence of ``old`` becomes ``new``."""

    file: str
    old: str
    new: str


def plant(fault: Fault | None, files: Sequence[Path], folder: Path) -> list[Path]:
    """The files with the fault in a copy below ``folder``; the files themselves without one."""
    if fault is None:
        return list(files)
    folder.mkdir(parents=True, exist_ok=True)
    planted = []
    for path in files:
        if path.name != fault.file:
            planted.append(path)
            continue
        text = path.read_text()
        if text.count(fault.old) != 1:
            raise AssertionError(f"'{fault.old}' is not once in {path.name}")
        copy = folder / path.name
        copy.write_text(text.replace(fault.old, fault.new))
        planted.append(copy)
    return planted
