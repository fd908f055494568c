# SPDX-License-Identifier: Apache-2.0
"""From a data set to a trained, quantised hybrid and the yardsticks beside it."""

from __future__ import annotations

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
from torch.nn.functional import pad

from recfabric.errors import ConfigError, DataError
from recfabric.quant.baselines import ease, ease_scorer, most_pop
from recfabric.quant.checkpoint import Checkpoint
from recfabric.quant.datasets import Dataset
from recfabric.quant.encoder import DEFAULT, encode_items
from recfabric.quant.fit import FitConfig, Teacher, fit
from recfabric.quant.hybrid import Edges, Hybrid, HybridSizes, pool, text_features
from recfabric.quant.inference import integer_scorer, judged, scorer
from recfabric.quant.judge import Judge
from recfabric.quant.lightgcn import LightGcnConfig, adjacency, train_lightgcn
from recfabric.quant.lists import latest, take
from recfabric.quant.metrics import Scorer, accuracy, ndcg, rank
from recfabric.quant.progress import Progress, Silent
from recfabric.quant.qat import Bits, QuantHybrid, quantise
from recfabric.quant.splits import Split, split
from recfabric.requests import Ragged

Weights = npt.NDArray[np.floating[Any]]
PACKAGES = ("recfabric", "numpy", "torch", "torch-geometric", "brevitas", "transformers", "scipy")
CALIBRATION_USERS = 4096


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides a training run, besides the data.

    ``dim`` and ``heads`` of the tables, ``layers`` of propagation, ``longest`` history;
    ``protocol``: of the split (None: the data's own where they bring one, else random-80-10-10);
    ``encoder``: the language model (see :func:`recfabric.quant.encoder.encode_items`), its
    vectors reduced to ``text_dim`` features; ``penalties``: EASE's candidates, chosen on
    validation; ``start`` and ``teacher``: EASE's scores times this over the root of the history's
    length are the logits the hybrid starts from and learns from; ``bits`` of each table.
    ``threads`` of PyTorch: another number adds floats in another order and so gives other
    integers; more than one pays on large catalogues only, and not on busy cores.
    """

    dim: int = 64
    heads: int = 2
    layers: int = 1
    longest: int = 1024
    protocol: str | None = None
    seed: int = 42
    encoder: str = DEFAULT
    text_dim: int = 128
    penalties: tuple[float, ...] = (50.0, 400.0)
    start: float = 80.0
    teacher: float = 120.0
    threads: int = 1
    bits: Bits = field(default_factory=Bits)
    lightgcn: LightGcnConfig = field(default_factory=LightGcnConfig)
    floating: FitConfig = field(default_factory=FitConfig)
    quantised: FitConfig = field(default_factory=lambda: FitConfig(epochs=20, rate=3e-4))

    def __post_init__(self) -> None:
        limits = {
            "dim": (self.dim in (16, 32, 64, 128, 256), "16, 32, 64, 128 or 256"),
            "heads": (self.heads in (1, 2, 4), "1, 2 or 4"),
            "layers": (0 <= self.layers <= 4, "0 to 4"),
            "longest": (1 <= self.longest <= 1024, "1 to 1024"),
            "seed": (0 <= self.seed < 1 << 32, "0 to 2**32 - 1"),
            "threads": (1 <= self.threads <= 1024, "1 to 1024"),
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

    The test part is read once, at the end. The same config and data give the same integers.
    Raises ConfigError, DataError and NetworkError; nothing half-written stays.
    """
    with _deterministic(config.threads):
        return _train(config, dataset, out, progress or Silent())


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


def _train(config: TrainConfig, dataset: Dataset, out: Path, progress: Progress) -> TrainResult:
    job = _Job.of(config, dataset, progress)
    with job.stage("EASE"):
        weights, penalty = _ease(job)
    with job.stage("LightGCN"):
        lightgcn = train_lightgcn(
            job.split, config.lightgcn, judge=job.judge, seed=config.seed, progress=progress
        )
    with job.stage("text"):
        features = _features(job)
    with job.stage("float"):
        floating, float_curve = _floating(job, weights, features)
    with job.stage("qat"):
        quantised, qat_curve = _quantised(job, floating, weights)
    with job.stage("test"):
        scorers = {
            "MostPop": most_pop(job.popularity),
            "EASE": ease_scorer(weights, job.split.train),
            "LightGCN": lightgcn,
            "float": scorer(floating, job.history, job.popularity),
            "qat": integer_scorer(quantised, job.history, job.popularity),
        }
        rows = _measure(job, scorers)
    record = _record(job, penalty, rows) | {"validation": {"float": float_curve, "qat": qat_curve}}
    Checkpoint(quantised, job.split, dataset.items, record).save(out)
    return TrainResult(out, rows, job.seconds)


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
    seconds: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, config: TrainConfig, dataset: Dataset, progress: Progress) -> _Job:
        natural = "random-80-10-10" if dataset.given is None else "given"
        parts = split(dataset, config.protocol or natural, seed=config.seed)
        for name in ("train", "valid", "test"):
            if not len(getattr(parts, name).values):
                raise DataError(
                    f"The data set '{dataset.name}' has {len(dataset.user)} interactions and "
                    f"leaves the {name} part empty; bring more or choose another protocol."
                )
        history = latest(parts.train, config.longest)
        judge = Judge.of(parts, history, config.floating.judges)
        return cls(config, dataset, parts, history, parts.popularity, judge, progress)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        torch.manual_seed(self.config.seed)
        begin = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - begin, 2)


