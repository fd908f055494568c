# SPDX-License-Identifier: Apache-2.0
"""Training on invented data: it learns, it repeats, and it says what it did."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import torch

from recfabric.contract import Contract
from recfabric.errors import ConfigError, DataError
from recfabric.quant.choose import Candidates
from recfabric.quant.export import export
from recfabric.quant.fit import FitConfig
from recfabric.quant.hybrid import Edges, Hybrid, HybridSizes, text_features
from recfabric.quant.lightgcn import LightGcnConfig, adjacency
from recfabric.quant.lists import take
from recfabric.quant.progress import Advance, Silent
from recfabric.quant.qat import Bits
from recfabric.quant.splits import split
from recfabric.quant.synthetic import synthetic_dataset
from recfabric.quant.train import TrainConfig, train
from recfabric.requests import Ragged, Requests

FEW = FitConfig(epochs=4, batch=32)
SMALL = TrainConfig(
    dim=16,
    candidates=Candidates((5.0, 50.0)),
    text_dim=8,
    lightgcn=LightGcnConfig(dim=16, epochs=20, batch=512),
    floating=FEW,
    quantised=FEW,
)


@pytest.fixture
def small(tiny_model: Path, cache: Path) -> TrainConfig:
    return replace(SMALL, encoder=str(tiny_model))


def test_a_run_learns_and_records(small: TrainConfig, tmp_path: Path) -> None:
    data = synthetic_dataset(300, 60, seed=1)
    result = train(small, data, tmp_path / "run")
    record = json.loads((tmp_path / "run" / "train.json").read_text())
    assert record["accuracy"] == result.accuracy
    value = {row["model"]: float(row["ndcg@10"]) for row in result.accuracy}
    assert list(value) == ["MostPop", "EASE", "LightGCN", "float", "qat"]
    assert {row["protocol"] for row in result.accuracy} == {split(data).protocol}
    assert value["EASE"] > 1.2 * value["MostPop"]
    assert value["LightGCN"] > value["MostPop"]
    assert value["float"] > 0.9 * value["EASE"]
    assert value["qat"] == pytest.approx(value["float"], rel=0.03)
    assert record["data"]["sha256"] == data.sha256
    assert record["config"]["dim"] == 16
    assert record["versions"]["torch"] == version("torch")
    assert set(record["seconds"]) >= {"EASE", "LightGCN", "text", "float", "qat"}
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == [
        "checkpoint.pt",
        "split.npz",
        "train.json",
    ]


def test_the_same_seed_gives_the_same_contract(small: TrainConfig, tmp_path: Path) -> None:
    data = synthetic_dataset(120, 40, seed=2)
    names = []
    before = torch.get_num_threads()
    for run, seed, threads in (("a", 42, 1), ("b", 42, 2), ("c", 43, 1)):
        torch.set_num_threads(threads)  # what the process set and drew must not matter
        torch.manual_seed(threads)
        train(replace(small, seed=seed), data, tmp_path / run)
        assert torch.get_num_threads() == threads
        names.append(export(tmp_path / run, tmp_path / f"{run}-model").sha256)
    torch.set_num_threads(before)
    assert names[0] == names[1] != names[2]


def test_sums_are_made_in_one_order(small: TrainConfig, tmp_path: Path) -> None:
    """Threads that add in any order gave another contract at each run of ml-100k."""
    asked: list[bool] = []

    class Witness(Silent):
        @contextmanager
        def task(self, name: str, total: int) -> Iterator[Advance]:
            asked.append(torch.are_deterministic_algorithms_enabled())
            yield lambda steps: None

    train(small, synthetic_dataset(120, 40, seed=2), tmp_path / "run", Witness())
    assert len(asked) >= 4
    assert all(asked)
    assert not torch.are_deterministic_algorithms_enabled()


def test_export_tells_where_it_comes_from(small: TrainConfig, tmp_path: Path) -> None:
    data = synthetic_dataset(120, 40, seed=3)
    train(small, data, tmp_path / "run")
    made = export(tmp_path / "run", tmp_path / "model")
    contract = Contract.load(tmp_path / "model")
    requests = Requests.load(tmp_path / "model")
    parts = split(data)
    assert contract.sha256 == made.sha256
    assert contract.tokens == data.items
    assert contract.provenance["data"]["sha256"] == data.sha256
    assert contract.provenance["encoder"] == small.encoder
    assert contract.tensors.popularity.tolist() == parts.popularity.tolist()
    assert requests is not None and len(requests) == 120
    assert requests.users == data.users
    assert requests.protocol == parts.protocol
    for user in range(120):
        assert requests.history[user].tolist() == parts.train[user].tolist()
        assert requests.seen[user].tolist() == parts.seen[user].tolist()
        assert requests.targets[user].tolist() == parts.test[user].tolist()
        assert not set(requests.ids[user].tolist()) & set(requests.seen[user].tolist())


def test_histories_are_cut_to_the_longest(tmp_path: Path) -> None:
    data = synthetic_dataset(80, 60, seed=4, texts=False)
    train(replace(SMALL, longest=7, bits=Bits(4, 4, 4, 4)), data, tmp_path / "run")
    contract = export(tmp_path / "run", tmp_path / "model")
    requests = Requests.load(tmp_path / "model")
    assert requests is not None
    assert contract.shape.max_history == 7
    assert contract.formats.message.width == 4
    assert np.diff(requests.history.indptr).max() == 7
    longest = int(np.diff(requests.seen.indptr).argmax())
    assert requests.history[longest].tolist() == split(data).train[longest][-7:].tolist()


def test_the_merged_table_is_lightgcn() -> None:
    """A user's vector from today's history equals propagation through the whole graph."""
    parts = split(synthetic_dataset(40, 30, seed=5, texts=False))
    graph = adjacency(parts.train, parts.items)
    torch.manual_seed(0)
    sizes = HybridSizes(items=30, dim=16, heads=1, layers=2)
    model = Hybrid(sizes, graph, torch.from_numpy(parts.popularity), None)
    with torch.no_grad():
        model.message_layers.copy_(torch.tensor([0.5, 0.3, 0.2]))
        x = torch.cat([torch.zeros(40, 16), model.message])
        layers = [x]
        for _ in range(5):
            layers.append(graph @ layers[-1])
        expected = 0.5 * layers[1][:40] + 0.3 * layers[3][:40] + 0.2 * layers[5][:40]
        edges = Edges.of(parts.train)
        user = edges.length[:, None].rsqrt() * torch.stack(
            [model.tables().message[torch.from_numpy(h).long()].sum(0) for h in parts.train]
        )
    assert torch.allclose(user, expected, atol=1e-5)


def test_gradients_reach_every_parameter() -> None:
    parts = split(synthetic_dataset(40, 30, seed=6, texts=False))
    graph = adjacency(parts.train, parts.items)
    sizes = HybridSizes(items=30, dim=16, heads=2, layers=1, edges=4)
    model = Hybrid(sizes, graph, torch.from_numpy(parts.popularity), None)
    model.target.copy_(torch.arange(120).view(30, 4) % 30)
    model(Edges.of(parts.train)).logsumexp(1).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_rotation_changes_the_axes_and_nothing_else() -> None:
    parts = split(synthetic_dataset(40, 30, seed=6, texts=False))
    graph = adjacency(parts.train, parts.items)
    torch.manual_seed(0)
    sizes = HybridSizes(items=30, dim=16, heads=2, layers=1)
    model = Hybrid(sizes, graph, torch.from_numpy(parts.popularity), None)
    with torch.no_grad():
        model.message.mul_(10)
        model.fuse.weight.add_(torch.randn(16, 32))
        model.fuse.bias.add_(1)
        turned = model.rotated()
        edges = Edges.of(parts.train)
        for table, other in zip(model.tables()[:4:3], turned.tables()[:4:3], strict=True):
            assert not torch.allclose(table, other, atol=0.01)
        assert torch.allclose(model(edges), turned(edges), rtol=1e-4, atol=1e-4)


def test_take_and_features() -> None:
    lists = Ragged.of([[1, 2], [], [3], [4, 5, 6]])
    taken = take(lists, np.array([3, 1, 0]))
    assert [one.tolist() for one in taken] == [[4, 5, 6], [], [1, 2]]
    vectors = np.random.default_rng(0).normal(size=(30, 12)).astype(np.float32)
    vectors[4] = 0
    features = text_features(vectors, 5).numpy()
    assert features.shape == (30, 5) and not features[4].any()
    rest = np.delete(features, 4, 0)
    assert np.allclose(rest.T @ rest / 29, np.eye(5), atol=1e-4)
    assert text_features(vectors, 40).shape == (30, 12)


@pytest.mark.parametrize(
    ("field", "value"),
    [("dim", 48), ("heads", 3), ("layers", 9), ("longest", 2000), ("text_dim", 0)],
)
def test_bad_configurations(field: str, value: int) -> None:
    with pytest.raises(ConfigError, match=str(value)):
        replace(TrainConfig(), **{field: value})


def test_bad_bits_and_bad_runs(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="9 bits"):
        Bits(key=9)
    with pytest.raises(DataError, match="train with"):
        export(tmp_path, tmp_path / "model")
    (tmp_path / "checkpoint.pt").write_bytes(b"no")
    with pytest.raises(DataError, match="damaged"):
        export(tmp_path, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_too_little_data(tmp_path: Path) -> None:
    data = synthetic_dataset(1, 10, seed=0)
    with pytest.raises(DataError, match="valid part empty"):
        train(SMALL, data, tmp_path / "run")
    assert not (tmp_path / "run").exists()


THREADS = """
import hashlib
import numpy as np
from recfabric.quant.choose import Candidates
from recfabric.quant.fit import FitConfig
from recfabric.quant.synthetic import synthetic_dataset
from recfabric.quant.train import TrainConfig, train_models

one = FitConfig(epochs=1, batch=1024)
config = TrainConfig(
    dim=16, candidates=Candidates((50.0,), texts=(1.0,)), text_dim=8, floating=one, quantised=one
)
data = synthetic_dataset(1000, 900, seed=1, most=20)
vectors = np.random.default_rng(0).standard_normal((900, 64)).astype(np.float32)
trained = train_models(config, data, vectors=vectors)
found = hashlib.sha256()
for model in (trained.floating, trained.quantised):
    for value in model.state_dict().values():
        found.update(np.ascontiguousarray(value.numpy()).tobytes())
print(found.hexdigest())
"""


def test_a_training_does_not_depend_on_the_threads_of_the_machine() -> None:
    found = {
        subprocess.run(
            [sys.executable, "-c", THREADS],
            env=os.environ | {"OMP_NUM_THREADS": threads},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for threads in ("1", "2")
    }
    assert len(found) == 1
