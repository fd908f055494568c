# SPDX-License-Identifier: Apache-2.0
"""The ``pynq`` device: a Zynq or Kria board, through an overlay, its registers and its memory.

pynq 4.0 on ZynqMP and Kria, 3.x on PYNQ-Z1 and -Z2; with ``PYNQ_REMOTE_DEVICES`` set, pynq
reaches a board elsewhere through gRPC and this code stays the same. It was run against simulated
hardware (:mod:`recfabric.host.simulated_pynq`), never on a board.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recfabric.contract import Contract
from recfabric.errors import (
    DeviceError,
    DeviceTimeoutError,
    MissingExtraError,
    RecFabricError,
)
from recfabric.host.device import MODE_LOAD, Buffer, Bytes, Completion, check_range
from recfabric.kernels.hotpath.image import PAGE
from recfabric.kernels.hotpath.manifest import Manifest

if TYPE_CHECKING:
    from recfabric.host.pynq_overlay import HotPathOverlay

_EAGER = 64  # looks at the interrupt status without a pause between them
_PAUSE_S = 5e-5
_LINE = 64  # bytes of a cache line: what is flushed or invalidated is whole lines


class PynqDevice:
    """One kernel in programmable logic with the memory that pynq allocates.

    ``folder``: a build with its manifest, from ``recfabric deploy``. Raises BitstreamError where
    the build does not fit the contract, MissingExtraError without pynq.
    """

    name = "pynq"

    def __init__(self, folder: Path, contract: Contract, *, device: Any = None) -> None:  # noqa: ANN401
        """``device``: a pynq device, None for pynq's own choice."""
        manifest = Manifest.load(folder)
        manifest.check(folder, contract)
        self.config = manifest.config
        self._overlay = _overlay(manifest.file(folder, ".bit"), device)
        self._kernel = self._overlay.kernel
        self._kernel.registers.check(self.config)
        self._buffers: dict[int, Any] = {}
        self._loaded = False

    def allocate(self, size: int) -> Buffer:
        """Contiguous memory from pynq; raises DeviceError when there is none left."""
        pages = -(-max(size, 1) // PAGE) * PAGE
        with _board(f"give {pages} contiguous bytes (free buffers, or give Linux more CMA memory)"):
            array = self._overlay.device.allocate((pages,), np.uint8)
            address = int(array.device_address)
        if address % PAGE:
            raise DeviceError(
                f"pynq gave memory at 0x{address:X}, which is on no page of {PAGE} bytes; the "
                "kernel cannot use it."
            )
        self._buffers[address] = array
        return Buffer(address, pages)

    def write(self, buffer: Buffer, data: Bytes, offset: int = 0) -> None:
        """Copy bytes into a buffer and out of the processor's cache."""
        check_range(buffer, offset, len(data))
        array = self._buffers[buffer.address]
        array[offset : offset + len(data)] = data
        with _board("take data"):
            _lines(array, offset, len(data)).sync_to_device()

    def read(self, buffer: Buffer, size: int, offset: int = 0) -> Bytes:
        """Copy bytes out of a buffer, past the processor's cache."""
        check_range(buffer, offset, size)
        array = self._buffers[buffer.address]
        with _board("give data"):
            _lines(array, offset, size).sync_from_device()
        found: Bytes = np.array(array[offset : offset + size], dtype=np.uint8)
        return found

    def start(self, arguments: Mapping[str, int]) -> None:
        """Write the arguments that changed, then the start bit.

        Raises DeviceError for a request before the fuse layer's weights were loaded: block RAM
        forgets them when the bitstream is loaded, and the answer would be wrong.
        """
        if arguments.get("mode") == MODE_LOAD:
            self._loaded = True
        elif not self._loaded:
            raise DeviceError("The fuse layer's weights were never loaded (mode 1).")
        with _board("start"):
            self._kernel.registers.start(arguments)

    def wait(self, timeout_s: float) -> Completion:
        """Look at the interrupt status until the end; raises DeviceTimeoutError after a reset."""
        deadline = time.monotonic() + timeout_s
        looks = 0
        with _board("tell of the end of a run"):
            while not self._kernel.registers.finished():
                if time.monotonic() > deadline:
                    self.reset()
                    raise DeviceTimeoutError(
                        f"The kernel did not finish within {timeout_s} s; its bitstream was loaded "
                        "anew. Load the fuse layer's weights and send the request again."
                    )
                looks += 1
                if looks > _EAGER:
                    time.sleep(_PAUSE_S)
            return self._kernel.registers.completion()

    def reset(self) -> None:
        """Load the bitstream anew: registers and the fuse layer's weights are lost, not memory."""
        self._loaded = False
        with _board("take its bitstream again"):
            self._overlay.download()
            self._kernel = self._overlay.kernel
            self._kernel.registers.after_reset()

    def close(self) -> None:
        """Give the memory back; the bitstream stays loaded."""
        arrays, self._buffers = list(self._buffers.values()), {}
        with _board("take its memory back"):
            for array in arrays:
                array.freebuffer()


@contextmanager
def _board(what: str) -> Iterator[None]:
    """Whatever pynq or gRPC raises inside is one sentence: the board does not do it."""
    try:
        yield
    except RecFabricError:
        raise
    except Exception as error:
        raise DeviceError(f"The board did not {what}: {error!r}") from error


def _overlay(bitfile: Path, device: Any) -> HotPathOverlay:  # noqa: ANN401
    try:
        from recfabric.host.pynq_overlay import HotPathOverlay
    except ImportError as error:
        if (error.name or "").split(".")[0] != "pynq":
            raise
        raise MissingExtraError("pynq", "pynq") from None
    with _board(f"load {bitfile}"):
        return HotPathOverlay(bitfile, device)


def _lines(array: Any, offset: int, size: int) -> Any:  # noqa: ANN401
    """The part of a buffer to synchronise: whole cache lines, or all of it on a remote board.

    pynq's remote buffer sends a slice to the buffer's beginning, whichever slice it is.
    """
    if not hasattr(array, "bo"):
        return array
    return array[offset // _LINE * _LINE : -(-(offset + size) // _LINE) * _LINE]
