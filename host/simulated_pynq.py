# SPDX-License-Identifier: Apache-2.0
"""A pynq device whose programmable logic is the Verilated kernel: no board, the same host code.

What a board does and this repeats: registers behind 32-bit accesses, memory that the processor
sees through a cache which nothing keeps coherent, a kernel that runs while the host looks away.
What it does not: the processing system, real clocks, the time that anything takes. Needs pynq.
"""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import numpy as np
from pynq.buffer import PynqBuffer
from pynq.pl_server.device import Device as PynqDeviceBase
from pynq.ps import Clocks
from pynqmetadata.frontends import Metadata
from pynqmetadata.views.runtime import RuntimeMetadataParser

from recfabric.host.device import PageAllocator
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.sim.verilated import MemoryModel, VerilatedKernel

CYCLES_A_LOOK = 256  # that pass between two accesses of the host's processor at most


class _Clocks:
    """Stands for the processing system's clock registers: keeps what it is told, in MHz."""

    def __init__(self) -> None:
        self.asked: dict[int, float] = {}

    def set_pl_clk(
        self,
        clk_idx: int,
        div0: int | None = None,
        div1: int | None = None,
        clk_mhz: float | None = None,
    ) -> None:
        if clk_mhz is not None:
            self.asked[clk_idx] = clk_mhz


class _Memory:
    """What pynq asks for buffers."""

    def __init__(self, device: SimulatedDevice) -> None:
        self._device = device

    def allocate(self, shape: Any, dtype: Any, **_: object) -> PynqBuffer:  # noqa: ANN401
        """A buffer with a copy of its own on the host's side; ``bo`` is its device address."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        place = self._device.pages.allocate(size)
        if place is None:
            raise RuntimeError(f"the simulated board has no {size} bytes left")
        host = np.full(place.size, 0xA5, np.uint8)  # nothing is zero by itself
        return PynqBuffer(
            shape,
            dtype,
            buffer=host,
            device=self._device,
            device_address=place.address,
            bo=place.address,
            coherent=False,
        )


class SimulatedDevice(PynqDeviceBase):  # type: ignore[misc]
    """A board of one kernel, at whatever address the handoff gives it.

    ``library``: the Verilated kernel, built in an environment that has Verilator; ``config``: its
    parameters; ``memory_bytes``: of the board; ``memory``: its speed.
    """

    _probe_priority_ = 7000  # pynq wants a number of its own; nothing is found by looking
    arch = "simulated"

    def __init__(
        self,
        library: Path,
        config: HotPathConfig,
        *,
        memory_bytes: int = 1 << 26,
        memory: MemoryModel | None = None,
    ) -> None:
        super().__init__("recfabric-simulated")
        self.name = "simulated"
        self.capabilities = {"REGISTER_RW": True, "MEMORY_MAPPED": False}
        self.kernel = VerilatedKernel(
            config, memory_bytes=memory_bytes, memory=memory, library=library
        )
        self.pages = PageAllocator(memory_bytes)
        self.default_memory = _Memory(self)
        self.clocks = _Clocks()
        self.downloads = 0
        self._base = 0
        Clocks._real_instance = self.clocks

    @classmethod
    def _probe_(cls) -> list[Any]:
        return []

    def get_bitfile_metadata(self, bitfile_name: str, partial: bool = False) -> Any:  # noqa: ANN401
        """The handoff beside the bitstream, parsed by pynq."""
        path = Path(bitfile_name).with_suffix(".hwh")
        return RuntimeMetadataParser(Metadata(input=str(path)))

    def download(self, bitstream: Any, parser: Any = None) -> None:  # noqa: ANN401
        """Configure the logic: the kernel starts from its reset."""
        self.kernel.reset()
        self.downloads += 1
        ips = parser.ip_dict.values()
        (self._base,) = (ip["phys_addr"] for ip in ips if ip.get("phys_addr") is not None)
        self.post_download(bitstream, parser, self.name)

    def read_registers(self, address: int, length: int) -> bytes:
        """Bytes from the control port; some cycles have passed since the last access."""
        self.kernel.run(CYCLES_A_LOOK)
        words = (
            self.kernel.read_register(address - self._base + 4 * i) for i in range(length // 4)
        )
        return b"".join(word.to_bytes(4, "little") for word in words)

    def write_registers(self, address: int, data: bytes) -> None:
        """Bytes to the control port, word by word."""
        for i, word in enumerate(np.frombuffer(bytes(data), "<u4")):
            self.kernel.write_register(address - self._base + 4 * i, int(word))

    def flush(self, bo: int, offset: int, virtual_address: int, size: int) -> None:
        """From the host's copy of a buffer to the memory that the kernel sees."""
        self._there(bo, offset, size)[:] = _bytes_at(virtual_address, size)

    def invalidate(self, bo: int, offset: int, virtual_address: int, size: int) -> None:
        """From the memory that the kernel sees to the host's copy of a buffer."""
        _bytes_at(virtual_address, size)[:] = self._there(bo, offset, size)

    def _there(self, bo: int, offset: int, size: int) -> np.ndarray[Any, Any]:
        return self.kernel.memory[bo + offset : bo + offset + size]


def _bytes_at(address: int, size: int) -> np.ndarray[Any, Any]:
    """The host's memory as pynq names it: by its virtual address."""
    return np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address))
