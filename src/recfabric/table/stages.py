# SPDX-License-Identifier: Apache-2.0
"""The stages: each trains or encodes one thing, measured, and judges what came out of it.

A stage is a function of a :class:`Task`; what it returns goes into ``stage.json``, arrays that
others need lie beside it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from recfabric.bench._cold import integer_ndcg, language_model_blocks
from recfabric.demo import edge_sharpness, open_data
from recfabric.quant.baselines import ease, ease_scorer, most_pop
from recfabric.quant.choose import Candidates
from recfabric.quant.datasets import Dataset
from recfabric.quant.encoder import encode_worded
from recfabric.quant.export import export
from recfabric.quant.judge import Judge
from recfabric.quant.lightgcn import LightGcnConfig, TrainedLightGcn, train_lightgcn
from recfabric.quant.lists import within
from recfabric.quant.llm.adapt import adapt, material
from recfabric.quant.llm.align import AlignConfig
from recfabric.quant.llm.cold import (
    ColdSplit,
    Matrix,
    RidgeConfig,
    kernel,
    quantise_edges,
    text_edges,
)
from recfabric.quant.llm.launch import alone
from recfabric.quant.llm.prompts import liked
from recfabric.quant.llm.reader import TextReader
from recfabric.quant.llm.textmap import fit_map
from recfabric.quant.llm.vectors import EncoderConfig, encode, run
from recfabric.quant.metrics import Scorer, rank
from recfabric.quant.progress import Silent
from recfabric.quant.splits import Split, natural, split
from recfabric.quant.train import TrainConfig, Trained, train_models
from recfabric.table._meter import metered
from recfabric.table.plan import DONE, EACH, FLOAT, GNN, JUDGES, MODEL, VECTORS, Plan
from recfabric.table.quality import Exam, judge_cold, warm_split

Record = dict[str, Any]
GNN_GRID = {
    "layers": (1, 2, 3, 4),
    "rate": (0.005, 0.01, 0.02, 0.04),
    "penalty": (1e-4, 3e-4, 1e-3, 3e-3),
    "batch": (2048, 8192),
}


@dataclass(frozen=True, eq=False)
class Task:
    """What a stage is given: the settings, its seed, its folder, and the folders it reads."""

    plan: Plan
    seed: int
    folder: Path
    needs: Mapping[str, Path]

    @cached_property
    def dataset(self) -> Dataset:
        """The data set; texts are needed by all stages with a language model."""
        return open_data(self.plan.data, Silent())

    @cached_property
    def split(self) -> Split:
        """The parts that everything is trained and judged on."""
        return split(self.dataset, natural(self.dataset), seed=self.plan.split_seed)

    @cached_property
    def draw(self) -> ColdSplit:
        """The cold items of the seed."""
        return ColdSplit.draw(self.dataset, self.seed)

    @property
    def texts(self) -> tuple[str, ...]:
        """The items' texts."""
        assert self.dataset.texts is not None
        return self.dataset.texts

    def vectors(self, need: str = "vectors") -> npt.NDArray[np.float32]:
        """The item vectors (I, E) of a stage that this one needs."""
        return np.asarray(np.load(self.needs[need] / VECTORS), np.float32)

    @property
    def adapter(self) -> str | None:
        """The folder of the adapter that this stage needs, or None."""
        return str(self.left("adapter")["adapter"]) if "adapter" in self.needs else None

    def left(self, need: str) -> Record:
        """What a stage that this one needs left."""
        record: Record = json.loads((self.needs[need] / DONE).read_text())
        return record

    def reader(self, *, deepspeed: bool = False) -> TextReader:
        """What reads texts: the plan's model, adapted or not."""
        plan = self.plan
        return TextReader(plan.model, adapter=self.adapter, noun=plan.noun, deepspeed=deepspeed)

    def judged(self, scorer: Scorer) -> Record:
        """The figures of a model on the split; each user's NDCG@10 goes into the folder."""
        figures, each = Exam.of(self.split).judge(scorer)
        np.save(self.folder / EACH, each)
        return figures


def yardstick(task: Task, *, name: str) -> Record:
    """Random, popularity or EASE."""
    record: Record = {}
    train, items = task.split.train, task.split.items
    with metered(record):
        scorer: Scorer = most_pop(task.split.popularity)
        if name == "ease":
            judge = Judge.of(task.split, train, JUDGES)
            values = {p: _validated(ease(train, items, p), judge) for p in Candidates().penalties}
            record["chosen"] = {"penalty": max(values, key=lambda p: values[p])}
            scorer = ease_scorer(ease(train, items, record["chosen"]["penalty"]), train)
    if name == "random":
        scorer = _noise(task.seed, items)
        noise = _noise(task.seed, len(task.draw.cold))
        record["quality"] = {"cold": task.draw.judge(rank(noise, task.draw.unseen, k=10))}
    record["quality"] = task.judged(scorer) | record.get("quality", {})
    return record


