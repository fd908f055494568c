# SPDX-License-Identifier: Apache-2.0
"""LoRA beside full fine-tuning: quality on validation items against CPU-seconds, in one run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from recfabric.bench._cold import language_model_blocks
from recfabric.errors import ConfigError
from recfabric.quant.datasets import Dataset
from recfabric.quant.llm.adapt import Adapted, adapt, adapted_encoder, material
from recfabric.quant.llm.align import AlignConfig
from recfabric.quant.llm.cold import ColdSplit, Matrix, RidgeConfig, kernel, text_edges
from recfabric.quant.llm.prompts import liked
from recfabric.quant.llm.vectors import EncoderConfig, encode
from recfabric.quant.progress import Progress, Silent

WAYS = ("lora", "full")
PACKAGES = ("deepspeed", "peft", "torch", "transformers")
# What is measured on validation items, and whether more of it is better.
MEASURES = {"ndcg": True, "ndcg_alone": True, "error": False}
WITHIN = 0.34  # of full fine-tuning's CPU-seconds: what LoRA is compared at, seed by seed


def compare(
    dataset: Dataset,
    configs: Sequence[AlignConfig],
    out: Path,
    *,
    seeds: Sequence[int] = range(3),
    noun: str = "",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Train with LoRA, then in full, and judge both on the validation items of each of ``seeds``.

    ``configs``: LoRA's and full fine-tuning's. Each trains in one process of its own, whose
    CPU-seconds are those of its updates; loading, saving and judging count for neither, nor does
    the frozen model's pass over the items that both begin with: ``encoding`` holds its CPU-seconds,
    and ``with_encoding`` the share when it is counted in both. ``mean`` holds the means over the
    seeds, point by point, and what is said of them; ``seeds`` the same of each seed; ``paired``:
    see :func:`paired`. Raises ConfigError when the two are not of one model.
    """
    small, full = configs
    if small.full or not full.full or small.encoder != full.encoder:
        raise ConfigError("A comparison is of LoRA and full fine-tuning of one model and depth.")
    if not seeds:
        raise ConfigError("No seed to compare on; name at least one.")
    found = {}
    for seed in seeds:
        measured = _measure(dataset, configs, out / f"seed{seed}", seed, noun, progress or Silent())
        found[str(seed)] = measured | _verdict(measured)
    mean = _mean(list(found.values()))
    return {
        "data": {"name": dataset.name, "sha256": dataset.sha256},
        "protocol": "NDCG@10 of the cold items drawn within the warm part (kernel ridge, floats)",
        "versions": {name: version(name) for name in PACKAGES},
        "configs": {name: asdict(config) for name, config in zip(WAYS, configs, strict=True)},
        "seeds": found,
        "mean": mean | _verdict(mean),
        "paired": paired(list(found.values()), mean),
    }


def _measure(
    dataset: Dataset,
    configs: Sequence[AlignConfig],
    out: Path,
    seed: int,
    noun: str,
    progress: Progress,
) -> dict[str, Any]:
    """The frozen model and both trainings on one seed's validation items."""
    found = material(dataset, noun, cold=seed, progress=progress)
    judge = _Judge(dataset, noun, ColdSplit.validation(dataset, seed), progress)
    record: dict[str, Any] = {"frozen": judge(configs[0].encoder)}
    for name, config in zip(WAYS, configs, strict=True):
        done = adapt(
            config,
            found.prompts,
            found.history,
            out / name,
            beside=found.beside,
            apart=True,
            progress=progress,
        )
        record[name] = _curve(done, judge)
        if done.encoding is not None:
            record["encoding"] = round(done.encoding, 2)
    return record


