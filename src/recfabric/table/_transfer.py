# SPDX-License-Identifier: Apache-2.0
"""What a request moves between host and board, counted on a simulated device, and its time.

The time is a model with stated numbers; none of them was measured on a board.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

from recfabric.host.device import Buffer, Bytes, Completion, Cycles, Device

_END = 2 + len(fields(Cycles))  # accesses that take a run's end: its interrupt, status, counters


@dataclass(frozen=True)
class Transfer:
    """A board's host side: microseconds of a 32-bit register access and of each copy's start,
    bytes a microsecond of a copy, microseconds from the interrupt until the host's program goes
    on."""

    register_us: float
    copy_us: float
    bytes_per_us: float
    wake_us: float

    def ms(self, moved: Moved) -> float:
        """Milliseconds of what a request moved."""
        copied = moved.copies * self.copy_us + moved.bytes / self.bytes_per_us
        return (moved.registers * self.register_us + copied + self.wake_us) / 1000

    def record(self) -> dict[str, float]:
        """For a result."""
        return asdict(self)


# By the flow of a board: one memory for processor and kernel, or a card on PCIe.
TRANSFERS = {
    "vivado": Transfer(register_us=0.3, copy_us=1.0, bytes_per_us=1000.0, wake_us=20.0),
    "vitis": Transfer(register_us=1.0, copy_us=10.0, bytes_per_us=8000.0, wake_us=30.0),
}


@dataclass
class Moved:
    """Copies and their bytes, register accesses."""

    copies: int = 0
    bytes: int = 0
    registers: int = 0


class CountedDevice:
    """A device that notes what goes over to it and back since :meth:`take`."""

    def __init__(self, device: Device) -> None:
        self._device, self.name, self.config = device, device.name, device.config
        self._moved, self._set = Moved(), dict[str, int]()

    def take(self) -> Moved:
        """What was moved since the last call."""
        moved, self._moved = self._moved, Moved()
        return moved

    def allocate(self, size: int) -> Buffer:
        """See :class:`recfabric.host.device.Device`."""
        return self._device.allocate(size)

    def write(self, buffer: Buffer, data: Bytes, offset: int = 0) -> None:
        """See :class:`recfabric.host.device.Device`."""
        self._copied(len(data))
        self._device.write(buffer, data, offset)

    def read(self, buffer: Buffer, size: int, offset: int = 0) -> Bytes:
        """See :class:`recfabric.host.device.Device`."""
        self._copied(size)
        return self._device.read(buffer, size, offset)

    def start(self, arguments: Mapping[str, int]) -> None:
        """See :class:`recfabric.host.device.Device`; two words an argument that changed."""
        changed = {n: v for n, v in arguments.items() if self._set.get(n) != v}
        self._set |= changed
        self._moved.registers += 2 * len(changed) + 1
        self._device.start(arguments)

    def wait(self, timeout_s: float) -> Completion:
        """See :class:`recfabric.host.device.Device`."""
        self._moved.registers += _END
        return self._device.wait(timeout_s)

    def reset(self) -> None:
        """See :class:`recfabric.host.device.Device`."""
        self._set.clear()
        self._device.reset()

    def close(self) -> None:
        """See :class:`recfabric.host.device.Device`."""
        self._device.close()

    def _copied(self, size: int) -> None:
        self._moved.copies += 1
        self._moved.bytes += size
