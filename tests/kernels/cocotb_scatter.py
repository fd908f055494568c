# SPDX-License-Identifier: Apache-2.0
"""rf_scatter against its integer model: through its ports alone, so that it takes a netlist too."""

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, FallingEdge
from rows import Array, Handshakes

from recfabric.kernels.scatter.model import edge_sums, pack_edges, scatter
from recfabric.sim.streams import reset, send, sink, source, start, unpack

TERM = 24


@dataclass(frozen=True)
class Request:
    """A history's edges: targets int (n, E), weights int8 (n, E); what is asked of them."""

    targets: Array
    weights: Array
    items: int
    norm: int
    shift: int

    def answer(self) -> list[int]:
        """What the integer model says."""
        terms = scatter(self.targets, self.weights, self.norm, self.shift, items=self.items)
        return [int(term) for term in terms]

    def rounding(self) -> set[str]:
        """Which branches of RND_CONV and SAT the sums take."""
        hit = set()
        for value in (edge_sums(self.targets, self.weights, self.items) * self.norm).tolist():
            exact = Fraction(value, 1 << self.shift)
            rounded = round(exact)
            if abs(2 * rounded + 1) > 1 << TERM:
                hit.add("above" if rounded > 0 else "below")
            elif (exact - rounded).denominator == 2:
                hit.add("tie up" if rounded > exact else "tie down")
        return hit


