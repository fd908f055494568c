# SPDX-License-Identifier: Apache-2.0
"""Cases of ``rf_topk``: the item table must pass the ports once, one 512-bit beat a cycle each.

Every user has a seen list of its own. Scores ascend where the case says so: then every item is
better than all before it, and nothing can be dropped early.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from recfabric.bench._case import BEAT, MEMORY, SEED, Case, Measure
from recfabric.kernels.hotpath.image import pack_rows
from recfabric.kernels.topk.model import item_scores, port_rows, topk_users
from recfabric.sim.bench import Bench

ITEMS = 100_000
SEEN = 300  # rows of a seen list
LIMITS = {1: (1.02, 200), 4: (1.03, 300), 16: (1.05, 400)}
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Scan:
    """One request: the kernel's parameters, the k of each user, the order of user 0's scores."""

    dim: int = 64
    bits: int = 8
    k_max: int = 128
    k: tuple[int, ...] = (100,)
    ports: int = 1
    ascending: bool = False

    @property
    def parameters(self) -> dict[str, int]:
        """Those of the module."""
        sizes = {"Dim": self.dim, "ElemBits": self.bits, "BeatBits": BEAT, "KMax": self.k_max}
        return sizes | {"Ports": self.ports, "Users": len(self.k)}

    @property
    def beats(self) -> int:
        """Of the item table."""
        return -(-ITEMS * self.dim * self.bits // BEAT)

    @property
    def lanes(self) -> int:
        """Items of a beat."""
        return max(1, BEAT // (self.dim * self.bits))

    def __str__(self) -> str:
        order = ", ascending scores" if self.ascending else ""
        ports = f"{self.ports} port{'s' * (self.ports > 1)}"
        users = f", {len(self.k)} users in one scan" if len(self.k) > 1 else ""
        k = "/".join(map(str, self.k))
        return f"{ITEMS:,} items, D {self.dim} int{self.bits}, k {k}, {ports}{users}{order}"


def cases() -> tuple[Case, ...]:
    """One port at three shapes of an item, 4 and 16 ports in both orders, four users."""
    plain = Scan(k_max=32, k=(10,))
    scans = [plain, Scan()]
    for scan in (Scan(bits=4), Scan(dim=256), Scan(ports=4), Scan(ports=16)):
        scans += [scan, replace(scan, k=(10,))]
    for ports in (1, 4, 16):
        scans.append(Scan(ports=ports, ascending=True))
    scans.append(replace(plain, k=(10, 32, 1, 20)))
    scans.append(replace(plain, k=(10, 32, 1, 20), ascending=True))
    found: list[Case] = []
    for scan in scans:
        known = any(case.parameters == scan.parameters for case in found)
        found.append(_case(scan, cells=not known))
    return tuple(found)


def _case(scan: Scan, *, cells: bool) -> Case:
    bound = scan.beats / scan.ports
    factor, start = (1.05, 0) if len(scan.k) > 1 else LIMITS[scan.ports]
    share = f"beats / {scan.ports}" if scan.ports > 1 else "beats"
    return Case(
        kernel="rf_topk",
        config=str(scan),
        parameters=scan.parameters,
        bound=bound,
        formula=f"{share}, beats = items * D * bits / {BEAT}",
        limit=factor * bound + start,
        limit_formula=f"{factor} * {share}" + (f" + {start}" if start else ""),
        run=partial(_run, scan),
        note="" if len(scan.k) == 1 else "one user's scan takes at least beats",
        cells=cells,
    )


@dataclass(frozen=True)
class _Data:
    queries: npt.NDArray[np.int8]  # (users, D)
    items: npt.NDArray[np.int8]  # (N, D)
    terms: npt.NDArray[np.int16]
    seen: tuple[npt.NDArray[np.int64], ...]
    shift: int = 3


def _data(scan: Scan) -> _Data:
    rng = np.random.default_rng(SEED)
    limit, users = 1 << (scan.bits - 1), len(scan.k)
    items = rng.integers(-limit, limit, (ITEMS, scan.dim), dtype=np.int8)
    terms = rng.integers(-2000, 2000, ITEMS).astype("<i2")
    items[8::8], terms[8::8] = items[7:-1:8], terms[7:-1:8]  # ties
    queries = rng.integers(-128, 128, (users, scan.dim), dtype=np.int8)
    seen = tuple(np.sort(rng.permutation(ITEMS)[:SEEN]) for _ in scan.k)
    if scan.ascending:
        scores = item_scores(queries[0], items, terms, term_shift=_Data.shift)
        order = np.argsort(scores, kind="stable")
        items, terms = items[order], terms[order]
    return _Data(queries, items, terms, seen)


def _run(scan: Scan) -> Measure:
    data = _data(scan)
    inputs = _inputs(scan, data)
    late = [name for name in inputs if name.startswith(("s_axis_item", "s_axis_term"))]
    delay = dict.fromkeys([*late, *(n for n in inputs if "seen" in n)], MEMORY.latency)
    outputs = {f"m_axis_result[{u}]": k for u, k in enumerate(scan.k)}
    with Bench("rf_topk", scan.parameters) as bench:
        run = bench.run(inputs, outputs, max_cycles=2 * scan.beats, delay=delay)
        error = bench.get("error_o")
    answers = topk_users(
        data.queries, data.items, data.terms, term_shift=data.shift, seen=data.seen, k=scan.k
    )
    wrong = 1 if error else 0
    for user, (ids, scores) in enumerate(answers):
        got = run.outputs[f"m_axis_result[{user}]"].view("<i4")
        wrong += int((got[:, 0] != ids).sum() + (got[:, 1] != scores).sum())
    return Measure(run.cycles, 2 * sum(scan.k), wrong, run.cycles, run.cpu_seconds)


def _inputs(scan: Scan, data: _Data) -> Mapping[str, Bytes]:
    row = pack_rows(data.items, scan.bits, scan.dim * scan.bits // 8)
    inputs = {
        "s_axis_cmd": _command(scan, data),
        "s_axis_term": _padded(data.terms.view(np.uint8).reshape(-1, 2), scan.lanes * scan.ports),
    }
    for user, (query, seen) in enumerate(zip(data.queries, data.seen, strict=True)):
        inputs[f"s_axis_query[{user}]"] = query.view(np.uint8).reshape(1, -1)
        inputs[f"s_axis_seen[{user}]"] = seen.astype("<u4").view(np.uint8).reshape(-1, 4)
    for port, rows in enumerate(port_rows(ITEMS, ports=scan.ports, lanes=scan.lanes)):
        inputs[f"s_axis_item[{port}]"] = _padded(row[rows], scan.lanes).reshape(-1, BEAT // 8)
    return inputs


def _command(scan: Scan, data: _Data) -> Bytes:
    """``rf_pkg::topk_cmd_t`` of each user, user 0 lowest; its first field lies highest."""
    words = [
        data.shift | k << 8 | len(seen) << 16 | ITEMS << 32
        for k, seen in zip(scan.k, data.seen, strict=True)
    ]
    return np.array(words, "<u8").view(np.uint8).reshape(1, -1)


def _padded(rows: Bytes, lanes: int) -> Bytes:
    """Rows (n, bytes) in beats of ``lanes`` each, the last one filled up."""
    filled = np.pad(rows, ((0, -len(rows) % lanes), (0, 0)))
    return filled.reshape(-1, lanes * rows.shape[1])
