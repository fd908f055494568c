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

from recfabric.errors import ConfigError, DataError
from recfabric.quant.baselines import most_pop
from recfabric.quant.checkpoint import Checkpoint
from recfabric.quant.datasets import Dataset
from recfabric.quant.encoder import DEFAULT, encode_items
from recfabric.quant.fit import HIDDEN, FitConfig, Teacher, fit
from recfabric.quant.hybrid import Edges, Hybrid, HybridSizes, pool, text_features
from recfabric.quant.inference import integer_scorer, judged, scorer
from recfabric.quant.judge import Judge
from recfabric.quant.lightgcn import LightGcnConfig, adjacency, train_lightgcn
from recfabric.quant.linear import Entries, Linear, Mixed, linear_scorer, smooth, solve
from recfabric.quant.lists import latest, take
from recfabric.quant.metrics import Scorer, accuracy, rank
from recfabric.quant.progress import Progress, Silent
from recfabric.quant.qat import Bits, QuantHybrid, quantise
from recfabric.quant.splits import Split, split
from recfabric.requests import Ragged

PACKAGES = ("recfabric", "numpy", "torch", "torch-geometric", "brevitas", "transformers", "scipy")
CALIBRATION_USERS = 4096
SCALED_USERS = 512


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides a training run, besides the data.

    ``dim`` and ``heads`` of the tables, ``edges`` of each item, ``layers`` of propagation,
    ``longest`` history;
    ``protocol``: of the split (None: the data's own where they bring one, else random-80-10-10),
    drawn with ``split_seed``; ``seed``: of the training;
    ``encoder``: the language model (see :func:`recfabric.quant.encoder.encode_items`), its
    vectors reduced to ``text_dim`` features; ``penalties``: EASE's candidates,
    ``nearby``: those of :func:`recfabric.quant.baselines.ease`, ``smooth``: how much of the graph's
    smooth part is added (see :mod:`recfabric.quant.linear`), all chosen on validation; ``start``
    and ``teacher``: how sharp the logits are that the hybrid starts from and learns from, in units
    of what gives validation the best likelihood (the logits are the sum's scores times the
    sharpness over the root of the history's length); ``bits`` of each table. ``lightgcn``: the
    yardstick, None to leave it out.
    ``threads`` of PyTorch: another number adds floats in another order and so gives other
    integers; more than one pays on large catalogues only, and not on busy cores.
    """

    dim: int = 64
    heads: int = 2
    edges: int = 32
    layers: int = 1
    longest: int = 1024
    protocol: str | None = None
    seed: int = 42
    split_seed: int = 42
    encoder: str = DEFAULT
    text_dim: int = 128
    penalties: tuple[float, ...] = (50.0, 100.0, 200.0, 300.0, 400.0)
    nearby: tuple[float, ...] = (0.0, 0.4)
    smooth: tuple[float, ...] = (0.0, 0.3)
    start: float = 1.2
    teacher: float = 1.8
    threads: int = 1
    bits: Bits = field(default_factory=Bits)
    lightgcn: LightGcnConfig | None = field(default_factory=LightGcnConfig)
    floating: FitConfig = field(default_factory=FitConfig)
    quantised: FitConfig = field(default_factory=lambda: FitConfig(epochs=20, rate=3e-4))

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
            "penalties": (len(self.penalties) > 0, "at least one number"),
            "nearby": (len(self.nearby) > 0, "at least one number"),
            "smooth": (len(self.smooth) > 0, "at least one number"),
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
        chosen = _choose(job)
    scorers: dict[str, Scorer] = {
        "MostPop": most_pop(job.popularity),
        "EASE": linear_scorer(chosen.ease, job.split.train),
    }
    if config.lightgcn:
        with job.stage("LightGCN"):
            scorers["LightGCN"] = train_lightgcn(
                job.split, config.lightgcn, judge=job.judge, seed=config.seed, progress=progress
            )
    with job.stage("text"):
        features = _features(job)
    with job.stage("float"):
        floating, float_curve = _floating(job, chosen, features)
    with job.stage("qat"):
        quantised, qat_curve = _quantised(job, floating, chosen)
    with job.stage("test"):
        scorers["float"] = scorer(floating, job.history, job.popularity)
        scorers["qat"] = integer_scorer(quantised, job.history, job.popularity)
        rows = _measure(job, scorers)
    record = _record(job, rows) | {
        "chosen": chosen.record,
        "validation": {"float": float_curve, "qat": qat_curve},
    }
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
        parts = split(dataset, config.protocol or natural, seed=config.split_seed)
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


@dataclass(frozen=True)
class _Chosen:
    """The linear models that validate best: ``ease`` and, with all that helps, ``teacher``."""

    ease: Entries
    teacher: Mixed
    sharpness: float
    record: dict[str, float]


def _choose(job: _Job) -> _Chosen:
    """EASE's penalty, then how much nearby pairs count, then the share of the smooth part."""
    config, train, items = job.config, job.split.train, job.split.items
    with job.progress.task("EASE", len(config.penalties) + len(config.nearby)) as advance:

        def solved(penalty: float, nearby: float) -> tuple[float, Entries]:
            entries = solve(train, items, penalty, nearby)
            advance(1)
            return _judge_linear(job, entries), entries

        plain = {p: solved(p, 0.0) for p in config.penalties}
        penalty = max(plain, key=lambda p: plain[p][0])
        near = {n: solved(penalty * (1 + n / 2), n) if n else plain[penalty] for n in config.nearby}
    nearby = max(near, key=lambda n: near[n][0])
    mixed = {share: _mixed(job, near[nearby][1], share) for share in config.smooth}
    smooth_part = max(mixed, key=lambda share: _judge_linear(job, mixed[share]))
    sharpness = _sharpness(job, mixed[smooth_part])
    record = {"penalty": penalty, "nearby": nearby, "smooth": smooth_part, "sharpness": sharpness}
    return _Chosen(plain[penalty][1], mixed[smooth_part], sharpness, record)


def _judge_linear(job: _Job, linear: Linear) -> float:
    return job.judge(lambda seen: rank(linear_scorer(linear, job.judge.history), seen, k=10))


def _mixed(job: _Job, entries: Entries, share: float) -> Mixed:
    """EASE and the smooth part of the graph, at ``share`` times the spread of its scores."""
    torch.manual_seed(job.config.seed)
    graph = adjacency(job.split.train, job.split.items)
    left, right = smooth(graph, torch.from_numpy(job.popularity), job.config.dim)
    edges = Edges.of(take(job.history, _some_users(job, SCALED_USERS)))
    spread = [scores.std(1).mean() for scores in (entries.sums(edges), pool(left, edges) @ right.T)]
    return Mixed(entries, share * spread[0] / spread[1] * left, right)


def _some_users(job: _Job, count: int) -> npt.NDArray[np.int64]:
    return np.arange(0, job.split.users, max(1, job.split.users // count))


def _sharpness(job: _Job, linear: Mixed) -> float:
    """What a linear model's scores must be multiplied by to give validation the best likelihood."""
    judge = job.judge
    users = np.arange(0, len(judge.users), max(1, len(judge.users) // SCALED_USERS))
    history, wanted = (Edges.of(take(lists, users)) for lists in (judge.history, judge.targets))
    logits = _teacher(linear, 1.0)(history, None)
    spread = float(logits.std(1).mean())

    def likelihood(sharpness: float) -> float:
        scores = (sharpness * logits).index_put((history.row, history.item), torch.tensor(HIDDEN))
        return float(scores.log_softmax(1)[wanted.row, wanted.item].mean())

    return max((2 ** (step / 4) / spread for step in range(-4, 20)), key=likelihood)


def _features(job: _Job) -> Tensor | None:
    """Text features (I, F); None where the data set has no text."""
    if job.dataset.texts is None:
        return None
    vectors = encode_items(job.dataset.texts, job.config.encoder, progress=job.progress)
    return text_features(vectors, job.config.text_dim)


def _floating(job: _Job, chosen: _Chosen, features: Tensor | None) -> tuple[Hybrid, list[float]]:
    """The float hybrid, started from the truncated EASE and trained."""
    config = job.config
    slots = min(config.edges, job.split.items - 1)
    sizes = HybridSizes(job.split.items, config.dim, config.heads, config.layers, slots)
    graph = adjacency(job.split.train, job.split.items)
    model = Hybrid(sizes, graph, torch.from_numpy(job.popularity), features)
    root = torch.from_numpy(job.popularity + 1).float().sqrt()
    start = chosen.teacher.start(config.dim, slots, root)
    model.start_from(start, config.start * chosen.sharpness)
    curve = fit(
        model,
        job.history,
        name="float model",
        config=config.floating,
        teacher=_teacher(chosen.teacher, config.teacher * chosen.sharpness),
        judge=judged(model, job.judge, job.popularity),
        seed=config.seed,
        progress=job.progress,
    )
    return model.eval(), curve


def _quantised(job: _Job, floating: Hybrid, chosen: _Chosen) -> tuple[QuantHybrid, list[float]]:
    """The quantised hybrid, calibrated on the float one and trained on."""
    config = job.config
    edges = Edges.of(take(job.history, _some_users(job, CALIBRATION_USERS)))
    model = quantise(floating, edges, config.bits, longest=config.longest)
    curve = fit(
        model,
        job.history,
        name="quantised model",
        config=config.quantised,
        teacher=_teacher(chosen.teacher, config.teacher * chosen.sharpness),
        judge=judged(model, job.judge, job.popularity),
        seed=config.seed + 1,
        progress=job.progress,
    )
    return model.eval(), curve


def _teacher(linear: Linear, sharpness: float) -> Teacher:
    """A linear model's logits for histories, as sharp as the hybrid's."""

    def teach(edges: Edges, some: Tensor | None) -> Tensor:
        norm = edges.length.clamp(min=1).rsqrt()[:, None]
        return sharpness * norm * linear.sums(edges, some)

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
