# SPDX-License-Identifier: Apache-2.0
"""From a data set to a trained, quantised hybrid and the yardsticks beside it."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from recfabric.errors import ConfigError
from recfabric.quant import encoder
from recfabric.quant.baselines import ease, ease_scorer, most_pop
from recfabric.quant.checkpoint import Checkpoint
from recfabric.quant.datasets import Dataset
from recfabric.quant.fit import FitConfig, Judge, fit
from recfabric.quant.hybrid import Edges, Hybrid, HybridSizes, pool, text_features
from recfabric.quant.inference import latest, ranker, scorer
from recfabric.quant.lightgcn import LightGcnConfig, adjacency, train_lightgcn
from recfabric.quant.metrics import Scorer, accuracy, ndcg, rank
from recfabric.quant.progress import Progress, Silent
from recfabric.quant.qat import Bits, QuantHybrid, quantise
from recfabric.quant.splits import Split, split

PACKAGES = ("recfabric", "numpy", "torch", "torch-geometric", "brevitas", "transformers", "scipy")
CALIBRATION_USERS = 4096


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides a training run, besides the data.

    ``dim`` and ``heads`` of the tables, ``layers`` of propagation, ``longest`` history;
    ``encoder``: the language model (see :func:`recfabric.quant.encoder.encode_items`), its
    vectors reduced to ``text_dim`` features; ``penalties``: EASE's candidates, chosen on
    validation; ``start`` and ``teacher``: EASE's scores times this over the root of the history's
    length are the logits the hybrid starts from and learns from; ``bits`` of each table.
    """

    dim: int = 64
    heads: int = 2
    layers: int = 1
    longest: int = 1024
    protocol: str = "random-80-10-10"
    seed: int = 42
    encoder: str = encoder.DEFAULT
    text_dim: int = 128
    penalties: tuple[float, ...] = (50.0, 400.0)
    start: float = 80.0
    teacher: float = 120.0
    bits: Bits = field(default_factory=Bits)
    lightgcn: LightGcnConfig = field(default_factory=LightGcnConfig)
    floating: FitConfig = field(default_factory=FitConfig)
    quantised: FitConfig = field(default_factory=lambda: FitConfig(epochs=12, rate=2e-4))

    def __post_init__(self) -> None:
        limits = {
            "dim": (self.dim in (16, 32, 64, 128, 256), "16, 32, 64, 128 or 256"),
            "heads": (self.heads in (1, 2, 4), "1, 2 or 4"),
            "layers": (0 <= self.layers <= 4, "0 to 4"),
            "longest": (1 <= self.longest <= 1024, "1 to 1024"),
            "text_dim": (1 <= self.text_dim <= 4096, "1 to 4096"),
            "penalties": (len(self.penalties) > 0, "at least one number"),
        }
        for name, (good, limit) in limits.items():
            if not good:
                raise ConfigError(f"A {name} of {getattr(self, name)} is not {limit}.")


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

    The test part is read once, at the end. The same config, data and thread count give the same
    integers. Raises ConfigError, DataError and NetworkError; nothing half-written stays.
    """
    return _Run(config, dataset, progress or Silent()).write(out)


class _Run:
    """The stages of one training run."""

    def __init__(self, config: TrainConfig, dataset: Dataset, progress: Progress) -> None:
        self.config, self.dataset, self.progress = config, dataset, progress
        self.seconds: dict[str, float] = {}
        self.split = split(dataset, config.protocol, seed=config.seed)
        _check(self.split)
        self.history = latest(self.split.train, config.longest)
        self.judge = Judge.of(self.split, self.history, config.floating.judges)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        torch.manual_seed(self.config.seed)
        begin = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - begin, 2)

    def write(self, out: Path) -> TrainResult:
        with self.stage("EASE"):
            weights, penalty = self.ease()
        with self.stage("LightGCN"):
            lightgcn = train_lightgcn(
                self.split, self.config.lightgcn, seed=self.config.seed, progress=self.progress
            )
        with self.stage("text"):
            features = self.features()
        with self.stage("float"):
            floating, float_curve = self.floating(weights, features)
        with self.stage("qat"):
            quantised, qat_curve = self.quantised(floating, weights)
        popularity = self.split.popularity
        with self.stage("test"):
            scorers: dict[str, Scorer] = {
                "MostPop": most_pop(popularity, self.split.users),
                "EASE": ease_scorer(weights, self.split.train),
                "LightGCN": lightgcn,
                "float": scorer(floating, self.history, popularity),
                "qat": scorer(quantised, self.history, popularity),
            }
            rows = [self.row(name, one) for name, one in scorers.items()]
        document = {
            "config": asdict(self.config),
            "data": {"name": self.dataset.name, "sha256": self.dataset.sha256},
            "protocol": self.split.protocol,
            "seed": self.config.seed,
            "text": self.dataset.texts is not None,
            "penalty": penalty,
            "validation ndcg@10": {"float": float_curve, "qat": qat_curve},
            "accuracy": rows,
            "seconds": self.seconds,
            "versions": versions(),
        }
        Checkpoint.of(quantised, self.split, self.dataset.items, document).save(out)
        return TrainResult(out, rows, self.seconds)
