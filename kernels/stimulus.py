# SPDX-License-Identifier: Apache-2.0
"""Contracts and requests at random, with the corners in: ties, extremes, repeats, empty lists."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recfabric.contract import NORM, Contract, FixedPoint, Formats, Shape, Tensors, norm_table
from recfabric.requests import Ragged, Requests

Rows = npt.NDArray[np.int64]


def random_contract(
    *,
    items: int,
    dim: int = 64,
    heads: int = 2,
    bits: int = 8,
    seed: int = 1,
    history: int = 1024,
    edges: int = 0,
) -> Contract:
    """A contract whose streams use their range: they saturate, round both ways and tie.

    ``bits``: width of the four tables; every eighth item row repeats the one before it.
    ``edges``: slots an item for edges, see :func:`random_edges`.
    """
    rng = np.random.default_rng(seed)
    formats = _formats(bits, rng, edges)
    names = ("message", "key", "value", "item")
    tables = {name: _table(rng, items, dim, bits) for name in names}
    bias = rng.integers(-2000, 2000, items, dtype=np.int16)
    tables["item"][8::8], bias[8::8] = tables["item"][7:-1:8], bias[7:-1:8]
    edge_item, edge_weight = random_edges(items, edges, seed=seed)
    tensors = Tensors(
        **tables,
        bias=bias,
        edge_item=edge_item,
        edge_weight=edge_weight,
        norm=norm_table(history),
        fuse_weight=rng.integers(-127, 128, (dim, 2 * dim), dtype=np.int8),
        fuse_bias=rng.integers(-(1 << 15), 1 << 15, dim, dtype=np.int32),
        popularity=rng.integers(0, 1000, items, dtype=np.uint32),
    )
    tokens = tuple(f"item{row}" for row in range(items))
    provenance = {"data": "random", "seed": seed}
    shape = Shape(items, dim, heads, history, edges)
    return Contract(shape, formats, tensors, tokens, provenance)


def random_edges(
    items: int, edges: int, *, seed: int = 1
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int8]]:
    """``edge_item`` and ``edge_weight`` at random, (N, E) each, with the corners in.

    Rows hold from none to all of their edges, in slots anywhere. The first two rows of every 64
    lead to multiples of 16 alone, all in one bank, with weights of -128 and of 127.
    """
    rng = np.random.default_rng([seed, edges])
    row = np.arange(items)[:, None]
    one_bank = row % 64 < 2
    drawn = rng.integers(0, items, (items, edges), dtype=np.int32)
    targets = np.sort(np.where(one_bank, drawn // 16 * 16, drawn), axis=1)
    double = np.diff(targets, axis=1, prepend=-1) == 0
    share = np.where(row % 8 < 2, 1.0, np.where(row % 8 == 5, 0.0, rng.random((items, 1))))
    used = (rng.random((items, edges)) < share) & ~double
    weights = rng.integers(-128, 128, (items, edges))
    weights = np.where(one_bank, np.where(row % 64, 127, -128), weights) * used
    slots = rng.permuted(np.broadcast_to(np.arange(edges), (items, edges)), axis=1)
    targets = np.take_along_axis(np.where(weights, targets, 0), slots, axis=1)
    return targets, np.take_along_axis(weights.astype(np.int8), slots, axis=1)


def random_requests(contract: Contract, count: int, *, seed: int = 1, seen: int = 200) -> Requests:
    """Requests with histories of 0, 1, 2 and the longest, then of random length; with repeats.

    With edges two of them reach saturation.
    """
    rng = np.random.default_rng(seed)
    n, longest = contract.shape.items, contract.shape.max_history
    lengths = [0, 1, 2, longest, *(int(x) for x in rng.geometric(0.03, max(count - 4, 0)))]
    histories = [rng.integers(0, n, min(length, longest)) for length in lengths[:count]]
    limits = rng.integers(0, min(seen, n) + 1, count)
    seen_lists = [np.sort(rng.permutation(n)[:limit]) for limit in limits]
    _saturating(contract, histories, seen_lists, seen)
    nothing = np.zeros((count, 0), np.int32)
    return Requests(
        f"{count} random requests, seed {seed}",
        Ragged.of(histories),
        Ragged.of(seen_lists),
        Ragged.of([[]] * count),
        nothing,
        nothing,
    )


def _saturating(
    contract: Contract, histories: list[Rows], seen_lists: list[Rows], seen: int
) -> None:
    """With edges, the fifth and sixth request repeat one row of extreme weights all along.

    Where the catalogue is small enough all items but those which that row leads to are left out.
    """
    n = contract.shape.items
    for place, row in ((4, 0), (5, 1)):
        if not contract.shape.edges or place >= len(histories) or row >= n:
            continue
        histories[place] = np.full(contract.shape.max_history, row)
        others = np.setdiff1d(np.arange(n), contract.tensors.edge_item[row])
        if len(others) <= seen:
            seen_lists[place] = others


def _formats(bits: int, rng: np.random.Generator, edges: int) -> Formats:
    top = bits - 1
    # With edges the shift is small: a history of repeated extremes saturates, sums of few tie.
    item, fused = FixedPoint(True, bits, top), FixedPoint(True, 8, 4)
    edge = FixedPoint(True, 8, top - 8) if edges else Formats.no_edges(fused, item)
    return Formats(
        message=FixedPoint(True, bits, top),
        key=FixedPoint(True, bits, top - int(rng.integers(0, 3))),
        value=FixedPoint(True, bits, top - int(rng.integers(0, 3))),
        item=item,
        bias=FixedPoint(True, 16, top),
        norm=NORM,
        state=FixedPoint(True, 8, 7),
        logit=FixedPoint(True, 16, 5),
        fuse_weight=FixedPoint(True, 8, 7),
        fuse_bias=FixedPoint(True, 32, 14),
        fused=fused,
        edge=edge,
    )


def _table(rng: np.random.Generator, rows: int, dim: int, bits: int) -> npt.NDArray[np.int8]:
    limit = 1 << (bits - 1)
    table = rng.integers(-limit, limit, (rows, dim), dtype=np.int8)
    table[0], table[-1] = -limit, limit - 1
    return table
