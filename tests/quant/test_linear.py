# SPDX-License-Identifier: Apache-2.0
"""Linear models, whole and local, what a hybrid starts from, and sampled catalogues."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from recfabric.errors import ConfigError
from recfabric.quant.ablation import run_ablation
from recfabric.quant.baselines import ease, local_ease
from recfabric.quant.choose import Candidates, Texts, choose
from recfabric.quant.export import export
from recfabric.quant.fit import FitConfig, sampled
from recfabric.quant.hybrid import Edges, scatter
from recfabric.quant.judge import Judge
from recfabric.quant.lightgcn import adjacency
from recfabric.quant.linear import Dense, Mixed, Sparse, alike, held, smooth
from recfabric.quant.lists import windows
from recfabric.quant.llm.cold import RidgeConfig, kernel, left_out_edges
from recfabric.quant.progress import Silent
from recfabric.quant.qat import Bits
from recfabric.quant.splits import split
from recfabric.quant.synthetic import synthetic_dataset
from recfabric.quant.train import TrainConfig, train
from recfabric.requests import Ragged

ITEMS = 30
HISTORY = Edges.of(Ragged.of([[1, 2, 2], [], [29], [0, 5, 7, 9]]))


def sparse() -> tuple[Sparse, Dense]:
    """The same entries twice; row 3 has fewer than the others."""
    rng = np.random.default_rng(0)
    target = np.stack([rng.permutation(ITEMS)[:6] for _ in range(ITEMS)])
    weight = rng.normal(size=(ITEMS, 6)).astype(np.float32)
    weight[target == np.arange(ITEMS)[:, None]] = 0
    weight[3, 4:] = 0
    matrix = np.zeros((ITEMS, ITEMS), np.float32)
    np.put_along_axis(matrix, target, weight, 1)
    target[weight == 0] = -1
    return Sparse(torch.from_numpy(target), torch.from_numpy(weight)), Dense(
        torch.from_numpy(matrix)
    )


def test_sparse_and_dense_compute_the_same() -> None:
    one, other = sparse()
    x = torch.randn(ITEMS, 5, generator=torch.Generator().manual_seed(0))
    some = torch.tensor([4, 29, 0, 11])
    assert torch.allclose(one.times(x), other.times(x), atol=1e-5)
    assert torch.allclose(one.times(x, transposed=True), other.matrix.T @ x, atol=1e-5)
    assert torch.allclose(one.sums(HISTORY), other.sums(HISTORY), atol=1e-5)
    assert torch.allclose(one.sums(HISTORY, some), other.sums(HISTORY)[:, some], atol=1e-5)
    assert not one.sums(HISTORY)[1].any()


def test_a_sum_of_matrices_keeps_every_entry() -> None:
    one, other = sparse()
    target = torch.stack([one.target[:, 0], (one.target[:, 0] + 1) % ITEMS], 1)
    target = torch.where(target == torch.arange(ITEMS)[:, None], -1, target)
    more = Sparse(target, torch.where(target >= 0, 0.5, 0.0))
    goal = other.plus(more).matrix
    assert int((goal != other.matrix).sum()) == int((target >= 0).sum())
    x = torch.eye(ITEMS)
    assert torch.allclose(one.plus(more).times(x), goal, atol=1e-6)
    assert torch.allclose(one.plus(more).sums(HISTORY), Dense(goal).sums(HISTORY), atol=1e-5)
    rows = [row[row >= 0].tolist() for row in one.plus(more).target]
    assert all(len(set(row)) == len(row) for row in rows)


def test_alike_texts_are_near_and_count_less_where_both_are_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("recfabric.quant.linear.BLOCK", 7)
    monkeypatch.setattr("recfabric.quant.linear.ALIKE", 3)
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(ITEMS, 5, generator=generator)
    features[4] = 0
    popularity = torch.arange(ITEMS)
    near = alike(features, popularity, 10.0)
    unit = torch.nn.functional.normalize(features)
    cosine = (unit @ unit.T).fill_diagonal_(0).clamp(min=0)
    for item in range(ITEMS):
        some = near.target[item] >= 0
        best = cosine[item].argsort(descending=True)[: int(some.sum())]
        assert near.target[item, some].tolist() == best.tolist()
        known = 100 / ((10 + item) * (10 + best))
        assert torch.allclose(near.weight[item, some], cosine[item, best].square() * known)
    assert not near.weight[4].any() and (near.target != 4).all()
    assert (near.target[:4] >= 0).all()


def test_ease_is_drawn_to_a_prior_the_less_is_known() -> None:
    train = split(synthetic_dataset(1500, ITEMS, seed=3)).train
    prior = np.random.default_rng(0).normal(size=(ITEMS, ITEMS))
    np.fill_diagonal(prior, 0)
    met = np.zeros((len(train), ITEMS))
    for user, items in enumerate(train):
        met[user, items] = 1
    found = ease(train, ITEMS, 20.0, prior=prior)
    for j in range(ITEMS):
        rest = np.delete(np.arange(ITEMS), j)
        gram = met[:, rest].T @ met[:, rest] + 20 * np.eye(ITEMS - 1)
        goal = met[:, rest].T @ met[:, j] + 20 * prior[rest, j]
        assert np.allclose(found[rest, j], np.linalg.solve(gram, goal))
    assert not np.diag(found).any()
    assert np.array_equal(ease(train, ITEMS, 20.0), ease(train, ITEMS, 20.0, prior=0 * prior))


def test_texts_without_a_word_say_nothing_and_others_as_if_nobody_knew() -> None:
    rng = np.random.default_rng(1)
    features = rng.normal(size=(ITEMS, 4)).astype(np.float32)
    features[[2, 7]] = 0
    between = torch.from_numpy(rng.normal(size=(ITEMS, ITEMS)).astype(np.float32))
    texts = Texts(torch.from_numpy(features), kernel([features], 0.25))
    prior = texts.prior(Dense(between.fill_diagonal_(0)))
    assert prior is not None
    assert not prior[[2, 7]].any() and not prior[:, [2, 7]].any() and not np.diag(prior).any()
    some = np.setdiff1d(np.arange(ITEMS), [2, 7])
    inner = np.ix_(some, some)
    told = left_out_edges(
        kernel([features[some]], 0.25), between.numpy()[inner].astype(float), RidgeConfig()
    )
    assert np.allclose(prior[inner], told)
    assert Texts(texts.features).prior(Dense(between)) is None


@pytest.mark.parametrize("whole", [True, False])
def test_texts_are_believed_as_validation_says(
    whole: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Users like what is alike: texts help; the wrong ones do not, by which EASE is drawn."""
    if not whole:
        monkeypatch.setattr("recfabric.quant.linear.DOUBLE_LIMIT", ITEMS - 1)
    rng = np.random.default_rng(5)
    tastes, features = (rng.normal(size=(n, 3)).astype(np.float32) for n in (80, ITEMS))
    likes = np.argsort(-(tastes @ features.T), 1)[:, :6]
    data = replace(
        synthetic_dataset(80, ITEMS, seed=1),
        user=np.repeat(np.arange(80), 6).astype(np.int32),
        item=likes.ravel().astype(np.int32),
        rating=None,
        timestamp=None,
    )
    parts = split(data)
    shuffled = [(rng.permutation(features), 0.0)] if whole else []
    for shown, believed in [(features, 1.0), (None, 0.0), *shuffled]:
        texts = None if shown is None else Texts(torch.from_numpy(shown))
        if texts and whole:
            texts = replace(texts, likeness=kernel([texts.features.numpy()], 0.25))
        chosen = choose(
            parts.train,
            Judge.of(parts, parts.train, 80),
            Candidates((200.0,), (0.0,), (0.0, 1.0), (0.0,), (1.0,)),
            graph=adjacency(parts.train, ITEMS),
            texts=texts,
            dim=4,
            edges=2,
            seed=0,
            progress=Silent(),
        )
        assert chosen.record["texts"] == believed
        assert isinstance(chosen.teacher.entries, Dense if whole else Sparse)


