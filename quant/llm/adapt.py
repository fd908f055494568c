# SPDX-License-Identifier: Apache-2.0
"""Adapt a language model to the graph: from a data set's warm items to an adapter."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recfabric.errors import ConfigError, DataError
from recfabric.quant.datasets import Dataset
from recfabric.quant.fetch import write_whole
from recfabric.quant.llm import engine
from recfabric.quant.llm.align import AlignConfig, Target, item_factors, target_of
from recfabric.quant.llm.cold import ColdSplit
from recfabric.quant.llm.launch import alone, launch
from recfabric.quant.llm.prompts import liked
from recfabric.quant.llm.vectors import EncoderConfig, encode
from recfabric.quant.progress import Progress, Silent
from recfabric.requests import Ragged


@dataclass(frozen=True)
class Adapted:
    """What a training left: the adapter's folder and its curve.

    ``curve``: a dict a step: step, loss, ranks, seconds, peak_mb; ``seconds``: their sum.
    """

    folder: Path
    curve: tuple[dict[str, Any], ...]

    @property
    def seconds(self) -> float:
        """Time in updates, all of them, resumed or not."""
        return float(sum(note["seconds"] for note in self.curve))

    def encoder(self, config: AlignConfig) -> EncoderConfig:
        """The adapted encoder."""
        base = config.encoder
        return EncoderConfig(base.model, str(self.folder), base.depth, base.longest)


def adapt(
    config: AlignConfig,
    texts: tuple[str, ...],
    history: Ragged,
    out: Path,
    *,
    ranks: int = 1,
    settings: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Adapted:
    """Align a model's vectors of W texts with the places of those items in ``history``.

    ``history``: positions in ``texts`` a user; ``settings``: DeepSpeed's configuration as its JSON
    has it (None: ZeRO 1); ``ranks``: processes. Goes on from the last state in ``out`` when that
    belongs to the same training. Raises ConfigError for another training's folder, RankError when a
    process dies; states written before stay.
    """
    progress = progress or Silent()
    if not 1 <= ranks <= 64:
        raise ConfigError(f"{ranks} ranks are not 1 to 64.")
    target = _target(config, texts, history, progress)
    key = target.key(config)
    _claim(out, key)
    job = {"kind": "align", "key": key, "config": asdict(config), "texts": target.texts}
    job["deepspeed"] = dict(engine.default_settings(config) if settings is None else settings)
    np.savez(out / "target.npz", **target.arrays())
    write_whole(out / "job.json", json.dumps(job).encode())
    if ranks == 1:
        with alone():
            engine.train(out, progress)
    else:
        launch(out / "job.json", ranks)
    return _result(out, config.steps)


def material(
    dataset: Dataset, noun: str = "", *, cold: int | None = None
) -> tuple[tuple[str, ...], Ragged]:
    """Prompts of the items to learn from, and the users' histories as positions in them.

    ``cold``: the seed whose cold items are left out; None: every item and interaction.
    Raises DataError for a data set without texts.
    """
    if dataset.texts is None:
        raise DataError(f"The data set '{dataset.name}' has no item texts; bring a .item file.")
    if cold is None:
        users = (dataset.item[dataset.user == u] for u in range(len(dataset.users)))
        return tuple(liked(t, noun) for t in dataset.texts), Ragged.of(
            [np.unique(u) for u in users]
        )
    split = ColdSplit.draw(dataset, cold)
    return tuple(liked(dataset.texts[i], noun) for i in split.warm), split.history


def find_adapters(folder: Path, seeds: Iterable[int]) -> dict[int, Path]:
    """The newest adapter of each seed's training, ``folder/seedN``; raises DataError."""
    found = {}
    for seed in seeds:
        place = folder / f"seed{seed}" / engine.ADAPTERS
        steps = sorted(place.glob("step*"), key=lambda p: int(p.name[4:]))
        if not steps:
            raise DataError(
                f"{place} holds no adapter; train it with `recfabric train llm --cold {seed} "
                f"--out {folder / f'seed{seed}'}`."
            )
        found[seed] = steps[-1]
    return found


def _target(
    config: AlignConfig, texts: tuple[str, ...], history: Ragged, progress: Progress
) -> Target:
    if sum(bool(text.strip()) for text in texts) < 2:
        raise DataError(
            f"{len(texts)} items bring fewer than two texts; a language model has nothing to learn "
            "from them."
        )
    vectors = encode(texts, config.encoder, progress=progress)
    return target_of(texts, vectors, item_factors(history, len(texts), config.factors))


def _claim(out: Path, key: str) -> None:
    """The folder is this training's: a new one, or the same one that goes on."""
    marker = out / "key"
    if marker.exists() and marker.read_text() != key:
        raise ConfigError(
            f"{out} holds another training (another model, data set or configuration); choose "
            "another folder, nothing in it was changed."
        )
    write_whole(marker, key.encode())


def _result(out: Path, steps: int) -> Adapted:
    """The curve of the steps that count: of a step done twice, the last time."""
    notes = {n["step"]: n for n in map(json.loads, (out / engine.CURVE).read_text().splitlines())}
    curve = tuple(notes[step] for step in range(steps))
    return Adapted(out / engine.ADAPTERS / f"step{steps}", curve)
