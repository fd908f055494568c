# SPDX-License-Identifier: Apache-2.0
"""The ``rtl`` device: the kernel's own RTL, Verilated, with a memory of stated latency."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from recfabric.errors import DeviceError, DeviceTimeoutError
from recfabric.host.device import (
    Buffer,
    Bytes,
    Completion,
    PageAllocator,
    check_range,
)
from recfabric.host.registers import Registers
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.sim.verilated import MemoryModel, VerilatedKernel

_CHUNK = 100_000  # cycles between two looks at the clock


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
        self.registers = Registers(self.kernel)

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
        self.registers.start(arguments)

    def wait(self, timeout_s: float) -> Completion:
        """Simulate until the interrupt; raises DeviceTimeoutError and resets the kernel."""
        deadline = time.monotonic() + timeout_s
        while not self.kernel.run(_CHUNK):
            if time.monotonic() > deadline:
                self.reset()
                raise DeviceTimeoutError(
                    f"The simulated kernel did not finish within {timeout_s} s; it was reset. "
                    "Send the request again, or give a longer time-out."
                )
        return self.registers.completion()

    def close(self) -> None:
        """Free the simulation."""
        self.kernel.close()

    def reset(self) -> None:
        """Hold the kernel's reset: registers and the fuse layer's weights are lost, not memory."""
        self.kernel.reset()
        self.registers.after_reset()