def test_scatter_counts_repeats_and_trains() -> None:
    target = torch.tensor([[1, 2], [2, 0], [0, -1]])
    weight = torch.tensor([[1.0, 2.0], [4.0, 8.0], [16.0, 0.0]], requires_grad=True)
    history = Edges.of(Ragged.of([[0, 0, 2], [1]]))
    total = scatter(weight, target, history)
    assert total.tolist() == [[16.0, 2.0, 4.0], [8.0, 0.0, 4.0]]
    assert scatter(weight, target, history, torch.tensor([2, 0])).tolist() == [[4, 16], [4, 8]]
    total[0].sum().backward()
    assert weight.grad is not None
    assert weight.grad.tolist() == [[2.0, 2.0], [0.0, 0.0], [1.0, 1.0]]


def test_the_local_ease_is_ease_when_all_are_neighbours() -> None:
    parts = split(synthetic_dataset(1500, ITEMS, seed=3))
    whole = ease(parts.train, ITEMS, 20.0)
    target, weight = local_ease(parts.train, ITEMS, 20.0, neighbours=ITEMS, kept=ITEMS - 1)
    local = np.zeros_like(whole)
    used = target >= 0
    local[np.nonzero(used)[0], target[used]] = weight[used]
    assert np.allclose(local, whole, atol=1e-5)
    few, strongest = local_ease(parts.train, ITEMS, 20.0, neighbours=ITEMS, kept=4)
    assert few.shape == (ITEMS, 4)
    expected = np.sort(np.abs(whole), axis=1)[:, ::-1][:, :4]
    assert np.allclose(np.abs(strongest), expected, atol=1e-5)
    nearest = local_ease(parts.train, ITEMS, 20.0, neighbours=5)[0]
    assert np.bincount(nearest[nearest >= 0], minlength=ITEMS).max() <= 5


