# SPDX-License-Identifier: Apache-2.0
"""Puts a contract on a device and sends it requests in item rows, one by one or in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recfabric.contract import Contract
from recfabric.errors import DeviceError, RequestError, UnattributedFaultError
from recfabric.host.device import (
    MODE_BATCH,
    MODE_LOAD,
    MODE_RUN,
    Buffer,
    Bytes,
    Completion,
    Cycles,
    Device,
    Status,
)
from recfabric.host.items import ItemRows
from recfabric.host.tables import SPARE_ROWS, TableSet
from recfabric.kernels.hotpath.batch import DESCRIPTOR, NOT_WRITTEN, RECORD, result_stride
from recfabric.kernels.hotpath.image import check_fit

Rows = npt.NDArray[np.int32]
BATCH = (SPARE_ROWS - 1) // 2  # requests of one run at most: each has a spare row in both places
ALONE = SPARE_ROWS - 1  # the spare row of a request outside batches
_LISTS = 1 << 19  # bytes for the lists of a batch; one request's always fit
_LINE = 64  # lists of a batch start on a whole beat of the widest port
_TABLES_OF_A_BATCH = {"descriptor": DESCRIPTOR, "record": RECORD}


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
    """A request in rows. ``history``: repeats allowed; ``seen``: strictly ascending.

    ``text``: the rows of one item that is in no catalogue, such as a text's; it stands ``weight``
    times at the history's end and is never an answer.
    """

    history: npt.ArrayLike
    seen: npt.ArrayLike
    k: int
    text: ItemRows | None = None
    weight: int = 1


@dataclass(frozen=True)
class Prepared:
    """A batch whose lists and descriptors lie in the device's memory, in one of two places."""

    queries: Sequence[Query]
    slot: int


