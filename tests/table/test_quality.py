# SPDX-License-Identifier: Apache-2.0
"""The figures of quality against plain loops, and the protocols they are of."""

import numpy as np
import numpy.typing as npt
import pytest

from recfabric.errors import DataError
from recfabric.quant.datasets import Dataset
from recfabric.quant.llm.cold import ColdSplit
from recfabric.quant.metrics import Scorer, ndcg, ndcg_each, rank
from recfabric.quant.splits import Split, split
from recfabric.quant.synthetic import synthetic_dataset
from recfabric.requests import Ragged
from recfabric.table.quality import FEW, Exam, judge_cold, paired_bootstrap, warm_split


@pytest.fixture(scope="module")
def data() -> Dataset:
    return synthetic_dataset(users=50, items=220, seed=5, most=40)


@pytest.fixture(scope="module")
def parts(data: Dataset) -> Split:
    return split(data)


@pytest.fixture(scope="module")
def exam(parts: Split) -> Exam:
    return Exam.of(parts)


def table_scorer(scores: npt.NDArray[np.float64]) -> Scorer:
    return lambda low, high: scores[low:high]


def gain(order: list[int], wanted: set[int], k: int = 10) -> float:
    ideal = sum(1 / np.log2(i + 2) for i in range(min(k, len(wanted))))
    return float(sum(1 / np.log2(i + 2) for i, j in enumerate(order[:k]) if j in wanted) / ideal)


def test_every_figure_is_that_of_a_plain_loop(exam: Exam, parts: Split) -> None:
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 40, (parts.users, parts.items)).astype(float)  # with many ties
    for user, test in enumerate(parts.test):
        scores[user, test] += 12
    figures, each = exam.judge(table_scorer(scores))
    few = set(np.flatnonzero(np.bincount(parts.train.values, minlength=parts.items) <= FEW))
    found: dict[str, list[float]] = {name: [] for name in figures}
    users, start = [], 0
    for user, (seen, test) in enumerate(zip(parts.seen, parts.test, strict=True)):
        if not len(test):
            continue
        users.append(user)
        order = [int(i) for i in np.lexsort((np.arange(parts.items), -scores[user]))]
        left = [i for i in order if i not in set(seen.tolist())]
        wanted = set(test.tolist())
        found["ndcg@10"].append(gain(left, wanted))
        found["recall@20"].append(len(set(left[:20]) & wanted) / len(wanted))
        if wanted & few:
            found["few"].append(gain([i for i in left if i in few], wanted & few))
            found["few_full"].append(gain(left, wanted & few))
        sampled = []
        for n, item in enumerate(test):
            others = exam.negatives[start + n]
            asked = [i for i in order if i == item or i in set(others.tolist())]
            assert len(asked) == 100
            assert not set(others.tolist()) & (wanted | set(seen.tolist()))
            sampled.append(gain(asked, {int(item)}))
        found["sampled_ndcg@10"].append(float(np.mean(sampled)))
        start += len(test)
    for name, values in found.items():
        assert len(values) > 5, name
        assert figures[name] == pytest.approx(np.mean(values), abs=1e-12), name
        assert 0.05 < figures[name] < 0.95, name
    assert each[users] == pytest.approx(found["ndcg@10"])
    assert np.isnan(np.delete(each, users)).all()


def test_the_figures_tell_a_good_model_from_a_bad_one(exam: Exam, parts: Split) -> None:
    right = np.zeros((parts.users, parts.items))
    for user, test in enumerate(parts.test):
        right[user, test] = 1
    best, worst = exam.judge(table_scorer(right))[0], exam.judge(table_scorer(-right))[0]
    assert best["ndcg@10"] == best["sampled_ndcg@10"] == best["few"] == 1
    assert worst["ndcg@10"] == worst["sampled_ndcg@10"] == worst["recall@20"] == 0
    assert worst["few"] < 0.2


def test_means_of_each_user_are_the_mean() -> None:
    rng = np.random.default_rng(3)
    targets = Ragged.of([rng.choice(30, n, replace=False) for n in (0, 1, 4, 15)])
    none = Ragged.of([[] for _ in range(4)])
    lists = rank(lambda low, high: rng.random((high - low, 30)), none, k=10)
    each = ndcg_each(lists, targets)
    assert np.isnan(each[0])
    assert np.nanmean(each) == pytest.approx(ndcg(lists, targets))


def test_a_small_catalogue_has_no_99_to_draw() -> None:
    with pytest.raises(DataError, match="too few for 1 against 99"):
        Exam.of(split(synthetic_dataset(users=20, items=60)))


def test_nothing_cold_trains_or_validates(data: Dataset) -> None:
    draw = ColdSplit.draw(data, 3)
    warm = warm_split(draw, len(data.items), 3)
    for name in ("train", "valid"):
        assert not np.isin(getattr(warm, name).values, draw.cold).any()
    for user in range(warm.users):
        both = np.concatenate([warm.train[user], warm.valid[user]])
        assert sorted(both) == sorted(draw.warm[draw.history[user]])
        assert set(warm.test[user]) == set(draw.cold[draw.targets[user]])
        assert len(warm.train[user]) >= max(1, 0.9 * len(both))
    assert len(warm.valid.values) > 0


def test_cold_items_are_ranked_alone_and_among_all(data: Dataset) -> None:
    draw = ColdSplit.draw(data, 0)
    warm = warm_split(draw, len(data.items), 0)
    scores = np.random.default_rng(1).random((warm.users, warm.items))
    for user, test in enumerate(warm.test):
        scores[user, test] += 2
    assert judge_cold(table_scorer(scores), draw, warm) == {"cold": 1, "cold_full": 1}
    scores[:, draw.warm] += 4  # every warm item before every cold one
    found = judge_cold(table_scorer(scores), draw, warm)
    assert found["cold"] == 1
    assert found["cold_full"] == 0


def test_the_bootstrap_pairs_users() -> None:
    rng = np.random.default_rng(0)
    other = rng.random(400)
    one = other + rng.normal(0.02, 0.05, 400)
    one[:7] = np.nan
    found = paired_bootstrap(one, other)
    gap = (one - other)[7:]
    assert found["users"] == 393
    assert found["mean"] == pytest.approx(gap.mean())
    error = 1.96 * gap.std() / np.sqrt(393)  # unpaired it would be ten times as wide
    assert found["low"] == pytest.approx(gap.mean() - error, abs=0.15 * error)
    assert found["high"] == pytest.approx(gap.mean() + error, abs=0.15 * error)
    turned = paired_bootstrap(other, one)
    assert turned["high"] == pytest.approx(-found["low"], abs=0.1 * error)
