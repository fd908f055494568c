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

PACKAGES = ("deepspeed", "peft", "torch", "transformers")
# What is measured on validation items, and whether more of it is better.
MEASURES = {"ndcg": True, "ndcg_alone": True, "error": False}


def compare(
    dataset: Dataset,
    configs: Sequence[AlignConfig],
    out: Path,
    *,
    cold: int = 0,
    noun: str = "",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Train with LoRA, then in full; judge each one's adapters on ``cold``'s validation items.

    ``configs``: LoRA's and full fine-tuning's. Each trains in one process of its own, whose
    CPU-seconds are those of its updates, the frozen layers' single pass within them; loading,
    saving and judging count for neither. Raises ConfigError when the two are not of one model.
    """
    progress = progress or Silent()
    small, full = configs
    if small.full or not full.full or small.encoder != full.encoder:
        raise ConfigError("A comparison is of LoRA and full fine-tuning of one model and depth.")
    found = material(dataset, noun, cold=cold, progress=progress)
    judge = _Judge(dataset, noun, ColdSplit.validation(dataset, cold), progress)
    record: dict[str, Any] = {
        "data": {"name": dataset.name, "sha256": dataset.sha256},
        "protocol": "NDCG@10 of the cold items drawn within the warm part (kernel ridge, floats)",
        "cold": cold,
        "versions": {name: version(name) for name in PACKAGES},
        "frozen": judge(small.encoder),
    }
    for name, config in (("lora", small), ("full", full)):
        done = adapt(
            config,
            found.prompts,
            found.history,
            out / name,
            beside=found.beside,
            apart=True,
            progress=progress,
        )
        record[name] = {"config": asdict(config), **_curve(done, judge)}
    record["reached"] = {name: reached(record, name) for name in MEASURES}
    return record


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

    ``gain``: of full fine-tuning's best over the frozen model; without a gain there is nothing to
    reach, and no share either.
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
            }
    return found


def table(record: dict[str, Any]) -> str:
    """A line a checkpoint, then what LoRA reached."""
    lines = [f"{'':<6} {'step':>5} {'CPU-s':>8} " + " ".join(f"{n:>10}" for n in MEASURES)]
    points = [("frozen", {"step": 0, "cpu": 0.0} | record["frozen"])]
    points += [(name, point) for name in ("lora", "full") for point in record[name]["curve"]]
    for name, point in points:
        cells = " ".join(f"{point[measure]:>10.4f}" for measure in MEASURES)
        lines.append(f"{name:<6} {point['step']:>5} {point['cpu']:>8.1f} {cells}")
    lines.append(f"peak MB: LoRA {record['lora']['peak_mb']}, full {record['full']['peak_mb']}")
    for name, found in record["reached"].items():
        share = "not reached" if found["gain"] > 0 else "full fine-tuning gains nothing"
        if found["share"] is not None:
            share = f"LoRA is there in {100 * found['share']:.0f} % of its CPU-seconds"
        lines.append(f"{name}: full fine-tuning's best {found['full']:.4f}; {share}")
    return "\n".join(lines)
