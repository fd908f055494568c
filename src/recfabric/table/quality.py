# SPDX-License-Identifier: Apache-2.0
"""What a model's scores are worth: full ranking, 1 against 99, items that few or none have met."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from recfabric.errors import DataError
from recfabric.quant.lists import rows, within
from recfabric.quant.llm.cold import ColdSplit
from recfabric.quant.metrics import Scorer, ndcg, ndcg_each, recall, top_k
from recfabric.quant.splits import Split
from recfabric.requests import Ragged

NEGATIVES = 99
SEED = 42  # of the negatives: every model is asked for the same ones
FEW = 5  # training interactions of an item that few have met, at most
LISTED = 20
BATCH = 512
DRAWS = 10_000  # of the bootstrap

Record = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Exam:
    """What every model of a data set is asked: a split, its negatives, and the items of interest.

    ``negatives``: int32 (T, 99), for each test interaction items that its user never met, drawn
    evenly; ``few``: int64, item rows, ascending: the candidates of the figures "few".
    """

    split: Split
    seen: Ragged
    negatives: npt.NDArray[np.int32]
    few: npt.NDArray[np.int64]

    @classmethod
    def of(cls, split: Split) -> Exam:
        """The exam of a split; raises DataError for a catalogue too small to draw 99 from."""
        few = np.flatnonzero(split.popularity <= FEW)
        return cls(split, split.seen, _negatives(split), few)

    def judge(self, scorer: Scorer) -> tuple[Record, npt.NDArray[np.float64]]:
        """The figures of a model, and NDCG@10 of each user, NaN where one has no test item.

        ``ndcg@10``, ``recall@20``: full ranking; ``sampled_ndcg@10``: 1 against 99;
        ``few``: the items that at most 5 met in training are the candidates, ``few_full``: they
        are the targets of the full ranking.
        """
        split, few = self.split, self.few
        seen_few, test_few = (within(lists, few, split.items) for lists in (self.seen, split.test))
        whole, part, sampled = [], [], []
        for low in range(0, split.users, BATCH):
            high = min(low + BATCH, split.users)
            scores = scorer(low, high)
            whole.append(top_k(scores, rows(self.seen, low, high), LISTED))
            part.append(top_k(scores[:, few], rows(seen_few, low, high), 10))
            sampled.append(self._sampled(scores, low, high))
        lists = np.concatenate(whole)
        figures = {
            "ndcg@10": ndcg(lists, split.test),
            "recall@20": recall(lists, split.test, LISTED),
            "sampled_ndcg@10": _mean_of_users(np.concatenate(sampled), split.test),
            "few": ndcg(np.concatenate(part), test_few),
            "few_full": ndcg(lists, _named(test_few, few)),
        }
        return figures, ndcg_each(lists, split.test)

    def _sampled(self, scores: npt.NDArray[Any], low: int, high: int) -> npt.NDArray[np.float64]:
        """The gain of each test interaction of the users, among 99 others; ties by item row."""
        test = self.split.test
        begin, end = int(test.indptr[low]), int(test.indptr[high])
        user = np.repeat(np.arange(high - low), np.diff(test.indptr[low : high + 1]))
        item, others = test.values[begin:end], self.negatives[begin:end]
        own, rest = scores[user, item][:, None], scores[user[:, None], others]
        before = (rest > own) | ((rest == own) & (others < item[:, None]))
        place = before.sum(axis=1)
        return np.where(place < 10, 1 / np.log2(place + 2.0), 0.0)


def _negatives(split: Split) -> npt.NDArray[np.int32]:
    rng, found = np.random.default_rng(SEED), []
    for train, valid, test in zip(split.train, split.valid, split.test, strict=True):
        if not len(test):
            continue
        unknown = np.ones(split.items, dtype=np.bool_)
        unknown[np.concatenate([train, valid, test])] = False
        unmet = np.flatnonzero(unknown)
        if len(unmet) < NEGATIVES:
            raise DataError(
                f"A user has {len(unmet)} items never met, too few for 1 against {NEGATIVES}; "
                "bring a larger catalogue."
            )
        draws = rng.random((len(test), len(unmet)))
        order = np.argpartition(draws, NEGATIVES - 1, axis=1)[:, :NEGATIVES]
        found.append(unmet[order].astype(np.int32))
    return np.concatenate(found)


def _mean_of_users(gains: npt.NDArray[np.float64], test: Ragged) -> float:
    """The mean within each user, then over the users with a test item."""
    count = np.diff(test.indptr)
    user = np.repeat(np.arange(len(test)), count)
    total = np.bincount(user, gains, minlength=len(test))
    return float((total[count > 0] / count[count > 0]).mean())


def _named(lists: Ragged, items: npt.NDArray[np.int64]) -> Ragged:
    """Positions in ``items`` as the items they stand for."""
    return Ragged(lists.indptr, items[lists.values].astype(np.int32))


def warm_split(draw: ColdSplit, items: int, seed: int) -> Split:
    """The protocol of cold items as a split that models can be trained on.

    Nine tenths of each user's warm interactions train, the rest validates (at least one trains);
    the cold ones test. ``items``: of the catalogue.
    """
    rng, train, valid = np.random.default_rng(seed), [], []
    for history in draw.history:
        order = rng.permutation(len(history))
        cut = max(1, int(np.ceil(0.9 * len(history))))
        met = draw.warm[history]
        train.append(met[np.sort(order[:cut])])
        valid.append(met[np.sort(order[cut:])])
    return Split(
        protocol=f"cold items seed {draw.seed}, a tenth of the warm interactions validates",
        items=items,
        train=Ragged.of(train),
        valid=Ragged.of(valid),
        test=_named(draw.targets, draw.cold),
    )


def judge_cold(scorer: Scorer, draw: ColdSplit, split: Split) -> Record:
    """NDCG@10 of the cold items of ``draw``: as the only candidates, and among the whole catalogue.

    ``scorer``: (R, I) for the users of :func:`warm_split`.
    """
    alone, whole, seen = [], [], split.seen
    for low in range(0, split.users, BATCH):
        high = min(low + BATCH, split.users)
        scores = scorer(low, high)
        alone.append(top_k(scores[:, draw.cold], rows(draw.unseen, low, high), 10))
        whole.append(top_k(scores, rows(seen, low, high), 10))
    return {
        "cold": draw.judge(np.concatenate(alone)),
        "cold_full": ndcg(np.concatenate(whole), split.test),
    }


def paired_bootstrap(
    one: npt.NDArray[np.float64], other: npt.NDArray[np.float64], *, seed: int = SEED
) -> Record:
    """The mean difference of two models' figures of the same users, and its 95 % interval.

    Users are drawn with replacement; those without a figure are left out.
    """
    gap = (one - other)[~np.isnan(one) & ~np.isnan(other)]
    rng = np.random.default_rng(seed)
    means = np.concatenate(
        [gap[rng.integers(0, len(gap), (100, len(gap)))].mean(axis=1) for _ in range(DRAWS // 100)]
    )
    low, high = np.quantile(means, [0.025, 0.975])
    return {"mean": float(gap.mean()), "low": float(low), "high": float(high), "users": len(gap)}


def spread_of(values: Sequence[float]) -> Record:
    """Mean, standard deviation over the seeds, and each seed's value."""
    return {"mean": float(np.mean(values)), "std": float(np.std(values)), "seeds": list(values)}
