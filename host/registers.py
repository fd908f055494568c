# SPDX-License-Identifier: Apache-2.0
"""The kernel's registers, however a device reaches them: arguments, start, end, status."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Protocol

from recfabric.errors import DeviceError
from recfabric.host.device import Completion, Cycles, Status
from recfabric.kernels.hotpath._registers import FIELDS, OFFSETS
from recfabric.kernels.hotpath.config import HotPathConfig

_COUNTERS = {f.name: f"cycles_{f.name}" for f in fields(Cycles)} | {
    "beats_read": "beats_read",
    "end": "cycles_total",
}
_DONE = 1  # of the interrupt registers


class Bus(Protocol):
    """32-bit accesses at byte offsets of the register block."""

    def read_register(self, offset: int) -> int:
        """One read."""

    def write_register(self, offset: int, value: int) -> None:
        """One write."""


class Registers:
    """The register block over a bus; remembers what it wrote, so that equal values cost nothing."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._set: dict[str, int] = {}
        self.enable_interrupt()

    def enable_interrupt(self) -> None:
        """Let the end of a run raise the interrupt line and stay in its status register."""
        self._bus.write_register(OFFSETS["gie"], 1)
        self._bus.write_register(OFFSETS["ier"], _DONE)

    def after_reset(self) -> None:
        """What was written is lost: write all of it at the next start."""
        self._set.clear()
        self.enable_interrupt()

    def start(self, arguments: Mapping[str, int]) -> None:
        """Write the arguments that changed, then the start bit."""
        for name, value in arguments.items():
            if self._set.get(name) != value:
                self._write_argument(name, value)
                self._set[name] = value
        self._bus.write_register(OFFSETS["ctrl"], 1)

    def finished(self) -> bool:
        """Whether the run has ended; ap_done would not tell twice, the interrupt status does."""
        return bool(self._bus.read_register(OFFSETS["isr"]) & _DONE)

    def completion(self) -> Completion:
        """Take the end of a run: clears its interrupt, reads status and counters."""
        self._bus.write_register(OFFSETS["isr"], _DONE)
        read = self._bus.read_register
        status = Status.of(read(OFFSETS["status"]))
        return Completion(status, Cycles(**{n: read(OFFSETS[reg]) for n, reg in _COUNTERS.items()}))

    def check(self, config: HotPathConfig) -> None:
        """Raises DeviceError where the hardware's own description is not that of ``config``."""
        found = self._fields("geometry") | {"ports": self._fields("ports")["count"]}
        tables = ("message", "key", "value", "item")
        wanted = {f"{t}_int4": int(getattr(config, f"{t}_bits") == 4) for t in tables}
        wanted |= {"dim_log2": config.dim.bit_length() - 1, "k_max": config.k_max}
        wanted |= {"heads_log2": config.heads.bit_length() - 1, "ports": config.scan_ports}
        wanted |= {"beat_log2": config.beat_bytes.bit_length() - 1}
        for name, value in wanted.items():
            if found[name] != value:
                raise DeviceError(
                    f"The hardware's {name} is {found[name]} but its manifest says {value}; load "
                    "the bitstream that belongs to the manifest."
                )

    def _fields(self, register: str) -> dict[str, int]:
        word = self._bus.read_register(OFFSETS[register])
        return {n: word >> low & (1 << width) - 1 for n, (low, width) in FIELDS[register].items()}

    def _write_argument(self, name: str, value: int) -> None:
        if name in OFFSETS:
            self._bus.write_register(OFFSETS[name], value & 0xFFFF_FFFF)
        else:
            self._bus.write_register(OFFSETS[f"{name}_lo"], value & 0xFFFF_FFFF)
            self._bus.write_register(OFFSETS[f"{name}_hi"], value >> 32)
