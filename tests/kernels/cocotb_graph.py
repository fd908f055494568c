# SPDX-License-Identifier: Apache-2.0
"""rf_graph: layers over small graphs, every integer that they write, every beat that they move."""

import random
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import cocotb
import numpy as np
from axi_ports import ALL, PAGE, ReadPorts
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge

from recfabric.kernels.graph.csr import Csr
from recfabric.kernels.graph.layer import GraphConfig, command, graph_image
from recfabric.kernels.graph.model import DensePart, GraphLayer
from recfabric.kernels.graph.scale import scale_words
from recfabric.sim.streams import reset, start

# As the tests build it: rows and outputs of two beats, two gathered vectors an output.
CONFIG = GraphConfig(
    dim=16, beat_bits=64, max_rows=1000, requant_lanes=8, weighted=True, with_max=True,
    rows=16, cols=32, pe=4, simd=8, row_ports=2, list_depth=8,
)  # fmt: skip
JOIN = CONFIG.cols // CONFIG.dim
BEAT = CONFIG.beat_bits // 8
COLUMNS = 23  # rows of the table
FIELDS = ("row_ptr", "scale", "col", "weight", "table", "out", "dense")  # the addresses, from
FIRST = 10  # this byte of a command on
Array = np.ndarray[Any, Any]


@dataclass
class Memory:
    """Beats at 64-bit addresses, what was written, and which beats are answered SLVERR."""

    beats: dict[int, int] = field(default_factory=dict)
    written: Counter[int] = field(default_factory=Counter)
    bad: set[int] = field(default_factory=set)

    def put(self, address: int, raw: Array) -> list[int]:
        """Write bytes, in whole beats; gives the beats' addresses."""
        places = []
        for at in range(0, len(raw), BEAT):
            places.append((address + at) & ALL)
            self.beats[places[-1]] = int.from_bytes(raw[at : at + BEAT].tobytes(), "little")
        return places

    def get(self, address: int, size: int) -> bytes:
        """Whole beats."""
        places = ((address + at) & ALL for at in range(0, size, BEAT))
        return b"".join(self.beats[at].to_bytes(BEAT, "little") for at in places)


class Reads(ReadPorts):
    """The memory behind read ports."""

    def __init__(self, dut: Any, prefix: str, memory: Memory, **how: Any) -> None:
        super().__init__(dut, prefix, bad=lambda a: a in memory.bad, **how)
        self.memory = memory

    def beat(self, address: int) -> int:
        return self.memory.beats.get(address, 0)


class Writes:
    """The memory behind the write channels; each pauses in a ``share`` of the cycles."""

    def __init__(self, dut: Any, memory: Memory, share: float) -> None:
        self.dut, self.memory, self.share = dut, memory, share
        self.rng = random.Random(4)
        self.frozen = False  # answers nothing
        self._clear()
        cocotb.start_soon(self._run())

    def _clear(self) -> None:
        self.bursts: deque[tuple[int, int]] = deque()
        self.beats: deque[tuple[int, bool]] = deque()
        self.answers: deque[int] = deque()
        self.answer: int | None = None

    async def _run(self) -> None:
        d = self.dut
        while True:
            await RisingEdge(d.clk_i)
            if not d.rst_ni.value:
                self._clear()
            d.m_axi_list_awready.value = self.rng.random() >= self.share
            d.m_axi_list_wready.value = self.rng.random() >= self.share
            if self.answer is None and self.answers and not self.frozen:
                self.answer = self.answers.popleft() if self.rng.random() >= self.share else None
            d.m_axi_list_bvalid.value = self.answer is not None
            d.m_axi_list_bresp.value = 3 if self.answer is None else self.answer
            d.m_axi_list_bid.value = self.rng.getrandbits(1)
            await FallingEdge(d.clk_i)
            if d.rst_ni.value:
                self._take()

    def _take(self) -> None:
        d = self.dut
        if d.m_axi_list_awvalid.value and d.m_axi_list_awready.value:
            self.bursts.append((int(d.m_axi_list_awaddr.value), int(d.m_axi_list_awlen.value) + 1))
        if d.m_axi_list_wvalid.value and d.m_axi_list_wready.value:
            assert int(d.m_axi_list_wstrb.value) == (1 << BEAT) - 1
            self.beats.append((int(d.m_axi_list_wdata.value), bool(d.m_axi_list_wlast.value)))
        if self.answer is not None:
            assert d.m_axi_list_bready.value
            self.answer = None
        while self.bursts and len(self.beats) >= self.bursts[0][1]:
            address, beats = self.bursts.popleft()
            bad = False
            for i in range(beats):
                at, (data, last) = (address + i * BEAT) & ALL, self.beats.popleft()
                assert last == (i == beats - 1)
                bad = bad or at in self.memory.bad
                self.memory.beats[at] = data
                self.memory.written[at] += 1
            self.answers.append(2 if bad else 0)


