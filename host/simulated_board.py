# SPDX-License-Identifier: Apache-2.0
"""A board's side of PYNQ.remote, over gRPC, with the Verilated kernel behind it. No board.

pynq's own ``RemoteDevice`` talks to it as it talks to a board: files, registers, buffers. The
services are those of the stubs that pynq 4.0 ships (``pynq.remote``). Needs pynq and its grpcio.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from pynq.remote import (
    buffer_pb2,
    buffer_pb2_grpc,
    mmio_pb2,
    mmio_pb2_grpc,
    remote_device_pb2,
    remote_device_pb2_grpc,
)

from recfabric.host.device import Buffer, PageAllocator
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.sim.verilated import VerilatedKernel

CYCLES_A_LOOK = 256  # that pass between two accesses of the host at most
_MANAGER = "/sys/class/fpga_manager/fpga0/"
_FILES = {
    "/proc/version": b"Linux version 6.6 (simulated) aarch64",
    "/proc/device-tree/chosen/pynq_board": b"simulated\0",
    f"{_MANAGER}state": b"operating",
    f"{_MANAGER}flags": b"0",
}


class Logic:
    """The kernel, the memory and the files of the board. ``loads``: bitstreams it was given."""

    def __init__(
        self, library: Path, config: HotPathConfig, base: int, *, memory_bytes: int = 1 << 26
    ) -> None:
        self.kernel = VerilatedKernel(config, memory_bytes=memory_bytes, library=library)
        self.pages = PageAllocator(memory_bytes)
        self.base, self.loads = base, 0
        self.files = dict(_FILES)
        self.others: dict[int, int] = {}  # registers of the processing system

    def read(self, address: int) -> int:
        """One register of the kernel, or of the processing system."""
        if not 0 <= address - self.base < 1024:
            return self.others.get(address, 0)
        self.kernel.run(CYCLES_A_LOOK)
        return self.kernel.read_register(address - self.base)

    def write(self, address: int, value: int) -> None:
        """One register."""
        if 0 <= address - self.base < 1024:
            self.kernel.write_register(address - self.base, value)
        else:
            self.others[address] = value

    def store(self, path: str, data: bytes) -> None:
        """A file; its name given to the FPGA manager loads it: the kernel starts from reset."""
        if path == f"{_MANAGER}firmware":
            assert f"/lib/firmware/{data.decode()}" in self.files, data
            self.kernel.reset()
            self.loads += 1
        self.files[path] = data


class _Files(remote_device_pb2_grpc.RemoteDeviceServicer):  # type: ignore[misc]
    def __init__(self, logic: Logic) -> None:
        self._logic = logic

    def existsfile(self, request: Any, context: Any) -> Any:  # noqa: ANN401
        exists = request.file_path in self._logic.files
        return remote_device_pb2.ExistsFileResponse(exists=exists)

    def readfile(self, request: Any, context: Any) -> Iterator[Any]:  # noqa: ANN401
        yield remote_device_pb2.ReadFileResponse(data=self._logic.files[request.file_path])

    def writefile(self, requests: Iterator[Any], context: Any) -> Any:  # noqa: ANN401
        pieces = list(requests)
        self._logic.store(pieces[0].file_path, b"".join(piece.data for piece in pieces))
        return remote_device_pb2.WriteFileResponse()

    def set_bitstream_attrs(self, request: Any, context: Any) -> Any:  # noqa: ANN401
        return remote_device_pb2.SetBitstreamAttrsResponse(status=True)

    def set_pl_clk(self, request: Any, context: Any) -> Any:  # noqa: ANN401
        return remote_device_pb2.SetPlClkResponse(status=True)


class _Registers(mmio_pb2_grpc.MmioServicer):  # type: ignore[misc]
    def __init__(self, logic: Logic) -> None:
        self._logic = logic

    def get_mmio(self, request: Any, context: Any) -> Any:  # noqa: ANN401
        return mmio_pb2.GetMmioResponse(status=True, mmio_id=str(request.base_addr))

    def read(self, request: Any, context: Any) -> Any:  # noqa: ANN401
        value = self._logic.read(int(request.mmio_id) + request.offset)
        return mmio_pb2.ReadResponse(status=True, data=value)

    def write(self, request: Any, context: Any) -> Any:  # noqa: ANN401
        for i, word in enumerate(np.frombuffer(request.data, "<u4")):
            self._logic.write(int(request.mmio_id) + request.offset + 4 * i, int(word))
        return mmio_pb2.WriteResponse(status=True)


class _Buffers(buffer_pb2_grpc.RemoteBufferServicer):  # type: ignore[misc]
    """Each has a copy that flush and invalidate move; a write begins at the beginning."""

    def __init__(self, logic: Logic) -> None:
        self._logic = logic
        self._kept: dict[str, tuple[Buffer, np.ndarray[Any, Any]]] = {}

    def allocate(self, request: Any, context: Any) -> Any:  # noqa: ANN401
        place = self._logic.pages.allocate(request.size)
        if place is None:
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "no memory left")
            raise AssertionError("abort raises")
        copy: np.ndarray[Any, Any] = np.full(request.size, 0xA5, np.uint8)
        self._kept[str(place.address)] = place, copy
        return buffer_pb2.AllocateResponse(buffer_id=str(place.address))

    def write(self, requests: Iterator[Any], context: Any) -> Any:  # noqa: ANN401
        end = 0
        for piece in requests:
            copy = self._kept[piece.buffer_id][1]
            copy[end : end + len(piece.data)] = np.frombuffer(piece.data, np.uint8)
            end += len(piece.data)
        return buffer_pb2.BufferWriteResponse()

    def read(self, request: Any, context: Any) -> Iterator[Any]:  # noqa: ANN401
        yield buffer_pb2.BufferReadResponse(data=self._kept[request.buffer_id][1].tobytes())

    def flush(self, request: Any, context: Any) -> Any:  # noqa: ANN401
        place, copy = self._kept[request.buffer_id]
        self._logic.kernel.memory[place.address :][: len(copy)] = copy
        return buffer_pb2.FlushResponse()

    def invalidate(self, request: Any, context: Any) -> Any:  # noqa: ANN401
        place, copy = self._kept[request.buffer_id]
        copy[:] = self._logic.kernel.memory[place.address :][: len(copy)]
        return buffer_pb2.InvalidateResponse()

    def physical_address(self, request: Any, context: Any) -> Any:  # noqa: ANN401
        return buffer_pb2.AddressResponse(address=self._kept[request.buffer_id][0].address)

    def freebuffer(self, request: Any, context: Any) -> Any:  # noqa: ANN401
        self._kept.pop(request.buffer_id, None)
        return buffer_pb2.FreeBufferResponse()


def serve(logic: Logic) -> tuple[grpc.Server, int]:
    """Serve on a free port of this machine alone; one call at a time, as the kernel takes them."""
    server = grpc.server(ThreadPoolExecutor(1))
    remote_device_pb2_grpc.add_RemoteDeviceServicer_to_server(_Files(logic), server)
    mmio_pb2_grpc.add_MmioServicer_to_server(_Registers(logic), server)
    buffer_pb2_grpc.add_RemoteBufferServicer_to_server(_Buffers(logic), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port
