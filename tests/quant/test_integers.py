# SPDX-License-Identifier: Apache-2.0
"""The QAT model computes exactly the hardware's integers: `==`, never a tolerance."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from recfabric.contract import EXP2_FRAC, RECIPROCAL_FRAC, Contract, exp2_table
from recfabric.host.soft import SoftDevice
from recfabric.host.verify import answer_all
from recfabric.kernels.fixed import requantise, round_shift
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.quant.checkpoint import Checkpoint
from recfabric.quant.choose import Candidates
from recfabric.quant.datasets import Dataset
from recfabric.quant.export import export, to_contract
from recfabric.quant.fit import FitConfig
from recfabric.quant.hybrid import Edges
from recfabric.quant.inference import integers
from recfabric.quant.lightgcn import LightGcnConfig
from recfabric.quant.qat import Bits, Parts, QuantHybrid, exact
from recfabric.quant.softmax import exp2_weights, integer_softmax
from recfabric.quant.synthetic import synthetic_dataset
from recfabric.quant.train import TrainConfig, train
from recfabric.requests import Ragged, Requests

ONE = FitConfig(epochs=1, batch=64)
QUICK = TrainConfig(
    floating=ONE, quantised=ONE, lightgcn=LightGcnConfig(epochs=1), candidates=Candidates((400.0,))
)


def reference(contract: Contract, history: np.ndarray) -> dict[str, Any]:
    """The algorithm of the kernels, straight from the contract."""
    t, s, heads = contract.tensors, contract.shifts, contract.shape.heads
    h, dim = history.astype(np.int64), contract.shape.dim
    user = requantise(t.message[h].sum(0, dtype=np.int64) * int(t.norm[len(h)]), s.gather)
    answer = np.zeros(dim, np.int64)
    for one in np.split(np.arange(dim), heads) if len(h) else []:
        x = requantise(t.key[h][:, one].astype(np.int64) @ user[one], s.logit, 16)
        below = x.max() - x
        table = exp2_table().astype(np.int64)[below & ((1 << EXP2_FRAC) - 1)]
        power = np.where(below >> EXP2_FRAC > 8, 0, round_shift(table, below >> EXP2_FRAC))
        reciprocal = (1 << RECIPROCAL_FRAC) // int(power.sum())
        answer[one] = requantise((power @ t.value[h][:, one]) * reciprocal, s.attention)
    product = t.fuse_weight.astype(np.int64) @ np.concatenate([user, answer]) + t.fuse_bias
    fused = requantise(product, s.fuse)
    sums = np.zeros(len(t.item), np.int64)
    np.add.at(sums, t.edge_item[h], t.edge_weight[h])
    term = requantise(sums * int(t.norm[len(h)]), s.scatter, 24)
    scores = t.item.astype(np.int64) @ fused + (t.bias.astype(np.int64) << s.term) + term
    return {"user": user, "answer": answer, "fused": fused, "term": term, "scores": scores}


def assert_equal(model: QuantHybrid, contract: Contract, history: Ragged) -> None:
    with exact(model):
        got = integers(model, model.parts(Edges.of(history)))
    for request, one in enumerate(history):
        for name, expected in reference(contract, one).items():
            assert np.array_equal(got[name][request], expected), (request, name)


def assert_listed(contract: Contract, requests: Requests) -> None:
    for i in range(len(requests)):
        scores = reference(contract, requests.history[i])["scores"]
        left = np.setdiff1d(np.arange(len(scores)), requests.seen[i])
        best = left[np.lexsort((left, -scores[left]))][: requests.ids.shape[1]]
        assert requests.ids[i, : len(best)].tolist() == best.tolist()
        assert requests.scores[i, : len(best)].tolist() == scores[best].tolist()


def test_every_user_of_movielens(ml100k: Dataset, tmp_path: Path) -> None:
    """943 users, every stream and every listed score; item features learned (no text)."""
    train(QUICK, replace(ml100k, texts=None), tmp_path / "run")
    contract = export(tmp_path / "run", tmp_path / "model")
    requests = Requests.load(tmp_path / "model")
    assert requests is not None and len(requests) == 943
    assert_equal(Checkpoint.load(tmp_path / "run").model, contract, requests.history)
    assert_listed(contract, requests)
    served = answer_all(SoftDevice(HotPathConfig.for_contract(contract)), contract, requests)
    assert np.array_equal(served.rows, requests.ids)
    assert np.array_equal(served.scores, requests.scores)
    streams = [reference(contract, h) for h in list(requests.history)[:100]]
    for name in ("user", "answer", "fused", "term"):  # the formats are put to use
        assert max(int(np.abs(s[name]).max()) for s in streams) > 32


@pytest.mark.parametrize(
    ("dim", "heads", "edges", "bits"),
    [
        (16, 1, 0, Bits()),
        (32, 2, 32, Bits(4, 4, 4, 4)),
        (64, 4, 1, Bits(message=4, item=8, edge=3)),
        (128, 4, 128, Bits(item=3, key=6)),
        (16, 2, 16, Bits(2, 2, 2, 2, 2)),
    ],
)
def test_shapes_bits_and_awkward_histories(
    dim: int, heads: int, edges: int, bits: Bits, tmp_path: Path
) -> None:
    config = replace(QUICK, dim=dim, heads=heads, edges=edges, bits=bits)
    train(config, synthetic_dataset(80, 50, seed=dim, texts=False), tmp_path)
    checkpoint = Checkpoint.load(tmp_path)
    rng = np.random.default_rng(dim)
    histories = [[], [3], [3, 3], [7] * 1024, list(range(50)), rng.integers(50, size=1024)]
    histories += [rng.integers(50, size=int(n)) for n in rng.integers(1, 200, size=40)]
    contract = to_contract(checkpoint)
    assert contract.shape.edges == min(edges, 49)
    for name, width in vars(bits).items():
        assert edges == 0 or getattr(contract.formats, name).width == width
    assert_equal(checkpoint.model, contract, Ragged.of(histories))


def test_saturated_streams(tmp_path: Path) -> None:
    """Tables blown up until every stream saturates, signs mixed."""
    train(QUICK, synthetic_dataset(80, 50, seed=1, texts=False), tmp_path)
    checkpoint = Checkpoint.load(tmp_path)
    model = checkpoint.model
    with torch.no_grad():
        for table in (model.message, model.text.key.weight, model.text.value.weight, model.item):
            table.mul_(50)
        model.edge.mul_(50)
        model.fuse.linear.weight.mul_(8)
        model.bias.add_(1e6)
    contract = to_contract(checkpoint)
    history = Ragged.of([np.random.default_rng(i).integers(50, size=30) for i in range(60)])
    assert_equal(model, contract, history)
    assert contract.tensors.bias.max() == 32767
    assert contract.tensors.edge_weight.min() == -128 and contract.tensors.edge_weight.max() == 127
    users = np.array([reference(contract, h)["user"] for h in history])
    assert users.min() == -128 and users.max() == 127


def test_a_wrong_rounding_would_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison can fail: floor instead of half-even in the reference is caught."""
    train(QUICK, synthetic_dataset(80, 50, seed=2, texts=False), tmp_path)
    checkpoint = Checkpoint.load(tmp_path)
    contract = to_contract(checkpoint)
    history = checkpoint.split.train
    assert_equal(checkpoint.model, contract, history)
    broken: Any = checkpoint.model.parts

    def off_by_one(edges: Edges, tables: Any = None) -> Parts:
        parts: Parts = broken(edges, tables)
        return parts._replace(answer=parts.answer + 2.0**-contract.formats.state.frac)

    monkeypatch.setattr(checkpoint.model, "parts", off_by_one)
    with pytest.raises(AssertionError):
        assert_equal(checkpoint.model, contract, history)