def _validated(weights: npt.NDArray[Any], judge: Judge) -> float:
    return judge(lambda seen: rank(ease_scorer(weights, judge.history), seen, k=10))


def _noise(seed: int, items: int) -> Scorer:
    rng = np.random.default_rng(seed)
    return lambda low, high: rng.random((high - low, items))


def tune_gnn(task: Task) -> Record:
    """The graph network's settings, one after another on validation: 14 trainings."""
    best, trials = _gnn_config(task.plan, {}), []
    judge = Judge.of(task.split, task.split.train, JUDGES)
    record: Record = {}
    with metered(record):
        for name, values in GNN_GRID.items() if task.plan.tune else ():
            found = {}
            for value in values:
                config = replace(best, **dict[str, Any]({name: value}))
                made = _train_gnn(task.split, config, judge, task.seed)
                found[value] = max(made.curve)
                trials.append({name: value, "validation": found[value]})
            chosen = max(found, key=lambda v: found[v])
            best = replace(best, **dict[str, Any]({name: chosen}))
    kept = {name: getattr(best, name) for name in GNN_GRID}
    return record | {"settings": kept, "trials": trials, "readings": len(trials)}


def _gnn_config(plan: Plan, settings: Mapping[str, Any]) -> LightGcnConfig:
    most: dict[str, Any] = {}
    if plan.gnn_epochs is not None:
        most = {"epochs": plan.gnn_epochs, "every": min(5, plan.gnn_epochs)}
    return LightGcnConfig(**most, **settings)


def _train_gnn(parts: Split, config: LightGcnConfig, judge: Judge, seed: int) -> TrainedLightGcn:
    torch.set_num_threads(1)
    return train_lightgcn(parts, config, judge=judge, seed=seed, progress=Silent())


def gnn(task: Task, *, cold: bool = False) -> Record:
    """LightGCN on the split; with ``cold`` on the part without the cold items, which it ranks."""
    settings = task.left("settings")["settings"]
    config = _gnn_config(task.plan, settings)
    parts = warm_split(task.draw, task.split.items, task.seed) if cold else task.split
    judge = Judge.of(parts, parts.train, JUDGES)
    record: Record = {"settings": settings}
    with metered(record):
        made = _train_gnn(parts, config, judge, task.seed)
    record |= {"curve": list(made.curve), "epoch": made.epoch, "last": made.epoch == config.epochs}
    if cold:
        return record | {"quality": judge_cold(made.scorer, task.draw, parts)}
    np.savez(task.folder / GNN, user=made.user.numpy(), item=made.item.numpy())
    return record | {"quality": task.judged(made.scorer)}


def adapter(task: Task, *, cold: bool = False) -> Record:
    """LoRA on the training interactions; with ``cold`` on what is warm in the seed's validation."""
    plan, data = task.plan, task.dataset
    if not cold:
        train = task.split.train
        user = np.repeat(np.arange(len(train)), np.diff(train.indptr)).astype(np.int32)
        data = replace(data, user=user, item=train.values, rating=None, timestamp=None)
    depth = EncoderConfig().depth  # as deep as the frozen model is run
    config = AlignConfig(plan.model, depth, steps=plan.steps, save=plan.steps, seed=task.seed)
    found = material(data, plan.noun, cold=task.seed if cold else None)
    record: Record = {}
    with metered(record):
        out = task.folder / "training"
        made = adapt(config, found.prompts, found.history, out, beside=found.beside)
    return record | {
        "adapter": str(made.folder),
        "losses": [made.curve[0]["loss"], made.curve[-1]["loss"]],
    }


def vectors(task: Task, *, deepspeed: bool = False) -> Record:
    """The items' texts to vectors: one by one, or in batches under DeepSpeed inference."""

    def in_batches(some: Sequence[str]) -> Matrix:
        config = EncoderConfig(task.plan.model, task.adapter)
        with alone():
            return run([liked(text, task.plan.noun) for text in some], config, Silent())

    record: Record = {}
    with metered(record):
        found = encode_worded(task.texts, in_batches if deepspeed else task.reader().read)
    np.save(task.folder / VECTORS, found)
    return {**record, "texts": int(np.any(found, axis=1).sum())}