def _ease(job: _Job) -> tuple[Weights, float]:
    """EASE with the penalty that validates best."""
    best: tuple[float, float, Weights] | None = None
    with job.progress.task("EASE", len(job.config.penalties)) as advance:
        for penalty in job.config.penalties:
            weights = ease(job.split.train, job.split.items, penalty)
            lists = rank(ease_scorer(weights, job.judge.history), job.judge.seen, k=10)
            value = ndcg(lists, job.judge.targets)
            if best is None or value > best[0]:
                best = (value, penalty, weights)
            advance(1)
    assert best is not None
    return best[2], best[1]


def _features(job: _Job) -> Tensor | None:
    """Text features (I, F); None where the data set has no text."""
    if job.dataset.texts is None:
        return None
    vectors = encode_items(job.dataset.texts, job.config.encoder, progress=job.progress)
    return text_features(vectors, job.config.text_dim)


def _floating(job: _Job, weights: Weights, features: Tensor | None) -> tuple[Hybrid, list[float]]:
    """The float hybrid, started from the truncated EASE and trained."""
    config = job.config
    sizes = HybridSizes(job.split.items, config.dim, config.heads, config.layers)
    graph = adjacency(job.split.train, job.split.items)
    model = Hybrid(sizes, graph, torch.from_numpy(job.popularity), features)
    matrix = torch.from_numpy(weights).float()
    model.start_from(*_factors(matrix, config.dim, config.start))
    curve = fit(
        model,
        job.history,
        name="float model",
        config=config.floating,
        teacher=_teacher(matrix, config.teacher),
        judge=judged(model, job.judge, job.popularity),
        seed=config.seed,
        progress=job.progress,
    )
    return model.eval(), curve


def _quantised(job: _Job, floating: Hybrid, weights: Weights) -> tuple[QuantHybrid, list[float]]:
    """The quantised hybrid, calibrated on the float one and trained on."""
    config = job.config
    some = np.arange(0, job.split.users, max(1, job.split.users // CALIBRATION_USERS))
    edges = Edges.of(take(job.history, some))
    model = quantise(floating, edges, config.bits, longest=config.longest)
    curve = fit(
        model,
        job.history,
        name="quantised model",
        config=config.quantised,
        teacher=_teacher(torch.from_numpy(weights).float(), config.teacher),
        judge=judged(model, job.judge, job.popularity),
        seed=config.seed + 1,
        progress=job.progress,
    )
    return model.eval(), curve


def _factors(matrix: Tensor, dim: int, scale: float) -> tuple[Tensor, Tensor]:
    """(I, D) twice: the product of the first with the second transposed is the best rank-D
    approximation of ``scale * matrix``; zero columns where the matrix has a lower rank."""
    rank = min(dim, len(matrix))
    left, values, right = torch.svd_lowrank(matrix, q=min(rank + 32, len(matrix)), niter=6)
    root = (scale * values[:rank]).sqrt()
    empty = (0, dim - rank)
    return pad(left[:, :rank] * root, empty), pad(right[:, :rank] * root, empty)


def _teacher(matrix: Tensor, sharpness: float) -> Teacher:
    """EASE's logits for histories, as sharp as the hybrid's."""

    def teach(edges: Edges) -> Tensor:
        return sharpness * edges.length.clamp(min=1).rsqrt()[:, None] * pool(matrix, edges)

    return teach


def _measure(job: _Job, scorers: dict[str, Scorer]) -> list[dict[str, str | float]]:
    """The accuracy rows: the only place that reads the test part."""
    seen, rows = job.split.seen, []
    with job.progress.task("test", len(scorers)) as advance:
        for name, one in scorers.items():
            lists = rank(one, seen, k=20)
            rows.append(accuracy(name, job.split.protocol, lists, job.split.test))
            advance(1)
    return rows


def _record(job: _Job, penalty: float, rows: list[dict[str, str | float]]) -> dict[str, Any]:
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
        "ease penalty": penalty,
        "accuracy": rows,
        "seconds": dict(job.seconds),
        "versions": {"python": platform.python_version()} | {p: version(p) for p in PACKAGES},
    }
