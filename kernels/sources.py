# SPDX-License-Identifier: Apache-2.0
"""Which SystemVerilog files a module needs: one module per file, file name = module name."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent
_PREFIXED = re.compile(r"\brf_[a-z0-9_]+\b")
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)


def sources(top: str, generated: tuple[Path, ...] = ()) -> tuple[Path, ...]:
    """The files of ``top`` and all that it names, packages first, ``top`` last.

    ``generated``: further files (the register block) that may be named and come from outside
    the folder; one with the name of a file of the folder stands in its place (a slot such as
    ``rf_fuse``). Raises KeyError where no file is called ``top``.
    """
    files = {path.stem: path for path in (*sorted(ROOT.rglob("rf_*.sv")), *generated)}
    order: list[Path] = []
    _visit(top, files, order)
    return tuple(sorted(order, key=lambda path: not path.stem.endswith("_pkg")))


def _visit(name: str, files: dict[str, Path], order: list[Path]) -> None:
    path = files[name]
    if path in order:
        return
    text = _COMMENT.sub("", path.read_text())
    for needed in sorted(set(_PREFIXED.findall(text)) & files.keys() - {name}):
        _visit(needed, files, order)
    order.append(path)
