# SPDX-License-Identifier: Apache-2.0
"""Answers of the models that have no contract: the language model alone and the float hybrid."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from recfabric.quant.hybrid import Edges, attend, logits, pool, scatter, softmax2
from recfabric.quant.llm.adapt import SENTENCES
from recfabric.quant.llm.cold import Matrix, block, kernel, middle, unit
from recfabric.quant.llm.prompts import attributes, columns
from recfabric.quant.llm.reader import TextReader
from recfabric.quant.llm.textmap import MapConfig
from recfabric.requests import Ragged
from recfabric.table.plan import FLOAT, MATRIX

if TYPE_CHECKING:
    from recfabric.table.stages import Task


@dataclass(frozen=True, eq=False)
class TextAlone:
    """The language model alone: ``matrix`` (I, I), what each item adds to each item's score;
    ``features`` (I, F); ``featurise``: (1, F) of a text; ``sharpness``: of the kernel."""

    matrix: Matrix
    features: Matrix
    sharpness: float
    featurise: Callable[[str], Matrix]

    @classmethod
    def load(cls, task: Task) -> TextAlone:
        """From the stage that chose the rule; the readers are loaded."""
        rule = task.left("model")["rule"]
        with np.load(task.needs["model"] / MATRIX) as a:
            matrix, features = a["matrix"], a["features"]
        return cls(matrix, features, rule["sharpness"], _featuriser(task, rule["labels"]))

    def scores(self, history: npt.NDArray[np.int64], text: str | None) -> Matrix:
        """(I,): the history's rows summed; a text counts as often as the history has items."""
        total: Matrix = self.matrix[history].sum(axis=0)
        if text is None:
            return total
        product = self.featurise(text) @ self.features.T
        likeness = np.exp(np.float32(self.sharpness) * product) if self.sharpness else product
        told: Matrix = likeness[0] @ self.matrix
        return total + len(history) * told


def _featuriser(task: Task, labels: bool) -> Callable[[str], Matrix]:
    readers: list[tuple[TextReader, Sequence[Matrix]]] = []
    reader, found = task.reader(), task.vectors()
    reader.load()
    readers.append((reader, [middle(part) for part in np.split(found, 2, axis=1)]))
    if labels:
        small = TextReader(SENTENCES)
        small.load()
        readers.insert(0, (small, [middle(small.cached(task.texts))]))
    known = columns(task.texts)

    def featurise(text: str) -> Matrix:
        blocks = [attributes([text], known)] if labels else []
        for one, centres in readers:
            parts = np.split(one.read([text]), len(centres), axis=1)
            blocks += [unit(p, c) for p, c in zip(parts, centres, strict=True)]
        return np.hstack(blocks).astype(np.float32)

    return featurise


@dataclass(frozen=True, eq=False)
class FloatHybrid:
    """The float hybrid's tables with a spare row at their end, into which a text is written.

    ``weights``: (I,), what each known item counts for a text.
    """

    tables: Mapping[str, Tensor]
    heads: int
    weights: Callable[[str], Tensor]
    direct: float

    @classmethod
    def load(cls, task: Task) -> FloatHybrid:
        """From the stage that trained it; the reader is loaded."""
        with np.load(task.needs["model"] / FLOAT) as a:
            tables = {name: torch.from_numpy(a[name]) for name in a.files}
        sharpness, heads = float(tables.pop("sharpness")), int(tables.pop("heads"))
        for name in ("message", "key", "value", "edge"):
            tables[name] = functional.pad(tables[name], (0, 0, 0, 1))
        items = len(tables["item"])
        tables["target"] = functional.pad(tables["target"], (0, 0, 0, 1), value=-1)
        return cls(tables, heads, _weights(task, items), MapConfig().direct * sharpness)

    def scores(self, history: npt.NDArray[np.int64], text: str | None) -> npt.NDArray[np.float32]:
        """(I,): the scores of the catalogue; a text counts as often as the history has items."""
        t, items = self.tables, len(self.tables["item"])
        told = torch.zeros(items)
        if text is not None:
            weights = self.weights(text)
            for name in ("message", "key", "value"):
                t[name][items] = weights @ t[name][:items]
            told = self._edges(weights)
            history = np.concatenate([history, np.full(max(1, len(history)), items)])
        edges = Edges.of(Ragged.of([history]))
        with torch.no_grad():
            norm = edges.length.clamp(min=1).float().rsqrt()[:, None]
            user = norm * pool(t["message"], edges)
            share = softmax2(logits(user, t["key"], edges, self.heads), edges)
            answer = attend(share, t["value"], edges)
            fused = torch.cat([user, answer], 1) @ t["weight"].T + t["shift"]
            term = scatter(t["edge"], t["target"], edges)[:, :items]
            count = int((edges.item == items).sum())
            scores = fused @ t["item"].T + t["bias"] + norm * (term + count * told)
        found: npt.NDArray[np.float32] = scores[0].numpy()
        return found

    def _edges(self, weights: Tensor) -> Tensor:
        """(I,): where the known items that are like a text lead to, and to these themselves."""
        t, items = self.tables, len(weights)
        target, known = t["target"][:items], t["edge"][:items] * weights[:, None]
        told = torch.zeros(items).index_add(0, target.clamp(min=0).flatten(), known.flatten())
        return told + self.direct * weights


def _weights(task: Task, items: int) -> Callable[[str], Tensor]:
    """As :class:`recfabric.quant.llm.textmap.TextMap` has them, of all items."""
    config, reader, found = MapConfig(), task.reader(), task.vectors()
    reader.load()
    known, halves = columns(task.texts), np.split(found, 2, axis=1)
    features = np.hstack([attributes(task.texts), *(block(half) for half in halves)])
    likeness = kernel([features], config.sharpness).astype(np.float64)
    likeness[np.diag_indices(items)] += config.penalty
    solved = np.linalg.inv(likeness).astype(np.float32)
    centres = [middle(half) for half in halves]

    def weights(text: str) -> Tensor:
        parts = np.split(reader.read([text]), 2, axis=1)
        own = [unit(part, centre) for part, centre in zip(parts, centres, strict=True)]
        row = np.hstack([attributes([text], known), *own]) @ features.T
        return torch.from_numpy((np.exp(np.float32(config.sharpness) * row) @ solved)[0])

    return weights
