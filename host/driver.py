# SPDX-License-Identifier: Apache-2.0
"""Puts a contract on a device and sends it requests in item rows."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from recfabric.contract import Contract
from recfabric.errors import DeviceError, RequestError
from recfabric.host.device import MODE_LOAD, MODE_RUN, Cycles, Device, Status
from recfabric.kernels.hotpath.image import memory_image

Rows = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Answer:
    """``rows``, ``scores``: int32 (k,), best first; row -1 where no item was left."""

    rows: Rows
    scores: Rows
    cycles: Cycles | None


class HotPathDriver:
    """A contract's tables in a device's memory, and the request on top of them.

    Raises ConfigError where the device's netlist does not fit the contract.
    """

    def __init__(self, device: Device, contract: Contract, *, timeout_s: float = 30.0) -> None:
        self.device, self.contract, self.timeout_s = device, contract, timeout_s
        config = device.config
        image = memory_image(contract, config)
        sizes = {"history": 4 * config.max_rows, "seen": 4 * config.max_seen}
        sizes["result"] = 8 * config.k_max
        sizes |= {name: len(region) for name, region in image.items()}
        self.buffers = {name: device.allocate(size) for name, size in sizes.items()}
        for name, region in image.items():
            device.write(self.buffers[name], region)
        self._arguments = {name: buffer.address for name, buffer in self.buffers.items()}
        self._arguments |= {"n_items": contract.shape.items}
        self._arguments |= {f"{k}_shift": v for k, v in asdict(contract.shifts).items()}
        self._run({"mode": MODE_LOAD})

    def request(self, history: npt.ArrayLike, seen: npt.ArrayLike, k: int) -> Answer:
        """The k best rows for a history (item rows, repeats allowed) without the seen ones.

        ``seen`` must be strictly ascending. Raises DeviceError when the kernel reports a fault
        and DeviceTimeoutError when it does not finish.
        """
        history_rows = np.asarray(history, dtype="<u4")
        seen_rows = np.asarray(seen, dtype="<u4")
        limits = {
            "history": self.contract.shape.max_history,
            "seen list": self.device.config.max_seen,
        }
        for name, rows in {"history": history_rows, "seen list": seen_rows}.items():
            if len(rows) > limits[name]:
                raise RequestError(
                    f"The {name} has {len(rows)} items but this device holds {limits[name]}; "
                    "shorten it, or build the hardware for more."
                )
        self._put("history", history_rows)
        self._put("seen", seen_rows)
        n = len(history_rows)
        cycles = self._run(
            {
                "mode": MODE_RUN,
                "n_history": n,
                "n_seen": len(seen_rows),
                "k": k,
                "norm": int(self.contract.tensors.norm[n]),
            }
        )
        raw = self.device.read(self.buffers["result"], 8 * k)
        answer = raw.view("<i4").reshape(k, 2)
        return Answer(answer[:, 0].astype(np.int32), answer[:, 1].astype(np.int32), cycles)

    def _put(self, name: str, rows: npt.NDArray[np.uint32]) -> None:
        if len(rows):
            self.device.write(self.buffers[name], rows.view(np.uint8))

    def _run(self, arguments: dict[str, int]) -> Cycles | None:
        self.device.start(self._arguments | arguments)
        completion = self.device.wait(self.timeout_s)
        if completion.status != Status():
            faults = [name for name, on in asdict(completion.status).items() if on]
            raise DeviceError(
                f"The device '{self.device.name}' reports {' and '.join(faults)}; see the status "
                "register in kernels/hotpath/README.md."
            )
        return completion.cycles
