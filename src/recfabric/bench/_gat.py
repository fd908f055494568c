# SPDX-License-Identifier: Apache-2.0
"""A graph attention layer through the RTL: ``rf_dense`` over the nodes, ``rf_attention`` over the
edges, both fed in volume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from recfabric.bench._case import BEAT
from recfabric.kernels.attention.gat import GatLayer, GatRows
from recfabric.kernels.dense.model import weight_beats
from recfabric.sim.bench import Bench, BenchRun

Array = npt.NDArray[Any]
PE = 8


def dense_parameters(layer: GatLayer) -> dict[str, int]:
    """Of the ``rf_dense`` that a layer needs: its rows filled up to whole folds."""
    rows, cols = -(-len(layer.weight) // PE) * PE, layer.weight.shape[1]
    return {"Rows": rows, "Cols": cols, "Pe": PE, "Simd": 16}


def attention_parameters(layer: GatLayer) -> dict[str, int]:
    """Of the ``rf_attention`` that a layer needs."""
    return {"Dim": layer.dim, "Heads": layer.heads, "Slope": layer.slope}


def run_dense(bench: Bench, layer: GatLayer, x: Array) -> tuple[Array, BenchRun]:
    """What :func:`recfabric.kernels.attention.gat.transform` computes, by ``rf_dense``.

    ``bench``: of ``rf_dense`` at :func:`dense_parameters`. Returns int8 (N, rows) and the run.
    """
    p = dense_parameters(layer)
    weight, bias = layer.padded(p["Rows"])
    load = weight_beats(weight, bias, pe=p["Pe"], simd=p["Simd"], beat_bits=BEAT)
    bench.set("shift_i", layer.shift)
    bench.run({"s_axis_weight": load.reshape(-1, 64)}, {}, max_cycles=100_000)
    beats = x.view(np.uint8).reshape(-1, p["Simd"])
    run = bench.run(
        {"s_axis_vec": beats},
        {"m_axis_vec": len(x) * p["Rows"] // p["Pe"]},
        max_cycles=2 * len(x) * p["Rows"] * p["Cols"] + 1000,
        reset=False,
    )
    got = run.outputs["m_axis_vec"].view(np.int8).reshape(len(x), p["Rows"])
    return got[:, : len(layer.weight)], run


def run_attention(
    bench: Bench,
    layer: GatLayer,
    table: GatRows,
    neighbours: Sequence[Array],
    *,
    stall: float = 0.0,
    delay: Mapping[str, int] | None = None,
) -> tuple[Array, BenchRun]:
    """What :func:`recfabric.kernels.attention.gat.propagate` computes, by ``rf_attention``.

    ``bench``: of ``rf_attention`` at :func:`attention_parameters`; ``stall`` and ``delay``: of its
    run.
    """
    heads = np.array([[layer.out_shift, layer.logit_shift]], np.uint8).repeat(len(neighbours), 0)
    lengths = np.array([len(j) for j in neighbours], "<u2").view(np.uint8).reshape(-1, 2)
    col = np.concatenate([*neighbours, np.zeros(0, np.int64)]).astype(np.int64)
    inputs = {
        "s_axis_cmd": np.concatenate([heads, lengths], axis=1),
        "s_axis_query": bytes_of(table.query[: len(neighbours)]),
        "s_axis_key": beats_of(table.key[col]),
        "s_axis_value": beats_of(table.value[col]),
    }
    cycles = 20 * (len(col) + 100 * len(neighbours)) + 1000
    outputs = {"m_axis_vec": len(neighbours)}
    run = bench.run(inputs, outputs, max_cycles=cycles, stall=stall, delay=delay)
    return run.outputs["m_axis_vec"].view(np.int8), run


def ml100k_edges() -> tuple[Any, int]:
    """The user-item graph of ml-100k: a tensor int64 (2, 200000), both ways, and 2,625 nodes."""
    import torch

    from recfabric.quant.datasets import load_dataset
    from recfabric.quant.movielens import fetch_ml100k

    data = load_dataset(fetch_ml100k())
    user, item = data.user.astype(np.int64), data.item.astype(np.int64) + len(data.users)
    ends = np.stack([np.concatenate([user, item]), np.concatenate([item, user])])
    return torch.from_numpy(ends), len(data.users) + len(data.items)


def bytes_of(rows: Array) -> npt.NDArray[np.uint8]:
    """int8 rows as the bytes of a stream whose beat is a row."""
    return np.ascontiguousarray(rows).view(np.uint8)


def beats_of(rows: Array, beat_bytes: int = 64) -> npt.NDArray[np.uint8]:
    """int8 rows as beats; a row shorter than a beat lies in its low bytes."""
    missing = -rows.shape[1] % beat_bytes
    return np.pad(bytes_of(rows), ((0, 0), (0, missing))).reshape(-1, beat_bytes)
