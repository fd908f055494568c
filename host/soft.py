# SPDX-License-Identifier: Apache-2.0
"""The ``soft`` device: the kernel's integer models on the kernel's memory image."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from recfabric.contract import SHIFT_LIMITS, Shifts
from recfabric.errors import DeviceError
from recfabric.host.device import (
    MODE_BATCH,
    MODE_LOAD,
    MODE_RUN,
    Buffer,
    Bytes,
    Completion,
    Status,
    check_range,
)
from recfabric.kernels.dense.model import weights_of_beats
from recfabric.kernels.hotpath.batch import DESCRIPTOR, RECORD
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.kernels.hotpath.image import PAGE, share_names, unpack_rows
from recfabric.kernels.hotpath.model import HotPath
from recfabric.kernels.scatter.model import unpack_edges
from recfabric.kernels.topk.model import port_rows

_TABLES = ("message", "key", "value", "bias", "weight", "edge")
_GATHERED = ("message", "key", "value")
_NOTHING = np.zeros(0, "<u4")
_NO_BYTES = np.zeros(0, np.uint8)
_FIELDS = [name for name in DESCRIPTOR.names or () if name != "reserved"]
_NO_TIMES = (0,) * (RECORD.itemsize // 8 - 1)  # this device has no clock
_SHIFTS = tuple(SHIFT_LIMITS)
_DECODED_FROM = (*_TABLES, "n_items", *(f"{name}_shift" for name in _SHIFTS))
_FEW_ROWS = 64  # that are decoded as they are written


class SoftDevice:
    """Answers as ``rf_hotpath`` would, from the same bytes, in microseconds.

    Tables are decoded once and again when their memory is written; the fuse layer's weights are
    those of the last load, as in the kernel.
    """

    name = "soft"

    def __init__(self, config: HotPathConfig) -> None:
        self.config = config
        self._memory: dict[int, Bytes] = {}
        self._next = PAGE
        self._arguments: dict[str, int] = {"n_rows": 0}
        self._model: HotPath | None = None
        self._decoded_for: tuple[int, ...] = ()
        self._fuse: tuple[npt.NDArray[np.int8], npt.NDArray[np.int32]] | None = None
        self._completion: Completion | None = None

    def allocate(self, size: int) -> Buffer:
        """Memory of the host; raises DeviceError when there is none left."""
        pages = -(-max(size, 1) // PAGE) * PAGE
        buffer = Buffer(self._next, pages)
        try:
            self._memory[buffer.address] = np.zeros(pages, np.uint8)
        except MemoryError:
            raise DeviceError(f"The soft device has no {size} bytes of memory left.") from None
        self._next += pages
        return buffer

    def write(self, buffer: Buffer, data: Bytes, offset: int = 0) -> None:
        """Copy bytes into a buffer; a table is decoded anew at the next request."""
        check_range(buffer, offset, len(data))
        self._memory[buffer.address][offset : offset + len(data)] = data
        if self._model is not None and buffer.address in self._decoded_for:
            self._decode_rows(self._model, buffer.address, offset, len(data))

    def read(self, buffer: Buffer, size: int, offset: int = 0) -> Bytes:
        """Copy bytes out of a buffer."""
        check_range(buffer, offset, size)
        return self._memory[buffer.address][offset : offset + size].copy()

    def start(self, arguments: Mapping[str, int]) -> None:
        """Run the request, the batch or the load at once."""
        self._arguments.update(arguments)
        mode = self._arguments["mode"]
        if mode == MODE_LOAD:
            self._load()
            self._completion = Completion(Status())
        elif self._bad_argument():
            self._completion = Completion(Status(bad_argument=True))
        elif mode == MODE_BATCH:
            self._completion = Completion(self._batch())
        else:
            self._completion = Completion(self._request())

    def wait(self, timeout_s: float) -> Completion:
        """The completion of the last start."""
        if self._completion is None:
            raise DeviceError("The soft device was not started.")
        completion, self._completion = self._completion, None
        return completion

    def close(self) -> None:
        """Forget all memory."""
        self._memory.clear()

    def reset(self) -> None:
        """Forget arguments, weights and a run in hand, as a kernel's reset does; memory stays."""
        self._arguments = {"n_rows": 0}
        self._model = self._fuse = self._completion = None

    def _bad_argument(self) -> bool:
        """Whether an argument that all requests share is out of its range."""
        a = self._arguments
        return not (
            a["mode"] in (MODE_RUN, MODE_BATCH)
            and all(0 <= a[f"{n}_shift"] <= limit for n, limit in SHIFT_LIMITS.items())
            and 1 <= a["n_items"] <= self.config.most_items
            and (a["mode"] == MODE_RUN or 1 <= a["count"] <= self.config.max_requests)
        )

    def _batch(self) -> Status:
        """Every request of the descriptors; its status goes into its record."""
        a = self._arguments
        size = a["count"] * DESCRIPTOR.itemsize
        requests = self._view(a["descriptor"], size).copy().view(DESCRIPTOR)
        word = 0
        for i, request in enumerate(requests[_FIELDS].tolist()):
            a.update(zip(_FIELDS, request, strict=True))
            status = self._request().word()
            word |= status
            place = self._view(a["record"] + i * RECORD.itemsize, RECORD.itemsize // 2)
            place.view("<u4")[:] = (status, *_NO_TIMES)
        return Status.of(word)

    def _request(self) -> Status:
        a, c = self._arguments, self.config
        good = (
            0 <= a["norm"] <= 0xFFFF
            and 1 <= a["k"] <= c.k_max
            and 0 <= a["n_history"] <= c.max_rows
            and 0 <= a["n_seen"] <= c.max_seen
        )
        return self._answer() if good else Status(bad_argument=True)

    def _load(self) -> None:
        c = self.config
        image = self._memory[self._arguments["weight"]]
        self._fuse = weights_of_beats(
            image, rows=c.dim, cols=2 * c.dim, pe=c.pe, simd=c.simd, beat_bits=c.beat_bits
        )
        self._model = None

    def _answer(self) -> Status:
        a = self._arguments
        history = self._list("history", a["n_history"])
        seen = self._list("seen", a["n_seen"]).astype(np.int32)
        known = history < (a["n_rows"] or a["n_items"])
        bad_row = not known.all()
        valid = np.where(known, history, 0) if bad_row else history
        rows, scores = self._hot_path().answer(valid.astype(np.int64), a["norm"], seen, a["k"])
        answer = self._view(a["result"], 8 * a["k"]).view("<i4")
        answer[0::2], answer[1::2] = rows, scores
        return Status(bad_row=bad_row, bad_seen=bool((seen[1:] <= seen[:-1]).any()))

    def _list(self, name: str, count: int) -> npt.NDArray[np.uint32]:
        return self._view(self._arguments[name], 4 * count).view("<u4") if count else _NOTHING

    def _view(self, address: int, size: int) -> Bytes:
        """Memory from an address on, wherever in a buffer it lies."""
        bases = list(self._memory)  # in ascending order: addresses are given out that way
        base = bases[bisect_right(bases, address) - 1]
        return self._memory[base][address - base : address - base + size]

    def _hot_path(self) -> HotPath:
        a, c = self._arguments, self.config
        places = tuple(a.get(name, 0) for name in (*_DECODED_FROM, *share_names(c)))
        if self._model is not None and self._decoded_for == places:
            return self._model
        if self._fuse is None:
            raise DeviceError("The fuse layer's weights were never loaded (mode 1).")
        n = a["n_items"]
        rows = {t: self._rows(t, t, self._room(t), c.row_bytes(t)) for t in _GATHERED}
        rows["item"] = np.empty((n, c.dim), np.int8)
        shares = port_rows(n, ports=c.scan_ports, lanes=c.port_lanes)
        for name, share in zip(share_names(c), shares, strict=True):
            rows["item"][share] = self._rows(name, "item", len(share), c.dim * c.item_bits // 8)
        edge_item, edge_weight = self._edges(self._room("edge") if c.edges else 1)
        self._model = HotPath(
            **rows,
            edge_item=edge_item,
            edge_weight=edge_weight,
            bias=self._memory[a["bias"]][: 2 * n].view("<i2"),
            fuse_weight=self._fuse[0],
            fuse_bias=self._fuse[1],
            shifts=Shifts(**{name: a[f"{name}_shift"] for name in _SHIFTS}),
            heads=c.heads,
        )
        self._decoded_for = places
        return self._model

    def _room(self, table: str) -> int:
        """The rows that a gathered table's memory holds, with those that no item has."""
        row_bytes = self._row_bytes(table)
        return len(self._memory[self._arguments[table]]) // row_bytes

    def _row_bytes(self, table: str) -> int:
        return self.config.edge_row_bytes if table == "edge" else self.config.row_bytes(table)

    def _decode_rows(self, model: HotPath, address: int, offset: int, size: int) -> None:
        """Bring a write of few whole rows of gathered tables into the decoded ones; else forget."""
        tables = dict(zip(self._decoded_for[: len(_TABLES)], _TABLES, strict=True))
        name = tables.get(address, "")
        if name not in (*_GATHERED, "edge"):
            self._model = None
            return
        row_bytes = self._row_bytes(name)
        first, last = offset // row_bytes, (offset + size) // row_bytes
        if offset % row_bytes or size % row_bytes or last - first > _FEW_ROWS:
            self._model = None
            return
        raw = self._memory[address][offset : offset + size].reshape(last - first, row_bytes)
        if name == "edge":
            words = raw.view("<u4")
            model.edge_item[first:last], model.edge_weight[first:last] = unpack_edges(words)
        else:
            bits = getattr(self.config, f"{name}_bits")
            getattr(model, name)[first:last] = unpack_rows(raw, bits, self.config.dim)

    def _edges(self, count: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int8]]:
        """Targets and weights of the items' edges: (N, config.edges) each."""
        size = self.config.edge_row_bytes
        raw = self._memory[self._arguments["edge"]][: count * size] if size else _NO_BYTES
        return unpack_edges(raw.view("<u4").reshape(count, self.config.edges))

    def _rows(
        self, region: str, table: str, count: int, row_bytes: int
    ) -> np.ndarray[tuple[int, int], np.dtype[np.int8]]:
        raw = self._memory[self._arguments[region]][: count * row_bytes].reshape(count, row_bytes)
        return unpack_rows(raw, getattr(self.config, f"{table}_bits"), self.config.dim)
