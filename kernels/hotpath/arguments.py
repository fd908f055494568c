# SPDX-License-Identifier: Apache-2.0
"""The kernel's argument list, for kernel.xml, XRT and the packaged IP: from the register map."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from recfabric.kernels.hotpath._registers import ARGUMENTS, FIELDS, OFFSETS
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.kernels.hotpath.image import share_names
from recfabric.kernels.hotpath.wrapper import NAME
from recfabric.kernels.hotpath.wrapper import arguments as ports_of_addresses

VLNV = f"recfabric:kernel:{NAME}:1.0"  # of the packaged IP, by which a host finds it
CONTROL = "s_axi_control"
_SHARE = "item"


@dataclass(frozen=True)
class Argument:
    """``index``: its place in the list; ``offset``: of its register; ``bits``: 64 for an address.

    ``port``: the AXI4 interface that an address is used on, the control interface for a scalar.
    """

    name: str
    index: int
    offset: int
    bits: int
    port: str

    @property
    def is_address(self) -> bool:
        """Whether it holds a place in memory."""
        return self.bits == 64


def kernel_arguments(config: HotPathConfig) -> tuple[Argument, ...]:
    """Every argument of a netlist with these parameters, in ascending order of its registers."""
    places, shares = ports_of_addresses(config), share_names(config)
    found: list[Argument] = []
    for name, (offset, bits) in sorted(ARGUMENTS.items(), key=lambda entry: entry[1]):
        if name.rstrip("0123456789") == _SHARE and name not in shares:
            continue  # the share of a scan port that this netlist has not
        port = f"m_axi_gmem{places.get(name, 0)}" if bits == 64 else CONTROL
        found.append(Argument(name, len(found), offset, bits, port))
    return tuple(found)


def abi_hash() -> str:
    """Names the register map: a host and a bitstream must have the same one."""
    text = json.dumps([OFFSETS, FIELDS, ARGUMENTS], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
