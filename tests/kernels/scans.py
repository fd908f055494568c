# SPDX-License-Identifier: Apache-2.0
"""A scan for rf_topk, and the device under test with all its streams."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from bundles import Sink, Source, Streams
from cocotb.triggers import ClockCycles, RisingEdge

from recfabric.kernels.topk.model import item_scores, port_rows, topk_users
from recfabric.sim.streams import pack

Array = np.ndarray[Any, Any]
NAMES = ("cmd", "query", "item", "term", "seen")


@dataclass(frozen=True)
class Request:
    """One scan: the queries, seen lists and k of all users over the same items."""

    queries: Array
    items: Array
    terms: Array
    seen: tuple[Array, ...]
    k: tuple[int, ...]
    term_shift: int = 0

    def answers(self) -> list[list[tuple[int, int]]]:
        users = topk_users(
            self.queries,
            self.items,
            self.terms,
            term_shift=self.term_shift,
            seen=self.seen,
            k=self.k,
        )
        return [list(zip(i.tolist(), s.tolist(), strict=True)) for i, s in users]

    def scores(self, user: int = 0) -> Array:
        query = self.queries[user]
        return item_scores(query, self.items, self.terms, term_shift=self.term_shift)


class Bench:
    """The device under test with a driver or a monitor on each stream."""

    def __init__(self, dut: Any, share_in: float = 0.0, share_out: float = 0.0) -> None:
        self.dut = dut
        self.dim, self.bits = int(dut.Dim.value), int(dut.ElemBits.value)
        self.beat_bits, self.k_max = int(dut.BeatBits.value), int(dut.KMax.value)
        self.port_lanes = max(1, self.beat_bits // (self.dim * self.bits))
        self.beats = max(1, self.dim * self.bits // self.beat_bits)
        self.inputs = {
            name: Source(dut, f"s_axis_{name}", share=share_in, seed=i)
            for i, name in enumerate(NAMES)
        }
        self.out = Sink(dut, "m_axis_result", share=share_out, seed=9)
        self.ports, self.users = self.inputs["item"].count, self.out.count
        self.lanes = self.ports * self.port_lanes
        self.streams = Streams(dut, *self.inputs.values(), self.out)
        assert self.inputs["term"].width == 16 * self.lanes

    def put(self, r: Request) -> None:
        words = [
            pack([r.term_shift], 8) | k << 8 | len(seen) << 16 | len(r.items) << 32
            for k, seen in zip(r.k, r.seen, strict=True)
        ]
        self.inputs["cmd"].queues[0].append(pack(words, 64))
        for user, (k, seen) in enumerate(zip(r.k, r.seen, strict=True)):
            if k:
                self.inputs["query"].queues[user].append(pack(r.queries[user].tolist(), 8))
                self.inputs["seen"].queues[user].extend(int(row) for row in seen)
        rows = port_rows(len(r.items), ports=self.ports, lanes=self.port_lanes)
        for port, held in enumerate(rows):
            self.inputs["item"].queues[port].extend(self.item_beats(r.items[held]))
        self.inputs["term"].queues[0].extend(self.term_beats(r.terms))

    def item_beats(self, items: Array) -> list[int]:
        """Lanes behind the last item hold the best thinkable items: they must be ignored."""
        if self.port_lanes > 1:
            missing = -len(items) % self.port_lanes
            rows = np.pad(items, ((0, missing), (0, 0)), constant_values=7)
            rows = rows.reshape(-1, self.port_lanes * self.dim)
        else:
            rows = items.reshape(-1, self.dim // self.beats)
        return [pack(row, self.bits) for row in rows.tolist()]

    def term_beats(self, terms: Array) -> list[int]:
        rows = np.pad(terms, (0, -len(terms) % self.lanes), constant_values=32767)
        return [pack(row, 16) for row in rows.reshape(-1, self.lanes).tolist()]

    async def get(self, user: int) -> list[tuple[int, int]]:
        while (packet := self.out.pop(user)) is None:
            await RisingEdge(self.dut.clk_i)
        words = np.array([[w & 0xFFFFFFFF, w >> 32] for w in packet], np.uint32)
        return [(int(i), int(s)) for i, s in words.view(np.int32)]

    async def answers(self, r: Request) -> list[list[tuple[int, int]]]:
        return [await self.get(user) if k else [] for user, k in enumerate(r.k)]

    async def check(self, *requests: Request) -> None:
        for r in requests:
            self.put(r)
        for r in requests:
            assert await self.answers(r) == r.answers()
        await ClockCycles(self.dut.clk_i, 2)
        while not int(self.dut.s_axis_cmd_tready.value):  # what is left of a seen list
            await RisingEdge(self.dut.clk_i)
        await ClockCycles(self.dut.clk_i, 8)
        assert self.out.empty()
        assert not any(queue for s in self.inputs.values() for queue in s.queues)
        assert not int(self.dut.error_o.value)
        assert int(self.dut.s_axis_cmd_tready.value)

    def random(self, rng: np.random.Generator, n: int, k: int, seen: float = 0.2) -> Request:
        """User 0 has this k and this share of seen items; the others differ, one may be absent."""
        limit = 1 << (self.bits - 1)
        shares = [seen, *rng.random(self.users - 1)]
        return Request(
            queries=rng.integers(-128, 128, (self.users, self.dim)).astype(np.int8),
            items=rng.integers(-limit, limit, (n, self.dim)).astype(np.int8),
            terms=rng.integers(-32768, 32768, n),
            seen=tuple(np.flatnonzero(rng.random(n) < share) for share in shares),
            k=(k, *(int(x) for x in rng.integers(0, self.k_max + 1, self.users - 1))),
            term_shift=int(rng.integers(0, 8)),
        )

    def with_seen(self, r: Request, seen: Array) -> Request:
        """The list for user 0, and for the others this list cut shorter and shorter."""
        k = tuple(max(k, 1) for k in r.k)
        return replace(r, seen=tuple(seen[: len(seen) >> u] for u in range(self.users)), k=k)
