# SPDX-License-Identifier: Apache-2.0
"""One generation of a contract's tables in a device's memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import numpy as np

from recfabric.contract import Contract
from recfabric.host.device import Buffer, Device
from recfabric.host.items import ItemRows
from recfabric.kernels.hotpath.image import gathered_rows, memory_image

SPARE_ROWS = 129  # behind the items of each gathered table: for texts that are in no catalogue
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
            size = len(region) + SPARE_ROWS * self._row_bytes(name)
            if buffer is None or buffer.size < size:
                room = size // 4 if buffer else 0
                buffer = self.buffers[name] = self.device.allocate(size + room)
            for begin in range(0, len(region), _PIECE):
                self.device.write(buffer, region[begin : begin + _PIECE], begin)
                yield
        items = contract.shape.items
        self.arguments = {name: self.buffers[name].address for name in image}
        self.arguments |= {"n_items": len(scanned) if scanned else items, "n_rows": items}
        self.arguments |= {f"{k}_shift": v for k, v in asdict(contract.shifts).items()}

    def write_spare(self, rows: ItemRows, contract: Contract, spare: int) -> None:
        """Put an item that is in no catalogue into spare row ``spare``, 0 to SPARE_ROWS - 1.

        ``rows``: of one item, in the contract's formats. A history may name it as row
        ``contract.shape.items + spare`` once the device's ``n_rows`` is beyond it.
        """
        edges = contract.shape.edges
        target, weight = rows.edge_item, rows.edge_weight
        if target is None or weight is None:
            target = weight = np.zeros((1, edges), np.int64)
        image = gathered_rows(
            {name: getattr(rows, name).astype(np.int8) for name in ("message", "key", "value")},
            (target.astype(np.int32), weight.astype(np.int8)),
            self.device.config,
            self.scanned,
        )
        for name, row in image.items():
            place = (contract.shape.items + spare) * len(row)
            self.device.write(self.buffers[name], row, place)

    def _row_bytes(self, region: str) -> int:
        """Bytes of a row of a gathered table; 0 of what is not gathered."""
        config = self.device.config
        if region in ("message", "key", "value"):
            return config.row_bytes(region)
        return config.edge_row_bytes if region == "edge" else 0
