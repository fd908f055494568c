# SPDX-License-Identifier: Apache-2.0
"""The table as Markdown and as a page: JSON's figures and notes, nothing of their own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recfabric.builds import write_whole
from recfabric.demo import write_json
from recfabric.plots import Bar, bars
from recfabric.report import fill
from recfabric.table.record import COLUMNS

NOTHING = "—"
_YARDS = ("random", "popularity", "ease")


def write_table(record: Mapping[str, Any], out: Path) -> None:
    """``table.json``, ``table.md`` and ``table.html`` in a folder, each whole or not at all."""
    write_json(out / "table.json", dict(record))
    write_whole(out / "table.md", markdown(record))
    write_whole(out / "table.html", page(record))


def markdown(record: Mapping[str, Any]) -> str:
    """The table, what each row is, the notes, and what produced it."""
    titles = ["", *(title for title, _, _ in COLUMNS.values())]
    lines = [f"| {' | '.join(titles)} |", "|---|" + "---:|" * len(COLUMNS)]
    for row in record["rows"]:
        lines.append(f"| {row['name']} | {' | '.join(cells(row).values())} |")
    lines += ["", *(f"- **{row['name']}**: {' '.join(_words(row))}" for row in record["rows"])]
    lines += ["", *record["notes"], "", *provenance(record)]
    return "\n".join(lines) + "\n"


def page(record: Mapping[str, Any]) -> str:
    """The same as HTML, with a plot of the full ranking."""
    marks = [
        Bar(
            row["name"],
            row["cells"]["ndcg@10"]["mean"],
            f"{row['cells']['ndcg@10']['mean']:.4f}",
            "yard" if row["row"] in _YARDS else "hardware" if row["simulated"] else "variant",
        )
        for row in record["rows"]
    ]
    return fill(
        "table.html.j2",
        record=record,
        titles=[title.replace("*", "") for title, _, _ in COLUMNS.values()],
        cells=cells,
        words=_words,
        plot=bars(marks, "NDCG@10, full ranking", left=190),
        notes=[note.replace("*", "") for note in record["notes"]],
        provenance=provenance(record),
    )


def cells(row: Mapping[str, Any]) -> dict[str, str]:
    """A row's figures as mean ± standard deviation; a dash where there is none."""
    found = {}
    for name, (_, digits, kind) in COLUMNS.items():
        value = row["cells"][name]
        if value is None:
            found[name] = NOTHING
            continue
        text = f"{value['mean']:.{digits}f}"
        if len(value["seeds"]) > 1:
            text += f" ± {value['std']:.{digits}f}"
        simulated = row["simulated"] and kind in ("plain", "text")
        found[name] = f"{text} *simulated*" if simulated else text
    return found


def _words(row: Mapping[str, Any]) -> list[str]:
    """What the row is, and why it lacks what it lacks."""
    words = [row["about"], *dict.fromkeys(row["missing"].values())]
    if "equivalence" in row:
        found = row["equivalence"]
        words.append(
            f"RTL against integer model: {found['requests']:,} requests, {found['integers']:,} "
            f"integers, {found['mismatches']:,} mismatches."
        )
    return words


def provenance(record: Mapping[str, Any]) -> list[str]:
    """Data, protocol, seeds, contracts and versions, a line each."""
    data, machine = record["data"], record["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in record["versions"].items())
    contracts = [
        f"{row['name']}: "
        + ", ".join(f"seed {seed} `{digest[:12]}`" for seed, digest in row["contracts"].items())
        for row in record["rows"]
        if row["contracts"]
    ]
    low, high = machine["load"]
    return [
        f"Data: {data['name']}, SHA-256 `{data['sha256'][:12]}`. Protocol: {record['protocol']}.",
        f"Seeds of training and of the cold items: {', '.join(map(str, record['seeds']))}.",
        f"Contracts: {'; '.join(contracts) or 'none'}.",
        f"Machine: {machine['cores']} cores, load {low:g} to {high:g} while latencies were "
        "measured.",
        f"Settings: `{json.dumps(record['plan'])}`.",
        f"Versions: {versions}.",
    ]
