# SPDX-License-Identifier: Apache-2.0
"""Where texts should matter: items that nobody or few have met, hybrid against graph alone.

The hybrid is what ``recfabric train`` makes with its defaults; beside it stands the same without
texts, so that it shows whether texts or the rest of the hybrid bring the difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from recfabric.builds import write_whole
from recfabric.config import tool_versions
from recfabric.demo import write_json
from recfabric.quant.progress import Progress
from recfabric.quant.splits import natural, split
from recfabric.table.make import checked_data
from recfabric.table.plan import EACH, Plan
from recfabric.table.quality import FEW, paired_bootstrap, spread_of
from recfabric.table.run import folder_of, read_stage, run_stages

Record = dict[str, Any]

CONTROL = "hybrid without texts"
MODELS = {"GNN alone": "gnn", CONTROL: "without-texts", "hybrid": "with-texts"}
FIGURES = {
    "cold": "cold items alone",
    "cold_full": "cold items, full ranking",
    "few": f"items met at most {FEW} times, alone",
    "few_full": f"items met at most {FEW} times, full ranking",
    "ndcg@10": "all items, full ranking",
}
MARKED = ("cold", "few")  # of which the hybrid must be a fifth above the graph network
MARK = 1.2


def make_texts(
    plan: Plan,
    seeds: Sequence[int],
    out: Path,
    progress: Progress,
    *,
    control: bool = True,
    apart: bool = True,
) -> Record:
    """Run what is missing; the comparison, also in ``texts.json`` and ``texts.md`` of ``out``.

    ``control``: also the hybrid without texts, a third of the work; ``apart``: see
    :func:`recfabric.table.run.run_stages`. Raises as :func:`recfabric.table.make.make_table` does.
    """
    data = checked_data(plan, seeds, progress)
    models = {name: stage for name, stage in MODELS.items() if control or name != CONTROL}
    stages = [name for stage in models.values() for name in (stage, f"{stage}-cold")]
    run_stages(plan, stages, seeds, out, progress, apart=apart)
    protocol = split(data, natural(data), seed=plan.split_seed).protocol
    figures = {
        model: {str(seed): _quality(stage, seed, out) for seed in seeds}
        for model, stage in models.items()
    }
    record: Record = {
        "data": {"name": data.name, "sha256": data.sha256},
        "protocol": protocol,
        "seeds": list(seeds),
        "plan": asdict(plan),
        "figures": figures,
        "summary": _summary(figures),
        "ratios": {
            name: [
                _ratio(figures["hybrid"][seed][name], figures["GNN alone"][seed][name])
                for seed in figures["hybrid"]
            ]
            for name in FIGURES
        },
        "bootstrap": {str(seed): _bootstrap(seed, out) for seed in seeds},
        "gnn_stopped_rising": {
            str(seed): not read_stage(out, "gnn", seed)["last"] for seed in seeds
        },
        "versions": tool_versions(),
    }
    record["met"] = _met(record)
    write_json(out / "texts.json", record)
    write_whole(out / "texts.md", markdown(record))
    return record


def _quality(stage: str, seed: int, out: Path) -> Record:
    parts = (read_stage(out, name, seed)["quality"] for name in (stage, f"{stage}-cold"))
    return {name: value for part in parts for name, value in part.items()}


def _summary(figures: Mapping[str, Mapping[str, Record]]) -> Record:
    return {
        model: {name: spread_of([one[name] for one in seeds.values()]) for name in FIGURES}
        for model, seeds in figures.items()
    }


def _ratio(one: float, other: float) -> float | None:
    return one / other if other else None


def _bootstrap(seed: int, out: Path) -> Record:
    """The hybrid less the graph network, over the users of the full ranking of all items."""
    one, other = (
        np.load(folder_of(out, MODELS[name], seed) / EACH) for name in ("hybrid", "GNN alone")
    )
    return paired_bootstrap(one, other)


def _met(record: Record) -> bool:
    """Above by a fifth in every seed, and over all items not below by the interval."""
    ratios = [ratio for name in MARKED for ratio in record["ratios"][name]]
    above = all(ratio is None or ratio >= MARK for ratio in ratios)
    return above and all(one["high"] >= 0 for one in record["bootstrap"].values())


def markdown(record: Record) -> str:
    """A table of means and spreads, the ratios of each seed, the bootstrap, what produced it."""
    lines = ["| NDCG@10 | " + " | ".join(FIGURES.values()) + " |"]
    lines.append("|---|" + "---:|" * len(FIGURES))
    for model, found in record["summary"].items():
        cells = [f"{found[n]['mean']:.4f} ± {found[n]['std']:.4f}" for n in FIGURES]
        lines.append(f"| {model} | {' | '.join(cells)} |")
    ratios = [
        ", ".join("—" if ratio is None else f"{ratio:.2f}" for ratio in record["ratios"][name])
        for name in FIGURES
    ]
    lines.append(f"| hybrid / GNN alone, by seed | {' | '.join(ratios)} |")
    lines.append("")
    for seed, one in record["bootstrap"].items():
        lines.append(
            f"Seed {seed}: over all items hybrid less GNN alone {one['mean']:+.4f}, 95 % of the "
            f"paired bootstrap over {one['users']} users {one['low']:+.4f} to {one['high']:+.4f}."
        )
    rising = [seed for seed, ended in record["gnn_stopped_rising"].items() if not ended]
    if rising:
        lines.append(f"GNN alone was best at its last epoch in seed {', '.join(rising)}.")
    versions = ", ".join(f"{name} {number}" for name, number in record["versions"].items())
    lines += [
        "",
        f"Data: {record['data']['name']}, SHA-256 `{record['data']['sha256'][:12]}`. "
        f"Protocol: {record['protocol']}. Seeds: {', '.join(map(str, record['seeds']))}.",
        f"Versions: {versions}.",
    ]
    return "\n".join(lines) + "\n"
