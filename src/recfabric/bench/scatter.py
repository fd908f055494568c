# SPDX-License-Identifier: Apache-2.0
"""Cases of ``rf_scatter``: every beat of edges must pass its adders once, 16 edges to 512 bits.

Adding: the cycles from the first beat of a history's edges to its first term (of many histories:
from each one's first beat to its last). The bound is what the port gives: a beat a cycle. The
limits are in edges: four a cycle at random and on real histories, one where all meet in one bank.
Terms: the mean distance of requests back to back, whose terms are read while the next one's edges
are added; the bound is the scan's: a group of terms a cycle.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial

import numpy as np
import numpy.typing as npt

from recfabric.bench._case import BEAT, SEED, Case, Measure
from recfabric.kernels.scatter.model import pack_edges, scatter, spread
from recfabric.sim.bench import Bench, BenchRun

PER_BEAT = BEAT // 32
EDGES = 32  # slots an item
BANKS = 16
SIZE = 32_768  # entries of an array
ITEMS = 20_000
ROWS = 256
SHIFT = 9
NORM = 40_000
RATINGS = 100_000  # of ml-100k
NEIGHBOURS = 20

Targets = npt.NDArray[np.int64]
Weights = npt.NDArray[np.int8]
History = tuple[Targets, Weights]  # (n, EDGES) each
Maker = Callable[[np.random.Generator], Targets]


def cases() -> tuple[Case, ...]:
    """Edges at random, spread as in memory, all in one bank, of real histories; terms."""
    slots = ROWS * EDGES
    four = (slots / 4, "edges / 4")
    return (
        _adding("random targets", _random, *four, cells=True),
        _adding("random targets, slots ordered as in memory", _ordered, *four),
        _adding("every edge of a beat in one bank", _one_bank, slots + 10, "edges + 10"),
        _real(),
        _terms(1, cells=False),
        _terms(4, cells=True),
    )


def _parameters(lanes: int) -> dict[str, int]:
    return {"Items": SIZE, "Edges": EDGES, "BeatBits": BEAT, "Lanes": lanes, "Banks": BANKS}


def _adding(
    what: str, make: Maker, limit: float, limit_formula: str, *, cells: bool = False
) -> Case:
    return Case(
        kernel="rf_scatter",
        config=f"adding {EDGES} edges of {ROWS} rows each, {BANKS} banks: {what}",
        parameters=_parameters(1),
        bound=ROWS * EDGES / PER_BEAT,
        formula="beats = edges * 32 / 512",
        limit=limit,
        limit_formula=limit_formula,
        run=partial(_run_adding, make),
        cells=cells,
    )


def _real() -> Case:
    return Case(
        kernel="rf_scatter",
        config=f"adding {NEIGHBOURS} edges a row in {EDGES} slots, ml-100k's histories, "
        f"{BANKS} banks",
        parameters=_parameters(4),
        bound=RATINGS * EDGES / PER_BEAT,
        formula="beats = rows * slots * 32 / 512",
        limit=RATINGS * NEIGHBOURS / 4,
        limit_formula="edges / 4",
        run=_run_real,
        data=f"ml-100k: every user's history, edges to the {NEIGHBOURS} items most often seen "
        f"together, weights random, seed {SEED}; slots ordered as in memory",
        cells=False,
    )


def _terms(lanes: int, *, cells: bool) -> Case:
    groups = -(-ITEMS // lanes)
    return Case(
        kernel="rf_scatter",
        config=f"{ITEMS:,} terms a request, {lanes} a cycle, histories of {ROWS} rows: cycles a "
        "request back to back",
        parameters=_parameters(lanes),
        bound=groups,
        formula="items / lanes",
        limit=1.03 * groups,
        limit_formula="1.03 * items / lanes",
        run=partial(_run_terms, lanes, 5),
        cells=cells,
    )


def _random(rng: np.random.Generator) -> Targets:
    return rng.integers(0, ITEMS, (ROWS, EDGES))


def _one_bank(rng: np.random.Generator) -> Targets:
    banks = rng.integers(0, BANKS, (ROWS, 1))
    return _random(rng) // BANKS * BANKS + banks


def _ordered(rng: np.random.Generator) -> Targets:
    targets = _random(rng)
    order = spread(targets, np.ones_like(targets), banks=BANKS, beats=EDGES // PER_BEAT)
    return np.take_along_axis(targets, order, axis=1)


@cache
def _ml100k() -> tuple[History, ...]:
    from recfabric.quant.datasets import load_dataset
    from recfabric.quant.movielens import fetch_ml100k

    data = load_dataset(fetch_ml100k())
    items = len(data.items)
    rated = np.zeros((len(data.users), items), np.float32)
    rated[data.user, data.item] = 1
    together = rated.T @ rated
    np.fill_diagonal(together, 0)
    near = np.argsort(-together, axis=1, kind="stable")[:, :NEIGHBOURS]
    targets, weights = np.zeros((items, EDGES), np.int64), np.zeros((items, EDGES), np.int8)
    targets[:, :NEIGHBOURS] = near
    weights[:, :NEIGHBOURS] = np.random.default_rng(SEED).integers(1, 128, near.shape)
    order = spread(targets, weights, banks=BANKS, beats=EDGES // PER_BEAT)
    targets = np.take_along_axis(targets, order, axis=1)
    weights = np.take_along_axis(weights, order, axis=1)
    return tuple((targets[h], weights[h]) for h in map(np.flatnonzero, rated))


def _run_adding(make: Maker) -> Measure:
    rng = np.random.default_rng(SEED)
    targets = make(rng)
    weights = rng.integers(1, 128, targets.shape).astype(np.int8)
    run, wrong = _run(1, [(targets, weights)], ITEMS)
    cycles = int(run.stamps["m_axis_term"][0] - run.stamps["s_axis_edge"][0])
    return Measure(cycles, ITEMS, wrong, run.cycles, run.cpu_seconds)


def _run_real() -> Measure:
    histories = _ml100k()
    items = 1 + max(int(targets.max()) for targets, _ in histories)
    run, wrong = _run(4, histories, items)
    ends = np.cumsum([len(targets) * EDGES // PER_BEAT for targets, _ in histories])
    at = run.stamps["s_axis_edge"]
    spent = at[ends - 1] - at[np.r_[0, ends[:-1]]] + 1
    return Measure(int(spent.sum()), items * len(histories), wrong, run.cycles, run.cpu_seconds)


def _run_terms(lanes: int, requests: int) -> Measure:
    rng = np.random.default_rng(SEED)
    histories = [(_random(rng), rng.integers(-128, 128, (ROWS, EDGES)).astype(np.int8))]
    run, wrong = _run(lanes, histories * requests, ITEMS)
    first = run.stamps["m_axis_term"][:: -(-ITEMS // lanes)]
    period = float(first[-1] - first[0]) / (requests - 1)
    return Measure(period, ITEMS * requests, wrong, run.cycles, run.cpu_seconds)


def _run(lanes: int, histories: Sequence[History], items: int) -> tuple[BenchRun, int]:
    """Histories back to back, and how many of their terms are not the model's."""
    groups = -(-items // lanes)
    with Bench("rf_scatter", _parameters(lanes)) as bench:
        run = bench.run(
            _inputs(histories, items),
            {"m_axis_term": groups * len(histories)},
            max_cycles=SIZE + len(histories) * (2 * items + 2 * ROWS * EDGES),
        )
    got = _integers(run.outputs["m_axis_term"]).reshape(len(histories), groups * lanes)
    want = np.stack([scatter(t, w, NORM, SHIFT, items=items) for t, w in histories])
    return run, int((got[:, :items] != want).sum())


def _inputs(histories: Sequence[History], items: int) -> Mapping[str, npt.NDArray[np.uint8]]:
    words = [items << 40 | len(targets) << 24 | SHIFT << 16 | NORM for targets, _ in histories]
    commands = b"".join(word.to_bytes(9, "little") for word in words)
    beats = np.concatenate([pack_edges(*history) for history in histories])
    return {
        "s_axis_cmd": np.frombuffer(commands, np.uint8).reshape(-1, 9),
        "s_axis_edge": beats.view(np.uint8).reshape(-1, BEAT // 8),
    }


def _integers(beats: npt.NDArray[np.uint8]) -> npt.NDArray[np.int32]:
    """Beats of 24-bit terms as int32, in a row."""
    wide = np.zeros((beats.size // 3, 4), np.uint8)
    wide[:, 1:] = beats.reshape(-1, 3)
    return wide.view("<i4")[:, 0] >> 8
