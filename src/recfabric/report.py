# SPDX-License-Identifier: Apache-2.0
"""The main job's record as ``report.json`` and as a page to read, ``report.html``.

The page is one file: its style and its plots (inline SVG) are in it, it loads nothing and runs no
script. Every figure of a plot stands in a table as well.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recfabric.bitstreams.parts import PARTS
from recfabric.builds import write_whole
from recfabric.errors import MissingExtraError

if TYPE_CHECKING:
    from markupsafe import Markup

_TONES = {"MostPop": "yard", "EASE": "yard", "LightGCN": "yard", "rtl": "hardware"}
_COLUMNS = ("LUT", "flip-flops", "DSP", "block RAM")
_TOP = "rf_hotpath"


def write_report(result: Mapping[str, Any], folder: Path) -> None:
    """Write ``report.json`` and ``report.html`` into a folder, each whole or not at all.

    ``result``: the record of the main job (see the README for its keys); ``contract``, ``data``,
    ``accuracy``, ``equivalence``, ``seconds`` and ``versions`` must be there, ``cycles``,
    ``simulation`` and ``resources`` may be empty where nothing was simulated or synthesised.
    Raises MissingExtraError without Jinja2 and ValueError for a figure that is not a number.
    """
    record = json.dumps(result, indent=1, sort_keys=True, allow_nan=False) + "\n"
    page = render(result)
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "report.json", record)
    write_whole(folder / "report.html", page)


def render(result: Mapping[str, Any]) -> str:
    """The page's HTML."""
    return fill(
        "report.html.j2",
        result=result,
        headline=headline(result["equivalence"]),
        tiles=_tiles(result),
        accuracy=_accuracy(result["accuracy"]),
        cycles=_cycles(result.get("cycles") or {}),
        resources=_resources(result.get("resources") or []),
    )


def fill(template: str, **values: object) -> str:
    """A page out of one of the package's templates; raises MissingExtraError without Jinja2."""
    try:
        import jinja2
    except ImportError:
        raise MissingExtraError("jinja2", "report") from None
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_template),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["figure"] = figure
    return environment.get_template(template).render(**values)


def _template(name: str) -> str:
    return (resources.files("recfabric") / "templates" / name).read_text(encoding="utf-8")


def figure(value: object) -> str:
    """A value as a person reads it: thousands parted, fractions to what they can carry."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return json.dumps(value) if isinstance(value, dict | list) else str(value)
    if isinstance(value, int) or value == round(value):
        return f"{value:,.0f}"
    return f"{value:,.2f}" if abs(value) >= 10 else f"{value:.4g}"


def headline(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Whether everything compared was equal: ``state`` (equal, differs, nothing), two lines.

    The counts of the first line are those of the RTL's rows where there are any.
    """
    wrong = sum(row["mismatches"] for row in rows)
    hardware = [row for row in rows if "rtl" in f"{row['left']} {row['right']}"]
    shown = hardware[:1] or list(rows)
    requests, values = (sum(row[key] for row in shown) for key in ("requests", "values"))
    every = sum(row["values"] for row in rows)
    if not every:
        return {"state": "nothing", "title": "Nothing was compared", "text": "No proof was run."}
    what = "Hardware and model" if hardware else "Model and integer model"
    total = f"All {len(rows)} comparisons together: {every:,} values, {wrong:,} mismatches."
    if wrong:
        return {"state": "differs", "title": f"{what} differ: {wrong:,} mismatches", "text": total}
    title = f"{what} are equal: {requests:,} requests, {values:,} values, 0 mismatches"
    return {"state": "equal", "title": title, "text": total}


