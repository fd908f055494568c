# SPDX-License-Identifier: Apache-2.0
"""The Pareto front of a study: as JSON, and as an HTML page that needs nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from recfabric.config import tool_versions
from recfabric.demo import write_json
from recfabric.errors import MissingExtraError
from recfabric.search.evaluate import OBJECTIVES, Evaluator, UnfitError
from recfabric.search.study import SearchConfig, point_of

if TYPE_CHECKING:
    import optuna

Record = dict[str, Any]
_TITLES = {
    "ndcg": "NDCG@10 (validation)",
    "bytes": "bytes a request",
    "cycles": "cycles a request",
    "lut": "LUT",
    "ff": "FF",
    "dsp": "DSP",
    "bram": "RAMB36",
}


def report(
    study: optuna.Study, config: SearchConfig, evaluator: Evaluator, *, refined: bool = True
) -> Record:
    """Write ``front.json`` and ``front.html`` into the study's folder; what the JSON holds.

    With ``config.refine`` the contracts on the front are trained on for so many epochs first.
    """
    entries = [_entry(trial, config) for trial in _distinct(study.best_trials)]
    if config.refine and refined:
        _refine(entries, config, evaluator)
    complete = [_entry(t, config) for t in study.trials if t.state.name == "COMPLETE"]
    record = _about(study, config, evaluator) | {"front": entries, "trials": complete}
    write_json(config.out / "front.json", record)
    (config.out / "front.html").write_text(page(record))
    return record


def _about(study: optuna.Study, config: SearchConfig, evaluator: Evaluator) -> Record:
    """How the front was found."""
    states = Counter(trial.state.name.lower() for trial in study.trials)
    reasons = Counter(
        " ".join(str(trial.user_attrs.get("reason", "")).split()[:2])
        for trial in study.trials
        if trial.state.name == "PRUNED"
    )
    board = evaluator.board
    return {
        "about": "NDCG@10 is of the integer model on validation; bytes and cycles are counted, "
        "cells estimated by the area model (Yosys, without place and route); nothing was run in "
        "Vivado or on a board",
        "data": evaluator.dataset.name,
        "protocol": evaluator.split.protocol,
        "settings": study.user_attrs["settings"],
        "sampler_seed": config.seed,
        "trials_by_state": dict(states),
        "pruned_because": dict(reasons),
        "objectives": {name: OBJECTIVES[name] for name in config.objectives},
        "float_ndcg": evaluator.variants.trained(),
        "board": board.title,
        "part": board.part,
        "versions": tool_versions(),
    }


def _distinct(trials: Sequence[optuna.trial.FrozenTrial]) -> list[optuna.trial.FrozenTrial]:
    """The first trial of each point, best quality first."""
    first = {point_of(trial): trial for trial in sorted(trials, key=lambda t: -t.number)}
    return sorted(first.values(), key=lambda t: (-t.user_attrs["ndcg"], t.number))


def _entry(trial: optuna.trial.FrozenTrial, config: SearchConfig) -> Record:
    attributes = {name: trial.user_attrs[name] for name in OBJECTIVES}
    hardware = trial.user_attrs["hardware"]
    flags = " ".join(f"--hardware {name}={value}" for name, value in sorted(hardware.items()))
    folder = config.out / "models" / trial.user_attrs["contract"]
    return attributes | {
        "trial": trial.number,
        "parameters": dict(trial.params),
        "shares": trial.user_attrs["shares"],
        "hardware": hardware,
        "contract": trial.user_attrs["contract"],
        "sha256": trial.user_attrs["sha256"],
        "verify": f"recfabric verify {folder} {flags}".strip(),
    }


def _refine(entries: list[Record], config: SearchConfig, evaluator: Evaluator) -> None:
    """Train the contracts of the front on, each once; another contract beside each."""
    from recfabric.contract import Contract
    from recfabric.search.space import Point

    with evaluator.progress.task("refine", len(entries)) as advance:
        for entry in entries:
            name = f"{entry['contract']}-q{config.refine}"
            folder = config.out / "models" / name
            try:
                ndcg = evaluator.make(Point(**entry["parameters"]), folder, config.refine)
            except UnfitError as error:
                entry["refined"] = {"error": str(error)}
            else:
                sha256 = Contract.load(folder).sha256
                entry["refined"] = {"contract": name, "sha256": sha256, "ndcg": ndcg}
            advance(1)


def page(record: Record) -> str:
    """The front as a page: quality over cycles, and all objectives side by side."""
    try:
        import plotly.graph_objects as go
    except ModuleNotFoundError:
        raise MissingExtraError("plotly", "search") from None
    over = go.Figure(_points(go, record))
    x = "cycles" if "cycles" in record["objectives"] else "bytes"
    over.update_layout(
        title=f"{record['data']} on {record['board']}: {len(record['front'])} of "
        f"{len(record['trials'])} trials are on the front",
        xaxis_title=_TITLES[x],
        yaxis_title=_TITLES["ndcg"],
        xaxis_type="log",
    )
    beside = go.Figure(_parallel(go, record))
    head = over.to_html(full_html=False, include_plotlyjs=True)
    tail = beside.to_html(full_html=False, include_plotlyjs=False)
    return (
        "<!doctype html><meta charset='utf-8'><title>RecFabric: search</title>"
        "<style>body{font-family:sans-serif;max-width:1200px;margin:2em auto}</style>"
        f"{head}<p>{record['about']}. Protocol: {record['protocol']}; trials: "
        f"{record['trials_by_state']}.</p>{tail}"
    )


def _points(go: Any, record: Record) -> list[Any]:  # noqa: ANN401 - plotly has no types
    """All trials in grey, the front coloured by its largest share of the part."""
    x = "cycles" if "cycles" in record["objectives"] else "bytes"
    sets = {"dominated": record["trials"], "on the front": record["front"]}
    traces = []
    for name, entries in sets.items():
        front = name == "on the front"
        shares = [max(entry["shares"].values()) for entry in entries]
        traces.append(
            go.Scatter(
                x=[entry[x] for entry in entries],
                y=[entry["ndcg"] for entry in entries],
                mode="markers",
                name=name,
                text=[_words(entry) for entry in entries],
                hoverinfo="text",
                marker={
                    "size": 12 if front else 7,
                    "color": shares if front else "lightgrey",
                    "colorscale": "Viridis",
                    "showscale": front,
                    "colorbar": {"title": "largest share<br>of the part"},
                },
            )
        )
    return traces


def _parallel(go: Any, record: Record) -> Any:  # noqa: ANN401
    """Every objective of the front as an axis."""
    front = record["front"]
    names = [*record["objectives"]]
    axes = [{"label": _TITLES[name], "values": [e[name] for e in front]} for name in names]
    colours = [entry["ndcg"] for entry in front]
    return go.Parcoords(dimensions=axes, line={"color": colours, "colorscale": "Viridis"})


def _words(entry: Record) -> str:
    lines = [f"trial {entry['trial']}: {entry['contract']}"]
    lines += [f"{_TITLES[name]}: {entry[name]:.6g}" for name in OBJECTIVES]
    lines += [f"{name}: {value}" for name, value in sorted(entry["hardware"].items())]
    return "<br>".join(lines)
