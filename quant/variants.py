# SPDX-License-Identifier: Apache-2.0
"""Quantised variants of few float models: what a search over bits and sizes tries in seconds.

A float hybrid is trained once for each pair of dimension and heads, with the most edges that are
asked for, and kept. A variant prunes its edges to the strongest, quantises it and, if so asked,
trains it on for a few epochs. Everything is judged on validation; nothing here reads the test
part but :func:`recfabric.quant.export.export`, which puts its users' requests beside a contract.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from recfabric.builds import locked
from recfabric.quant.checkpoint import Checkpoint
from recfabric.quant.choose import Chosen
from recfabric.quant.datasets import Dataset
from recfabric.quant.export import export
from recfabric.quant.fit import FitConfig
from recfabric.quant.hybrid import Hybrid, HybridSizes
from recfabric.quant.job import Job, TrainConfig, deterministic
from recfabric.quant.progress import Progress, Silent
from recfabric.quant.qat import Bits
from recfabric.quant.splits import Split


@dataclass(frozen=True)
class Variant:
    """What a variant is: sizes and bits of its tables, ``epochs`` of quantised training."""

    dim: int
    heads: int
    edges: int
    bits: Bits
    epochs: int = 0


@dataclass
class Variants:
    """The variants of one data set's float models, which lie below ``folder``.

    ``config``: of the training; its ``edges`` are those that float models are trained with, its
    ``dim``, ``heads``, ``bits`` and epochs of quantised training are each variant's own.
    """

    config: TrainConfig
    dataset: Dataset
    folder: Path
    progress: Progress = field(default_factory=Silent)
    _floats: dict[tuple[int, int], Hybrid] = field(default_factory=dict)
    _jobs: dict[tuple[int, int], Job] = field(default_factory=dict)
    _chosen: dict[int, tuple[Chosen, Tensor | None]] = field(default_factory=dict)

    @property
    def split(self) -> Split:
        """What all variants are trained and judged on."""
        return self._job(self.config.dim, self.config.heads).split

    def write(self, variant: Variant, run: Path, model: Path) -> float:
        """Make a variant: its run folder and its contract folder; NDCG@10 on validation.

        Raises ContractError where a scale leads outside the hardware's limits.
        """
        floating = pruned(self.floating(variant.dim, variant.heads), variant.edges)
        job = self._job(variant.dim, variant.heads)
        config = replace(
            job.config,
            edges=variant.edges,
            bits=variant.bits,
            quantised=replace(job.config.quantised, epochs=variant.epochs),
        )
        job = replace(job, config=config)
        with deterministic(config.threads):
            chosen = _NO_TEACHER
            if variant.epochs:
                chosen = self._choose(variant.dim, variant.heads)[0]
            quantised, curve = job.quantised(floating, chosen)
        record = job.record() | {"validation": {"qat": curve}}
        Checkpoint(quantised, job.split, self.dataset.items, record).save(run)
        export(run, model)
        return max(curve)

    def floating(self, dim: int, heads: int) -> Hybrid:
        """The float model of these sizes, trained when it is not there yet.

        Several processes may ask at a time: one trains, the others wait for it.
        """
        if (dim, heads) in self._floats:
            return self._floats[dim, heads]
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"float-{dim}-{heads}-{self._key(dim, heads)}.pt"
        with locked(path.with_suffix(".lock")):
            if not path.exists():
                self._train(dim, heads, path)
        job, saved = self._job(dim, heads), torch.load(path, weights_only=True)
        sizes = HybridSizes(**saved["sizes"])
        model = job.untrained(sizes, saved["features"])
        model.load_state_dict(saved["state"])
        self._floats[dim, heads] = model.eval()
        return model

    def trained(self) -> dict[str, float]:
        """NDCG@10 on validation of the float models that lie in the folder, by file."""
        found = sorted(self.folder.glob("float-*.pt"))
        return {p.stem: max(torch.load(p, weights_only=True)["validation"]) for p in found}

    def _train(self, dim: int, heads: int, path: Path) -> None:
        job = self._job(dim, heads)
        with deterministic(job.config.threads):
            chosen, features = self._choose(dim, heads)
            with job.stage("float"):
                model, curve = job.floating(chosen, features)
        saved = {"sizes": asdict(model.sizes), "state": model.state_dict(), "features": features}
        staging = path.with_suffix(".tmp")
        torch.save(saved | {"validation": curve}, staging)
        staging.replace(path)

    def _choose(self, dim: int, heads: int) -> tuple[Chosen, Tensor | None]:
        """The linear model that the hybrids of this dimension learn from, and texts' features."""
        if dim not in self._chosen:
            job = self._job(dim, heads)
            texts = job.texts()
            self._chosen[dim] = job.choose(texts), texts.features if texts else None
        return self._chosen[dim]

    def _job(self, dim: int, heads: int) -> Job:
        if (dim, heads) not in self._jobs:
            config = replace(self.config, dim=dim, heads=heads, lightgcn=None)
            self._jobs[dim, heads] = Job.of(config, self.dataset, self.progress)
        return self._jobs[dim, heads]

    def _key(self, dim: int, heads: int) -> str:
        """A hash over what decides a float model."""
        config = replace(self.config, dim=dim, heads=heads, lightgcn=None, bits=Bits())
        whole = asdict(replace(config, quantised=FitConfig()))
        text = json.dumps([whole, self.dataset.sha256], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


# A variant that is only quantised asks no teacher.
_NO_TEACHER = Chosen(None, None, None, 0.0, {})  # type: ignore[arg-type]


def pruned(model: Hybrid, edges: int) -> Hybrid:
    """The model with the ``edges`` strongest edges of each item, of those that it has."""
    kept = min(edges, model.sizes.edges)
    if kept == model.sizes.edges:
        return model
    strength = (model.edge * (model.target >= 0)).abs()
    strongest = strength.argsort(dim=1, descending=True, stable=True)[:, :kept]
    state = model.state_dict()
    state["edge"] = state["edge"].gather(1, strongest)
    state["target"] = state["target"].gather(1, strongest)
    features = model.text.features
    learned = isinstance(features, torch.nn.Parameter)
    less = Hybrid(
        HybridSizes(**(asdict(model.sizes) | {"edges": kept})),
        model.graph,
        model.root[:, 0].square(),
        None if learned else features,
    )
    less.load_state_dict(state)
    return less.eval()
