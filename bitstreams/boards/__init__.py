# SPDX-License-Identifier: Apache-2.0
"""The boards: one TOML file each. Clocks are what designs are asked for, not what was reached.

From the boards' data sheets: device, memory and the ports through which kernels reach it. No
design of ours was run on any of them.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from recfabric.errors import ConfigError

FOLDER = Path(__file__).parent
FLOWS = ("vivado", "vitis")


@dataclass(frozen=True)
class Board:
    """A board as the flows see it.

    ``device``: its part number for the vendor's tools; ``part``: the name in
    ``recfabric.bitstreams.parts.PARTS`` where its cells can be counted, else empty; ``flow``:
    "vivado" (block design, PYNQ) or "vitis" (XRT kernel on ``platform``); ``clock_mhz``: asked
    for; ``memory_bytes``: reached by kernels, through at most ``ports`` ports of ``port_bits``.
    """

    name: str
    title: str
    device: str
    part: str
    flow: str
    clock_mhz: int
    memory: str
    memory_bytes: int
    ports: int
    port_bits: int
    platform: str = ""


def names() -> tuple[str, ...]:
    """The boards that can be named, in alphabetical order."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


@cache
def board(name: str) -> Board:
    """The board of a name such as "pynq-z2", whatever its case.

    Raises ConfigError for an unknown board and for a file that does not describe one.
    """
    stem = name.lower()
    if stem not in names():
        raise ConfigError(f"The board '{name}' is not known; choose one of {', '.join(names())}.")
    path = FOLDER / f"{stem}.toml"
    try:
        found = Board(name=stem, **tomllib.loads(path.read_text()))
    except (tomllib.TOMLDecodeError, TypeError) as error:
        raise ConfigError(f"{path} does not describe a board ({error}).") from None
    if found.flow not in FLOWS:
        raise ConfigError(f"{path} names the flow '{found.flow}'; it must be one of {FLOWS}.")
    return found
