# SPDX-License-Identifier: Apache-2.0
"""From a data set to a trained, quantised hybrid and the yardsticks beside it."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from recfabric.errors import ConfigError, DataError
from recfabric.quant.baselines import DOUBLE_LIMIT, most_pop
from recfabric.quant.checkpoint import Checkpoint
from recfabric.quant.choose import Candidates, Chosen, Texts, choose, spread, teach
from recfabric.quant.datasets import Dataset
from recfabric.quant.encoder import DEFAULT, encode_items
from recfabric.quant.fit import FitConfig, fit
from recfabric.quant.hybrid import Edges, Hybrid, HybridSizes, text_features
from recfabric.quant.inference import integer_scorer, judged, scorer
from recfabric.quant.judge import Judge
from recfabric.quant.lightgcn import LightGcnConfig, adjacency, train_lightgcn
from recfabric.quant.linear import linear_scorer
from recfabric.quant.lists import latest, take
from recfabric.quant.llm.cold import RidgeConfig, block, kernel
from recfabric.quant.llm.prompts import attributes
from recfabric.quant.metrics import Scorer, accuracy, rank
from recfabric.quant.progress import Progress, Silent
from recfabric.quant.qat import Bits, QuantHybrid, quantise
from recfabric.quant.splits import Split, natural, split
from recfabric.requests import Ragged

PACKAGES = ("recfabric", "numpy", "torch", "torch-geometric", "brevitas", "transformers", "scipy")
CALIBRATION_USERS = 4096
LINEAR_JUDGES = 8192  # validation users who judge linear models


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides a training run, besides the data.

    ``dim`` and ``heads`` of the tables, ``edges`` of each item, ``layers`` of propagation,
    ``longest`` history;
    ``protocol``: of the split (None: the data's own where they bring one, else random-80-10-10),
    drawn with ``split_seed``; ``seed``: of the training;
    ``encoder``: the language model (see :func:`recfabric.quant.encoder.encode_items`), its
    vectors reduced to ``text_dim`` features; ``candidates`` for the linear model that the hybrid
    starts and learns from, chosen on validation; ``start`` and ``teacher``: how sharp its logits
    are for the one and the other, in units of what gives validation the best likelihood (they are
    its scores times the sharpness over the root of the history's length); ``bits`` of each table;
    ``lightgcn``: the yardstick, None to leave it out.
    ``threads`` of PyTorch: another number adds floats in another order and so gives other
    integers; more than one pays on large catalogues only, and not on busy cores.
    """

    dim: int = 64
    heads: int = 2
    edges: int = 32
    layers: int = 0
    longest: int = 1024
    protocol: str | None = None
    seed: int = 42
    split_seed: int = 42
    encoder: str = DEFAULT
    text_dim: int = 128
    candidates: Candidates = field(default_factory=Candidates)
    start: float = 1.2
    teacher: float = 1.8
    threads: int = 1
    bits: Bits = field(default_factory=Bits)
    lightgcn: LightGcnConfig | None = field(default_factory=LightGcnConfig)
    floating: FitConfig = field(default_factory=FitConfig)
    quantised: FitConfig = field(default_factory=lambda: FitConfig(epochs=40, rate=2e-3))

    def __post_init__(self) -> None:
        limits = {
            "dim": (self.dim in (16, 32, 64, 128, 256), "16, 32, 64, 128 or 256"),
            "heads": (self.heads in (1, 2, 4), "1, 2 or 4"),
            "edges": (0 <= self.edges <= 128, "0 to 128"),
            "layers": (0 <= self.layers <= 4, "0 to 4"),
            "longest": (1 <= self.longest <= 1024, "1 to 1024"),
            "seed": (0 <= self.seed < 1 << 32, "0 to 2**32 - 1"),
            "split_seed": (0 <= self.split_seed < 1 << 32, "0 to 2**32 - 1"),
            "threads": (1 <= self.threads <= 1024, "1 to 1024"),
            "text_dim": (1 <= self.text_dim <= 4096, "1 to 4096"),
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
    with _deterministic(config.threads):
        job = _Job.of(config, dataset, progress or Silent())
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
    with _deterministic(config.threads):
        job = _Job.of(replace(config, lightgcn=None), dataset, progress or Silent(), parts)
        job = replace(job, vectors=vectors)
        floating = _floating(job)
        model: QuantHybrid | None = None
        curve: list[float] = []
        if quantised:
            with job.stage("qat"):
                model, curve = _quantised(job, floating)
        record = _record(job, []) | _curves(floating, curve)
        return Trained(floating.model, model, job.split, job.history, record, dataset)


@contextmanager
def _deterministic(threads: int) -> Iterator[None]:
    """Sums in one order: no atomics in the gradient of an indexed read, a fixed thread count."""
    before = torch.are_deterministic_algorithms_enabled(), torch.get_num_threads()
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.set_num_threads(before[1])


@dataclass(frozen=True, eq=False)
class _Floating:
    """The float model, what it learned from, the yardsticks, and its curve on validation."""

    model: Hybrid
    chosen: Chosen
    scorers: Mapping[str, Scorer]
    curve: list[float]


def _floating(job: _Job) -> _Floating:
    config = job.config
    with job.stage("text"):
        texts = _texts(job)
    with job.stage("EASE"):
        graph = adjacency(job.split.train, job.split.items)
        chosen = _choose(job, graph, texts)
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
        model, curve = _hybrid(job, graph, chosen, texts.features if texts else None)
    scorers["float"] = scorer(model, job.history, job.popularity)
    return _Floating(model, chosen, scorers, curve)


def _finish(job: _Job, floating: _Floating, out: Path) -> TrainResult:
    """Quantise, train on, test, and write the run folder."""
    with job.stage("qat"):
        model, curve = _quantised(job, floating)
    with job.stage("test"):
        own = {"qat": integer_scorer(model, job.history, job.popularity)}
        rows = _measure(job, {**floating.scorers, **own})
    record = _record(job, rows) | _curves(floating, curve)
    done = Trained(floating.model, model, job.split, job.history, record, job.dataset)
    done.checkpoint().save(out)
    return TrainResult(out, rows, dict(job.seconds))


def _curves(floating: _Floating, quantised: list[float]) -> dict[str, Any]:
    return {
        "chosen": floating.chosen.record,
        "validation": {"float": floating.curve, "qat": quantised},
    }


@dataclass(frozen=True, eq=False)
class _Job:
    """What every stage of a run needs."""

    config: TrainConfig
    dataset: Dataset
    split: Split
    history: Ragged
    popularity: npt.NDArray[np.int64]
    judge: Judge
    progress: Progress
    vectors: npt.NDArray[np.float32] | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(
        cls, config: TrainConfig, dataset: Dataset, progress: Progress, parts: Split | None = None
    ) -> _Job:
        if parts is None:
            parts = split(dataset, config.protocol or natural(dataset), seed=config.split_seed)
        for name in ("train", "valid", "test"):
            if not len(getattr(parts, name).values):
                raise DataError(
                    f"The data set '{dataset.name}' has {len(dataset.user)} interactions and "
                    f"leaves the {name} part empty; bring more or choose another protocol."
                )
        history = latest(parts.train, config.longest)
        judge = Judge.of(parts, history, config.floating.judges)
        return cls(config, dataset, parts, history, parts.popularity, judge, progress)

    @property
    def slots(self) -> int:
        """Edges of each item."""
        return min(self.config.edges, self.split.items - 1)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        torch.manual_seed(self.config.seed)
        begin = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - begin, 2)


