# SPDX-License-Identifier: Apache-2.0
"""A device that fails at random, in the ways a board does; for tests and for the soak run."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Mapping

import numpy as np

from recfabric.errors import ConfigError, DeviceError, DeviceTimeoutError
from recfabric.host.device import (
    MODE_BATCH,
    MODE_LOAD,
    Buffer,
    Bytes,
    Completion,
    Device,
    Status,
)
from recfabric.kernels.hotpath.batch import DESCRIPTOR, NOT_WRITTEN, RECORD, result_stride
from recfabric.kernels.hotpath.image import share_names

FAULTS = {
    "hangs": "never ends, until it is reset",
    "late": "ends late, within its time-out",
    "stuck": "holds the caller beyond the time-out, then gives the right answer",
    "bus_error": "some requests are answered with SLVERR or DECERR, and say so",
    "lost_record": "the write of some records is answered with a bus error",
    "dies": "answers a part, then refuses every call until it is reset, maybe more than once",
    "weights_lost": "was reset unnoticed: the fuse layer's weights are gone, answers look good",
    "power_cycle": "came back with empty memory, answers look good",
    "stale": "says it is done and has done nothing",
    "partial": "says it is done and has written a part of the records",
    "gone": "raises what a driver raises when a device node is gone: OSError",
}


class FaultyDevice:
    """Wraps a device; each start of a batch meets a fault with the chance ``rate``.

    ``seed``: of all that is random; ``faults``: names from FAULTS; ``stuck_s``: how long a stuck
    call lasts. ``injected`` counts what happened. Raises ConfigError for an unknown fault.
    """

    def __init__(
        self,
        device: Device,
        *,
        seed: int,
        rate: float = 0.01,
        faults: tuple[str, ...] = tuple(FAULTS),
        stuck_s: float = 0.1,
    ) -> None:
        unknown = set(faults) - set(FAULTS)
        if unknown or not faults:
            raise ConfigError(f"{sorted(unknown)} is no fault; take names of {', '.join(FAULTS)}.")
        self.inner, self.rate, self.faults, self.stuck_s = device, rate, faults, stuck_s
        self.name, self.config = f"faulty {device.name}", device.config
        self.injected: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._noise = np.random.default_rng(seed)
        self._buffers: dict[int, Buffer] = {}
        self._arguments: dict[str, int] = {}
        self._fault = ""
        self._dead_resets = 0  # resets that it takes to come back from the dead
        self._zeros: Buffer | None = None

    def allocate(self, size: int) -> Buffer:
        """As the device does."""
        buffer = self.inner.allocate(size)
        self._buffers[buffer.address] = buffer
        return buffer

    def write(self, buffer: Buffer, data: Bytes, offset: int = 0) -> None:
        """As the device does, unless it is dead."""
        self._live()
        self.inner.write(buffer, data, offset)

    def read(self, buffer: Buffer, size: int, offset: int = 0) -> Bytes:
        """As the device does, unless it is dead."""
        self._live()
        return self.inner.read(buffer, size, offset)

    def start(self, arguments: Mapping[str, int]) -> None:
        """Draw the run's fault, do what it does before the run, and start."""
        self._live()
        self._arguments |= arguments
        if self._fault == "hangs":
            return
        batch = self._arguments["mode"] == MODE_BATCH
        hit = batch and self._random.random() < self.rate
        self._fault = self._random.choice(self.faults) if hit else ""
        self.injected[self._fault or "none"] += 1
        if self._fault == "gone":
            self._fault = ""
            raise OSError(19, "No such device", "/dev/uio0")
        if self._fault in ("weights_lost", "power_cycle"):
            self._forget(memory=self._fault == "power_cycle")
        if self._fault not in ("hangs", "stale"):
            self.inner.start(arguments)

    def wait(self, timeout_s: float) -> Completion:
        """The run's end, or what its fault makes of it."""
        self._live()
        fault = self._fault
        if fault == "hangs":
            time.sleep(timeout_s)
            raise DeviceTimeoutError(f"'{self.name}' did not finish within {timeout_s} s.")
        self._fault = ""
        if fault == "stale":
            return Completion(Status())
        if fault in ("late", "stuck"):
            time.sleep(self.stuck_s if fault == "stuck" else self._random.random() * timeout_s / 2)
        completion = self.inner.wait(timeout_s)
        if fault == "bus_error":
            return self._break(completion, Status(bus_error=True).word())
        if fault == "lost_record":
            return self._break(completion, NOT_WRITTEN, Status(bus_error=True))
        if fault == "partial":
            return self._break(completion, NOT_WRITTEN)
        if fault == "dies":
            self._break(completion, NOT_WRITTEN)
            self._dead_resets = self._random.randint(1, 3)
            self._live()
        return completion

    def reset(self) -> None:
        """Reset the device; one that died may stay dead."""
        self._fault = ""
        self._dead_resets = max(0, self._dead_resets - 1)
        self._live()
        self.inner.reset()

    def close(self) -> None:
        """As the device does."""
        self.inner.close()

    def _live(self) -> None:
        if self._dead_resets:
            raise DeviceError(f"'{self.name}' does not answer.")

    def _break(self, completion: Completion, word: int, run: Status | None = None) -> Completion:
        """Let some of a batch's records hold a status word, their answers noise.

        ``run``: the status of the run, None for that of its written records.
        """
        count = self._arguments["count"]
        place = self._buffers[self._arguments["record"]]
        records = self.inner.read(place, count * RECORD.itemsize).copy().view(RECORD)
        hit = self._noise.random(count) < 0.5
        hit[self._random.randrange(count)] = True
        records["status"][hit] = word
        self.inner.write(place, records.view(np.uint8))
        self._spoil(np.flatnonzero(hit))
        if run is None and word != NOT_WRITTEN:
            run = Status.of(completion.status.word() | word)
        return Completion(run or completion.status, completion.cycles)

    def _spoil(self, numbers: np.ndarray[tuple[int], np.dtype[np.intp]]) -> None:
        raw = self.inner.read(self._buffers[self._arguments["descriptor"]], DESCRIPTOR.itemsize)
        place = self._buffers[int(raw.view(DESCRIPTOR)[0]["result"])]
        stride = result_stride(self.config.k_max)
        for number in numbers:
            noise = self._noise.integers(0, 256, stride, dtype=np.uint8)
            self.inner.write(place, noise, int(number) * stride)

    def _forget(self, *, memory: bool) -> None:
        """Weights of zero in the kernel; with ``memory`` the tables are zero too."""
        weight = self._buffers[self._arguments["weight"]]
        if self._zeros is None or self._zeros.size < weight.size:
            self._zeros = self.inner.allocate(weight.size)
        self.inner.start(self._arguments | {"mode": MODE_LOAD, "weight": self._zeros.address})
        self.inner.wait(10.0)
        if memory:
            for name in ("message", "key", "value", "bias", *share_names(self.config)):
                buffer = self._buffers[self._arguments[name]]
                self.inner.write(buffer, np.zeros(buffer.size, np.uint8))
