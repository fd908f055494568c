# SPDX-License-Identifier: Apache-2.0
"""Puts a contract on a device and sends it requests in item rows, one by one or in batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from recfabric.contract import Contract
from recfabric.errors import DeviceError, RequestError
from recfabric.host.device import (
    MODE_BATCH,
    MODE_LOAD,
    MODE_RUN,
    Bytes,
    Completion,
    Cycles,
    Device,
    Status,
)
from recfabric.kernels.hotpath.batch import DESCRIPTOR, NOT_WRITTEN, RECORD, result_stride
from recfabric.kernels.hotpath.image import memory_image

Rows = npt.NDArray[np.int32]
BATCH = 64  # requests of one run at most
_LISTS = 1 << 19  # bytes for the lists of a batch; one request's always fit
_LINE = 64  # lists of a batch start on a whole beat of the widest port


@dataclass(frozen=True)
class Answer:
    """``rows``, ``scores``: int32 (k,), best first; row -1 where no item was left."""

    rows: Rows
    scores: Rows
    cycles: Cycles | None


@dataclass(frozen=True)
class Failed:
    """A request of a batch that has no answer, and why."""

    status: Status


@dataclass(frozen=True)
class Query:
    """A request in rows. ``history``: repeats allowed; ``seen``: strictly ascending."""

    history: npt.ArrayLike
    seen: npt.ArrayLike
    k: int


class HotPathDriver:
    """A contract's tables in a device's memory, and the requests on top of them.

    ``timeout_s``: of one request; a batch has as much for each. Raises ConfigError where the
    device's netlist does not fit the contract.
    """

    def __init__(self, device: Device, contract: Contract, *, timeout_s: float = 30.0) -> None:
        self.device, self.contract, self.timeout_s = device, contract, timeout_s
        config = device.config
        image = memory_image(contract, config)
        lists = 4 * (config.max_rows + config.max_seen) + 2 * _LINE
        sizes = {"history": 4 * config.max_rows, "seen": 4 * config.max_seen}
        sizes |= {"result": 8 * config.k_max, "lists": max(lists, _LISTS)}
        sizes |= {"results": BATCH * result_stride(config.k_max)}
        sizes |= {"descriptor": BATCH * DESCRIPTOR.itemsize, "record": BATCH * RECORD.itemsize}
        sizes |= {name: len(region) for name, region in image.items()}
        self.buffers = {name: device.allocate(size) for name, size in sizes.items()}
        for name, region in image.items():
            device.write(self.buffers[name], region)
        arguments = {name: buffer.address for name, buffer in self.buffers.items()}
        self._arguments = {n: a for n, a in arguments.items() if n not in ("lists", "results")}
        self._arguments |= {"n_items": contract.shape.items}
        self._arguments |= {f"{k}_shift": v for k, v in asdict(contract.shifts).items()}
        loaded = self._run({"mode": MODE_LOAD}).status
        if loaded != Status():
            raise self._error(loaded)

    def request(self, history: npt.ArrayLike, seen: npt.ArrayLike, k: int) -> Answer:
        """The k best rows for a history (item rows, repeats allowed) without the seen ones.

        ``seen`` must be strictly ascending. Raises DeviceError when the kernel reports a fault
        and DeviceTimeoutError when it does not finish.
        """
        outcome = self._alone(Query(history, seen, k))
        if isinstance(outcome, Failed):
            raise self._error(outcome.status)
        return outcome

    def request_many(self, queries: Sequence[Query]) -> list[Answer | Failed]:
        """Many requests, overlapped in the hardware; one entry for each, in order.

        A request the kernel reports a fault for is Failed, the others are answered. A fault that
        the kernel could not say a request for makes all of its run be sent again, one by one.
        Raises RequestError for a list beyond the device, DeviceTimeoutError when it hangs.
        """
        given: list[Answer | Failed] = []
        while len(given) < len(queries):
            given += self._batch(queries[len(given) : len(given) + BATCH])
        return given

    def _batch(self, queries: Sequence[Query]) -> list[Answer | Failed]:
        """As many of the queries, from the first on, as their lists fit into memory."""
        lists = np.zeros(self.buffers["lists"].size, np.uint8)
        descriptors = np.zeros(len(queries), DESCRIPTOR)
        stride = result_stride(self.device.config.k_max)
        place, count = 0, 0
        for query in queries:
            found = self._lists(query)
            if place + sum(_line(4 * len(rows)) for rows in found.values()) > len(lists):
                break
            entry = descriptors[count]
            for name, value in self._lengths(found, query.k).items():
                entry[name] = value
            entry["result"] = self.buffers["results"].address + count * stride
            for name, rows in found.items():
                entry[name] = self.buffers["lists"].address + place
                lists[place : place + 4 * len(rows)] = rows.view(np.uint8)
                place += _line(4 * len(rows))
            count += 1
        self.device.write(self.buffers["lists"], lists[:place])
        self.device.write(self.buffers["descriptor"], descriptors[:count].view(np.uint8))
        fresh = np.full(count * RECORD.itemsize, 0xFF, np.uint8)
        self.device.write(self.buffers["record"], fresh)
        completion = self._run({"mode": MODE_BATCH, "count": count}, count)
        return self._outcomes(queries[:count], completion)

    def _outcomes(self, queries: Sequence[Query], completion: Completion) -> list[Answer | Failed]:
        raw = self.device.read(self.buffers["record"], len(queries) * RECORD.itemsize)
        records = raw.view(RECORD)
        word = int(np.bitwise_or.reduce(records["status"]))
        if word == NOT_WRITTEN or completion.status != Status.of(word):
            return [self._alone(query) for query in queries]
        stride = result_stride(self.device.config.k_max)
        results = self.device.read(self.buffers["results"], len(queries) * stride)
        clocked = completion.cycles is not None
        given: list[Answer | Failed] = []
        for i, (query, record) in enumerate(zip(queries, records, strict=True)):
            status = Status.of(int(record["status"]))
            if status != Status():
                given.append(Failed(status))
                continue
            cycles = _cycles(records, i) if clocked else None
            given.append(_answer(results[i * stride :][: 8 * query.k], query.k, cycles))
        return given

    def _alone(self, query: Query) -> Answer | Failed:
        lists = self._lists(query)
        for name, rows in lists.items():
            if len(rows):
                self.device.write(self.buffers[name], rows.view(np.uint8))
        completion = self._run({"mode": MODE_RUN} | self._lengths(lists, query.k))
        if completion.status != Status():
            return Failed(completion.status)
        raw = self.device.read(self.buffers["result"], 8 * query.k)
        return _answer(raw, query.k, completion.cycles)

    def _lists(self, query: Query) -> dict[str, npt.NDArray[np.uint32]]:
        lists = {
            "history": np.asarray(query.history, dtype="<u4"),
            "seen": np.asarray(query.seen, dtype="<u4"),
        }
        limits = (self.contract.shape.max_history, self.device.config.max_seen)
        for (name, rows), limit in zip(lists.items(), limits, strict=True):
            if len(rows) > limit:
                what = "seen list" if name == "seen" else name
                raise RequestError(
                    f"The {what} has {len(rows)} items but this device holds {limit}; "
                    "shorten it, or build the hardware for more."
                )
        return lists

    def _lengths(self, lists: dict[str, npt.NDArray[np.uint32]], k: int) -> dict[str, int]:
        n = len(lists["history"])
        norm = int(self.contract.tensors.norm[n])
        lengths = {"n_history": n, "n_seen": len(lists["seen"]), "norm": norm}
        return lengths | {"k": k & 0xFFFF_FFFF}

    def _run(self, arguments: dict[str, int], count: int = 1) -> Completion:
        self.device.start(self._arguments | arguments)
        return self.device.wait(self.timeout_s * count)

    def _error(self, status: Status) -> DeviceError:
        return DeviceError(
            f"The device '{self.device.name}' reports {status.faults()}; see the status register "
            "in kernels/hotpath/README.md."
        )


def _line(size: int) -> int:
    return -(-size // _LINE) * _LINE


def _answer(raw: Bytes, k: int, cycles: Cycles | None) -> Answer:
    answer = raw.view("<i4").reshape(k, 2)
    return Answer(answer[:, 0].astype(np.int32), answer[:, 1].astype(np.int32), cycles)


def _cycles(records: npt.NDArray[np.void], i: int) -> Cycles:
    """Of request ``i`` of a run, from its opening on; see Cycles for what overlaps."""
    now = {name: int(records[i][name]) for name in RECORD.names or () if name != "reserved"}
    begin = now["start"]
    before = int(records[i - 1]["beats"]) if i else 0
    stages = {name: now[name] - begin for name in ("gather", "attention", "fuse", "scan")}
    total, beats = now["end"] - begin, now["beats"] - before
    return Cycles(**stages, total=total, beats_read=beats, end=now["end"])
