# SPDX-License-Identifier: Apache-2.0
"""A stand-in for XRT's ``pyxrt``: its call signatures, over the Verilated kernel. No card.

Signatures are those that Xilinx/XRT publishes in src/python/pybind11 (pyxrt.pyi and src/pyxrt.cpp,
Apache-2.0; read, not copied): what is used here takes the same words in the same places and
refuses others with TypeError, as pybind11 does. What it does not show: a card's time, its shell,
other processes on it. :func:`install` puts it where ``import pyxrt`` finds it.
"""

from __future__ import annotations

import sys
import types
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np

from recfabric.host.device import PageAllocator
from recfabric.kernels.hotpath._registers import OFFSETS
from recfabric.kernels.hotpath.arguments import Argument, kernel_arguments
from recfabric.kernels.hotpath.manifest import Manifest
from recfabric.kernels.hotpath.wrapper import NAME
from recfabric.sim.verilated import MemoryModel, VerilatedKernel

CYCLES_A_MS = 300_000  # at 300 MHz
_INT_MAX = 2**31 - 1  # of a scalar argument in the older releases


class xclBOSyncDirection(IntEnum):  # noqa: N801
    """Directions of a buffer's copy."""

    XCL_BO_SYNC_BO_TO_DEVICE = 0
    XCL_BO_SYNC_BO_FROM_DEVICE = 1


class ert_cmd_state(IntEnum):  # noqa: N801
    """States of a run, the ones that occur here."""

    ERT_CMD_STATE_NEW = 1
    ERT_CMD_STATE_COMPLETED = 4
    ERT_CMD_STATE_TIMEOUT = 8


class uuid:  # noqa: N801
    """Names a loaded xclbin."""

    def __init__(self, uuid_str: str) -> None:
        self._text = uuid_str

    def to_string(self) -> str:
        """The name."""
        return self._text


class device:  # noqa: N801
    """A card; the kernel's netlist is that of the manifest beside the xclbin."""

    memory_bytes, memory = 1 << 26, MemoryModel()

    def __init__(self, index: int) -> None:
        self._index = _int(index)
        self._kernel: VerilatedKernel | None = None
        self._pages = PageAllocator(self.memory_bytes)

    def load_xclbin(self, xclbin_path: str) -> uuid:
        """Load a file; here: simulate the netlist that its manifest tells of."""
        if not isinstance(xclbin_path, str):
            raise TypeError("load_xclbin(): incompatible function arguments")
        self._config = Manifest.load(Path(xclbin_path).parent).config
        self._kernel = VerilatedKernel(
            self._config, memory_bytes=self.memory_bytes, memory=self.memory
        )
        return uuid(Path(xclbin_path).stem)


class kernel:  # noqa: N801
    """The kernel of a card by its name."""

    def __init__(self, device: device, uuid: uuid, name: str) -> None:
        if name != NAME:
            raise RuntimeError(f"No such kernel '{name}'")
        self._device = device
        self._arguments = kernel_arguments(device._config)

    def group_id(self, index: int) -> int:
        """The group of banks behind an argument: one for each AXI4 port."""
        argument = self._argument(index)
        if not argument.is_address:
            raise RuntimeError(f"No memory behind argument {index}")
        return int(argument.port.removeprefix("m_axi_gmem"))

    def _argument(self, index: int) -> Argument:
        if not 0 <= _int(index) < len(self._arguments):
            raise IndexError(f"No argument {index}")
        return self._arguments[index]


