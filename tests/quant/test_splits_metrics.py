# SPDX-License-Identifier: Apache-2.0
"""Splits, rankings and the reference figures of ml-100k."""

from dataclasses import replace

import numpy as np
import pytest

from recfabric.errors import ConfigError
from recfabric.quant import baselines, metrics
from recfabric.quant.datasets import TEST, TRAIN, Dataset
from recfabric.quant.splits import PROTOCOLS, split
from recfabric.quant.synthetic import synthetic_dataset
from recfabric.requests import Ragged


def with_given(data: Dataset) -> Dataset:
    given = np.where(np.arange(len(data.user)) % 5 == 0, TEST, TRAIN).astype(np.int8)
    return replace(data, given=given)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_split_parts_every_interaction_once(protocol: str) -> None:
    data = with_given(synthetic_dataset(users=50, items=40, seed=3))
    parts = split(data, protocol, seed=1)
    for user in range(parts.users):
        mine = np.concatenate([part[user] for part in (parts.train, parts.valid, parts.test)])
        assert sorted(mine) == sorted(data.item[data.user == user])
        assert np.array_equal(
            parts.seen[user], np.sort(np.concatenate([parts.train[user], parts.valid[user]]))
        )
    assert protocol.split("-")[0] in parts.protocol
    assert "full ranking" in parts.protocol


def test_random_cuts_follow_the_reference() -> None:
    data = synthetic_dataset(users=30, items=40, seed=4)
    parts = split(data, seed=42)
    rng = np.random.default_rng(42)
    for user in range(30):
        mine = data.item[data.user == user]
        n, mine = len(mine), mine[rng.permutation(len(mine))]
        assert sorted(parts.train[user]) == sorted(mine[: int(n * 0.8)])
        assert sorted(parts.test[user]) == sorted(mine[int(n * 0.9) :])


def test_last_out_goes_by_time_not_by_line() -> None:
    data = synthetic_dataset(users=20, items=30, seed=5)
    assert data.timestamp is not None
    backwards = replace(data, timestamp=-data.timestamp)
    parts = split(backwards, "last-out")
    for user in range(20):
        mine = data.item[data.user == user]
        assert parts.test[user].tolist() == [mine[0]]
        assert parts.valid[user].tolist() == [mine[1]]
        assert parts.train[user].tolist() == mine[:1:-1].tolist()


def test_given_keeps_the_files_test_part() -> None:
    data = with_given(synthetic_dataset(users=20, items=30, seed=6))
    parts = split(data, "given", seed=1)
    assert data.given is not None
    for user in range(20):
        wanted = data.item[(data.user == user) & (data.given == TEST)]
        assert sorted(parts.test[user]) == sorted(wanted)


def test_an_item_met_twice_counts_once() -> None:
    data = synthetic_dataset(users=10, items=20, seed=7)
    twice = replace(
        data,
        user=np.tile(data.user, 2),
        item=np.tile(data.item, 2),
        timestamp=None,
        rating=None,
    )
    once = split(replace(data, timestamp=None), "last-out")
    again = split(twice, "last-out")
    assert np.array_equal(once.test.values, again.test.values)
    assert np.array_equal(once.train.values, again.train.values)


@pytest.mark.parametrize("protocol", ["given", "sampled"])
def test_bad_protocols(protocol: str) -> None:
    with pytest.raises(ConfigError, match=protocol):
        split(synthetic_dataset(), protocol)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
def test_top_k_is_a_stable_sort(dtype: type) -> None:
    rng = np.random.default_rng(8)
    scores = rng.integers(-4, 5, size=(40, 30)).astype(dtype)
    seen = Ragged.of([np.sort(rng.choice(30, size=n % 30, replace=False)) for n in range(40)])
    ids = metrics.top_k(scores, seen, 12)
    for row in range(40):
        left = [i for i in range(30) if i not in set(seen[row].tolist())]
        best = sorted(left, key=lambda i: (-scores[row, i], i))[:12]
        assert ids[row].tolist() == best + [-1] * (12 - len(best))


def test_metrics_by_hand() -> None:
    ids = np.array([[3, 1, 2], [0, 4, -1], [5, 6, 7]], np.int32)
    targets = Ragged.of([[1, 9], [4], []])
    gain = 1 / np.log2(3)
    assert metrics.ndcg(ids, targets, 3) == pytest.approx((gain / (1 + gain) + gain) / 2)
    assert metrics.recall(ids, targets, 3) == pytest.approx((0.5 + 1) / 2)
    assert metrics.ndcg(ids, Ragged.of([[], [], []]), 3) == 0


def test_ranking_in_batches_changes_nothing() -> None:
    scores = np.random.default_rng(9).normal(size=(50, 20))
    seen = Ragged.of([[i % 20] for i in range(50)])
    whole = metrics.rank(lambda low, high: scores[low:high], seen, k=5, batch=50)
    parts = metrics.rank(lambda low, high: scores[low:high], seen, k=5, batch=7)
    assert np.array_equal(whole, parts)


def test_ease_solves_its_equations() -> None:
    parts = split(synthetic_dataset(seed=10))
    x = np.zeros((parts.users, parts.items))
    for user, items in enumerate(parts.train):
        x[user, items] = 1
    inverse = np.linalg.inv(x.T @ x + 20 * np.eye(parts.items))
    expected = -inverse / np.diag(inverse)
    np.fill_diagonal(expected, 0)
    weights = baselines.ease(parts.train, parts.items, 20.0)
    assert np.allclose(weights, expected)
    scores = baselines.ease_scorer(weights, parts.train)(3, 9)
    assert np.allclose(scores, x[3:9] @ expected)
    with pytest.raises(ConfigError, match="-1"):
        baselines.ease(parts.train, parts.items, -1.0)


def test_reference_figures(ml100k: Dataset) -> None:
    """Reference figures, seed 42: popularity .157, EASE (400) .352."""
    parts = split(ml100k)
    popular = metrics.rank(baselines.most_pop(parts.popularity), parts.seen, k=20)
    assert metrics.ndcg(popular, parts.test) == pytest.approx(0.157, abs=0.001)
    weights = baselines.ease(parts.train, parts.items, 400.0)
    ranked = metrics.rank(baselines.ease_scorer(weights, parts.train), parts.seen, k=20)
    assert metrics.ndcg(ranked, parts.test) == pytest.approx(0.352, abs=0.001)
    row = metrics.accuracy("EASE", parts.protocol, ranked, parts.test)
    assert row["protocol"] == "random-80-10-10 seed 42, full ranking, train+valid masked"


def test_yardsticks_import_without_torch() -> None:
    import subprocess
    import sys

    names = ("datasets", "splits", "metrics", "baselines")
    code = "; ".join(f"import recfabric.quant.{name}" for name in names)
    code += "; import sys; sys.exit('torch' in sys.modules or 'scipy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
