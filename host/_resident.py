# SPDX-License-Identifier: Apache-2.0
"""A device of the runtime and the generation whose tables it holds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recfabric.errors import DeviceError
from recfabric.host._generation import Generation, answers
from recfabric.host.device import Device
from recfabric.host.driver import Answer, HotPathDriver


@dataclass(frozen=True)
class LaneOptions:
    """``timeout_s``: of a batch on the device; ``check``: end each batch with a known request;
    ``retry_s``, ``retry_max_s``: pause after a recovery that failed, doubled up to the second;
    ``thread``: False for a device that computes where it is started and cannot hang: see
    :class:`recfabric.host._direct.DirectLane`.
    """

    timeout_s: float = 1.0
    check: bool = True
    thread: bool = True
    retry_s: float = 0.05
    retry_max_s: float = 10.0


@dataclass
class LaneHealth:
    """What happened to a device so far.

    ``up``: it answers; ``batches`` it answered; ``faults`` that took it out and ``recoveries``;
    ``late``: batches it answered when the fallback had; ``rescued``: requests that the fallback
    answered; ``error``: the last fault in words.
    """

    device: str
    up: bool = True
    batches: int = 0
    faults: int = 0
    late: int = 0
    rescued: int = 0
    recoveries: int = 0
    error: str = ""


class Resident:
    """A device, its driver and the generation whose tables it has: what both lanes share."""

    def __init__(
        self, shard: int, device: Device, generation: Generation, options: LaneOptions
    ) -> None:
        self.shard, self.device, self.options = shard, device, options
        self.health = LaneHealth(device.name)
        self.driver = HotPathDriver(
            device,
            generation.contract,
            timeout_s=options.timeout_s,
            scanned=generation.shards[shard],
        )
        self._resident = generation
        self._staged: Generation | None = None
        self._verify()

    def work(self) -> None:
        """Run what waits where no thread of its own does; called by whoever brings work."""

    def _switch(self, generation: Generation) -> None:
        """Change over to a generation, whose tables are written first where they are not there."""
        if self._staged is not generation:
            for _ in self.driver.stage(generation.contract, generation.shards[self.shard]):
                pass
        self._staged = None
        self.driver.switch(generation.contract)
        self._resident = generation
        self._verify()

    def _restart(self, generation: Generation) -> None:
        """Reset the device and write a generation's tables anew; raises where it is not right."""
        self.device.reset()
        self._staged = None
        if generation is self._resident:
            self.driver.restore()
            self._verify()
        else:
            self._switch(generation)

    def _verify(self) -> None:
        """Ask for the known answers; raises DeviceError where one is not given."""
        generation = self._resident
        batch = self.driver.prepare(generation.known)
        self.driver.launch(batch)
        given = answers(self.driver.collect(batch, self.options.timeout_s))
        for answer, right in zip(given, generation.expected[self.shard], strict=True):
            self._compare(answer, right)

    def _compare(self, answer: Answer, right: Answer) -> None:
        same = np.array_equal(answer.rows, right.rows)
        if not (same and np.array_equal(answer.scores, right.scores)):
            raise DeviceError(
                f"The device '{self.device.name}' answered a known request wrongly; its tables "
                "are written anew."
            )
