# SPDX-License-Identifier: Apache-2.0
"""Cases of ``rf_attention`` and ``rf_attention_matrix``.

One query: a key and a value row must pass a port each, and no value can be used before the last
key is known. Many queries: 2 * S * S * P products of a head by Pe * Depth multipliers. A graph:
a row of keys and of values an edge.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from recfabric.bench._case import BEAT, MEMORY, SEED, Case, Measure
from recfabric.bench._gat import (
    attention_parameters,
    beats_of,
    bytes_of,
    dense_parameters,
    ml100k_edges,
    run_attention,
    run_dense,
)
from recfabric.kernels.attention.gat import propagate, rows, transform
from recfabric.kernels.attention.model import attend, attend_matrix
from recfabric.kernels.hotpath.image import pack_rows
from recfabric.sim.bench import Bench, BenchRun

Array = npt.NDArray[Any]

DIM, ROWS, REQUESTS = 64, 256, 12
MACS, HEADS = 1024, 8
SLOPE = 51  # PyTorch Geometric's 0.2
DELAY = {"s_axis_key": MEMORY.latency, "s_axis_value": MEMORY.latency}


def cases() -> tuple[Case, ...]:
    """One query over a history, many queries, graph attention layers."""
    shapes = [(1, 8), (4, 8), (4, 4)]  # heads, bits of an element
    one = [case for shape in shapes for case in (_back_to_back(*shape), _latency(*shape))]
    many = [case for s, share in ((64, 0.97), (128, 0.99)) for case in _matrix(s, share)]
    return (*one, *many, *(_gat(heads) for heads in (1, 4)))


def _one(heads: int, bits: int) -> tuple[str, dict[str, int]]:
    """Name and parameters of one query over a history; rows of one beat at either width."""
    parameters = {"Dim": DIM, "Heads": heads, "KeyBits": bits, "ValueBits": bits}
    return f"one query, history {ROWS}, D {DIM} int{bits}, heads {heads}", parameters


def _back_to_back(heads: int, bits: int) -> Case:
    name, parameters = _one(heads, bits)
    return Case(
        kernel="rf_attention",
        config=f"{name}: a request back to back",
        parameters=parameters,
        bound=ROWS,
        formula="rows: a key and a value beat a cycle, one port each",
        limit=1.1 * ROWS + 50,
        limit_formula="1.1 * rows + 50",
        run=partial(_run_one, parameters, REQUESTS),
    )


def _latency(heads: int, bits: int) -> Case:
    name, parameters = _one(heads, bits)
    return Case(
        kernel="rf_attention",
        config=f"{name}: latency",
        parameters=parameters,
        bound=2 * ROWS,
        formula="2 * rows: the values wait for the maximum over all keys",
        limit=2 * ROWS + 150,
        limit_formula="2 * rows + 150",
        run=partial(_run_one, parameters, 1),
        note=f"the memory's latency, {MEMORY.latency} cycles, is in it",
        cells=False,
    )


def _run_one(parameters: Mapping[str, int], count: int) -> Measure:
    """Cycles a request: of one alone, or between the answers of several."""
    rng = np.random.default_rng(SEED)
    queries = rng.integers(-128, 128, (count, DIM), dtype=np.int8)
    heads, bits, out_shift = parameters["Heads"], parameters["KeyBits"], 29
    limit, shift = 1 << (bits - 1), 2 + bits
    keys, values = rng.integers(-limit, limit, (2, count, ROWS, DIM), dtype=np.int8)
    command = np.array([[out_shift, shift, *ROWS.to_bytes(2, "little")]], np.uint8)
    inputs = {
        "s_axis_cmd": command.repeat(count, 0),
        "s_axis_query": bytes_of(queries),
        "s_axis_key": pack_rows(keys.reshape(-1, DIM), bits, BEAT // 8),
        "s_axis_value": pack_rows(values.reshape(-1, DIM), bits, BEAT // 8),
    }
    with Bench("rf_attention", parameters) as bench:
        run = bench.run(
            inputs, {"m_axis_vec": count}, max_cycles=count * 4 * ROWS + 1000, delay=DELAY
        )
    want = [
        attend(q, k, v, heads=heads, logit_shift=shift, out_shift=out_shift)
        for q, k, v in zip(queries, keys, values, strict=True)
    ]
    return _measure(run, np.array(want), _period(run.stamps["m_axis_vec"]))


def _period(stamps: Array) -> float:
    """Cycles from answer to answer, or up to a single one."""
    if len(stamps) == 1:
        return int(stamps[0]) + 1
    return float(stamps[-1] - stamps[0]) / (len(stamps) - 1)


def _matrix(size: int, share: float) -> tuple[Case, Case]:
    parameters = {"Dim": size, "MaxRows": size, "Pe": 16, "Depth": MACS // 16}
    bound = 2 * size**3 / MACS
    common: dict[str, Any] = {
        "kernel": "rf_attention_matrix",
        "parameters": parameters,
        "bound": bound,
        "formula": f"2 * S * S * P products of a head / {MACS:,} multipliers",
    }
    steady = Case(
        config=f"Q K^T, softmax, V: S {size}, P {size}: a head back to back",
        limit=bound / share,
        limit_formula=f"bound / {share}: {share:.0%} of the array",
        run=partial(_run_matrix, parameters, HEADS),
        **common,
    )
    single = Case(
        config=f"Q K^T, softmax, V: S {size}, P {size}: one head alone",
        limit=None,
        limit_formula="",
        run=partial(_run_matrix, parameters, 1),
        note=f"from the first cycle on: the memory's latency, {MEMORY.latency}, and the keys first",
        cells=False,
        **common,
    )
    return steady, single


def _run_matrix(parameters: Mapping[str, int], heads: int) -> Measure:
    """Cycles a head: of one alone, or from the first head's last answer to the last one's."""
    rng = np.random.default_rng(SEED)
    size = parameters["Dim"]
    queries, keys, values = rng.integers(-128, 128, (3, heads, size, size), dtype=np.int8)
    shift, out_shift = (10, 29)
    sizes = [*size.to_bytes(2, "little")] * 2
    command = np.array([[out_shift, shift, *sizes]], np.uint8).repeat(heads, 0)
    depth = parameters["Depth"]
    inputs = {
        "s_axis_cmd": command,
        "s_axis_query": bytes_of(queries.reshape(-1, size)),
        "s_axis_key": beats_of(keys.reshape(-1, size), depth),
        "s_axis_value": beats_of(values.reshape(-1, size), depth),
    }
    with Bench("rf_attention_matrix", parameters) as bench:
        run = bench.run(
            inputs,
            {"m_axis_vec": heads * size},
            max_cycles=heads * 4 * size**3 // MACS + 2000,
            delay=DELAY | {"s_axis_query": MEMORY.latency},
        )
    want = [
        attend_matrix(q, k, v, logit_shift=shift, out_shift=out_shift)
        for q, k, v in zip(queries, keys, values, strict=True)
    ]
    return _measure(run, np.concatenate(want), _period(run.stamps["m_axis_vec"][size - 1 :: size]))


def _gat(heads: int) -> Case:
    parameters = {"Dim": DIM, "Heads": heads, "Slope": SLOPE}
    edges = 202_625  # 100,000 ratings both ways and 2,625 loops
    return Case(
        kernel="rf_attention",
        config=f"GATConv, heads {heads} of {DIM // heads}, ml-100k with loops, nodes by degree",
        parameters=parameters,
        bound=edges,
        formula="edges: a key and a value beat each, one port each",
        limit=None,
        limit_formula="",
        run=partial(_run_gat, heads),
        data=f"ml-100k; a GATConv of PyTorch Geometric initialised with seed {SEED}",
        note="rf_dense's pass over the nodes is compared too, its cycles are not in the row",
        cells=heads == 4,
    )


def _run_gat(heads: int) -> Measure:
    """Cycles of the pass over all edges; the integers of both passes."""
    import torch
    from torch_geometric.nn import GATConv

    from recfabric.quant.gat import neighbours, quantise_gat

    edge_index, nodes = ml100k_edges()
    torch.manual_seed(SEED)
    module = GATConv(DIM, DIM // heads, heads=heads)
    x = torch.randn(nodes, DIM)
    gat = quantise_gat(module, x, edge_index)
    integers, adjacent = gat.quantise_input(x), neighbours(edge_index, nodes)
    want = transform(gat.layer, integers)
    with Bench("rf_dense", dense_parameters(gat.layer)) as bench:
        transformed, dense = run_dense(bench, gat.layer, integers)
    table = rows(gat.layer, transformed)
    order = np.argsort([len(j) for j in adjacent], kind="stable")
    adjacent, table = [adjacent[i] for i in order], replace(table, query=table.query[order])
    with Bench("rf_attention", attention_parameters(gat.layer)) as bench:
        got, run = run_attention(bench, gat.layer, table, adjacent, delay=DELAY)
    expected = rows(gat.layer, want)
    answers = propagate(gat.layer, replace(expected, query=expected.query[order]), adjacent)
    wrong = int((transformed != want).sum() + (got != answers).sum())
    values = want.size + answers.size
    return Measure(
        run.cycles,
        values,
        wrong,
        run.cycles + dense.cycles,
        run.cpu_seconds + dense.cpu_seconds,
    )


def _measure(run: BenchRun, want: Array, cycles: float) -> Measure:
    got = run.outputs["m_axis_vec"].view(np.int8).reshape(want.shape)
    return Measure(cycles, want.size, int((got != want).sum()), run.cycles, run.cpu_seconds)
