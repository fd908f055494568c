# SPDX-License-Identifier: Apache-2.0
"""The stages of a training: what texts say, the linear model, the float hybrid, the quantised."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cached_property
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from recfabric.errors import DataError, check_limits
from recfabric.quant.baselines import DOUBLE_LIMIT
from recfabric.quant.choose import Candidates, Chosen, Texts, choose, spread, teach
from recfabric.quant.datasets import Dataset
from recfabric.quant.encoder import DEFAULT, encode_items
from recfabric.quant.fit import FitConfig, fit
from recfabric.quant.hybrid import Edges, Hybrid, HybridSizes, text_features
from recfabric.quant.inference import judged
from recfabric.quant.judge import Judge
from recfabric.quant.lightgcn import LightGcnConfig, adjacency
from recfabric.quant.lists import latest, take
from recfabric.quant.llm.cold import RidgeConfig, block, kernel
from recfabric.quant.llm.prompts import attributes
from recfabric.quant.progress import Progress
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
        check_limits(self, limits)


@contextmanager
def deterministic(threads: int) -> Iterator[None]:
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
class Job:
    """What every stage of a run needs, and the stages.

    ``vectors``: (I, E), of the items' texts; None: those that the configured encoder gives.
    """

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
    ) -> Job:
        """A run on ``parts`` (None: the configured split); DataError where one of them is empty."""
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

    @cached_property
    def graph(self) -> Tensor:
        """The normalised interactions, sparse (U + I, U + I)."""
        return adjacency(self.split.train, self.split.items)

    @property
    def slots(self) -> int:
        """Edges of each item."""
        return min(self.config.edges, self.split.items - 1)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Seeds PyTorch for a stage and notes its seconds."""
        torch.manual_seed(self.config.seed)
        begin = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - begin, 2)

    def texts(self) -> Texts | None:
        """What is learned from texts; None where the data set has none."""
        texts, vectors = self.dataset.texts, self.vectors
        if texts is None:
            return None
        if vectors is None:
            vectors = encode_items(texts, self.config.encoder, progress=self.progress)
        features = text_features(vectors, self.config.text_dim)
        if len(texts) > DOUBLE_LIMIT:
            return Texts(features)
        return Texts(features, kernel([attributes(texts), block(vectors)], RidgeConfig().sharpness))

    def choose(self, texts: Texts | None) -> Chosen:
        """The linear model that the hybrid starts and learns from."""
        return choose(
            self.split.train,
            Judge.of(self.split, self.history, LINEAR_JUDGES),
            self.config.candidates,
            graph=self.graph,
            texts=texts,
            dim=self.config.dim,
            edges=self.slots,
            seed=self.config.seed,
            progress=self.progress,
        )

    def untrained(self, sizes: HybridSizes, features: Tensor | None) -> Hybrid:
        """A float hybrid of any ``sizes`` for the split; ``features`` (I, F) of texts, or None."""
        return Hybrid(sizes, self.graph, torch.from_numpy(self.popularity), features)

    def floating(self, chosen: Chosen, features: Tensor | None) -> tuple[Hybrid, list[float]]:
        """The float hybrid, started from the truncated linear model and trained; its curve."""
        config = self.config
        sizes = HybridSizes(self.split.items, config.dim, config.heads, config.layers, self.slots)
        model = self.untrained(sizes, features)
        model.start_from(chosen.start, config.start * chosen.sharpness)
        curve = self._fit(model, "float model", config.floating, chosen, config.seed)
        return model.eval(), curve

    def quantised(self, floating: Hybrid, chosen: Chosen) -> tuple[QuantHybrid, list[float]]:
        """The quantised hybrid, calibrated on the float one and trained on; its curve."""
        config = self.config
        edges = Edges.of(take(self.history, spread(self.split.users, CALIBRATION_USERS)))
        model = quantise(floating, edges, config.bits, longest=config.longest)
        curve = self._fit(model, "quantised model", config.quantised, chosen, config.seed + 1)
        return model.eval(), curve

    def _fit(
        self, model: Hybrid | QuantHybrid, name: str, config: FitConfig, chosen: Chosen, seed: int
    ) -> list[float]:
        """Train in place, taught by the linear model; the curve."""
        return fit(
            model,
            self.history,
            name=name,
            config=config,
            teacher=teach(chosen.teacher, self.config.teacher * chosen.sharpness),
            judge=judged(model, self.judge, self.popularity),
            seed=seed,
            progress=self.progress,
        )

    def record(self, accuracy: Sequence[Mapping[str, str | float]] = ()) -> dict[str, Any]:
        """What produced the run: data, protocol, seed, config, seconds by stage, versions.

        ``accuracy``: rows on the test part, where that was read.
        """
        return {
            "data": {
                "name": self.dataset.name,
                "sha256": self.dataset.sha256,
                "users": self.split.users,
                "items": self.split.items,
                "interactions": len(self.dataset.user),
            },
            "protocol": self.split.protocol,
            "seed": self.config.seed,
            "config": asdict(self.config),
            "encoder": self.config.encoder if self.dataset.texts else None,
            "accuracy": list(accuracy),
            "seconds": dict(self.seconds),
            "versions": {"python": platform.python_version()} | {p: version(p) for p in PACKAGES},
        }