def _tiles(result: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Value, name and remark of the figures on top."""
    tiles = []
    models = {row["model"]: row for row in reversed(result["accuracy"])}
    best = models.get("rtl") or models.get("soft")
    if best:
        remark = f"EASE {models['EASE']['ndcg@10']:.4f}" if "EASE" in models else best["protocol"]
        name = f"NDCG@10 of {best['model']}'s lists"
        tiles.append((f"{best['ndcg@10']:.4f}", name, remark))
    if "soft" in models and models.get("float", {}).get("ndcg@10"):
        ratio = models["soft"]["ndcg@10"] / models["float"]["ndcg@10"]
        tiles.append((f"{ratio:.4f}", "integer / float NDCG@10", "1 means nothing was lost"))
    cycles, simulation = result.get("cycles") or {}, result.get("simulation") or {}
    if cycles.get("bound_p50"):
        ratio, p50 = cycles["p50"] / cycles["bound_p50"], cycles["p50"]
        tiles.append((f"{ratio:.3f}", "cycles / memory bound", f"{p50:,} cycles a request, median"))
    if cycles.get("back_to_back"):
        each = cycles["back_to_back"]
        remark = f"back to back; the port must read {each['port']:,.0f} beats"
        tiles.append((f"{each['mean']:,.0f}", "cycles a request in a batch", remark))
    if simulation.get("cpu_seconds"):
        speed = simulation["cycles"] / simulation["cpu_seconds"]
        remark = f"{simulation['cycles']:,} cycles simulated"
        tiles.append((f"{speed / 1e6:.2f} M", "cycles a CPU-second", remark))
    return tiles


def _accuracy(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """For each protocol a plot and its rows; yardsticks, variants and hardware differ in tone."""
    from recfabric.plots import Bar, bars

    groups = []
    for protocol in dict.fromkeys(row["protocol"] for row in rows):
        chosen = [row for row in rows if row["protocol"] == protocol]
        marks = []
        for row in chosen:
            tone, value = _TONES.get(row["model"], "variant"), row["ndcg@10"]
            marks.append(Bar(row["model"], value, f"{value:.4f}", tone))
        plot = bars(marks, f"NDCG@10 by model, {protocol}")
        groups.append({"protocol": protocol, "plot": plot, "rows": chosen})
    return groups


def _cycles(cycles: Mapping[str, Any]) -> dict[str, Any]:
    """The plots of the cycles, and the rows behind them; empty where nothing was simulated."""
    from recfabric.plots import scatter, stacked

    each = cycles.get("per_request") or {}
    stages = cycles.get("stages") or {}
    found: dict[str, Any] = {"points": "", "rows": [], "stages": "", "total": sum(stages.values())}
    if each:
        series = (each["history"], each["cycles"], each["bound"])
        found["points"] = scatter(
            *series,
            title="Cycles of each request over its history, with the memory bound",
            axes="items in the history|cycles",
        )
        found["rows"] = sorted(zip(*series, strict=True))
    if stages:
        found["stages"] = stacked(list(stages.items()), "Median cycles of each stage")
    return found


def _resources(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """For each part a plot and its rows, with what lies between the kernels as a row of its own."""
    from recfabric.plots import shares

    groups = []
    for name in dict.fromkeys(row["part"] for row in rows):
        chosen = _with_glue([row for row in rows if row["part"] == name])
        part = PARTS.get(name)
        shown = [(row["module"], share) for row in chosen if (share := _share(row))]
        plot: Markup | str = shares(shown, _COLUMNS, f"Cells on {name}") if shown else ""
        over = list(_over(chosen[-1]))
        tools = list(dict.fromkeys(row["tool"] for row in chosen if row["tool"]))
        groups.append(
            {"name": name, "part": part, "plot": plot, "rows": chosen, "over": over, "tools": tools}
        )
    return groups


def _with_glue(rows: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The rows with the total last and, before it, the total less the kernels."""
    total = next((row for row in rows if row["module"] == _TOP), None)
    kernels = [row for row in rows if row is not total]
    if total is None or not kernels:
        return rows
    keys = ("lut", "lutram", "ff", "dsp", "bram36", "carry")
    rest = {key: total[key] - sum(row[key] for row in kernels) for key in keys}
    glue = {**total, **rest, "module": "the rest", "register_memories": ()}
    return [*kernels, glue, total]


def _share(row: Mapping[str, Any]) -> list[float]:
    """LUTs, flip-flops, DSPs and block RAM as shares of what the part holds."""
    part = PARTS.get(row["part"])
    if part is None:
        return []
    used = (row["lut"] + row["lutram"], row["ff"], row["dsp"], row["bram36"])
    return [n / held for n, held in zip(used, _held(row["part"]), strict=True)]


def _held(name: str) -> tuple[int, ...]:
    part = PARTS[name]
    return (part.lut, part.ff, part.dsp, part.bram36)


def _over(row: Mapping[str, Any]) -> Iterable[str]:
    for column, share in zip(_COLUMNS, _share(row), strict=False):
        if share > 1:
            yield f"{row['module']} takes {share:.0%} of the {column} that {row['part']} has"
