# SPDX-License-Identifier: Apache-2.0
"""The device protocol: memory, arguments by name, start, wait with a time-out.

Everything above it (driver, recommender) is the same for the integer models, the simulated RTL
and a board. Addresses and arguments are those of the kernel ABI (``rf_regs.rdl``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from recfabric.kernels.hotpath._registers import FIELDS
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.kernels.hotpath.image import PAGE

Bytes = npt.NDArray[np.uint8]

MODE_RUN = 0
MODE_LOAD = 1
MODE_BATCH = 2


@dataclass(frozen=True)
class Buffer:
    """A piece of device memory: ``address`` on a 4 KiB page, ``size`` in bytes."""

    address: int
    size: int


@dataclass(frozen=True)
class Status:
    """What the kernel says of a request or of all of a run; all False when it was answered."""

    bus_error: bool = False
    bad_row: bool = False
    bad_seen: bool = False
    bad_argument: bool = False

    @classmethod
    def of(cls, word: int) -> Status:
        """From the bits of the status register or of a record."""
        return cls(**{name: bool(word >> low & 1) for name, (low, _) in FIELDS["status"].items()})

    def word(self) -> int:
        """The bits, as the kernel writes them."""
        return sum(int(getattr(self, n)) << low for n, (low, _) in FIELDS["status"].items())

    def faults(self) -> str:
        """The names of what is wrong, for a sentence; empty where nothing is."""
        return " and ".join(name for name in FIELDS["status"] if getattr(self, name))


@dataclass(frozen=True)
class Cycles:
    """Clock cycles from a request's opening to the end of each stage, and beats read from memory.

    ``end``: the cycle of the run in which the request ended. In a batch requests overlap:
    ``total`` holds the waiting for the ones before, ``beats_read`` counts all that was read since
    the request before ended, and the time a request costs is the distance of two ends.
    """

    gather: int
    attention: int
    fuse: int
    scan: int
    total: int
    beats_read: int
    end: int


@dataclass(frozen=True)
class Completion:
    """The end of a run. ``cycles``: of its last request, None on a device that has no clock."""

    status: Status
    cycles: Cycles | None = None


class Device(Protocol):
    """One kernel with its memory. One run at a time; not thread-safe."""

    name: str
    config: HotPathConfig

    def allocate(self, size: int) -> Buffer:
        """Memory for ``size`` bytes; raises DeviceError when there is not enough."""

    def write(self, buffer: Buffer, data: Bytes, offset: int = 0) -> None:
        """Copy bytes into device memory."""

    def read(self, buffer: Buffer, size: int, offset: int = 0) -> Bytes:
        """Copy bytes out of device memory."""

    def start(self, arguments: Mapping[str, int]) -> None:
        """Set the named arguments (the others keep their values) and start."""

    def wait(self, timeout_s: float) -> Completion:
        """Wait for the end; raises DeviceTimeoutError, after which the device is reset."""

    def reset(self) -> None:
        """Back to idle, memory path included; arguments and the fuse layer's weights are lost."""

    def close(self) -> None:
        """Give back what the device holds."""


class PageAllocator:
    """Hands out pages of an address range, never twice. Page 0 stays unused, as a null."""

    def __init__(self, capacity: int) -> None:
        self._next, self._capacity = PAGE, capacity

    def allocate(self, size: int) -> Buffer | None:
        """The next free pages, or None when ``size`` bytes do not fit."""
        pages = -(-max(size, 1) // PAGE) * PAGE
        if self._next + pages > self._capacity:
            return None
        buffer = Buffer(self._next, pages)
        self._next += pages
        return buffer


def check_range(buffer: Buffer, offset: int, size: int) -> None:
    """Raises ValueError where a copy would leave its buffer: a fault of the caller."""
    if offset < 0 or offset + size > buffer.size:
        raise ValueError(f"{size} bytes at {offset} leave a buffer of {buffer.size} bytes")
