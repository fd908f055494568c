# SPDX-License-Identifier: Apache-2.0
"""From a text's weights to rows: every table, the edges, the gain, the limits of the formats."""

import numpy as np
import numpy.typing as npt
import pytest

from recfabric.contract import Contract
from recfabric.kernels.stimulus import random_contract
from recfabric.quant.llm.textmap import TABLES, MapConfig, TextMap, TextModel, fit_map

ITEMS, EDGES = 40, 5
TEXTS = tuple(
    f"Thing {i} ({1980 + i % 4}). Genres: {('Calm', 'Loud')[i % 2]}" for i in range(ITEMS)
)
GAIN, DIRECT, SHARPNESS = 1.75, 0.3, 40.0
MODEL = TextModel("any", "0")


@pytest.fixture(scope="module")
def contract() -> Contract:
    return random_contract(items=ITEMS, dim=16, heads=1, edges=EDGES, seed=5, history=64)


def _vectors(seed: int) -> npt.NDArray[np.float32]:
    return np.random.default_rng(seed).normal(1.0, 1.0, (ITEMS, 6)).astype(np.float32)


@pytest.fixture(scope="module")
def fitted(contract: Contract) -> TextMap:
    config = MapConfig(gain=GAIN, direct=DIRECT)
    return fit_map(contract, TEXTS, [(MODEL, _vectors(0))], config=config, sharpness=SHARPNESS)


@pytest.mark.parametrize("scale", [0.02, 3.0])
def test_rows_are_weighted_sums_in_each_format(
    contract: Contract, fitted: TextMap, scale: float
) -> None:
    """``gain`` is of item and bias alone; what a format cannot hold is its nearest integer."""
    weights = np.random.default_rng(1).normal(0, scale, (8, len(fitted.anchors)))
    rows = fitted.rows(weights.astype(np.float32), contract)
    outside = 0
    for name in TABLES:
        form, known = getattr(contract.formats, name), getattr(contract.tensors, name)
        whole = weights @ known[fitted.anchors].astype(np.float64)
        whole *= GAIN if name in ("item", "bias") else 1
        assert np.abs(rows[name] - np.clip(whole, form.min, form.max)).max() < 0.52, name
        outside += int((whole > form.max).sum() + (whole < form.min).sum())
    assert (outside > 0) == (scale > 1)


def test_edges_are_those_of_the_items_like_it_and_these_themselves(
    contract: Contract, fitted: TextMap
) -> None:
    weights = np.random.default_rng(2).normal(0, 0.2, (8, len(fitted.anchors)))
    rows, t = fitted.rows(weights.astype(np.float32), contract), contract.tensors
    for one, target, weight in zip(weights, rows["edge_item"], rows["edge_weight"], strict=True):
        total = np.zeros(ITEMS)
        for anchor, share in zip(fitted.anchors, one, strict=True):
            for slot in range(EDGES):
                total[t.edge_item[anchor, slot]] += share * t.edge_weight[anchor, slot]
            total[anchor] += share * DIRECT * SHARPNESS * 2.0**contract.formats.edge.frac
        best = np.argsort(-np.abs(total))[:EDGES]
        form = contract.formats.edge
        assert set(target.tolist()) == set(best.tolist())
        assert np.abs(weight - np.clip(total[target], form.min, form.max)).max() < 0.52


def test_only_differences_between_vectors_count(contract: Contract, fitted: TextMap) -> None:
    """Vectors are centred on the known items' mean: a shift of them all changes nothing."""
    shift = np.float32(5)
    moved = fit_map(
        contract, TEXTS, [(MODEL, _vectors(0) + shift)], config=fitted.config, sharpness=SHARPNESS
    )
    asked = _vectors(3)
    plain = fitted.weights(fitted.featurise(TEXTS, [asked]))
    assert np.allclose(plain, moved.weights(moved.featurise(TEXTS, [asked + shift])), atol=1e-4)
    assert not np.allclose(plain, fitted.weights(fitted.featurise(TEXTS, [asked + shift])))
    rows = fitted.features[:, -asked.shape[1] :]
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    centre = _vectors(0)[fitted.anchors].mean(0)
    assert np.allclose(fitted.means, centre, atol=1e-5)
    unit = _vectors(0)[fitted.anchors] - centre
    assert np.allclose(rows, unit / np.linalg.norm(unit, axis=1, keepdims=True), atol=1e-5)
