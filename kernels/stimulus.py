# SPDX-License-Identifier: Apache-2.0
"""Contracts and requests at random, with the corners in: ties, extremes, repeats, empty lists."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recfabric.contract import NORM, Contract, FixedPoint, Formats, Shape, Tensors, norm_table
from recfabric.requests import Ragged, Requests


def random_contract(
    *, items: int, dim: int = 64, heads: int = 2, bits: int = 8, seed: int = 1, history: int = 1024
) -> Contract:
    """A contract whose streams use their range: they saturate, round both ways and tie.

    ``bits``: width of the four tables; every eighth item row repeats the one before it.
    """
    rng = np.random.default_rng(seed)
    formats = _formats(bits, rng)
    tables = {name: _table(rng, items, dim, bits) for name in ("message", "key", "value", "item")}
    bias = rng.integers(-2000, 2000, items, dtype=np.int16)
    tables["item"][8::8], bias[8::8] = tables["item"][7:-1:8], bias[7:-1:8]
    tensors = Tensors(
        **tables,
        bias=bias,
        norm=norm_table(history),
        fuse_weight=rng.integers(-127, 128, (dim, 2 * dim), dtype=np.int8),
        fuse_bias=rng.integers(-(1 << 15), 1 << 15, dim, dtype=np.int32),
        popularity=rng.integers(0, 1000, items, dtype=np.uint32),
    )
    tokens = tuple(f"item{row}" for row in range(items))
    provenance = {"data": "random", "seed": seed}
    return Contract(Shape(items, dim, heads, history), formats, tensors, tokens, provenance)


def random_requests(contract: Contract, count: int, *, seed: int = 1, seen: int = 200) -> Requests:
    """Requests with histories of 0, 1, 2 and the longest, then of random length; with repeats."""
    rng = np.random.default_rng(seed)
    n, longest = contract.shape.items, contract.shape.max_history
    lengths = [0, 1, 2, longest, *(int(x) for x in rng.geometric(0.03, max(count - 4, 0)))]
    histories = [rng.integers(0, n, min(length, longest)) for length in lengths[:count]]
    limits = rng.integers(0, min(seen, n) + 1, count)
    seen_lists = [np.sort(rng.permutation(n)[:limit]) for limit in limits]
    nothing = np.zeros((count, 0), np.int32)
    return Requests(
        f"{count} random requests, seed {seed}",
        Ragged.of(histories),
        Ragged.of(seen_lists),
        Ragged.of([[]] * count),
        nothing,
        nothing,
    )


def _formats(bits: int, rng: np.random.Generator) -> Formats:
    top = bits - 1
    return Formats(
        message=FixedPoint(True, bits, top),
        key=FixedPoint(True, bits, top - int(rng.integers(0, 3))),
        value=FixedPoint(True, bits, top - int(rng.integers(0, 3))),
        item=FixedPoint(True, bits, top),
        bias=FixedPoint(True, 16, top),
        norm=NORM,
        state=FixedPoint(True, 8, 7),
        logit=FixedPoint(True, 16, 5),
        fuse_weight=FixedPoint(True, 8, 7),
        fuse_bias=FixedPoint(True, 32, 14),
        fused=FixedPoint(True, 8, 4),
    )


def _table(rng: np.random.Generator, rows: int, dim: int, bits: int) -> npt.NDArray[np.int8]:
    limit = 1 << (bits - 1)
    table = rng.integers(-limit, limit, (rows, dim), dtype=np.int8)
    table[0], table[-1] = -limit, limit - 1
    return table