def _texts(job: _Job) -> Texts | None:
    """What is learned from texts; None where the data set has none."""
    texts, vectors = job.dataset.texts, job.vectors
    if texts is None:
        return None
    if vectors is None:
        vectors = encode_items(texts, job.config.encoder, progress=job.progress)
    features = text_features(vectors, job.config.text_dim)
    if len(texts) > DOUBLE_LIMIT:
        return Texts(features)
    return Texts(features, kernel([attributes(texts), block(vectors)], RidgeConfig().sharpness))


def _choose(job: _Job, graph: Tensor, texts: Texts | None) -> Chosen:
    """The linear model that the hybrid starts and learns from."""
    return choose(
        job.split.train,
        Judge.of(job.split, job.history, LINEAR_JUDGES),
        job.config.candidates,
        graph=graph,
        texts=texts,
        dim=job.config.dim,
        edges=job.slots,
        seed=job.config.seed,
        progress=job.progress,
    )


def _hybrid(
    job: _Job, graph: Tensor, chosen: Chosen, features: Tensor | None
) -> tuple[Hybrid, list[float]]:
    """The float hybrid, started from the truncated EASE and trained."""
    config = job.config
    sizes = HybridSizes(job.split.items, config.dim, config.heads, config.layers, job.slots)
    model = Hybrid(sizes, graph, torch.from_numpy(job.popularity), features)
    model.start_from(chosen.start, config.start * chosen.sharpness)
    curve = fit(
        model,
        job.history,
        name="float model",
        config=config.floating,
        teacher=teach(chosen.teacher, config.teacher * chosen.sharpness),
        judge=judged(model, job.judge, job.popularity),
        seed=config.seed,
        progress=job.progress,
    )
    return model.eval(), curve


def _quantised(job: _Job, floating: _Floating) -> tuple[QuantHybrid, list[float]]:
    """The quantised hybrid, calibrated on the float one and trained on."""
    config = job.config
    edges = Edges.of(take(job.history, spread(job.split.users, CALIBRATION_USERS)))
    model = quantise(floating.model, edges, config.bits, longest=config.longest)
    chosen = floating.chosen
    curve = fit(
        model,
        job.history,
        name="quantised model",
        config=config.quantised,
        teacher=teach(chosen.teacher, config.teacher * chosen.sharpness),
        judge=judged(model, job.judge, job.popularity),
        seed=config.seed + 1,
        progress=job.progress,
    )
    return model.eval(), curve


def _measure(job: _Job, scorers: Mapping[str, Scorer]) -> list[dict[str, str | float]]:
    """The accuracy rows: the only place that reads the test part."""
    seen, rows = job.split.seen, []
    with job.progress.task("test", len(scorers)) as advance:
        for name, one in scorers.items():
            lists = rank(one, seen, k=20)
            rows.append(accuracy(name, job.split.protocol, lists, job.split.test))
            advance(1)
    return rows


def _record(job: _Job, rows: list[dict[str, str | float]]) -> dict[str, Any]:
    return {
        "data": {
            "name": job.dataset.name,
            "sha256": job.dataset.sha256,
            "users": job.split.users,
            "items": job.split.items,
            "interactions": len(job.dataset.user),
        },
        "protocol": job.split.protocol,
        "seed": job.config.seed,
        "config": asdict(job.config),
        "encoder": job.config.encoder if job.dataset.texts else None,
        "accuracy": rows,
        "seconds": dict(job.seconds),
        "versions": {"python": platform.python_version()} | {p: version(p) for p in PACKAGES},
    }
