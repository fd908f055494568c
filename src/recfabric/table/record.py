# SPDX-License-Identifier: Apache-2.0
"""The table out of its finished stages: means and spreads, and what produced them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from recfabric.config import tool_versions
from recfabric.quant.datasets import Dataset
from recfabric.quant.splits import natural, split
from recfabric.table.plan import ROWS, TRIALS, Plan, Row
from recfabric.table.quality import spread_of
from recfabric.table.run import read_stage

Record = dict[str, Any]

# Columns: heading, decimals, and the name under which a row may say why it has none.
COLUMNS: dict[str, tuple[str, int, str]] = {
    "ndcg@10": ("NDCG@10, full ranking", 4, "quality"),
    "recall@20": ("recall@20, full ranking", 4, "quality"),
    "sampled_ndcg@10": ("NDCG@10, *sampled* (1 against 99)", 4, "quality"),
    "cold": ("NDCG@10, cold items", 4, "cold"),
    "plain_p50": ("ms without text, p50", 2, "plain"),
    "plain_p99": ("ms without text, p99", 2, "plain"),
    "text_p50": ("ms with text, p50", 2, "text"),
    "text_p99": ("ms with text, p99", 2, "text"),
    "training": ("training, CPU-seconds", 1, "training"),
    "memory": ("peak memory, MB", 0, "memory"),
}

NOTES = (
    "Full ranking: the whole catalogue, what the user met in training and validation left out. "
    "Sampled: each test item against 99 items that its user never met, the same for every row; "
    "such figures are high for popularity too and compare with nothing else.",
    "Cold items: a fifth of the items with five interactions or more lose all of them (drawn "
    "anew with each seed) and are ranked alone. EASE and popularity have no order for them. The "
    "graph network is trained on nine tenths of the warm interactions, the rest stops it. The "
    "hybrids rank them by edges from the history's items, computed from text (kernel ridge behind "
    "EASE between warm items; attributes, MiniLM and the row's language model): floats in the "
    "unoptimised row, int8 in the others. The tables of interactions have no part in it, so "
    "distillation cannot change this column.",
    f"Tuning: graph network, language model and hybrid each read validation {TRIALS} times to "
    "choose settings (the graph network with the first seed, the others with each); the epoch that "
    "validates best is kept in every training.",
    "Training: CPU-seconds of all that makes the row's model out of data and language model "
    "weights, encoding of the items included, choice of the graph network's settings not. Peak "
    "memory: the largest resident set of those processes, Python and its packages within it.",
    "Latency: one request at a time by one process, histories of test users, texts of 3 to 15 "
    "words at random; on the host measured, Python included.",
)


def make_record(
    plan: Plan,
    dataset: Dataset,
    rows: Sequence[str],
    seeds: Sequence[int],
    out: Path,
) -> Record:
    """The whole table as JSON."""
    protocol = split(dataset, natural(dataset), seed=plan.split_seed).protocol
    lines = [_row(ROWS[name], seeds, out) | {"row": name} for name in rows]
    simulated = [line["board"] for line in lines if "board" in line]
    return {
        "data": {"name": dataset.name, "sha256": dataset.sha256},
        "protocol": protocol,
        "seeds": list(seeds),
        "plan": asdict(plan),
        "columns": {name: title for name, (title, _, _) in COLUMNS.items()},
        "rows": lines,
        "notes": [*NOTES, *_hardware_note(simulated)],
        "versions": tool_versions(),
        "machine": {"cores": os.cpu_count(), "load": _loads(rows, seeds, out)},
    }


def _loads(rows: Iterable[str], seeds: Iterable[int], out: Path) -> list[float]:
    """The machine's load, least and most, when latencies were measured."""
    found = [read_stage(out, ROWS[row].latency, seed)["load"] for row in rows for seed in seeds]
    return [round(min(found), 1), round(max(found), 1)]


def _row(row: Row, seeds: Sequence[int], out: Path) -> Record:
    values: dict[str, list[float]] = {name: [] for name in COLUMNS}
    for seed in seeds:
        for name, value in _values(row, seed, out).items():
            values[name].append(value)
    model = {str(seed): read_stage(out, row.model, seed) for seed in seeds}
    found: Record = {
        "name": row.name,
        "about": row.about,
        "simulated": row.simulated,
        "missing": dict(row.missing),
        "cells": {name: spread_of(seen) if seen else None for name, seen in values.items()},
        "contracts": {seed: one["contract"] for seed, one in model.items() if "contract" in one},
        "chosen": {
            seed: one.get("chosen") or one.get("rule") or one.get("settings")
            for seed, one in model.items()
        },
    }
    if row.simulated:
        first = next(iter(model.values()))
        found["board"] = {n: first[n] for n in ("board", "netlist", "transfer")}
        found["cycles"] = {seed: one["cycles"] for seed, one in model.items()}
        found["equivalence"] = {
            name: sum(one["equivalence"][name] for one in model.values())
            for name in ("requests", "integers", "mismatches")
        }
    return found


def _values(row: Row, seed: int, out: Path) -> Mapping[str, float]:
    """One seed's figures by column; none for what the row cannot have."""
    quality: Record = {}
    for stage in (row.model, *row.cold):
        quality |= read_stage(out, stage, seed)["quality"]
    found: dict[str, float] = {name: quality[name] for name in COLUMNS if name in quality}
    for kind, spent in read_stage(out, row.latency, seed)["ms"].items():
        found |= {f"{kind}_{name}": value for name, value in spent.items()}
    costs = [read_stage(out, stage, seed) for stage in row.training]
    if costs:
        found["training"] = sum(one["cpu"] for one in costs)
        found["memory"] = max(one["peak_mb"] for one in costs)
    return {n: v for n, v in found.items() if COLUMNS[n][2] not in row.missing}


def _hardware_note(boards: Sequence[Mapping[str, Any]]) -> list[str]:
    if not boards:
        return []
    board, transfer = boards[0]["board"], boards[0]["transfer"]
    return [
        "*Simulated*: cycles of the Verilated RTL, one request at a time, at the declared clock of "
        f"{board['name']}, {board['clock_mhz']} MHz, which no place and route has confirmed, plus "
        "a transfer model whose numbers are assumed and were not measured on a board: "
        f"{transfer['register_us']:g} us a register access, {transfer['copy_us']:g} us and "
        f"1 us for {transfer['bytes_per_us']:g} bytes a copy, {transfer['wake_us']:g} us from the "
        "interrupt to the host's program. Accesses and bytes are counted. With a text the language "
        "model's measured time on this host is added. The host's own program is not in it."
    ]
