# SPDX-License-Identifier: Apache-2.0
"""Adapt a language model to the graph: from a data set's warm items to an adapter."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from recfabric.errors import ConfigError, DataError
from recfabric.quant.datasets import Dataset
from recfabric.quant.fetch import write_whole
from recfabric.quant.llm import engine
from recfabric.quant.llm.align import AlignConfig, Matrix, item_factors, target_of
from recfabric.quant.llm.cold import ColdSplit, block, kernel
from recfabric.quant.llm.frozen import first_pass
from recfabric.quant.llm.launch import alone, launch
from recfabric.quant.llm.prompts import attributes, liked
from recfabric.quant.llm.vectors import EncoderConfig, encode, read_adapter
from recfabric.quant.progress import Progress, Silent
from recfabric.requests import Ragged

SENTENCES = "minilm"  # the small encoder that stands beside every language model


@dataclass(frozen=True)
class Adapted:
    """What a training left: the adapter's folder and its curve.

    ``curve``: a dict a step: step, loss, ranks, seconds, cpu (seconds), peak_mb; ``encoding``:
    CPU-seconds of the frozen model's pass before it, see :class:`recfabric.quant.llm.frozen.Start`.
    """

    folder: Path
    curve: tuple[dict[str, Any], ...]
    encoding: float | None

    @property
    def cpu(self) -> float:
        """CPU-seconds of rank 0 in updates, all of them, resumed or not."""
        return float(sum(note["cpu"] for note in self.curve))

    def encoder(self, config: AlignConfig) -> EncoderConfig:
        """The adapted encoder."""
        return replace(config.encoder, adapter=str(self.folder))


@dataclass(frozen=True, eq=False)
class Material:
    """What a training reads: the items' prompts (W), users' positions in them, and ``beside``.

    ``beside``: float32 (W, W), inner products of what the closed form reads beside the language
    model: labels, years and a small encoder's vectors.
    """

    prompts: tuple[str, ...]
    history: Ragged
    beside: Matrix


def adapt(
    config: AlignConfig,
    texts: tuple[str, ...],
    history: Ragged,
    out: Path,
    *,
    beside: Matrix | None = None,
    ranks: int = 1,
    apart: bool = False,
    settings: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Adapted:
    """Align a model's vectors of W texts with the places of those items in ``history``.

    ``history``: positions in ``texts`` a user; ``beside``: float32 (W, W), inner products of what
    the closed form reads beside the model (None: nothing); ``settings``: DeepSpeed's configuration
    as its JSON has it (None: ZeRO 1); ``ranks``: processes; ``apart``: in processes of their own
    even if it is one. Goes on from the last state in ``out`` when that belongs to the same
    training. Raises ConfigError for another training's folder, RankError when a process dies;
    states written before stay.
    """
    progress = progress or Silent()
    if not 1 <= ranks <= 64:
        raise ConfigError(f"{ranks} ranks are not 1 to 64.")
    given = engine.default_settings(config, ranks=ranks) if settings is None else settings
    _need_texts(texts)
    start = first_pass(texts, config, engine.precision(given), progress)
    place = item_factors(history, len(texts), config.factors)
    target = target_of(texts, start.vectors, place, beside)
    key = target.key(config)
    _claim(out, key)
    job = {"kind": "align", "key": key, "config": asdict(config), "texts": target.texts}
    job |= {"states": str(start.states or ""), "deepspeed": dict(given)}
    np.savez(out / "target.npz", **target.arrays())
    write_whole(out / "job.json", json.dumps(job).encode())
    if ranks == 1 and not apart:
        with alone():
            engine.train(out, progress)
    else:
        launch(out / "job.json", ranks)
    return _result(out, config.steps, start.cpu)


def material(
    dataset: Dataset, noun: str = "", *, cold: int | None = None, progress: Progress | None = None
) -> Material:
    """Prompts of the items to learn from, and who likes them.

    ``cold``: learn only from what is warm in that seed's validation split, neither from the seed's
    cold items nor from those that the adapter is chosen by; None: every item and interaction.
    Raises DataError for a data set without texts.
    """
    if dataset.texts is None:
        raise DataError(f"The data set '{dataset.name}' has no item texts; bring a .item file.")
    if cold is None:
        users = (np.unique(dataset.item[dataset.user == u]) for u in range(len(dataset.users)))
        items, history = np.arange(len(dataset.items)), Ragged.of(list(users))
    else:
        split = ColdSplit.validation(dataset, cold)
        items, history = split.warm, split.history
    sentences = encode(dataset.texts, EncoderConfig(SENTENCES), progress=progress)
    beside = kernel([attributes(dataset.texts)[items], block(sentences[items])], 0.0)
    return Material(tuple(liked(dataset.texts[i], noun) for i in items), history, beside)


def adapted_encoder(folder: Path) -> EncoderConfig:
    """The encoder an adapter belongs to, with it; raises DataError for what is no adapter."""
    about = read_adapter(folder)
    return EncoderConfig(about["model"], str(folder), about["depth"])


def find_adapters(folder: Path, seeds: Iterable[int]) -> dict[int, list[Path]]:
    """The adapters of each seed's training in ``folder/seedN``, oldest first; raises DataError."""
    found = {}
    for seed in seeds:
        place = folder / f"seed{seed}" / engine.ADAPTERS
        found[seed] = sorted(place.glob("step*"), key=lambda p: int(p.name[4:]))
        if not found[seed]:
            raise DataError(
                f"{place} holds no adapter; train it with `recfabric train llm --cold {seed} "
                f"--out {folder / f'seed{seed}'}`."
            )
    return found


def _need_texts(texts: Sequence[str]) -> None:
    if sum(bool(text.strip()) for text in texts) < 2:
        raise DataError(
            f"{len(texts)} items bring fewer than two texts; a language model has nothing to learn "
            "from them."
        )


def _claim(out: Path, key: str) -> None:
    """The folder is this training's: a new one, or the same one that goes on."""
    marker = out / "key"
    if marker.exists() and marker.read_text() != key:
        raise ConfigError(
            f"{out} holds another training (another model, data set or configuration); choose "
            "another folder, nothing in it was changed."
        )
    write_whole(marker, key.encode())


def _result(out: Path, steps: int, encoding: float | None) -> Adapted:
    """The curve of the steps that count: of a step done twice, the last time."""
    notes = {n["step"]: n for n in map(json.loads, (out / engine.CURVE).read_text().splitlines())}
    curve = tuple(notes[step] for step in range(steps))
    return Adapted(out / engine.ADAPTERS / f"step{steps}", curve, encoding)
