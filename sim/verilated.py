# SPDX-License-Identifier: Apache-2.0
"""The hot path Verilated into a shared library with an AXI memory in C++, called in-process.

Built once per content of the sources and parameters. The memory gives one beat a cycle in order;
latency, reads in flight, random stalls and a range that answers SLVERR are set at run time.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from recfabric.config import build_dir
from recfabric.errors import DeviceError, ToolMissingError
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.kernels.hotpath.registers import generate
from recfabric.kernels.sources import sources
from recfabric.sim import verilator

TOP = "rf_hotpath"
_HARNESS = Path(__file__).parent / "rf_device.cpp"
_OPTIONS = (
    *("-O3", "--x-assign", "fast", "--x-initial", "fast", "--no-assert"),
    # Lint is a check of its own; a parameter that a module refuses stops the build.
    *("-Wno-fatal", "-Wno-lint", "-Wno-style", "-Werror-USERFATAL"),
    *("-MAKEFLAGS", "CFG_CXXFLAGS_PCH_I=-include"),  # g++'s spelling
)
_CFLAGS = "-O3 -fPIC -std=c++17"


@dataclass(frozen=True)
class MemoryModel:
    """The memory behind the kernel's AXI port.

    ``latency``: cycles from an address to its first beat; ``outstanding``: bursts in flight;
    ``stall``: share of the cycles in which a channel pauses, at random (0 to 1); ``seed``: of the
    stalls.
    """

    latency: int = 64
    outstanding: int = 256
    stall: float = 0.0
    seed: int = 1


class _CMemory(ctypes.Structure):
    _fields_ = (
        ("latency", ctypes.c_uint32),
        ("outstanding", ctypes.c_uint32),
        ("stall_256", ctypes.c_uint32),
        ("seed", ctypes.c_uint32),
    )


def build(config: HotPathConfig) -> Path:
    """The shared library for these parameters; compiled when it is not there yet.

    Raises ToolMissingError without a compiler, MissingExtraError without Verilator.
    """
    files = (verilator.WAIVERS, *sources(TOP, generate(build_dir() / "generated")))
    key = verilator.content_key((*files, _HARNESS), config.parameters(), _OPTIONS, _CFLAGS)
    library = build_dir() / "verilated" / f"{TOP}-{key}.so"
    if not library.exists():
        with verilator.build_lock():
            if not library.exists():
                _compile(files, config, library)
    return library


def _compile(files: tuple[Path, ...], config: HotPathConfig, library: Path) -> None:
    env = verilator.environment()
    library.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=library.parent, prefix=f"{library.stem}-"))
    try:
        for command in _commands(files, config, folder, Path(env["VERILATOR_ROOT"]) / "include"):
            done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
            if done.returncode:
                raise ToolMissingError(
                    f"Building {TOP} for simulation failed at {command[0]}: "
                    f"{_first_error(done.stdout + done.stderr)}"
                )
        (folder / "library.so").replace(library)
    finally:
        shutil.rmtree(folder)


def _commands(
    files: tuple[Path, ...], config: HotPathConfig, folder: Path, include: Path
) -> tuple[list[str], list[str]]:
    """Verilator's call and the harness' compilation against what it made."""
    parameters = [f"-G{name}={value}" for name, value in config.parameters().items()]
    model = ["verilator", "--cc", "--build", "-j", "2", "--top-module", TOP, "--Mdir", str(folder)]
    model += [*_OPTIONS, "-CFLAGS", _CFLAGS, *parameters, *map(str, files)]
    harness = ["g++", *_CFLAGS.split(), "-shared", f"-DBEAT_BYTES={config.beat_bytes}"]
    harness += [f"-I{folder}", f"-I{include}", f"-I{include / 'vltstd'}", str(_HARNESS)]
    harness += [str(folder / f"libV{TOP}.a"), str(folder / "libverilated.a"), "-pthread"]
    return model, [*harness, "-o", str(folder / "library.so")]


def _first_error(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower() or "FATAL" in line]
    return (errors or lines or ["it said nothing"])[0]


@cache
def _load(library: Path) -> ctypes.CDLL:
    lib = ctypes.CDLL(str(library))
    device, u32, u64 = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint64
    signatures = {
        "rf_create": (device, [u64, ctypes.POINTER(_CMemory)]),
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
        self, config: HotPathConfig, *, memory_bytes: int, memory: MemoryModel | None = None
    ) -> None:
        self._lib = _load(build(config))
        model = memory or MemoryModel()
        c_model = _CMemory(model.latency, model.outstanding, round(model.stall * 256), model.seed)
        self._device = self._lib.rf_create(memory_bytes, ctypes.byref(c_model))
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