class Bench:
    """The device under test with its streams."""

    def __init__(self, dut: Any, share_in: float = 0.0, share_out: float = 0.0) -> None:
        self.dut = dut
        self.size, self.edges = int(dut.Items.value), int(dut.Edges.value)
        self.lanes, self.banks = int(dut.Lanes.value), int(dut.Banks.value)
        self.max_rows = int(dut.MaxRows.value)
        self.per_beat = int(dut.BeatBits.value) // 32
        self.beats = self.edges // self.per_beat
        self.items = min(self.size, 40 * self.lanes)  # a catalogue that is quickly scanned
        self.cmd = source(dut, "s_axis_cmd", share=share_in, seed=1)
        self.edge = source(dut, "s_axis_edge", share=share_in, seed=2)
        self.out = sink(dut, "m_axis_term", share=share_out, seed=3)

    async def put(self, r: Request) -> None:
        """Queue a request."""
        word = r.items << 40 | len(r.targets) << 24 | r.shift << 16 | r.norm
        await send(self.cmd, [word])
        await send(self.edge, self.edge_beats(r))

    def edge_beats(self, r: Request) -> list[int]:
        words = pack_edges(r.targets, r.weights).reshape(-1, self.per_beat)
        return [int.from_bytes(beat.tobytes(), "little") for beat in words]

    async def get(self, items: int) -> list[int]:
        terms: list[int] = []
        for _ in range(-(-items // self.lanes)):
            beat = (await self.out.recv(compact=False)).tdata[0]
            terms += unpack(beat, TERM, self.lanes)
        return terms[:items]

    async def check(self, requests: list[Request]) -> None:
        """Queue all requests at once, then compare all answers."""
        for r in requests:
            await self.put(r)
        for r in requests:
            assert await self.get(r.items) == r.answer()
        await ClockCycles(self.dut.clk_i, 20)
        assert self.out.empty()

    def request(
        self,
        rng: np.random.Generator,
        rows: int,
        norm: int = 1,
        shift: int = 0,
        *,
        items: int | None = None,
        used: float = 0.8,
    ) -> Request:
        """Random edges, some slots unused, some targets beyond the catalogue."""
        n, shape = items or self.items, (rows, self.edges)
        targets = rng.integers(0, n + max(1, n // 8), shape)
        weights = rng.integers(-128, 128, shape).astype(np.int8)
        weights[rng.random(shape) > used] = 0
        return Request(targets, weights, n, norm, shift)

    def fixed(self, targets: Array, weight: int, norm: int = 1, shift: int = 0) -> Request:
        """Rows (n, E) of edges of one weight."""
        weights = np.full(targets.shape, weight, np.int8)
        return Request(targets, weights, self.items, norm, shift)

    def slots(self, step: int) -> Array:
        """A row's targets ``step`` items apart, within the catalogue."""
        return np.arange(self.edges) * step % (self.items - self.items % step)


@cocotb.test(timeout_time=600, timeout_unit="us")
@cocotb.parametrize(share_in=[0.0, 0.5], share_out=[0.0, 0.7])
async def random_requests(dut: Any, share_in: float, share_out: float) -> None:
    """Back to back, among them empty histories, catalogues of one item and of parts of a group."""
    bench = Bench(dut, share_in, share_out)
    await start(dut)
    rng = np.random.default_rng(4)
    requests = []
    for i, rows in enumerate((2, 0, 0, 7, 1, 3, 0, 12, 5)):
        norm, shift = int(rng.integers(0, 1 << 16)), int(rng.integers(0, 24))
        items = (None, 1, bench.items - 1, bench.lanes + 1)[i % 4]
        items = min(items, bench.items) if items else None
        requests.append(bench.request(rng, rows, norm, shift, items=items))
    await bench.check(requests)


@cocotb.test(timeout_time=600, timeout_unit="us")
@cocotb.parametrize(share_in=[0.0, 0.4])
async def conflicts(dut: Any, share_in: float) -> None:
    """All edges in one bank; one entry in every slot; an entry each cycle, each second, each third.

    Then the same for the other array, whose first sum is of an entry just cleared.
    """
    bench = Bench(dut, share_in)
    await start(dut)
    rng = np.random.default_rng(5)
    row = np.zeros((1, bench.edges), int)
    one = [bench.fixed(np.repeat(row + target, 3, 0), -1) for target in (0, bench.items - 1)]
    bank = [bench.fixed(np.repeat(bench.slots(bench.banks)[None], 4, 0), w) for w in (3, -128)]
    single = []
    for distance in (1, 2, 3):
        targets = np.repeat(np.arange(distance)[None], 4, 0).reshape(-1, 1) * bench.banks
        targets = targets % bench.items + row
        weights = np.zeros(targets.shape, np.int8)
        weights[:, rng.integers(bench.edges)] = rng.integers(1, 128, len(targets))
        single.append(Request(targets, weights, bench.items, 1, 0))
    await bench.check([*one, *bank, *single, *one, *bank])


@cocotb.test(timeout_time=2, timeout_unit="ms")
@cocotb.parametrize(weight=[-128, 127])
async def full_history(dut: Any, weight: int) -> None:
    """The widest sums there are, with every kind of shift; every other row in every bank."""
    bench = Bench(dut)
    await start(dut)
    targets = np.zeros((bench.max_rows, bench.edges), int)
    weights = np.zeros(targets.shape, np.int8)
    weights[:, 0] = weight
    requests = [Request(targets, weights, bench.items, 65535, shift) for shift in (0, 10, 47)]
    targets = np.repeat(bench.slots(1)[None], bench.max_rows, 0)
    weights = np.full(targets.shape, weight, np.int8)
    requests.append(Request(targets, weights, bench.items, 1, 5))
    if bench.edges > bench.items:  # more edges to an item than rows are no history's
        requests.pop()
    await bench.check(requests)


@cocotb.test(timeout_time=200, timeout_unit="us")
async def rounding_and_saturation(dut: Any) -> None:
    """Every branch of RND_CONV and SAT, asserted from the model to be hit."""
    bench = Bench(dut)
    await start(dut)
    rng = np.random.default_rng(6)
    scales = ((1, 1), (3, 2), (65535, 0), (40, 3), (64, 7))
    requests = [bench.request(rng, n, *scale) for n in (2, 6) for scale in scales]
    rows = np.repeat(bench.slots(1)[None], 3, 0)
    requests += [bench.fixed(rows, weight, 65535) for weight in (-128, 127)]
    hit = set[str]()
    for r in requests:
        hit |= r.rounding()
    assert hit == {"above", "below", "tie up", "tie down"}
    await bench.check(requests)


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def one_bit_below_a_half(dut: Any) -> None:
    """Three quarters become 1, whichever bit it is that stands below the half, alone."""
    bench = Bench(dut)
    await start(dut)
    row = bench.slots(1)[None]
    requests = [bench.fixed(row, 3, 1 << bit, bit + 2) for bit in range(16)]
    requests += [bench.fixed(row, 3 << more, 1 << 15, 17 + more) for more in range(1, 6)]
    await bench.check(requests)


@cocotb.test(timeout_time=400, timeout_unit="us")
async def one_bit_beyond_the_catalogue(dut: Any) -> None:
    """A target of one bit above the array's, whichever, is none."""
    bench = Bench(dut)
    await start(dut)
    bits = np.arange(bench.size.bit_length() - 1, 24)
    rows = np.repeat((1 << bits)[:, None], bench.edges, 1)
    await bench.check([bench.fixed(part, 1) for part in np.array_split(rows, 4)])


@cocotb.test(timeout_time=400, timeout_unit="us")
async def unused_slots_and_targets_beyond_the_catalogue(dut: Any) -> None:
    """The last item and the first one that is none; the largest target; a slot of weight 0."""
    bench = Bench(dut)
    await start(dut)
    rng = np.random.default_rng(7)
    requests = []
    for items in (1, bench.items - 1, bench.items, bench.size):
        targets = rng.choice(
            [0, items - 1, items, items + 1, 2 * items, 0xFFFFFF], (5, bench.edges)
        )
        weights = rng.choice([0, 1, -1, 127], targets.shape).astype(np.int8)
        requests.append(Request(targets.astype(int), weights, items, 1, 0))
    if bench.size > 1024:
        requests.pop()
    await bench.check(requests)


@cocotb.test(timeout_time=400, timeout_unit="us")
async def rates(dut: Any) -> None:
    """Without conflicts a beat a cycle; at random four edges a cycle; in one bank one a cycle."""
    bench = Bench(dut)
    await start(dut)
    rng = np.random.default_rng(8)
    rows = 24 if bench.max_rows >= 24 else bench.max_rows
    free = bench.fixed(np.repeat(bench.slots(1)[None], rows, 0), 1)
    one = bench.fixed(np.repeat(bench.slots(bench.banks)[None], rows, 0), 1)
    at_random = bench.fixed(rng.integers(0, bench.items, (rows, bench.edges)), 1)
    for r in (free, at_random, one):
        await bench.put(r)
    watch = Handshakes(dut, "s_axis_edge")
    beats = rows * bench.beats
    await watch.until("s_axis_edge", 3 * beats)
    at = watch.at["s_axis_edge"]
    spent = [at[(i + 1) * beats - 1] - at[i * beats] for i in range(3)]
    dut._log.info("cycles of %d beats: %s", beats - 1, spent)
    conflict_free = bench.banks >= bench.per_beat
    if conflict_free:
        assert spent[0] == beats - 1
    assert spent[2] == (beats - 1) * bench.per_beat
    if bench.per_beat == 16:
        assert spent[1] * 4 <= (beats - 1) * bench.per_beat
    for r in (free, at_random, one):
        assert await bench.get(r.items) == r.answer()


@cocotb.test(timeout_time=400, timeout_unit="us")
async def terms_a_group_a_cycle(dut: Any) -> None:
    """Latency as documented; then a group of terms a cycle, the next request right behind."""
    bench = Bench(dut)
    await start(dut)
    rows = bench.max_rows if bench.max_rows < 4 else 4
    r = bench.fixed(np.repeat(bench.slots(1)[None] % bench.banks, rows, 0), 1)
    if bench.banks < bench.per_beat:
        r.weights[:, bench.banks :] = 0
    r.weights[:, bench.per_beat :] = 0
    await bench.put(r)
    await bench.put(r)
    watch = Handshakes(dut, "s_axis_cmd", "s_axis_edge", "m_axis_term")
    groups = -(-r.items // bench.lanes)
    await watch.until("m_axis_term", 2 * groups)
    edges, terms = watch.at["s_axis_edge"], watch.at["m_axis_term"]
    dut._log.info("terms %d cycles after the last edge", terms[0] - edges[rows * bench.beats - 1])
    last_adds = bench.beats == 1
    assert terms[0] - edges[rows * bench.beats - 1] == (8 if last_adds else 7)
    assert all(b - a == 1 for a, b in pairwise(terms[:groups]))
    assert terms[groups] - terms[groups - 1] <= 6
    for _ in range(2):
        assert await bench.get(r.items) == r.answer()


@cocotb.test(timeout_time=400, timeout_unit="us")
async def a_request_overlaps_the_next_one_alone(dut: Any) -> None:
    """While terms wait, the next request's edges are all added, and none of the one behind it."""
    bench = Bench(dut)
    await start(dut)
    rng = np.random.default_rng(9)
    rows = min(5, bench.max_rows)
    requests = [bench.request(rng, rows) for _ in range(4)]
    bench.out.pause = True
    for r in requests:
        await bench.put(r)
    taken = 0
    for _ in range(40 * rows * bench.edges + bench.size // bench.banks + 100):
        await FallingEdge(dut.clk_i)
        taken += bool(dut.s_axis_edge_tvalid.value) and bool(dut.s_axis_edge_tready.value)
    assert taken == 2 * rows * bench.beats
    bench.out.pause = False
    for r in requests:
        assert await bench.get(r.items) == r.answer()


@cocotb.test(timeout_time=400, timeout_unit="us")
@cocotb.parametrize(moment=range(1, 40, 3))
async def reset_in_mid_request(dut: Any, moment: int) -> None:
    """Whatever either array held, after a reset every sum starts from 0."""
    bench = Bench(dut)
    await start(dut)
    rng = np.random.default_rng(moment)
    for _ in range(3):
        await bench.put(bench.request(rng, 3))
    await ClockCycles(dut.clk_i, bench.size // bench.banks + moment)
    bench.cmd.clear()
    bench.edge.clear()
    await reset(dut)
    assert not dut.m_axis_term_tvalid.value
    bench.out.clear()
    await bench.check([bench.request(rng, n, 3, 1) for n in (2, 0, 1)])