class Bench:
    """The kernel, its memory, and the layers that are in it."""

    def __init__(self, dut: Any, stall: float = 0.0, *, flip: bool = False) -> None:
        self.dut, self.flip = dut, ALL // PAGE if flip else 0
        self.rng = random.Random(6)
        self.memory = Memory()
        self.rows = Reads(
            dut, "m_axi_row", self.memory, ports=CONFIG.row_ports, max_burst=2, share=stall
        )
        self.lists = Reads(dut, "m_axi_list", self.memory, max_burst=4, share=stall, latency=5)
        self.writes = Writes(dut, self.memory, stall)
        dut.s_axis_cmd_tvalid.value = dut.s_axis_cmd_tdata.value = 0
        dut.m_axis_done_tready.value = 0

    def load(self, layers: list[GraphLayer], table: Array) -> None:
        """Regions at pages anywhere; what each layer must read, where its rows must lie."""
        image = graph_image(layers, table, CONFIG)
        old = [
            dict(zip(FIELDS, raw[FIRST:].view("<u8").tolist(), strict=True))
            for raw in image.commands
        ]
        starts = sorted({at for fields in old for at in fields.values()})
        ends = [*starts[1:], len(image.memory)]
        new = {at: (self.rng.getrandbits(52) ^ self.flip) * PAGE for at in starts}
        self.regions: list[dict[str, int]] = []
        self.commands: list[int] = []
        for raw, fields in zip(image.commands, old, strict=True):
            placed = {name: new[at] for name, at in fields.items()}
            self.regions.append(placed)
            head = int.from_bytes(raw[:FIRST].tobytes(), "little")
            body = command(placed)
            self.commands.append(head | int.from_bytes(body.tobytes(), "little"))
        for at, end in zip(starts, ends, strict=True):
            self.memory.put(new[at], image.memory[at:end])
        self.layers, self.table = layers, table

    def needed(self, number: int) -> tuple[Counter[int], Counter[int]]:
        """Beats of the lists, and of the rows, that a layer reads, and how often."""
        layer, at = self.layers[number], self.regions[number]
        graph = layer.graph
        dense = CONFIG.rows * CONFIG.cols + 4 * CONFIG.rows
        sizes = {
            "row_ptr": 4 * len(graph.row_ptr), "scale": 4 * len(graph), "col": 4 * graph.edges,
            "weight": graph.edges, "dense": dense,
        }  # fmt: skip
        lists = Counter(a for name, size in sizes.items() for a in span(at[name], size))
        size = CONFIG.row_bytes(CONFIG.dim)
        rows = Counter(
            a for row in graph.col.tolist() for a in span(at["table"] + row * size, size)
        )
        return lists, rows

    async def command(self, number: int) -> None:
        d = self.dut
        d.s_axis_cmd_tdata.value, d.s_axis_cmd_tvalid.value = self.commands[number], 1
        await FallingEdge(d.clk_i)
        while not d.s_axis_cmd_tready.value:
            await FallingEdge(d.clk_i)
        await RisingEdge(d.clk_i)
        d.s_axis_cmd_tdata.value = self.rng.getrandbits(len(d.s_axis_cmd_tdata))
        d.s_axis_cmd_tvalid.value = 0

    async def done(self, *, wait: int = 0) -> int:
        """Take what a layer says at its end, so many cycles later than it could be."""
        d = self.dut
        await FallingEdge(d.clk_i)
        while not d.m_axis_done_tvalid.value:
            await FallingEdge(d.clk_i)
        said = int(d.m_axis_done_tdata.value)
        for _ in range(wait):
            await FallingEdge(d.clk_i)
            assert d.m_axis_done_tvalid.value and int(d.m_axis_done_tdata.value) == said
            assert not d.s_axis_cmd_tready.value
        await RisingEdge(d.clk_i)
        d.m_axis_done_tready.value = 1
        await RisingEdge(d.clk_i)
        d.m_axis_done_tready.value = 0
        return said

    def output(self, number: int, count: int) -> Array:
        """The rows that a layer wrote."""
        out, size = self.regions[number]["out"], CONFIG.row_bytes(CONFIG.out_dim)
        got = np.frombuffer(self.memory.get(out, count * size), np.int8)
        return got.reshape(count, size)[:, : CONFIG.out_dim]

    async def check(self, table: Array, number: int) -> Array:
        """One layer: what it reads and writes, each beat as often as it must."""
        for ports in (self.lists, self.rows):
            ports.bursts.clear()
        self.memory.written.clear()
        await self.command(number)
        assert await self.done(wait=number % 3) == 0
        want = self.layers[number](table)
        out, size = self.regions[number]["out"], CONFIG.row_bytes(CONFIG.out_dim)
        assert (self.output(number, len(want)) == want).all()
        assert self.memory.written == Counter(span(out, len(want) * size))
        lists, rows = self.needed(number)
        assert moved(self.lists) == lists and moved(self.rows) == rows
        return want

    async def run(self) -> None:
        """All layers in order."""
        table = self.table
        for number in range(len(self.layers)):
            table = await self.check(table, number)


