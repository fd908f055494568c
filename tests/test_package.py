# SPDX-License-Identifier: Apache-2.0
"""The package's house: all rooms import, and data flows one way."""

import ast
from importlib import import_module
from pathlib import Path

import pytest

import recfabric

ROOT = Path(recfabric.__file__).parent
ROOMS = ("quant", "kernels", "hls", "sim", "host", "bitstreams")
GROUND = ("_formats", "contract", "errors", "config", "requests", "builds", "environments")
# One way for data, without a circle: quant and hls speak the kernels' integer models (layers of a
# graph network are theirs), and a vendor's project is made for one of the boards of bitstreams.
MAY_IMPORT = {
    "quant": ("kernels",),
    "kernels": (),
    "hls": ("kernels", "bitstreams"),
    "sim": ("kernels",),
    "host": ("kernels", "sim"),
    "bitstreams": ("kernels",),
}


def imported(path: Path) -> set[str]:
    """The first name below ``recfabric`` of every import in a file."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {n.split(".")[1] for n in names if n.startswith("recfabric.")}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports(room: str) -> None:
    """On a checkout without symbolic links the install succeeds and this fails."""
    assert import_module(f"recfabric.{room}").__doc__


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_it_may(room: str) -> None:
    allowed = {room, *MAY_IMPORT[room], *GROUND} - {"_formats"}  # contract names what it holds
    for path in (ROOT / room).rglob("*.py"):
        assert imported(path) <= allowed, path


@pytest.mark.parametrize("name", GROUND)
def test_the_ground_floor_imports_no_room(name: str) -> None:
    assert imported(ROOT / f"{name}.py") <= set(GROUND)


def test_nobody_imports_the_command_line() -> None:
    for path in ROOT.rglob("*.py"):
        assert path.parent.name == "cli" or "cli" not in imported(path), path
