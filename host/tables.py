# SPDX-License-Identifier: Apache-2.0
"""One generation of a contract's tables in a device's memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from recfabric.contract import Contract
from recfabric.host.device import Buffer, Device
from recfabric.kernels.hotpath.image import memory_image

_PIECE = 1 << 20  # bytes written at a time: requests pass between two pieces


class TableSet:
    """Buffers for one generation; written in pieces, and used again for another generation.

    ``scanned``: the consecutive item rows that this device scores, None for all of them.
    """

    def __init__(self, device: Device, scanned: range | None = None) -> None:
        self.device, self.scanned = device, scanned
        self.buffers: dict[str, Buffer] = {}
        self.arguments: dict[str, int] = {}

    def write(self, contract: Contract, scanned: range | None = None) -> Iterator[None]:
        """Copy a contract's tables into the device; yields after each piece.

        A region that has grown beyond its buffer gets a new one with a quarter of room, so that
        a growing catalogue asks for memory ever more rarely. Raises DeviceError when the device
        has no memory for it, ConfigError where its netlist does not fit the contract.
        """
        self.scanned = scanned
        image = memory_image(contract, self.device.config, scanned)
        for name, region in image.items():
            buffer = self.buffers.get(name)
            if buffer is None or buffer.size < len(region):
                room = len(region) // 4 if buffer else 0
                buffer = self.buffers[name] = self.device.allocate(len(region) + room)
            for begin in range(0, len(region), _PIECE):
                self.device.write(buffer, region[begin : begin + _PIECE], begin)
                yield
        items = contract.shape.items
        self.arguments = {name: self.buffers[name].address for name in image}
        self.arguments |= {"n_items": len(scanned) if scanned else items, "n_rows": items}
        self.arguments |= {f"{k}_shift": v for k, v in asdict(contract.shifts).items()}
