# SPDX-License-Identifier: Apache-2.0
"""The ``xrt`` device: an Alveo card through ``pyxrt``, XRT's own Python module.

pyxrt starts kernels and waits for them but reads none of their registers, so every request is
sent as a batch and its status and cycles come from the record in memory. Written after the
published signatures (Xilinx/XRT, src/python/pybind11: pyxrt.pyi and src/pyxrt.cpp) and run
against a stand-in with these (:mod:`recfabric.host.simulated_pyxrt`); never with XRT or a card.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recfabric.contract import Contract
from recfabric.errors import DeviceError, DeviceTimeoutError, ToolMissingError
from recfabric.host.device import (
    MODE_BATCH,
    MODE_LOAD,
    MODE_RUN,
    Buffer,
    Bytes,
    Completion,
    Cycles,
    Status,
    check_range,
)
from recfabric.kernels.hotpath.arguments import kernel_arguments
from recfabric.kernels.hotpath.batch import DESCRIPTOR, NOT_WRITTEN, RECORD
from recfabric.kernels.hotpath.image import PAGE
from recfabric.kernels.hotpath.manifest import Manifest
from recfabric.kernels.hotpath.wrapper import NAME

_FIRST = "descriptor"  # an argument of the first memory port, which reads and writes all lists
_STAGES = ("gather", "attention", "fuse", "scan")


@dataclass
class _Place:
    """A buffer: XRT's object for it and the group of banks that it lies in."""

    bo: Any
    group: int
    size: int


