# SPDX-License-Identifier: Apache-2.0
"""The language model alone: item vectors and the user's own history, nobody else's interactions.

Two kinds of rules lead from a history to scores: the cosine of an item with the mean of the
history's vectors, and the ridge regression of the user's own interactions on the vectors, in
closed form, ``scores = sum over the history of (K + penalty)^-1 K``. Which one, of which features
and how smooth, is chosen on validation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from recfabric.bench._cold import language_model_blocks
from recfabric.quant.baselines import ease_scorer
from recfabric.quant.judge import Judge
from recfabric.quant.llm.cold import ColdSplit, Matrix, kernel
from recfabric.quant.metrics import rank
from recfabric.quant.progress import Silent
from recfabric.table._meter import metered
from recfabric.table.plan import JUDGES, MATRIX

if TYPE_CHECKING:
    from recfabric.table.stages import Task


@dataclass(frozen=True)
class Rule:
    """From a history to scores. ``labels``: genre, year and the small encoder stand beside the
    language model's vectors; ``penalty``: of the ridge, None for the cosine with the mean;
    ``sharpness``: of the kernel, 0 for inner products."""

    labels: bool
    penalty: float | None = None
    sharpness: float = 0.0

    def matrix(self, blocks: Sequence[Matrix], known: npt.NDArray[np.int64]) -> Matrix:
        """float32 (K, I): what each of the ``known`` items adds to the score of each item."""
        used = blocks if self.labels else blocks[-2:]
        if self.penalty is None:
            return kernel(used, 0.0)[known]
        likeness = kernel(used, self.sharpness)
        system = likeness[np.ix_(known, known)].astype(np.float64)
        system[np.diag_indices(len(known))] += self.penalty
        return np.linalg.solve(system, likeness[known].astype(np.float64)).astype(np.float32)


RULES = tuple(
    rule
    for labels in (False, True)
    for rule in (
        Rule(labels),
        *(Rule(labels, penalty) for penalty in (2.0, 5.0, 10.0)),
        *(Rule(labels, penalty, 0.25) for penalty in (2.0, 5.0, 20.0)),
    )
)


def llm(task: Task) -> dict[str, Any]:
    """The best of the rules on validation, judged on the split and on the cold items."""
    everyone, train = np.arange(task.split.items), task.split.train
    judge = Judge.of(task.split, train, JUDGES)
    record: dict[str, Any] = {}
    with metered(record):
        blocks = _blocks(task)
        found = {}
        for rule in RULES:
            scorer = ease_scorer(rule.matrix(blocks, everyone), judge.history)
            found[rule] = judge(lambda seen, scorer=scorer: rank(scorer, seen, k=10))  # type: ignore[misc]
        best = max(found, key=lambda rule: found[rule])
        matrix = best.matrix(blocks, everyone)
    features = np.hstack(blocks if best.labels else blocks[-2:])
    np.savez(task.folder / MATRIX, matrix=matrix, features=features)
    figures = task.judged(ease_scorer(matrix, train))
    figures["cold"] = _cold(best, blocks, task.draw)
    return record | {
        "rule": vars(best),
        "readings": len(RULES),
        "validation": found[best],
        "quality": figures,
    }


def _blocks(task: Task) -> list[Matrix]:
    """Attributes, the small encoder's vectors, the language model's mean and last states."""
    everything = replace(task.draw, warm=np.arange(task.split.items))
    return language_model_blocks(task.texts, task.vectors(), everything, Silent())


def _cold(rule: Rule, blocks: Sequence[Matrix], draw: ColdSplit) -> float:
    return draw.ndcg(rule.matrix(blocks, draw.warm)[:, draw.cold])