def span(address: int, size: int) -> Iterable[int]:
    """The beats that hold so many bytes."""
    return ((address + at) & ALL for at in range(0, size, BEAT))


def moved(ports: ReadPorts) -> Counter[int]:
    return Counter((a + i * BEAT) & ALL for _, a, n in ports.bursts for i in range(n))


def layer(
    rng: np.random.Generator, nodes: int, edges: int, columns: int, *, relu: bool = False
) -> GraphLayer:
    """Hubs and nodes without edges, sums and maxima; ``nodes``: of the outputs."""
    nodes *= JOIN
    target = (rng.random(edges) ** 2 * nodes).astype(int)
    weight = rng.integers(-128, 128, edges)
    source = rng.integers(0, columns, edges)
    graph = Csr.of_edges(source, target, nodes=nodes, columns=columns, weight=weight)
    scale = scale_words(2.0 ** -rng.integers(1, 11, nodes) * rng.uniform(0.5, 1, nodes))
    scale |= rng.integers(0, 2, nodes).astype(np.uint32) << 24
    return GraphLayer(graph, scale, dense_part(rng), relu=relu)


def dense_part(rng: np.random.Generator) -> DensePart:
    weight = rng.integers(-128, 128, (CONFIG.rows, CONFIG.cols)).astype(np.int8)
    bias = rng.integers(-9999, 9999, CONFIG.rows).astype(np.int32)
    return DensePart(weight, bias, int(rng.integers(7, 12)))


def rows(rng: np.random.Generator, count: int) -> Array:
    return rng.integers(-128, 128, (count, CONFIG.dim)).astype(np.int8)