def hybrid(
    task: Task, *, distil: float | None = None, quantised: bool = True, deepspeed: bool = False
) -> Record:
    """A hybrid on the split, and what its language model knows of the cold items.

    ``distil``: the teacher's weight (None: as ``recfabric train`` has it).
    """
    item_vectors = task.vectors()
    record: Record = {}
    config = _train_config(task.plan, task.seed, distil)
    with metered(record):
        made = train_models(config, task.dataset, quantised=quantised, vectors=item_vectors)
    figures = task.judged(made.scorer)
    edges = _edges_of_texts(task, task.vectors("cold"), task.draw)
    whole = integer_ndcg(quantise_edges(edges), task.draw) if quantised else None
    figures["cold"] = task.draw.ndcg(edges) if whole is None else whole
    if quantised:
        record["contract"] = _write_contract(task, made, item_vectors, deepspeed=deepspeed)
    else:
        _save_float(task, made)
    record |= {name: made.record[name] for name in ("chosen", "validation")}
    return record | {"quality": figures}


def _train_config(plan: Plan, seed: int, distil: float | None = None) -> TrainConfig:
    config = TrainConfig(seed=seed, split_seed=plan.split_seed, encoder=plan.model, lightgcn=None)
    changes: dict[str, Any] = {} if distil is None else {"distil": distil}
    if plan.epochs is not None:
        changes["epochs"] = plan.epochs
    return replace(
        config,
        floating=replace(config.floating, **changes),
        quantised=replace(config.quantised, **changes),
    )


def _write_contract(
    task: Task, made: Trained, item_vectors: npt.NDArray[np.float32], *, deepspeed: bool
) -> str:
    """The contract and its map from text; the contract's hash."""
    made.checkpoint().save(task.folder / "run")
    contract = export(task.folder / "run", task.folder / MODEL)
    about = task.reader(deepspeed=deepspeed).about
    sharpness = edge_sharpness(made.record)
    found = fit_map(contract, task.texts, [(about, item_vectors)], sharpness=sharpness)
    found.save(task.folder / MODEL)
    return contract.sha256


def _save_float(task: Task, made: Trained) -> None:
    """The tables of a float model, for requests."""
    with torch.no_grad():
        tables = made.floating.tables()._asdict()
        fuse = made.floating.fuse
        tables |= {"target": made.floating.target, "weight": fuse.weight, "shift": fuse.bias}
        arrays = {name: value.detach().numpy() for name, value in tables.items()}
    sharpness = edge_sharpness(made.record)
    arrays |= {"sharpness": np.float64(sharpness), "heads": np.int64(made.floating.sizes.heads)}
    np.savez(task.folder / FLOAT, **arrays)


def texts(task: Task, *, texts: bool, cold: bool = False) -> Record:
    """`recfabric train`'s own defaults with texts or without, on the split or on the warm part.

    ``cold``: on the part without the cold items, which it then ranks: with texts by edges from the
    history's items, computed from text, that stand in the same scores as all others.
    """
    data = task.dataset if texts else replace(task.dataset, texts=None)
    config = _train_config(task.plan, task.seed)
    record: Record = {}
    parts = warm_split(task.draw, task.split.items, task.seed) if cold else task.split
    with metered(record):
        made = train_models(config, data, parts=parts)
    record |= {name: made.record[name] for name in ("chosen", "validation")}
    if not cold:
        return record | {"quality": task.judged(made.scorer)}
    scorer = _with_cold_edges(task, parts, made) if texts else made.scorer
    return record | {"quality": judge_cold(scorer, task.draw, parts)}


def _edges_of_texts(task: Task, vectors: npt.NDArray[np.float32], draw: ColdSplit) -> Matrix:
    """What each warm item adds to each cold one's score: kernel ridge, as ``recfabric cold``."""
    blocks, config = language_model_blocks(task.texts, vectors, draw, Silent()), RidgeConfig()
    return text_edges(kernel(blocks, config.sharpness), draw, config)


def _with_cold_edges(task: Task, warm: Split, made: Trained) -> Scorer:
    """The hybrid's scores, those of cold items by edges that text gave them."""
    assert made.quantised is not None
    history = within(warm.train, task.draw.warm, warm.items)
    prompts = [liked(text, task.plan.noun) for text in task.texts]
    found = encode(prompts, EncoderConfig(task.plan.model))
    edges = _edges_of_texts(task, found, replace(task.draw, history=history))
    sums, own = ease_scorer(edges, history), made.scorer
    scale = edge_sharpness(made.record)
    unit = 2.0**-made.quantised.formats.score.frac
    norm = 1 / np.sqrt(np.maximum(np.diff(warm.train.indptr), 1))[:, None]

    def score(low: int, high: int) -> npt.NDArray[Any]:
        scores = own(low, high) * unit
        scores[:, task.draw.cold] = scale * norm[low:high] * sums(low, high)
        return scores

    return score