def test_exp2_weights_are_the_contracts() -> None:
    below = np.arange(0, 2000)
    table = exp2_table().astype(np.int64)[below & 31]
    expected = np.where(below >> 5 > 8, 0, round_shift(table, np.minimum(below >> 5, 60)))
    assert np.array_equal(exp2_weights(torch.from_numpy(below)).numpy(), expected)


def test_softmax_gradient_is_that_of_base_two() -> None:
    """Against autograd on the float softmax, where both weights nearly agree."""
    torch.manual_seed(0)
    row = torch.tensor([0] * 5 + [2] * 4)
    x = (torch.randn(9, 2) * 32).round().div(32).requires_grad_()
    goal = torch.randn(9, 2)
    ours = integer_softmax(x, row, 3)
    (ours * goal).sum().backward()
    found = x.grad
    x.grad = None
    parts = [torch.softmax(x[row == r] * np.log(2), 0) for r in (0, 2)]
    (torch.cat(parts) * goal).sum().backward()
    assert torch.allclose(ours, torch.cat(parts), atol=0.01)
    assert found is not None and x.grad is not None
    assert torch.allclose(found, x.grad, atol=0.01)


def test_qonnx_of_the_fuse_layer_is_exact(tmp_path: Path) -> None:
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.transformation.infer_shapes import InferShapes

    train(QUICK, synthetic_dataset(80, 50, seed=3, texts=False), tmp_path / "run")
    contract = export(tmp_path / "run", tmp_path / "model")
    graph = ModelWrapper(str(tmp_path / "model" / "fuse.onnx")).transform(InferShapes())
    rng = np.random.default_rng(0)
    t, forms = contract.tensors, contract.formats
    for _ in range(20):
        x = rng.integers(-128, 128, size=128)
        fed = {graph.graph.input[0].name: (x * forms.state.scale)[None].astype(np.float32)}
        (answer,) = execute_onnx(graph, fed).values()
        expected = requantise(
            t.fuse_weight.astype(np.int64) @ x + t.fuse_bias, contract.shifts.fuse
        )
        assert np.array_equal(answer[0] / forms.fused.scale, expected)
