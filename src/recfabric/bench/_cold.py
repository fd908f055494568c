# SPDX-License-Identifier: Apache-2.0
"""Items nobody has met: NDCG@10 by their text, in floats and in the hardware's integers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from recfabric.errors import ConfigError, DataError
from recfabric.kernels.fixed import requantise
from recfabric.quant.datasets import Dataset
from recfabric.quant.llm.adapt import SENTENCES, adapted_encoder
from recfabric.quant.llm.cold import (
    LINEAR,
    ColdSplit,
    IntegerEdges,
    Matrix,
    RidgeConfig,
    block,
    kernel,
    quantise_edges,
    text_edges,
)
from recfabric.quant.llm.prompts import attributes, liked
from recfabric.quant.llm.vectors import EncoderConfig, encode
from recfabric.quant.metrics import rank
from recfabric.quant.progress import Progress, Silent

MODELS = ("smollm2-135m", "gemma3-270m")
NORM_FRAC, SHIFT, TERM_BITS = 15, 10, 24  # of a request's multiplier 1 / sqrt(length), of its terms

# The feature blocks of the whole catalogue for one split.
Blocks = Callable[[ColdSplit], list[Matrix]]


@dataclass(frozen=True)
class ColdRow:
    """One line: NDCG@10 a seed, by linear ridge, by the kernel, and by int8 edges of the kernel."""

    name: str
    linear: tuple[float, ...]
    kernel: tuple[float, ...]
    integer: tuple[float, ...]

    def record(self) -> dict[str, Any]:
        """The row as JSON, with mean and standard deviation over the seeds."""
        parts = {n: getattr(self, n) for n in ("linear", "kernel", "integer")}
        summary = {
            n: {"mean": float(np.mean(v)), "std": float(np.std(v)), "seeds": list(v)}
            for n, v in parts.items()
        }
        return {"model": self.name} | summary


def bench_cold(
    dataset: Dataset,
    *,
    models: Sequence[str] = MODELS,
    seeds: Sequence[int] = range(5),
    noun: str = "",
    nested: bool = False,
    adapters: Mapping[int, Sequence[Path]] | None = None,
    config: RidgeConfig | None = None,
    progress: Progress | None = None,
) -> list[ColdRow]:
    """A row for each feature set, the yardsticks first.

    ``adapters``: of one model, those of each seed's training that read nothing but what is warm in
    the seed's validation split; which of them, or none, is chosen on that split; ``nested``: choose
    among configurations on cold items drawn from the warm ones, and never look at the others.
    Raises DataError for a data set without texts.
    """
    if dataset.texts is None:
        raise DataError(f"The data set '{dataset.name}' has no item texts; bring a .item file.")
    if not seeds:
        raise ConfigError("No seed to measure; name at least one.")
    if nested and adapters:
        raise ConfigError(
            "The adapters are chosen on the cold items that a nested split judges on; leave out "
            "one of the two."
        )
    progress, config = progress or Silent(), config or RidgeConfig()
    draw = ColdSplit.validation if nested else ColdSplit.draw
    splits = {seed: draw(dataset, seed) for seed in seeds}
    sets = _feature_sets(dataset.texts, models, noun, progress)
    if adapters:
        sets |= _adapted_sets(dataset, noun, adapters, config, progress)
    rows = [_random(splits)]
    with progress.task("cold items", len(sets)) as advance:
        for name, blocks in sets.items():
            rows.append(_row(name, blocks, splits, config))
            advance(1)
    return rows


def _feature_sets(
    texts: Sequence[str], models: Sequence[str], noun: str, progress: Progress
) -> dict[str, Blocks]:
    plain = attributes(texts)
    sentences = encode(texts, EncoderConfig(SENTENCES), progress=progress)
    sets: dict[str, Blocks] = {
        "genre + year": lambda split: [plain],
        f"+ {SENTENCES}": lambda split: [plain, block(sentences, split.warm)],
    }
    sets[f"+ {SENTENCES}, texts shuffled"] = _shuffled(sets[f"+ {SENTENCES}"])
    for model in models:
        vectors = encode([liked(t, noun) for t in texts], EncoderConfig(model), progress=progress)
        sets[f"+ {model}"] = _with_language_model(texts, vectors, progress)
        sets[f"+ {model}, texts shuffled"] = _shuffled(sets[f"+ {model}"])
    return sets


def _with_language_model(
    texts: Sequence[str], vectors: npt.NDArray[np.float32], progress: Progress
) -> Blocks:
    return lambda split: language_model_blocks(texts, vectors, split, progress)


def language_model_blocks(
    texts: Sequence[str], vectors: npt.NDArray[np.float32], split: ColdSplit, progress: Progress
) -> list[Matrix]:
    """Attributes, the small encoder, and a language model's mean and last states."""
    sentences = encode(texts, EncoderConfig(SENTENCES), progress=progress)
    both = [block(part, split.warm) for part in np.split(vectors, 2, axis=1)]
    return [attributes(texts), block(sentences, split.warm), *both]