def test_windows_and_what_they_add() -> None:
    lists = Ragged.of([range(5), [], [7], range(4)])
    cut = [one.tolist() for one in windows(lists, 4)]
    assert cut == [[0, 1, 2, 3], [2, 3, 4], [7], [0, 1, 2, 3]]
    train = Ragged.of([list(range(ITEMS)) for _ in range(3)])
    near = np.argsort(-ease(train, ITEMS, 5.0, nearby=5.0)[0])[:5]
    assert near.max() < 20  # windows of 20: the first item meets no later one in them
    far = ease(train, ITEMS, 5.0)[0]
    assert np.ptp(far[1:]) < 1e-9


def test_rank_and_edges_give_back_what_they_can_hold() -> None:
    """A product of rank 3 and 4 entries a row: found again from their sum."""
    torch.manual_seed(0)
    left, right = torch.randn(2, 60, 3)
    target = torch.stack([torch.randperm(60)[:4] for _ in range(60)])
    entries = torch.zeros(60, 60).scatter(1, target, 20 + torch.rand(60, 4)).fill_diagonal_(0)
    mixed = Mixed(Dense(entries), left, right)
    start = mixed.start(3, 4, torch.linspace(1, 1.5, 60))
    found = torch.zeros(60, 60).scatter(1, start.target.clamp(min=0), start.weight)
    found += start.left @ start.right.T
    goal = entries + left @ right.T
    error = [float((goal - guess).norm() / goal.norm()) for guess in (found, left @ right.T)]
    assert error[0] < 0.05 < 0.5 < error[1]
    assert torch.allclose(held(start).times(torch.eye(60)), found, atol=1e-4)
    torch.manual_seed(0)
    half = mixed.start(3, 4, torch.ones(60), 0.5)
    torch.manual_seed(0)
    whole = mixed.start(3, 4, torch.ones(60))
    assert float(half.left.norm() / whole.left.norm()) == pytest.approx(0.5, abs=0.1)
    assert (start.target != torch.arange(60)[:, None]).all()