class XrtDevice:
    """One kernel on a card. ``folder``: a build with its manifest; ``card``: XRT's index.

    Raises BitstreamError where the build does not fit the contract, ToolMissingError without
    pyxrt, which comes with XRT.
    """

    name = "xrt"

    def __init__(self, folder: Path, contract: Contract, *, card: int = 0) -> None:
        manifest = Manifest.load(folder)
        manifest.check(folder, contract)
        self.config = manifest.config
        self._xrt = _pyxrt()
        self._card = self._xrt.device(card)
        uuid = self._card.load_xclbin(str(manifest.file(folder, ".xclbin").absolute()))
        self._kernel = self._xrt.kernel(self._card, uuid, NAME)
        self._arguments = {a.name: a for a in kernel_arguments(self.config)}
        self._groups = {
            a.name: self._kernel.group_id(a.index) for a in self._arguments.values() if a.is_address
        }
        self._places: dict[int, _Place] = {}
        self._values: dict[str, int] = {}
        self._run: Any = None
        self._lost = False
        self._single = self.allocate(DESCRIPTOR.itemsize), self.allocate(RECORD.itemsize)

    def allocate(self, size: int) -> Buffer:
        """Memory of the card, in the banks of the first port; raises DeviceError without any.

        The share of a scan port moves to its own banks when it is first named as an argument.
        """
        pages = -(-max(size, 1) // PAGE) * PAGE
        place = self._new(pages, self._groups[_FIRST])
        buffer = Buffer(int(place.bo.address()), pages)
        if buffer.address % PAGE:
            raise DeviceError(
                f"XRT gave memory at 0x{buffer.address:X}, which is on no page of {PAGE} bytes; "
                "the kernel cannot use it."
            )
        self._places[buffer.address] = place
        return buffer

    def _new(self, size: int, group: int) -> _Place:
        """A buffer object at an address that no buffer of ours is known by."""
        kept = []
        while True:
            try:
                bo = self._xrt.bo(self._card, size, self._xrt.bo.normal, group)
            except (RuntimeError, MemoryError) as error:
                raise DeviceError(
                    f"The card has no {size} bytes left in memory group {group} ({error}); free "
                    "buffers, or give the port more banks."
                ) from None
            if int(bo.address()) not in self._places:
                return _Place(bo, group, size)
            kept.append(bo)  # of a buffer that has moved away

    def write(self, buffer: Buffer, data: Bytes, offset: int = 0) -> None:
        """Copy bytes into a buffer and over to the card."""
        check_range(buffer, offset, len(data))
        if not len(data):
            return
        bo = self._places[buffer.address].bo
        bo.write(np.ascontiguousarray(data), offset)
        bo.sync(self._xrt.xclBOSyncDirection.XCL_BO_SYNC_BO_TO_DEVICE, len(data), offset)

    def read(self, buffer: Buffer, size: int, offset: int = 0) -> Bytes:
        """Copy bytes of a buffer back from the card."""
        check_range(buffer, offset, size)
        bo = self._places[buffer.address].bo
        bo.sync(self._xrt.xclBOSyncDirection.XCL_BO_SYNC_BO_FROM_DEVICE, size, offset)
        return np.array(bo.read(size, offset)).view(np.uint8)

    def start(self, arguments: Mapping[str, int]) -> None:
        """Set the arguments and start; a single request becomes a batch of one.

        Raises DeviceError after a time-out: pyxrt can reset no card.
        """
        if self._lost:
            raise DeviceError(
                "The card did not finish an earlier run; reset it (`xrt-smi reset`) and open the "
                "device anew."
            )
        self._values.update(arguments)
        values = dict(self._values)
        if values["mode"] == MODE_RUN:
            values |= self._batch_of_one(values)
        self._mode, self._count = values["mode"], values.get("count", 1)
        self._record = values.get("record", 0)
        self._run = self._xrt.run(self._kernel)
        for name, argument in self._arguments.items():
            if argument.is_address:
                self._run.set_arg(argument.index, self._bo(name, values.get(name)))
            else:
                self._run.set_arg(argument.index, _signed(values.get(name, 0)))
        self._run.start()

    def _batch_of_one(self, values: Mapping[str, int]) -> dict[str, int]:
        descriptor, record = self._single
        entry = np.zeros(1, DESCRIPTOR)
        for name in (n for n in DESCRIPTOR.names or () if n != "reserved"):
            entry[name] = values[name]
        self.write(descriptor, entry.view(np.uint8))
        self.write(record, np.full(RECORD.itemsize, 0xFF, np.uint8))
        at = {"descriptor": descriptor.address, "record": record.address}
        return at | {"mode": MODE_BATCH, "count": 1}

    def _bo(self, name: str, address: int | None) -> Any:  # noqa: ANN401
        """The buffer object of an address argument, in the banks that its port reaches."""
        if address is None:
            return self._places[self._single[0].address].bo  # not read in this mode
        place = self._places[address]
        if place.group != self._groups[name]:
            moved = self._new(place.size, self._groups[name])
            everything = self.read(Buffer(address, place.size), place.size)
            self._places[address] = moved
            self.write(Buffer(address, place.size), everything)
        return self._places[address].bo

    def wait(self, timeout_s: float) -> Completion:
        """Wait for the end; raises DeviceTimeoutError, after which the device takes nothing more.

        A load's status is in a register that pyxrt does not read: its bus errors go unseen here.
        """
        state = self._run.wait(max(1, round(1000 * timeout_s)))
        if state != self._xrt.ert_cmd_state.ERT_CMD_STATE_COMPLETED:
            self._lost = True
            raise DeviceTimeoutError(
                f"The card's kernel did not finish within {timeout_s} s (XRT says {state}); reset "
                "the card (`xrt-smi reset`) and open the device anew."
            )
        if self._mode == MODE_LOAD:
            return Completion(Status())
        buffer = Buffer(self._record, self._places[self._record].size)
        raw = self.read(buffer, RECORD.itemsize * self._count)
        return _completion(raw.view(RECORD))

    def reset(self) -> None:
        """Raises DeviceError: pyxrt can reset no card."""
        self._lost = True
        raise DeviceError("pyxrt can reset no card; use `xrt-smi reset` and open the device anew.")

    def close(self) -> None:
        """Give the card's memory back."""
        self._run = None
        self._places.clear()


def _completion(records: np.ndarray[Any, Any]) -> Completion:
    """Of a run, from the records of its requests; one that was not written is a bus error."""
    word = int(np.bitwise_or.reduce(records["status"]))
    last = {n: int(records[-1][n]) for n in RECORD.names or () if n != "reserved"}
    if word == NOT_WRITTEN:
        return Completion(Status(bus_error=True))
    stages = {name: last[name] - last["start"] for name in _STAGES}
    total = last["end"] - last["start"]
    cycles = Cycles(**stages, total=total, beats_read=last["beats"], end=last["end"])
    return Completion(Status.of(word), cycles)


def _signed(value: int) -> int:
    """The same 32 bits as pyxrt takes a scalar: as a C int."""
    return value - (1 << 32) if value >> 31 else value


def _pyxrt() -> Any:  # noqa: ANN401
    try:
        import pyxrt
    except ImportError:
        raise ToolMissingError(
            "pyxrt cannot be imported; install XRT (it is not on PyPI) and source its setup.sh."
        ) from None
    return pyxrt