def _adapted_sets(
    dataset: Dataset,
    noun: str,
    adapters: Mapping[int, Sequence[Path]],
    config: RidgeConfig,
    progress: Progress,
) -> dict[str, Blocks]:
    """The model as it was before, with each seed's last adapter, and with the one chosen."""
    assert dataset.texts is not None
    texts, prompts = dataset.texts, [liked(text, noun) for text in dataset.texts]
    before = replace(adapted_encoder(next(iter(adapters.values()))[0]), adapter=None)

    def read(adapter: Path | None) -> Blocks:
        encoder = before if adapter is None else adapted_encoder(adapter)
        vectors = encode(prompts, encoder, progress=progress)
        return _with_language_model(texts, vectors, progress)

    steps: dict[int, dict[str, Blocks]] = {}
    chosen: dict[int, str] = {}
    for seed, folders in adapters.items():
        steps[seed] = {"frozen": read(None)} | {f.name: read(f) for f in folders}
        split = ColdSplit.validation(dataset, seed)
        quality = {n: kernel_ndcg(b, split, config) for n, b in steps[seed].items()}
        chosen[seed] = max(quality, key=lambda name: quality[name])
    name = f"+ {before.model}"
    counted = ", ".join(f"{n} x{c}" for n, c in Counter(chosen.values()).items())
    sets: dict[str, Blocks] = {
        f"{name} to {before.depth:.2f}": lambda split: steps[split.seed]["frozen"](split),
        f"{name}, adapted": lambda split: list(steps[split.seed].values())[-1](split),
        f"{name}, chosen ({counted})": lambda split: steps[split.seed][chosen[split.seed]](split),
    }
    shuffled = _shuffled(sets[f"{name}, adapted"])
    return sets | {f"{name}, adapted, texts shuffled": shuffled}


def kernel_ndcg(blocks: Blocks, split: ColdSplit, config: RidgeConfig) -> float:
    """NDCG@10 of a feature set by the kernel, in floats."""
    return split.ndcg(text_edges(kernel(blocks(split), config.sharpness), split, config))


def _shuffled(blocks: Blocks) -> Blocks:
    """The control: what models read is another item's text; attributes stay."""

    def shuffled(split: ColdSplit) -> list[Matrix]:
        plain, *read = blocks(split)
        order = np.random.default_rng(split.seed).permutation(len(plain))
        return [plain, *(one[order] for one in read)]

    return shuffled


def _row(
    name: str, blocks: Blocks, splits: Mapping[int, ColdSplit], config: RidgeConfig
) -> ColdRow:
    linear, curved, integer = [], [], []
    for split in splits.values():
        found = blocks(split)
        linear.append(split.ndcg(text_edges(kernel(found, LINEAR.sharpness), split, LINEAR)))
        edges = text_edges(kernel(found, config.sharpness), split, config)
        curved.append(split.ndcg(edges))
        integer.append(integer_ndcg(quantise_edges(edges), split))
    return ColdRow(name, tuple(linear), tuple(curved), tuple(integer))


def integer_ndcg(edges: IntegerEdges, split: ColdSplit) -> float:
    """NDCG@10 of the scores that rf_scatter adds up: exact sums, times a norm, rounded, saturated.

    The norm of a history of n items is ``2**15 / sqrt(n)``, as for its message.
    """
    weights = edges.dense(len(split.cold))
    length = np.diff(split.history.indptr)
    norm = np.minimum(np.rint(2.0**NORM_FRAC / np.sqrt(np.maximum(length, 1))), 65535)

    def scorer(low: int, high: int) -> npt.NDArray[np.int64]:
        sums = np.stack([weights[split.history[row]].sum(axis=0) for row in range(low, high)])
        scaled = sums * norm[low:high, None].astype(np.int64)
        return np.asarray(requantise(scaled, SHIFT, TERM_BITS), np.int64)

    return split.judge(rank(scorer, split.unseen, k=10))


def _random(splits: Mapping[int, ColdSplit]) -> ColdRow:
    values = []
    for seed, split in splits.items():
        rng = np.random.default_rng(seed)
        scorer = _noise(rng, len(split.cold))
        values.append(split.judge(rank(scorer, split.unseen, k=10)))
    return ColdRow("random", tuple(values), tuple(values), tuple(values))


def _noise(rng: np.random.Generator, items: int) -> Callable[[int, int], npt.NDArray[np.float64]]:
    return lambda low, high: rng.random((high - low, items))


def record(rows: Sequence[ColdRow], dataset: Dataset, config: RidgeConfig) -> dict[str, Any]:
    """The whole measurement as JSON."""
    return {
        "data": {"name": dataset.name, "sha256": dataset.sha256},
        "protocol": "a fifth of the items with 5 interactions made cold; cold items ranked alone",
        "ridge": asdict(config),
        "linear": asdict(LINEAR),
        "rows": [row.record() for row in rows],
    }


def table(rows: Sequence[ColdRow]) -> str:
    """Mean and standard deviation over the seeds, a line a row."""
    lines = [f"{'NDCG@10, cold items only':<48} {'linear':>13} {'kernel':>13} {'int8 edges':>13}"]
    for row in rows:
        cells = (
            f"{np.mean(v):.4f} ± {np.std(v):.3f}" for v in (row.linear, row.kernel, row.integer)
        )
        lines.append(f"{row.name:<48} " + " ".join(f"{cell:>13}" for cell in cells))
    return "\n".join(lines)