class bo:  # noqa: N801
    """A buffer: a copy on the host, the card's memory, and syncs between them."""

    class flags(IntEnum):  # noqa: N801
        """How a buffer is made."""

        normal = 0

    normal = flags.normal

    def __init__(self, device: device, size: int, flags: flags, group: int) -> None:
        if not isinstance(flags, bo.flags):
            raise TypeError("bo(): incompatible constructor arguments")
        place = device._pages.allocate(_int(size))
        if place is None:
            raise RuntimeError("std::bad_alloc: unable to allocate")
        self._device, self._group, self._size = device, _int(group), size
        self._address = place.address
        self._host = np.full(size, 0xA5, np.uint8)

    def write(self, data: Any, seek: int) -> None:  # noqa: ANN401
        """Into the host's copy."""
        raw = np.frombuffer(memoryview(data).cast("B"), np.uint8)
        self._part(len(raw), seek)[:] = raw

    def read(self, size: int, skip: int) -> np.ndarray[Any, Any]:
        """Out of the host's copy: int8, as pybind11's array of char."""
        return self._part(size, skip).view(np.int8).copy()

    def sync(self, direction: xclBOSyncDirection, size: int, offset: int) -> None:
        """Between the host's copy and the card."""
        if not isinstance(direction, xclBOSyncDirection):
            raise TypeError("sync(): incompatible function arguments")
        host, simulated = self._part(size, offset), self._device._kernel
        assert simulated is not None
        card = simulated.memory[self._address + offset :][:size]
        if direction == xclBOSyncDirection.XCL_BO_SYNC_BO_TO_DEVICE:
            card[:] = host
        else:
            host[:] = card

    def size(self) -> int:
        """In bytes."""
        return self._size

    def address(self) -> int:
        """On the card."""
        return self._address

    def _part(self, size: int, offset: int) -> np.ndarray[Any, Any]:
        if _int(offset) < 0 or _int(size) < 0 or offset + size > self._size:
            raise RuntimeError("invalid buffer offset or size")
        return self._host[offset : offset + size]


class run:  # noqa: N801
    """One execution. XRT writes every argument's register, then starts."""

    def __init__(self, kernel: kernel) -> None:
        self._kernel = kernel
        self._values: dict[int, int] = {}

    def set_arg(self, index: int, value: Any) -> None:  # noqa: ANN401
        """A buffer for an address, an int for a scalar; wrong banks are refused."""
        argument = self._kernel._argument(index)
        if isinstance(value, bo) != argument.is_address:
            raise TypeError("set_arg(): incompatible function arguments")
        if isinstance(value, bo):
            if value._group != self._kernel.group_id(index):
                raise RuntimeError(f"bad memory bank for argument {argument.name}")
            self._values[index] = value.address()
        elif not -_INT_MAX - 1 <= _int(value) <= _INT_MAX:
            raise TypeError("set_arg(): incompatible function arguments")
        else:
            self._values[index] = value

    def start(self) -> None:
        """Write the registers and the start bit."""
        simulated = self._simulated()
        for argument in self._kernel._arguments:
            value = self._values[argument.index]  # XRT sends an unset one as rubbish
            simulated.write_register(argument.offset, value & 0xFFFF_FFFF)
            if argument.is_address:
                simulated.write_register(argument.offset + 4, value >> 32)
        for name in ("gie", "ier", "ctrl"):
            simulated.write_register(OFFSETS[name], 1)

    def wait(self, timeout_ms: int) -> ert_cmd_state:
        """Until the end, for so many milliseconds of the simulated clock."""
        simulated = self._simulated()
        if not simulated.run(_int(timeout_ms) * CYCLES_A_MS):
            return ert_cmd_state.ERT_CMD_STATE_TIMEOUT
        simulated.write_register(OFFSETS["isr"], 1)
        return ert_cmd_state.ERT_CMD_STATE_COMPLETED

    def _simulated(self) -> VerilatedKernel:
        found = self._kernel._device._kernel
        assert found is not None
        return found


def _int(value: Any) -> int:  # noqa: ANN401
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError("incompatible function arguments")
    return value


def install() -> types.ModuleType:
    """Let ``import pyxrt`` give this stand-in; raises RuntimeError where XRT's own is loaded."""
    loaded = sys.modules.get("pyxrt")
    if loaded is not None and loaded is not sys.modules[__name__]:
        raise RuntimeError("pyxrt itself is loaded; the stand-in is for machines without it")
    sys.modules["pyxrt"] = sys.modules[__name__]
    return sys.modules[__name__]
