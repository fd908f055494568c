# SPDX-License-Identifier: Apache-2.0
"""From a data set to a trained, quantised hybrid and the yardsticks beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from recfabric.quant.baselines import most_pop
from recfabric.quant.checkpoint import Checkpoint
from recfabric.quant.choose import Chosen
from recfabric.quant.datasets import Dataset
from recfabric.quant.hybrid import Hybrid
from recfabric.quant.inference import integer_scorer, scorer
from recfabric.quant.job import Job, deterministic
from recfabric.quant.job import TrainConfig as TrainConfig
from recfabric.quant.lightgcn import train_lightgcn
from recfabric.quant.linear import linear_scorer
from recfabric.quant.metrics import Scorer, accuracy, rank
from recfabric.quant.progress import Progress, Silent
from recfabric.quant.qat import Bits, QuantHybrid
from recfabric.quant.splits import Split
from recfabric.requests import Ragged


@dataclass(frozen=True)
class TrainResult:
    """What a run leaves: its folder, the accuracy rows on test, seconds by stage."""

    out: Path
    accuracy: list[dict[str, str | float]]
    seconds: dict[str, float]


def train(
    config: TrainConfig, dataset: Dataset, out: Path, progress: Progress | None = None
) -> TrainResult:
    """Train everything and write the run folder ``out`` (``train.json``, ``checkpoint.pt``).

    The test part is read once, at the end. The same config and data give the same integers.
    Raises ConfigError, DataError and NetworkError; nothing half-written stays.
    """
    return train_widths(config, dataset, {config.bits: out}, progress)[0]


def train_widths(
    config: TrainConfig,
    dataset: Dataset,
    outs: Mapping[Bits, Path],
    progress: Progress | None = None,
) -> list[TrainResult]:
    """What :func:`train` writes for each of several ``bits``, from one float model."""
    with deterministic(config.threads):
        job = Job.of(config, dataset, progress or Silent())
        floating = _floating(job)
        return [
            _finish(replace(job, config=replace(config, bits=bits)), floating, out)
            for bits, out in outs.items()
        ]


@dataclass(frozen=True, eq=False)
class Trained:
    """The models of one training, what they learned from, and the run's record.

    ``quantised``: None where the training ended with the float model.
    """

    floating: Hybrid
    quantised: QuantHybrid | None
    split: Split
    history: Ragged
    record: Mapping[str, Any]
    dataset: Dataset

    @property
    def scorer(self) -> Scorer:
        """Scores of the split's users, by the last model of the training."""
        popularity = self.split.popularity
        if self.quantised is None:
            return scorer(self.floating, self.history, popularity)
        return integer_scorer(self.quantised, self.history, popularity)

    def checkpoint(self) -> Checkpoint:
        """The quantised model with all that an export needs."""
        assert self.quantised is not None, "a float model has no contract"
        texts, data = self.dataset.texts or (), self.dataset
        return Checkpoint(self.quantised, self.split, data.items, self.record, data.users, texts)


def train_models(
    config: TrainConfig,
    dataset: Dataset,
    *,
    quantised: bool = True,
    parts: Split | None = None,
    vectors: npt.NDArray[np.float32] | None = None,
    progress: Progress | None = None,
) -> Trained:
    """Train as :func:`train` does, without yardsticks and without a look at the test part.

    ``quantised``: go on from the float model to the quantised one; ``parts``: a split to train on
    (None: the configured one); ``vectors``: (I, E), of the items' texts instead of those that
    ``config.encoder`` gives. Raises as :func:`train` does.
    """
    with deterministic(config.threads):
        job = Job.of(replace(config, lightgcn=None), dataset, progress or Silent(), parts)
        job = replace(job, vectors=vectors)
        floating = _floating(job)
        model: QuantHybrid | None = None
        curve: list[float] = []
        if quantised:
            with job.stage("qat"):
                model, curve = job.quantised(floating.model, floating.chosen)
        record = job.record() | _curves(floating, curve)
        return Trained(floating.model, model, job.split, job.history, record, dataset)


@dataclass(frozen=True, eq=False)
class _Floating:
    """The float model, what it learned from, the yardsticks, and its curve on validation."""

    model: Hybrid
    chosen: Chosen
    scorers: Mapping[str, Scorer]
    curve: list[float]


def _floating(job: Job) -> _Floating:
    config = job.config
    with job.stage("text"):
        texts = job.texts()
    with job.stage("EASE"):
        chosen = job.choose(texts)
    scorers: dict[str, Scorer] = {
        "MostPop": most_pop(job.popularity),
        "EASE": linear_scorer(chosen.ease, job.split.train),
    }
    if config.lightgcn:
        with job.stage("LightGCN"):
            scorers["LightGCN"] = train_lightgcn(
                job.split, config.lightgcn, judge=job.judge, seed=config.seed, progress=job.progress
            ).scorer
    with job.stage("float"):
        model, curve = job.floating(chosen, texts.features if texts else None)
    scorers["float"] = scorer(model, job.history, job.popularity)
    return _Floating(model, chosen, scorers, curve)


def _finish(job: Job, floating: _Floating, out: Path) -> TrainResult:
    """Quantise, train on, test, and write the run folder."""
    with job.stage("qat"):
        model, curve = job.quantised(floating.model, floating.chosen)
    with job.stage("test"):
        own = {"qat": integer_scorer(model, job.history, job.popularity)}
        rows = _measure(job, {**floating.scorers, **own})
    record = job.record(rows) | _curves(floating, curve)
    done = Trained(floating.model, model, job.split, job.history, record, job.dataset)
    done.checkpoint().save(out)
    return TrainResult(out, rows, dict(job.seconds))


def _curves(floating: _Floating, quantised: list[float]) -> dict[str, Any]:
    return {
        "chosen": floating.chosen.record,
        "validation": {"float": floating.curve, "qat": quantised},
    }


def _measure(job: Job, scorers: Mapping[str, Scorer]) -> list[dict[str, str | float]]:
    """The accuracy rows: the only place that reads the test part."""
    seen, rows = job.split.seen, []
    with job.progress.task("test", len(scorers)) as advance:
        for name, one in scorers.items():
            lists = rank(one, seen, k=20)
            rows.append(accuracy(name, job.split.protocol, lists, job.split.test))
            advance(1)
    return rows
