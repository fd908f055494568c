# SPDX-License-Identifier: Apache-2.0
"""Cases of ``rf_gather``: every row's beat must pass the adders once, 512 bits a cycle.

Histories are run with the kernel's own readers (``rf_gather_rows``, two AXI ports), the numbers of
the rows coming as a stream; graphs by ``rf_graph``, which reads lists and rows from memory and
writes every layer's rows back, in int8, before the next one starts. The two ports for rows carry
edges / 2 beats each; lists (4 bytes an edge for its source, 1 for its weight, 8 a node) and the
rows written (D bytes a node) pass a third port of their own, which has fewer beats to carry.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial

import numpy as np
import numpy.typing as npt

from recfabric.bench._case import BEAT, MEMORY, SEED, Case, Measure, little
from recfabric.kernels.gather.model import gather
from recfabric.kernels.graph.csr import Csr
from recfabric.kernels.graph.layer import GraphConfig, graph_image
from recfabric.kernels.graph.model import GraphLayer
from recfabric.kernels.graph.scale import scale_words
from recfabric.kernels.hotpath.image import pack_rows
from recfabric.sim.bench import Bench

TABLE = 1 << 16  # rows of the histories' table
PORTS = 2
EDGES, LAYERS = 1_000_000, 3
GRAPH = GraphConfig(dim=64, max_rows=1 << 16, weighted=True, row_ports=PORTS)
NIBBLES = replace(GRAPH, dim=128, elem_bits=4)  # a row is a beat as well

Graph = tuple[list[GraphLayer], npt.NDArray[np.int8]]


def cases() -> tuple[Case, ...]:
    """Histories of several lengths, and graphs, at int8 and int4."""
    lengths = ((64, 8, 1), (64, 8, 16), (64, 8, 256), (64, 8, 1024), (128, 4, 256), (128, 4, 1024))
    return (*(_history(*case) for case in lengths), *_graphs())


def _history(dim: int, bits: int, rows: int) -> Case:
    parameters = {"Dim": dim, "ElemBits": bits, "BeatBits": BEAT, "RequantLanes": 8}
    return Case(
        kernel="rf_gather",
        config=f"a history of {rows} random rows, D {dim} int{bits}, {PORTS} ports",
        parameters=parameters | {"RowPorts": PORTS},
        bound=rows * dim * bits / BEAT,
        formula="beats = rows * D * bits / 512",
        limit=1.1 * rows + 150,
        limit_formula="1.1 * rows + 150",
        run=partial(_run_history, parameters | {"RowPorts": PORTS}, rows),
        note=f"Little: {little(rows, PORTS):.0f} cycles",
        netlist=("rf_gather", parameters),
    )


def _run_history(parameters: dict[str, int], rows: int) -> Measure:
    rng = np.random.default_rng(SEED)
    bits, limit = parameters["ElemBits"], 1 << (parameters["ElemBits"] - 1)
    table = rng.integers(-limit, limit, (TABLE, parameters["Dim"]), dtype=np.int8)
    ids = rng.integers(0, TABLE, rows).astype("<u4")
    norm, shift = 40_000, 14 + bits
    command = np.frombuffer((rows << 32 | shift << 16 | norm).to_bytes(7, "little"), np.uint8)
    inputs = {"s_axis_cmd": command.reshape(1, -1), "s_axis_id": ids.view(np.uint8).reshape(-1, 4)}
    image = pack_rows(table, bits, BEAT // 8).reshape(-1)
    with Bench("rf_gather_rows", parameters, memory_bytes=len(image), memory=MEMORY) as bench:
        bench.memory[:] = image
        run = bench.run(inputs, {"m_axis_vec": 1}, max_cycles=10 * rows + 1000)
    want = gather(table[ids], norm, shift)
    wrong = int((run.outputs["m_axis_vec"].view(np.int8).ravel() != want).sum())
    return Measure(run.cycles, len(want), wrong, run.cycles, run.cpu_seconds)


def _graphs() -> tuple[Case, ...]:
    row = {"Dim": 64, "ElemBits": 8, "BeatBits": BEAT, "WeightBits": 8}
    half = ("rf_gather", row | {"MaxRows": 1024, "RequantLanes": 8})
    power = _graph(
        "power-law graph of 1,000,000 edges",
        GRAPH,
        power_law,
        EDGES,
        data=f"degrees of a power law of exponent 2.2 from 1 up, random, seed {SEED}",
        note="; cells: rf_gather with weights, up to 1,024 rows, 8 requantised a cycle",
    )
    ratings = f"ml-100k, all ratings, both directions; features random, seed {SEED}"
    ml100k = partial(_graph, edges=200_000, data=ratings)
    return (
        ml100k(f"ml-100k, {LAYERS} LGConv layers", GRAPH, lightgcn, layers=LAYERS),
        ml100k("ml-100k, an LGConv layer", NIBBLES, nibbles, note="; its rows are written in int8"),
        # Two int8 products a DSP: 32 of them for 64 lanes, and 8 to requantise.
        replace(power, netlist=half, most={"xczu5ev": {"dsp": 40}}),
    )


def _graph(
    name: str,
    config: GraphConfig,
    made: Callable[[], Graph],
    edges: int,
    *,
    data: str,
    layers: int = 1,
    note: str = "",
) -> Case:
    bound, times = edges * layers, " * layers" if layers > 1 else ""
    rows = f"D {config.dim} int{config.elem_bits}, weights int8, {PORTS} row ports"
    return Case(
        kernel="rf_graph",
        config=f"{name}, {rows}",
        parameters=config.parameters(),
        bound=bound,
        formula=f"beats = edges{times} * D * bits / 512",
        limit=1.05 * bound,
        limit_formula=f"1.05 * edges{times}",
        run=partial(_run_graph, config, made),
        data=data,
        note=f"Little: {little(bound, PORTS):.0f} cycles{note}",
    )


def _run_graph(config: GraphConfig, made: Callable[[], Graph]) -> Measure:
    layers, table = made()
    image = graph_image(layers, table, config)
    edges = sum(layer.graph.edges for layer in layers)
    with Bench(
        "rf_graph", config.parameters(), memory_bytes=len(image.memory), memory=MEMORY
    ) as bench:
        bench.memory[:] = image.memory
        run = bench.run(
            {"s_axis_cmd": image.commands}, {"m_axis_done": len(layers)}, max_cycles=2 * edges
        )
        got = [image.output(bench.memory, i) for i in range(len(layers))]
    values, wrong = 0, int(run.outputs["m_axis_done"].sum())
    for layer, rows in zip(layers, got, strict=True):
        table = layer(table)
        values += table.size
        wrong += int((table != rows).sum())
    return Measure(run.cycles, values, wrong, run.cycles, run.cpu_seconds)


@cache
def lightgcn() -> Graph:
    """PyTorch Geometric's LGConv three times over the whole of ml-100k, in integers."""
    import torch
    from torch_geometric.nn import LGConv

    from recfabric.quant.datasets import load_dataset
    from recfabric.quant.layers import convert
    from recfabric.quant.movielens import fetch_ml100k

    data = load_dataset(fetch_ml100k())
    user, item = torch.from_numpy(data.user).long(), torch.from_numpy(data.item).long()
    item = item + len(data.users)
    edges = torch.stack([torch.cat([user, item]), torch.cat([item, user])])
    generator = torch.Generator().manual_seed(SEED)
    x = torch.randn(len(data.users) + len(data.items), GRAPH.dim, generator=generator).double()
    layers: list[GraphLayer] = []
    table, form, module = None, None, LGConv()
    for _ in range(LAYERS):
        part = convert(module, edges, x, source=form)
        table = part.table(x) if table is None else table
        layers += part.layers
        form, x = part.result, module(x, edges)
    assert table is not None
    return layers, table


def nibbles() -> Graph:
    """The first of these layers over rows of 4-bit elements."""
    layers, table = lightgcn()
    rng = np.random.default_rng(SEED)
    return layers[:1], rng.integers(-8, 8, (len(table), NIBBLES.dim), dtype=np.int8)


@cache
def power_law() -> Graph:
    """A million edges: degrees of a power law, most of them 1; sources of the same law."""
    rng = np.random.default_rng(SEED)
    degree = np.minimum((1 - rng.random(EDGES)) ** (-1 / 1.2), 30_000).astype(np.int64)
    nodes = int(np.searchsorted(np.cumsum(degree), EDGES)) + 1
    degree = degree[:nodes]
    degree[-1] -= degree.sum() - EDGES
    target = np.repeat(np.arange(nodes), degree)
    source = rng.permutation(target)
    weight = rng.integers(-128, 128, EDGES)
    graph = Csr.of_edges(source, target, nodes=nodes, weight=weight)
    scale = scale_words(2.0**-6 / np.sqrt(degree))
    table = rng.integers(-128, 128, (nodes, GRAPH.dim)).astype(np.int8)
    return [GraphLayer(graph, scale)], table