class HotPathDriver:
    """A contract's tables in a device's memory, and the requests on top of them.

    ``timeout_s``: of one request; a batch has as much for each. ``scanned``: the consecutive rows
    that this device scores where it holds a shard of the catalogue; histories, seen lists and
    answers are in the whole catalogue's rows all the same. Raises ConfigError where the device's
    netlist does not fit the contract.
    """

    def __init__(
        self,
        device: Device,
        contract: Contract,
        *,
        timeout_s: float = 30.0,
        scanned: range | None = None,
    ) -> None:
        check_fit(contract, device.config)
        self.device, self.contract, self.timeout_s = device, contract, timeout_s
        config = device.config
        sizes = {"history": 4 * config.max_rows, "seen": 4 * config.max_seen}
        self._alone_in = self._allocate(sizes | {"result": 8 * config.k_max})
        self._slots = {0: self._allocate(self._slot_sizes())}
        self._scratch = np.zeros(self._slots[0]["lists"].size, np.uint8)
        self._live, self._spare = TableSet(device), TableSet(device)
        self._fill(self._live, contract, scanned)

    @property
    def buffers(self) -> dict[str, Buffer]:
        """Where everything lies: the tables in use and the lists, by the arguments' names."""
        return self._alone_in | self._slots[0] | self._live.buffers

    @property
    def scanned(self) -> range:
        """The rows that this device scores."""
        return self._live.scanned or range(self.contract.shape.items)

    def stage(self, contract: Contract, scanned: range | None = None) -> Iterator[None]:
        """Write another generation of tables beside the one in use; yields after each piece.

        Requests may be sent between two pieces; :meth:`switch` takes the tables into use.
        """
        check_fit(contract, self.device.config)
        yield from self._spare.write(contract, scanned)

    def switch(self, contract: Contract) -> None:
        """Take the staged tables of a contract into use; nothing may be running."""
        self._live, self._spare = self._spare, self._live
        self.contract = contract
        self._load()

    def restore(self) -> None:
        """Write the tables in use anew: after a fault nothing in the device is believed."""
        self._fill(self._live, self.contract, self._live.scanned)

    def request(self, history: npt.ArrayLike, seen: npt.ArrayLike, k: int) -> Answer:
        """:meth:`ask` for a history (item rows, repeats allowed) without the seen ones."""
        return self.ask(Query(history, seen, k))

    def ask(self, query: Query) -> Answer:
        """The k best rows for a query.

        ``seen`` must be strictly ascending. Raises DeviceError when the kernel reports a fault
        and DeviceTimeoutError when it does not finish.
        """
        outcome = self._alone(query)
        if isinstance(outcome, Failed):
            raise self._error(outcome.status)
        return outcome

    def request_many(self, queries: Sequence[Query]) -> list[Answer | Failed]:
        """Many requests, overlapped in the hardware; one entry for each, in order.

        While a batch runs, the next one is written. A request the kernel reports a fault for is
        Failed, the others are answered. A fault that the kernel could not say a request for makes
        all of its run be sent again, one by one. Raises RequestError for a list beyond the device,
        DeviceTimeoutError when it hangs.
        """
        given: list[Answer | Failed] = []
        ahead = self.prepare(queries[:BATCH]) if queries else None
        while ahead is not None:
            batch, ahead = ahead, None
            self.launch(batch)
            asked = len(given) + len(batch.queries)
            if asked < len(queries):
                ahead = self.prepare(queries[asked : asked + BATCH], 1 - batch.slot)
            try:
                given += self.collect(batch)
            except UnattributedFaultError:
                given += [self._alone(query) for query in batch.queries]
        return given

    def prepare(self, queries: Sequence[Query], slot: int = 0) -> Prepared:
        """Write as many of the queries, from the first on, as a batch's lists have room for.

        ``slot``: 0 or 1; the other one may be running.
        """
        if slot not in self._slots:
            self._slots[slot] = self._allocate(self._slot_sizes())
        place = self._slots[slot]
        lists = self._scratch
        descriptors = np.zeros(min(len(queries), BATCH), DESCRIPTOR)
        stride = result_stride(self.device.config.k_max)
        end, count = 0, 0
        for query in queries[:BATCH]:
            found = self._lists(query, slot * BATCH + count)
            if end + sum(_line(4 * len(rows)) for rows in found.values()) > len(lists):
                break
            entry = descriptors[count]
            for name, value in self._lengths(found, query.k).items():
                entry[name] = value
            entry["result"] = place["results"].address + count * stride
            for name, rows in found.items():
                entry[name] = place["lists"].address + end
                lists[end : end + 4 * len(rows)] = rows.view(np.uint8)
                end += _line(4 * len(rows))
            count += 1
        self._write_texts(queries[:count], slot * BATCH)
        self.device.write(place["lists"], lists[:end])
        self.device.write(place["descriptor"], descriptors[:count].view(np.uint8))
        self.device.write(place["record"], _fresh_records(count))
        return Prepared(queries[:count], slot)

    def launch(self, batch: Prepared) -> None:
        """Start a prepared batch; nothing may be running."""
        place = self._slots[batch.slot]
        at = {name: place[name].address for name in ("descriptor", "record")}
        rows = self._known_rows(batch.queries)
        self._start({"mode": MODE_BATCH, "count": len(batch.queries)} | at | rows)

    def collect(self, batch: Prepared, timeout_s: float | None = None) -> list[Answer | Failed]:
        """Wait for a launched batch and read its outcomes, one for each query.

        Raises DeviceTimeoutError after ``timeout_s`` (None: the driver's, for each request), and
        UnattributedFaultError where a record was not written or contradicts the status.
        """
        count = len(batch.queries)
        completion = self.device.wait(timeout_s or self.timeout_s * count)
        place = self._slots[batch.slot]
        records = self.device.read(place["record"], count * RECORD.itemsize).view(RECORD)
        word = int(np.bitwise_or.reduce(records["status"]))
        if word == NOT_WRITTEN or completion.status != Status.of(word):
            raise UnattributedFaultError(
                f"The device '{self.device.name}' did not write every record of a batch of "
                f"{count}; send its requests again."
            )
        stride = result_stride(self.device.config.k_max)
        results = self.device.read(place["results"], count * stride)
        clocked = completion.cycles is not None
        given: list[Answer | Failed] = []
        for i, (query, bits) in enumerate(
            zip(batch.queries, records["status"].tolist(), strict=True)
        ):
            if bits:
                given.append(Failed(Status.of(bits)))
                continue
            cycles = _cycles(records, i) if clocked else None
            given.append(self._answer(results[i * stride :][: 8 * query.k], query.k, cycles))
        return given

    def _alone(self, query: Query) -> Answer | Failed:
        lists = self._lists(query, ALONE)
        self._write_texts([query], ALONE)
        for name, rows in lists.items():
            if len(rows):
                self.device.write(self._alone_in[name], rows.view(np.uint8))
        arguments = self._known_rows([query]) | self._lengths(lists, query.k)
        completion = self._run({"mode": MODE_RUN} | arguments)
        if completion.status != Status():
            return Failed(completion.status)
        raw = self.device.read(self._alone_in["result"], 8 * query.k)
        return self._answer(raw, query.k, completion.cycles)

    def _answer(self, raw: Bytes, k: int, cycles: Cycles | None) -> Answer:
        answer = raw.view("<i4").reshape(k, 2).astype(np.int32)
        rows, start = answer[:, 0], self.scanned.start
        if start:
            rows = np.where(rows < 0, rows, rows + start)
        return Answer(rows, answer[:, 1], cycles)

    def _write_texts(self, queries: Sequence[Query], spare: int) -> None:
        """Put the queries' texts into the spare rows from ``spare`` on, those of a slot alone."""
        for i, query in enumerate(queries):
            if query.text is not None:
                self._live.write_spare(query.text, self.contract, spare + i)

    def _known_rows(self, queries: Sequence[Query]) -> dict[str, int]:
        """The argument that opens the spare rows to a run with texts."""
        with_text = any(query.text is not None for query in queries)
        return {"n_rows": self.contract.shape.items + SPARE_ROWS} if with_text else {}

    def _lists(self, query: Query, spare: int) -> dict[str, npt.NDArray[np.uint32]]:
        lists = {
            "history": np.asarray(query.history, dtype="<u4"),
            "seen": np.asarray(query.seen, dtype="<u4"),
        }
        if query.text is not None:
            if query.weight < 1:
                raise RequestError(f"A text's weight is {query.weight} but must be at least 1.")
            row = np.full(query.weight, self.contract.shape.items + spare, "<u4")
            lists["history"] = np.concatenate([lists["history"], row])
        limits = (self.contract.shape.max_history, self.device.config.max_seen)
        for (name, rows), limit in zip(lists.items(), limits, strict=True):
            if len(rows) > limit:
                what = "seen list" if name == "seen" else name
                raise RequestError(
                    f"The {what} has {len(rows)} items but this device holds {limit}; "
                    "shorten it, or build the hardware for more."
                )
        scanned = self._live.scanned
        if scanned:
            seen = lists["seen"]
            inside = (seen >= scanned.start) & (seen < scanned.stop)
            lists["seen"] = seen[inside] - np.uint32(scanned.start)
        return lists

    def _lengths(self, lists: dict[str, npt.NDArray[np.uint32]], k: int) -> dict[str, int]:
        n = len(lists["history"])
        norm = int(self.contract.tensors.norm[n])
        lengths = {"n_history": n, "n_seen": len(lists["seen"]), "norm": norm}
        return lengths | {"k": k & 0xFFFF_FFFF}

    def _slot_sizes(self) -> dict[str, int]:
        config = self.device.config
        lists = 4 * (config.max_rows + config.max_seen) + 2 * _LINE
        sizes = {"lists": max(lists, _LISTS), "results": BATCH * result_stride(config.k_max)}
        return sizes | {n: BATCH * d.itemsize for n, d in _TABLES_OF_A_BATCH.items()}

    def _allocate(self, sizes: dict[str, int]) -> dict[str, Buffer]:
        return {name: self.device.allocate(size) for name, size in sizes.items()}

    def _fill(self, tables: TableSet, contract: Contract, scanned: range | None) -> None:
        for _ in tables.write(contract, scanned):
            pass
        self._load()

    def _load(self) -> None:
        loaded = self._run({"mode": MODE_LOAD}).status
        if loaded != Status():
            raise self._error(loaded)

    def _start(self, arguments: dict[str, int]) -> None:
        lists = {n: b.address for n, b in (self._alone_in | self._slots[0]).items()}
        own = {name: lists[name] for name in (*self._alone_in, *_TABLES_OF_A_BATCH)}
        self.device.start(own | self._live.arguments | arguments)

    def _run(self, arguments: dict[str, int]) -> Completion:
        self._start(arguments)
        return self.device.wait(self.timeout_s)

    def _error(self, status: Status) -> DeviceError:
        return DeviceError(
            f"The device '{self.device.name}' reports {status.faults()}; see the status register "
            "in kernels/hotpath/README.md."
        )


def _fresh_records(count: int) -> Bytes:
    """Records that no kernel has written: each status is NOT_WRITTEN."""
    return np.full(count * RECORD.itemsize, 0xFF, np.uint8)


def list_bytes(query: Query) -> int:
    """What a query's lists take of a batch's room, at most."""
    history = len(np.asarray(query.history)) + (query.weight if query.text is not None else 0)
    return _line(4 * history) + _line(4 * len(np.asarray(query.seen)))


def _line(size: int) -> int:
    return -(-size // _LINE) * _LINE


def _cycles(records: npt.NDArray[np.void], i: int) -> Cycles:
    """Of request ``i`` of a run, from its opening on; see Cycles for what overlaps."""
    now = {name: int(records[i][name]) for name in RECORD.names or () if name != "reserved"}
    begin = now["start"]
    before = int(records[i - 1]["beats"]) if i else 0
    stages = {name: now[name] - begin for name in ("gather", "attention", "fuse", "scan")}
    total, beats = now["end"] - begin, now["beats"] - before
    return Cycles(**stages, total=total, beats_read=beats, end=now["end"])
