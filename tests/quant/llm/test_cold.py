# SPDX-License-Identifier: Apache-2.0
"""Cold items: the protocol, edges computed from text, their integers."""

from pathlib import Path

import numpy as np
import pytest

from recfabric.bench._cold import bench_cold, integer_ndcg
from recfabric.errors import ConfigError, DataError, NetworkError
from recfabric.quant.datasets import Dataset
from recfabric.quant.llm.cold import (
    LINEAR,
    ColdSplit,
    IntegerEdges,
    RidgeConfig,
    block,
    kernel,
    left_out_edges,
    quantise_edges,
    text_edges,
)
from recfabric.requests import Ragged


def test_the_protocol(ml100k: Dataset) -> None:
    split = ColdSplit.draw(ml100k, 3)
    count = np.bincount(ml100k.item, minlength=len(ml100k.items))
    eligible = np.flatnonzero(count >= 5)
    drawn = np.random.default_rng(3).permutation(eligible)[: len(eligible) // 5]
    assert np.array_equal(split.cold, drawn) and len(drawn) == 269
    assert np.array_equal(np.sort(np.r_[split.warm, split.cold]), np.arange(len(ml100k.items)))
    assert len(split.history) == len(ml100k.users)
    user = 7
    met = set(ml100k.item[ml100k.user == user].tolist())
    assert set(split.warm[split.history[user]].tolist()) == met - set(drawn.tolist())
    assert set(split.cold[split.targets[user]].tolist()) == met & set(drawn.tolist())


def test_the_nested_split_never_sees_a_cold_item(ml100k: Dataset) -> None:
    split = ColdSplit.draw(ml100k, 0)
    inner = split.nested(1000)
    assert np.array_equal(np.sort(np.r_[inner.warm, inner.cold]), split.warm)
    assert not set(inner.cold.tolist()) & set(split.cold.tolist())
    both = np.r_[inner.warm[inner.history[5]], inner.cold[inner.targets[5]]]
    assert np.array_equal(np.sort(both), split.warm[np.sort(split.history[5])])


def _small(items: int = 9, warm: int = 6) -> tuple[np.ndarray, ColdSplit]:
    rng = np.random.default_rng(1)
    features = rng.normal(size=(items, 4)).astype(np.float32)
    history = Ragged.of([[0, 1], [1, 2, 3], [4, 5], [0, 5]])
    targets = Ragged.of([[0], [1, 2], [], [2]])
    return features, ColdSplit(0, np.arange(warm), np.arange(warm, items), history, targets)


def test_linear_edges_are_ridge_regression() -> None:
    features, split = _small()
    edges = text_edges(kernel([features], 0.0), split, RidgeConfig(2.0, 0.0, 0.0))
    warm, cold = features[:6].astype(np.float64), features[6:].astype(np.float64)
    primal = warm @ np.linalg.solve(warm.T @ warm + 2 * np.eye(4), cold.T)
    assert np.allclose(edges, primal, atol=1e-6)


def test_smoothing_puts_ease_before() -> None:
    from recfabric.quant.baselines import ease

    features, split = _small()
    likeness = kernel([features], 0.1)
    plain = text_edges(likeness, split, RidgeConfig(2.0, 0.1, 0.0)).astype(np.float64)
    between = ease(split.history, 6, 3.0)
    expected = 0.3 * plain + between @ plain
    assert np.allclose(text_edges(likeness, split, RidgeConfig(2.0, 0.1, 3.0)), expected, atol=1e-6)


def test_each_item_left_out_in_turn_is_cold_alone() -> None:
    rng = np.random.default_rng(3)
    features, config = _small()[0], RidgeConfig(2.0, 0.1, 0.0, 0.3)
    likeness, items = kernel([features], 0.1), np.arange(9)
    between = rng.normal(size=(9, 9))
    np.fill_diagonal(between, 0)
    nobody = Ragged.of([[0]])
    told = left_out_edges(likeness, between, config)
    for cold in items:
        warm = np.delete(items, cold)
        alone = ColdSplit(0, warm, np.array([cold]), nobody, nobody)
        plain = text_edges(likeness, alone, config)[:, 0]
        expected = 0.3 * plain + between[np.ix_(warm, warm)] @ plain
        assert np.allclose(told[warm, cold], expected, atol=1e-6) and not told[cold, cold]


def test_a_block_forgets_items_without_text() -> None:
    vectors = np.array([[3.0, 4.0], [0.0, 0.0], [1.0, 0.0]])
    unit = block(vectors)
    assert not unit[1].any()
    assert np.allclose(np.linalg.norm(unit[[0, 2]], axis=1), 1)


def test_integer_edges() -> None:
    edges = np.array([[0.5, -0.25, 0.01], [0.0, 0.9, -0.4]], np.float32)
    found = quantise_edges(edges, slots=2)
    assert found.target.tolist() == [[0, 1], [1, 2]]
    assert found.frac == 7
    assert found.weight.tolist() == [[64, -32], [115, -51]]
    assert found.dense(3).tolist() == [[64, -32, 0], [0, 115, -51]]
    assert quantise_edges(np.zeros((2, 3), np.float32)).weight.any() == np.False_
    with pytest.raises(ConfigError, match="129 edges"):
        quantise_edges(edges, slots=129)


def test_scores_of_integer_edges() -> None:
    _, split = _small()
    target = np.tile(np.array([0, 1, 2], np.int32), (6, 1))
    weight = np.array([[9, 1, 0], [0, 5, 5], [0, 6, 4], [0, 1, 9], [1, 1, 1], [1, 0, 9]], np.int8)
    edges = IntegerEdges(target, weight, 0)
    # Sums: (9, 6, 5) wants 0; (0, 12, 18) wants 1, 2; (10, 1, 9) wants 2: second place.
    assert integer_ndcg(edges, split) == pytest.approx((1 + 1 + 1 / np.log2(3)) / 3)


def test_text_helps_and_shuffled_text_does_not(ml100k: Dataset) -> None:
    try:
        rows = {r.name: r for r in bench_cold(ml100k, models=(), seeds=range(2))}
    except NetworkError as error:
        pytest.skip(f"NOT TESTED: {error}")
    means = {name: np.mean(row.linear) for name, row in rows.items()}
    assert 0.07 < means["random"] < 0.10
    assert means["genre + year"] > 0.27
    assert means["+ minilm"] > means["genre + year"] > means["+ minilm, texts shuffled"]
    for row in rows.values():
        assert np.allclose(row.kernel, row.integer, atol=0.02)


@pytest.mark.parametrize("wrong", [{"penalty": 0.0}, {"direct": -1.0}, {"sharpness": np.nan}])
def test_bad_ridge(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        RidgeConfig(**wrong)
    assert LINEAR.sharpness == 0


def test_data_without_text_or_interactions(ml100k: Dataset) -> None:
    from dataclasses import replace

    with pytest.raises(DataError, match="no item texts"):
        bench_cold(replace(ml100k, texts=None))
    with pytest.raises(ConfigError, match="are chosen on the cold items"):
        bench_cold(ml100k, nested=True, adapters={0: [Path("seed0")]})
    with pytest.raises(DataError, match="0 items have at least 5"):
        ColdSplit.draw(replace(ml100k, user=ml100k.user[:4], item=ml100k.item[:4]), 0)
