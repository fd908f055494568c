# SPDX-License-Identifier: Apache-2.0
"""The boards: one TOML file each. Clocks are what designs are asked for, not what was reached.

From the boards' data sheets: device, memory and the ports through which kernels reach it. No
design of ours was run on any of them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from recfabric.contract import Contract
from recfabric.errors import ConfigError
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.kernels.hotpath.wrapper import axi_ports

FOLDER = Path(__file__).parent
FLOWS = ("vivado", "vitis")


@dataclass(frozen=True)
class Board:
    """A board as the flows see it.

    ``device``: its part number for the vendor's tools; ``part``: the name in
    ``recfabric.bitstreams.parts.ALL_PARTS`` where its cells can be counted, else empty; ``flow``:
    "vivado" (block design, PYNQ) or "vitis" (XRT kernel on ``platform``); ``clock_mhz``: asked
    for; ``memory_bytes``: reached by kernels, through at most ``ports`` ports of ``port_bits``;
    ``memory_ports``: where the kernel's AXI4 ports go, the first one first: interfaces of the PS,
    or banks of the platform as v++ names them; ``ps``, ``control``, ``control_base``: the PS block,
    its interface to the kernel's registers and their address (vivado); ``hardware``: parameters
    of ``rf_hotpath`` for this board.
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
    memory_ports: tuple[str, ...]
    hardware: Mapping[str, int] = field(hash=False)
    platform: str = ""
    ps: str = ""
    control: str = ""
    control_base: int = 0

    def hotpath(self, contract: Contract, **parameters: int) -> HotPathConfig:
        """The netlist of a contract for this board; ``parameters`` are stronger than the file's.

        Raises ConfigError where the board has too few ports for it, or too narrow ones.
        """
        config = HotPathConfig.for_contract(contract, **{**self.hardware, **parameters})
        if axi_ports(config) > len(self.memory_ports):
            raise ConfigError(
                f"The hardware's scan_ports of {config.scan_ports} need {axi_ports(config)} memory "
                f"ports but {self.title} has {len(self.memory_ports)}; give fewer scan_ports."
            )
        if config.beat_bits > self.port_bits:
            raise ConfigError(
                f"The hardware's beat_bits of {config.beat_bits} are more than the "
                f"{self.port_bits} of a memory port of {self.title}; give no more."
            )
        return config


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
        told = tomllib.loads(path.read_text())
        ports = tuple(told.pop("memory_ports"))
        found = Board(name=stem, memory_ports=ports, **told)
    except (tomllib.TOMLDecodeError, TypeError, KeyError) as error:
        raise ConfigError(f"{path} does not describe a board ({error}).") from None
    if found.flow not in FLOWS:
        raise ConfigError(f"{path} names the flow '{found.flow}'; it must be one of {FLOWS}.")
    return found