def _mean(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Means over the seeds of what was measured at the same steps; the largest of their peaks."""
    found: dict[str, Any] = {
        "frozen": _mean_point([one["frozen"] for one in records]),
        "encoding": float(np.mean([one["encoding"] for one in records])),
    }
    for name in WAYS:
        ways = [one[name] for one in records]
        curves = zip(*(way["curve"] for way in ways), strict=True)
        found[name] = {
            "cpu": float(np.mean([way["cpu"] for way in ways])),
            "peak_mb": max(way["peak_mb"] for way in ways),
            "curve": [_mean_point(points) for points in curves],
        }
    return found


def _mean_point(points: Sequence[dict[str, float]]) -> dict[str, float]:
    """Means of each of its numbers, and ``std``: the deviation of NDCG@10 over the seeds."""
    mean = {name: float(np.mean([point[name] for point in points])) for name in points[0]}
    return mean | {"std": float(np.std([point["ndcg"] for point in points]))}


class _Judge:
    """Quality of an encoder on a split's cold items."""

    def __init__(self, dataset: Dataset, noun: str, split: ColdSplit, progress: Progress) -> None:
        assert dataset.texts is not None
        self._texts, self._split, self._progress = dataset.texts, split, progress
        self._prompts = [liked(text, noun) for text in dataset.texts]

    def __call__(self, encoder: EncoderConfig) -> dict[str, float]:
        """NDCG@10 beside labels and MiniLM, NDCG@10 alone, relative squared error of edges."""
        vectors = encode(self._prompts, encoder, progress=self._progress)
        blocks = language_model_blocks(self._texts, vectors, self._split, self._progress)
        alone = self._edges(blocks[2:], RidgeConfig())
        plain = self._edges(blocks, RidgeConfig(smoothing=0.0))
        return {
            "ndcg": self._split.ndcg(self._edges(blocks, RidgeConfig())),
            "ndcg_alone": self._split.ndcg(alone),
            "error": ridge_error(plain, self._split),
        }

    def _edges(self, blocks: Sequence[Matrix], config: RidgeConfig) -> Matrix:
        return text_edges(kernel(blocks, config.sharpness), self._split, config)


def ridge_error(edges: Matrix, split: ColdSplit) -> float:
    """Squared error of the users' interactions with cold items as edges tell them, relative."""
    wrong, whole = 0.0, 0.0
    for user in range(len(split.history)):
        met = np.zeros(edges.shape[1])
        met[split.targets[user]] = 1
        told = edges[split.history[user]].astype(np.float64).sum(0)
        wrong, whole = wrong + float(np.square(told - met).sum()), whole + met.sum()
    return wrong / float(whole)


def _curve(done: Adapted, judge: _Judge) -> dict[str, Any]:
    """Quality of each adapter with the CPU-seconds it took, and the training's peak memory."""
    spent = np.cumsum([note["cpu"] for note in done.curve])
    points = []
    for folder in sorted(done.folder.parent.glob("step*"), key=lambda p: int(p.name[4:])):
        step = int(folder.name[4:])
        quality = judge(adapted_encoder(folder))
        points.append({"step": step, "cpu": round(float(spent[step - 1]), 2)} | quality)
    return {
        "cpu": round(done.cpu, 2),
        "peak_mb": max(note["peak_mb"] for note in done.curve),
        "losses": [note["loss"] for note in done.curve],
        "curve": points,
    }


def reached(record: dict[str, Any], name: str) -> dict[str, Any]:
    """When LoRA's ``name`` is full fine-tuning's best; ``share`` is None where it never is.

    ``with_encoding``: the share of CPU-seconds with the pass that both begin with; ``gain``: of
    full fine-tuning's best over the frozen model; without a gain there is nothing to reach, and no
    share either.
    """
    sign = 1 if MEASURES[name] else -1
    best = max(record["full"]["curve"], key=lambda point: sign * point[name])
    gain = sign * (best[name] - record["frozen"][name])
    found = {"full": best[name], "full_cpu": best["cpu"], "gain": gain, "share": None}
    for point in record["lora"]["curve"]:
        if gain > 0 and sign * (point[name] - best[name]) >= 0:
            return found | {
                "lora": point[name],
                "lora_cpu": point["cpu"],
                "share": round(point["cpu"] / best["cpu"], 4),
                "with_encoding": round(
                    (point["cpu"] + record["encoding"]) / (best["cpu"] + record["encoding"]), 4
                ),
            }
    return found


def alike(record: dict[str, Any]) -> dict[str, Any] | None:
    """Each one's best NDCG@10 within the same number of steps, and the share of CPU-seconds.

    None where no step was measured of both.
    """
    curves = {name: {point["step"]: point for point in record[name]["curve"]} for name in WAYS}
    step = max(curves["lora"].keys() & curves["full"].keys(), default=None)
    if step is None:
        return None
    best = {n: max(p["ndcg"] for s, p in curves[n].items() if s <= step) for n in WAYS}
    share = curves["lora"][step]["cpu"] / curves["full"][step]["cpu"]
    return {"step": step, "share": round(share, 4)} | best


def paired(records: Sequence[dict[str, Any]], mean: dict[str, Any]) -> dict[str, Any] | None:
    """What LoRA has more in NDCG@10 than full fine-tuning, seed by seed.

    Full fine-tuning where its mean is best, LoRA where its mean is best within ``WITHIN`` of the
    CPU-seconds of that; ``low`` to ``high``: 95 % interval of the mean difference by Student's t,
    which knows the seeds' spread and not that both steps were chosen by the same means. None for
    one seed, or where LoRA was not measured in that time.
    """
    from scipy.stats import t

    best = max(mean["full"]["curve"], key=lambda point: point["ndcg"])
    early = [p for p in mean["lora"]["curve"] if p["cpu"] <= WITHIN * best["cpu"]]
    if not early or len(records) < 2:
        return None
    lora = max(early, key=lambda point: point["ndcg"])
    steps = {"lora": lora["step"], "full": best["step"]}
    more = np.array(
        [
            _point(one["lora"], steps["lora"])["ndcg"] - _point(one["full"], steps["full"])["ndcg"]
            for one in records
        ]
    )
    wide = float(t.ppf(0.975, len(more) - 1) * more.std(ddof=1) / np.sqrt(len(more)))
    found = {"more": float(more.mean()), "low": more.mean() - wide, "high": more.mean() + wide}
    return {"steps": steps, "share": round(lora["cpu"] / best["cpu"], 4), "seeds": len(more)} | {
        name: round(float(value), 6) for name, value in found.items()
    }


def _point(way: dict[str, Any], step: float) -> dict[str, Any]:
    found: dict[str, Any] = next(p for p in way["curve"] if p["step"] == step)
    return found


def _verdict(record: dict[str, Any]) -> dict[str, Any]:
    return {"reached": {n: reached(record, n) for n in MEASURES}, "alike": alike(record)}


def table(record: dict[str, Any]) -> str:
    """The mean curves, a line a checkpoint, then what LoRA reached, in the mean and by seed."""
    mean = record["mean"]
    names = f"{'ndcg':>15} " + " ".join(f"{n:>10}" for n in list(MEASURES)[1:])
    lines = [f"{'':<6} {'step':>5} {'CPU-s':>8} {names}"]
    points = [("frozen", {"step": 0, "cpu": 0.0} | mean["frozen"])]
    points += [(name, point) for name in WAYS for point in mean[name]["curve"]]
    for name, point in points:
        cells = " ".join(f"{point[measure]:>10.4f}" for measure in list(MEASURES)[1:])
        ndcg = f"{point['ndcg']:.4f} ± {point['std']:.3f}"
        lines.append(f"{name:<6} {point['step']:>5.0f} {point['cpu']:>8.1f} {ndcg:>15} {cells}")
    lines.append(f"encoding before either, not counted: {mean['encoding']:.1f} CPU-seconds")
    lines.append(f"peak MB: LoRA {mean['lora']['peak_mb']}, full {mean['full']['peak_mb']}")
    lines += [f"{name}: {_words(found)}" for name, found in mean["reached"].items()]
    same = mean["alike"]
    if same:
        lines.append(
            f"the same {same['step']:.0f} steps: best ndcg LoRA {same['lora']:.4f}, full "
            f"{same['full']:.4f}, in {100 * same['share']:.0f} % of the CPU-seconds"
        )
    pair = record["paired"]
    if pair:
        lines.append(
            f"LoRA at step {pair['steps']['lora']:.0f} less full at {pair['steps']['full']:.0f}, "
            f"in {100 * pair['share']:.1f} % of its CPU-seconds: ndcg {pair['more']:+.4f}, 95 % "
            f"{pair['low']:+.4f} to {pair['high']:+.4f} over {pair['seeds']} seeds"
        )
    for seed, one in record["seeds"].items():
        lines.append(f"seed {seed} alone, ndcg: {_words(one['reached']['ndcg'])}")
    return "\n".join(lines)


def _words(found: dict[str, Any]) -> str:
    """What :func:`reached` found."""
    share = "not reached" if found["gain"] > 0 else "full fine-tuning gains nothing"
    if found["share"] is not None:
        share = (
            f"LoRA is there in {100 * found['share']:.1f} % of its CPU-seconds "
            f"({100 * found['with_encoding']:.1f} % with the encoding counted in both)"
        )
    return f"full fine-tuning's best {found['full']:.4f}; {share}"
