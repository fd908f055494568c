# SPDX-License-Identifier: Apache-2.0
"""The ``rtl`` device: the kernel's own RTL, Verilated, with a memory of stated latency."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

from recfabric.errors import DeviceError, DeviceTimeoutError
from recfabric.host.device import (
    Buffer,
    Bytes,
    Completion,
    Cycles,
    PageAllocator,
    Status,
    check_range,
)
from recfabric.kernels.hotpath._registers import OFFSETS
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.sim.verilated import MemoryModel, VerilatedKernel

_CHUNK = 100_000  # cycles between two looks at the clock
_COUNTERS = {f.name: f"cycles_{f.name}" for f in fields(Cycles)} | {
    "beats_read": "beats_read",
    "end": "cycles_total",
}


class RtlDevice:
    """Drives the simulated kernel through its registers, as a host drives a board."""

    name = "rtl"

    def __init__(
        self,
        config: HotPathConfig,
        *,
        memory_bytes: int = 1 << 26,
        memory: MemoryModel | None = None,
        slots: tuple[Path, ...] = (),
        quick: bool = False,
    ) -> None:
        """``slots``: SystemVerilog files in place of the kernels' own, such as a ``rf_fuse.sv``.

        ``quick``: compiled without optimisation, for runs that take less than the compiler would.
        """
        self.config = config
        self.kernel = VerilatedKernel(
            config, memory_bytes=memory_bytes, memory=memory, slots=slots, quick=quick
        )
        self._pages = PageAllocator(memory_bytes)
        self._memory_bytes = memory_bytes
        self._set: dict[str, int] = {}
        self._enable_interrupt()

    def allocate(self, size: int) -> Buffer:
        """Pages of the simulated memory; raises DeviceError when they do not suffice."""
        buffer = self._pages.allocate(size)
        if buffer is None:
            raise DeviceError(
                f"The simulated memory of {self._memory_bytes} bytes has no {size} left; make "
                "the device with a larger memory_bytes."
            )
        return buffer

    def write(self, buffer: Buffer, data: Bytes, offset: int = 0) -> None:
        """Copy bytes into the simulated memory."""
        check_range(buffer, offset, len(data))
        start = buffer.address + offset
        self.kernel.memory[start : start + len(data)] = data

    def read(self, buffer: Buffer, size: int, offset: int = 0) -> Bytes:
        """Copy bytes out of the simulated memory."""
        check_range(buffer, offset, size)
        start = buffer.address + offset
        return self.kernel.memory[start : start + size].copy()

    def start(self, arguments: Mapping[str, int]) -> None:
        """Write the arguments that changed, then the start bit."""
        for name, value in arguments.items():
            if self._set.get(name) != value:
                self._write_argument(name, value)
                self._set[name] = value
        self.kernel.write_register(OFFSETS["ctrl"], 1)

    def wait(self, timeout_s: float) -> Completion:
        """Simulate until the interrupt; raises DeviceTimeoutError and resets the kernel."""
        deadline = time.monotonic() + timeout_s
        while not self.kernel.run(_CHUNK):
            if time.monotonic() > deadline:
                self._recover()
                raise DeviceTimeoutError(
                    f"The simulated kernel did not finish within {timeout_s} s; it was reset. "
                    "Send the request again, or give a longer time-out."
                )
        self.kernel.write_register(OFFSETS["isr"], 1)
        return Completion(self._status(), self._cycles())

    def close(self) -> None:
        """Free the simulation."""
        self.kernel.close()

    def _recover(self) -> None:
        self.kernel.reset()
        self._set.clear()
        self._enable_interrupt()

    def _enable_interrupt(self) -> None:
        self.kernel.write_register(OFFSETS["gie"], 1)
        self.kernel.write_register(OFFSETS["ier"], 1)

    def _write_argument(self, name: str, value: int) -> None:
        if name in OFFSETS:
            self.kernel.write_register(OFFSETS[name], value)
        else:
            self.kernel.write_register(OFFSETS[f"{name}_lo"], value & 0xFFFF_FFFF)
            self.kernel.write_register(OFFSETS[f"{name}_hi"], value >> 32)

    def _status(self) -> Status:
        return Status.of(self.kernel.read_register(OFFSETS["status"]))

    def _cycles(self) -> Cycles:
        read = self.kernel.read_register
        return Cycles(**{name: read(OFFSETS[reg]) for name, reg in _COUNTERS.items()})