def layers(seed: int, sizes: Iterable[tuple[int, int]]) -> tuple[list[GraphLayer], Array]:
    """One behind the other, of so many outputs and edges, and the first one's table."""
    rng = np.random.default_rng(seed)
    columns, made = COLUMNS, []
    for i, (nodes, edges) in enumerate(sizes):
        made.append(layer(rng, nodes, edges, columns, relu=bool(i % 2)))
        columns = nodes
    return made, rows(rng, COLUMNS)


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(stall=[0.0, 0.5], flip=[False, True])
async def layers_are_exact(dut: Any, stall: float, flip: bool) -> None:
    """One node and many, no edge and many, lists that end with a beat and in one."""
    bench = Bench(dut, stall, flip=flip)
    await start(dut)
    sizes = [(9, 64), (1, 0), (4, 1), (40, 150), (7, 13), (2, 80), (16, 0)]
    bench.load(*layers(1 + flip, sizes))
    await bench.run()


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def every_bit_of_a_count(dut: Any) -> None:
    """Nodes and edges of 1, 2, 4, 8 ...; many edges; many nodes, that wait for the dense layer."""
    bench = Bench(dut)
    await start(dut)
    bench.load(*layers(3, [(1 << i // 2, 1 << i) for i in range(12)] + [(64, 4500), (2050, 64)]))
    await bench.run()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def a_layer_takes_its_time(dut: Any) -> None:
    """About an edge's beats a cycle, and no layer begins before the one ahead is done."""
    bench = Bench(dut)
    await start(dut)
    made, table = layers(5, [(6, 600), (3, 2)])
    bench.load(made, table)
    begin = bench.lists.cycle
    await bench.check(table, 0)
    assert bench.lists.cycle - begin <= 2 * 600 + 250


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def a_command_waits_for_the_layer_before(dut: Any) -> None:
    bench = Bench(dut)
    await start(dut)
    made, table = layers(9, [(6, 30), (5, 20)])
    bench.load(made, table)
    await bench.command(0)
    waiting = cocotb.start_soon(bench.command(1))
    assert await bench.done() == 0 and not waiting.done()
    assert await bench.done() == 0
    want = made[1](made[0](table))
    assert (bench.output(1, len(want)) == want).all()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def done_waits_for_the_memory(dut: Any) -> None:
    bench = Bench(dut)
    await start(dut)
    made, table = layers(6, [(5, 20)])
    bench.load(made, table)
    bench.writes.frozen = True
    await bench.command(0)
    for _ in range(900):
        await FallingEdge(dut.clk_i)
        assert not dut.m_axis_done_tvalid.value and not dut.s_axis_cmd_tready.value
    assert sum(bench.memory.written.values()) == 10
    bench.writes.frozen = False
    assert await bench.done() == 0


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(region=FIELDS)
async def a_bus_error_is_one_layer_s(dut: Any, region: str) -> None:
    """Of any of its regions, of a single beat; the layer behind it says that all went well."""
    bench = Bench(dut)
    await start(dut)
    made, table = layers(7, [(4, 12), (3, 9)])
    bench.load(made, table)
    place = bench.regions[0][region]
    if region == "table":
        place += int(made[0].graph.col[5]) * CONFIG.row_bytes(CONFIG.dim)
    for beat in (place, place + BEAT):
        bench.memory.bad = {beat}
        await bench.command(0)
        assert await bench.done() == 1
        bench.memory.bad = set()
        await bench.check(await bench.check(table, 0), 1)


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(cycles=[5, 60, 200, 500])
async def reset_in_mid_layer(dut: Any, cycles: int) -> None:
    bench = Bench(dut, 0.1)
    await start(dut)
    made, table = layers(8, [(20, 120), (5, 9)])
    bench.load(made, table)
    await bench.command(0)
    await ClockCycles(dut.clk_i, cycles)
    await reset(dut)
    await bench.run()