def test_the_smooth_part_is_a_projection() -> None:
    parts = split(synthetic_dataset(100, ITEMS, seed=1))
    popularity = torch.from_numpy(parts.popularity)
    graph = adjacency(parts.train, ITEMS)
    torch.manual_seed(0)
    left, right = smooth(graph, popularity, 6)
    matrix = (left @ right.T).double()
    assert torch.allclose(matrix @ matrix, matrix, atol=1e-4)
    assert round(float(matrix.trace()), 3) == 6.0
    dense = graph.to_dense()[:100, 100:]
    vectors = torch.linalg.svd(dense)[2][:6].T
    root = popularity.clamp(min=1).sqrt()[:, None]
    assert torch.allclose(matrix.float(), vectors @ vectors.T / root * root.T, atol=1e-3)


def test_a_sample_holds_what_is_asked_and_stands_for_the_rest() -> None:
    generator = torch.Generator().manual_seed(0)
    asked = torch.tensor([5, 90, 5, 17])
    all_items = sampled(asked, 100, 100, generator)
    assert all_items.items is None and not all_items.stands_for.any()
    some = sampled(asked, 100, 13, generator)
    assert some.items is not None
    assert len(some.items) == len(set(some.items.tolist())) == 13
    assert some.column[asked].tolist() == [0, 2, 0, 1]
    assert some.items[some.column[asked]].tolist() == asked.tolist()
    assert int((some.column < 0).sum()) == 87
    assert some.stands_for.exp().sum().item() == pytest.approx(100)
    assert some.stands_for[:3].tolist() == [0, 0, 0]


@pytest.mark.parametrize("local", [False, True])
def test_a_sampled_catalogue_learns_too(
    local: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both paths of a large catalogue, on a small one."""
    if local:
        monkeypatch.setattr("recfabric.quant.linear.DOUBLE_LIMIT", 50)
    few = FitConfig(epochs=6, batch=32, sample=40)
    config = TrainConfig(dim=16, edges=8, lightgcn=None, floating=few, quantised=few)
    data = synthetic_dataset(300, 60, seed=1, texts=False)
    value = {r["model"]: float(r["ndcg@10"]) for r in train(config, data, tmp_path / "r").accuracy}
    assert value["qat"] > 0.9 * value["EASE"] > value["MostPop"]
    contract = export(tmp_path / "r", tmp_path / "model")
    assert contract.shape.edges == 8
    assert np.abs(contract.tensors.edge_weight).max() > 16


def test_bits_are_read() -> None:
    assert Bits.read("4") == Bits(4, 4, 4, 4, 8)
    assert Bits.read("message=2,edge=6") == Bits(message=2, edge=6)
    for wrong in ("", "9", "message", "message=", "row=4", "1"):
        with pytest.raises(ConfigError):
            Bits.read(wrong)
    with pytest.raises(ConfigError, match="200"):
        replace(TrainConfig(), edges=200)


def test_the_ablation_resumes_and_shares_float_models(tmp_path: Path) -> None:
    one = FitConfig(epochs=1, batch=64)
    base = TrainConfig(dim=16, edges=4, lightgcn=None, floating=one, quantised=one)
    data = synthetic_dataset(80, 40, seed=4, texts=False)
    rows = ["default, int8", "tables 2 bits", "no edges"]
    first = run_ablation(base, data, tmp_path, rows=rows[:1], seeds=[1])
    both = run_ablation(base, data, tmp_path, rows=rows, seeds=[1])
    assert both[0] == first[0]
    assert [record["row"] for record in both] == rows
    alone = train(replace(base, seed=1, bits=Bits(2, 2, 2, 2)), data, tmp_path / "alone")
    assert both[1]["test"]["qat"] == alone.accuracy[-1]["ndcg@10"] != both[0]["test"]["qat"]
    text = (tmp_path / "ablation.md").read_text()
    assert all(f"| {row} | 1 |" in text for row in rows)
    with pytest.raises(ConfigError, match="nonsense"):
        run_ablation(base, data, tmp_path, rows=["nonsense"])
