# SPDX-License-Identifier: Apache-2.0
"""The closed form as an objective; LoRA beside full fine-tuning; adapters chosen or left out."""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist

from recfabric.bench import _adapt, _cold
from recfabric.cli import llm
from recfabric.errors import ConfigError
from recfabric.quant.datasets import Dataset
from recfabric.quant.llm.adapt import find_adapters, material
from recfabric.quant.llm.align import AlignConfig, target_of
from recfabric.quant.llm.cold import ColdSplit, RidgeConfig, kernel, text_edges
from recfabric.quant.llm.objectives import ClosedForm
from recfabric.requests import Ragged


def test_the_closed_form_is_the_edges_own() -> None:
    """Its loss is the error of places told by ``text_edges`` from the items outside the batch."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(12, 6)).astype(np.float32)
    place = rng.normal(size=(12, 3)).astype(np.float32)
    other = rng.normal(size=(12, 4)).astype(np.float32)
    texts = tuple(str(i) for i in range(12))
    objective = ClosedForm(target_of(texts, vectors, place, kernel([other], 0.0)), AlignConfig())
    batch = [2, 7, 11]
    objective.begin(batch)
    loss = objective(torch.from_numpy(vectors[batch]), torch.tensor(batch))

    warm = np.setdiff1d(np.arange(12), batch)
    split = ColdSplit(0, warm, np.array(batch), Ragged.of([[0]]), Ragged.of([[0]]))
    halves = [half - half.mean(0) for half in np.split(vectors, 2, axis=1)]
    blocks = [half / np.linalg.norm(half, axis=1, keepdims=True) for half in halves]
    recipe = replace(RidgeConfig(), smoothing=0.0)
    edges = text_edges(kernel([other, *blocks], recipe.sharpness), split, recipe)
    expected = np.square(edges.T @ place[warm] - place[batch]).sum(1).mean()
    assert loss.item() == pytest.approx(expected, rel=1e-4)


def test_the_closed_form_remembers_a_batch() -> None:
    """What it keeps between steps gives the next batch the loss of one that begins anew."""
    rng = np.random.default_rng(1)
    vectors, fresh = rng.normal(size=(2, 12, 6)).astype(np.float32)
    place = rng.normal(size=(12, 3)).astype(np.float32)
    target = target_of(tuple(str(i) for i in range(12)), vectors, place)
    kept, anew = ClosedForm(target, AlignConfig()), ClosedForm(target, AlignConfig())
    before, after = [2, 7, 11], [0, 2, 5]
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        kept.begin(before)
        first = kept(torch.from_numpy(fresh[before]), torch.tensor(before))
        kept.end(before)
    finally:
        dist.destroy_process_group()
    memory = anew.memory.clone()
    memory[before] = kept.memory[before]
    anew.remember(memory)
    losses = []
    for one in (kept, anew):
        one.begin(after)
        losses.append(one(torch.from_numpy(vectors[after]), torch.tensor(after)).item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-5) and losses[0] != first.item()
    assert not np.allclose(memory[before], ClosedForm(target, AlignConfig()).memory[before])


def _small(ml100k: Dataset) -> Dataset:
    """The first 120 films and 90 users."""
    assert ml100k.texts is not None
    kept = (ml100k.user < 90) & (ml100k.item < 120)
    return replace(
        ml100k,
        users=ml100k.users[:90],
        items=ml100k.items[:120],
        user=ml100k.user[kept],
        item=ml100k.item[kept],
        texts=ml100k.texts[:120],
    )


def test_nothing_to_choose_by_is_learned_from(ml100k: Dataset) -> None:
    dataset = _small(ml100k)
    outer, inner = ColdSplit.draw(dataset, 0), ColdSplit.validation(dataset, 0)
    found = material(dataset, "film", cold=0)
    assert dataset.texts is not None
    learned = set(found.prompts)
    whole = material(dataset, "film").prompts
    unseen = {whole[i] for i in np.r_[outer.cold, inner.cold]}
    assert not learned & unseen and learned | unseen == set(whole)
    assert found.beside.shape == (len(inner.warm),) * 2


def test_lora_beside_full_fine_tuning(ml100k: Dataset, tiny_causal: Path, tmp_path: Path) -> None:
    dataset = _small(ml100k)
    lora = AlignConfig(str(tiny_causal), depth=1.0, tuned=0.5, batch=8, steps=4, save=2, factors=4)
    full = replace(lora, full=True, steps=2)
    out = tmp_path / "compare"
    record = _adapt.compare(dataset, (lora, full), out, seeds=range(2), noun="film")
    assert json.dumps(record)
    one, mean = record["seeds"]["0"], record["mean"]
    assert [point["step"] for point in one["lora"]["curve"]] == [2, 4]
    assert [point["step"] for point in one["full"]["curve"]] == [2]
    assert one["lora"]["cpu"] > one["lora"]["curve"][0]["cpu"] > 0 and one["encoding"] > 0
    assert min(mean[name]["peak_mb"] for name in ("lora", "full")) > 100
    assert one["alike"]["step"] == 2
    assert "seed 1 alone" in _adapt.table(record)
    assert record["paired"] == _adapt.paired(list(record["seeds"].values()), mean)
    frozen, last = one["frozen"], one["lora"]["curve"][-1]
    assert frozen["error"] != last["error"]
    both = [found["lora"]["curve"][-1] for found in record["seeds"].values()]
    assert both[0]["ndcg"] != both[1]["ndcg"]
    assert mean["lora"]["curve"][-1]["ndcg"] == pytest.approx(sum(p["ndcg"] for p in both) / 2)
    with pytest.raises(ConfigError, match="one model and depth"):
        _adapt.compare(dataset, (lora, lora), out)
    with pytest.raises(ConfigError, match="No seed"):
        _adapt.compare(dataset, (lora, full), out, seeds=[])

    # The same adapters among which `recfabric cold --adapters` chooses.
    (out / "seed0" / "adapters").symlink_to(out / "seed0" / "lora" / "adapters")
    adapters = find_adapters(out, [0])
    assert [folder.name for folder in adapters[0]] == ["step2", "step4"]
    found = _cold.bench_cold(dataset, models=(), seeds=[0], noun="film", adapters=adapters)
    rows = {row.name: row for row in found}
    ndcg = {"frozen": frozen["ndcg"]}
    ndcg |= {f"step{point['step']}": point["ndcg"] for point in one["lora"]["curve"]}
    (chosen,) = (name for name in rows if "chosen" in name)
    best = max(ndcg, key=lambda name: ndcg[name])
    assert chosen == f"+ {tiny_causal}, chosen ({best} x1)"
    assert f"+ {tiny_causal}, adapted, texts shuffled" in rows


def test_what_was_reached() -> None:
    def point(cpu: float, ndcg: float, error: float) -> dict[str, float]:
        return {"cpu": cpu, "ndcg": ndcg, "ndcg_alone": 0.1, "error": error}

    record = {
        "frozen": point(0, 0.30, 0.9),
        "encoding": 10,
        "lora": {"curve": [point(10, 0.31, 0.8), point(20, 0.33, 0.79)]},
        "full": {"curve": [point(50, 0.32, 0.7), point(100, 0.31, 0.75)]},
    }
    found = _adapt.reached(record, "ndcg")
    assert (found["share"], found["lora_cpu"], found["full_cpu"]) == (0.4, 20, 50)
    assert found["with_encoding"] == 0.5
    assert found["gain"] == pytest.approx(0.02)
    assert _adapt.reached(record, "error")["share"] is None  # 0.79 is never 0.7
    assert _adapt.reached(record, "ndcg_alone")["share"] is None  # nothing gained, nothing reached


def test_seeds_are_compared_one_by_one() -> None:
    def seed(lora: list[float], full: list[float]) -> dict[str, object]:
        def curve(cpu: float, values: list[float]) -> dict[str, object]:
            points = enumerate(values, 1)
            return {"curve": [{"step": i, "cpu": cpu * i, "ndcg": v} for i, v in points]}

        return {"lora": curve(10, lora), "full": curve(50, full)}

    seeds = [seed([0.3, 0.5, 0.3, 0.9], [0.2, 0.4]), seed([0.2, 0.3, 0.3, 0.9], [0.2, 0.5])]
    mean = seed([0.25, 0.4, 0.3, 0.9], [0.2, 0.45])
    found = _adapt.paired(seeds, mean)
    # By 0.1 and -0.2: the fourth step is later than 34 of 100 CPU-seconds.
    wide = 12.7062 * 0.15
    assert found is not None
    assert found["steps"] == {"lora": 2, "full": 2} and found["share"] == 0.2
    assert found["more"] == pytest.approx(-0.05)
    assert found["low"] == pytest.approx(-0.05 - wide, abs=1e-4)
    assert found["high"] == pytest.approx(-0.05 + wide, abs=1e-4)
    assert _adapt.paired(seeds[:1], mean) is None
    slow = mean | {"lora": {"curve": [{"step": 1, "cpu": 40, "ndcg": 0.9}]}}
    assert _adapt.paired(seeds, slow) is None


def test_the_same_number_of_steps() -> None:
    def curve(*points: tuple[int, float, float]) -> dict[str, object]:
        return {"curve": [dict(zip(("step", "cpu", "ndcg"), p, strict=True)) for p in points]}

    lora = curve((2, 1.0, 0.30), (4, 2.0, 0.33), (6, 3.0, 0.40))
    record = {"lora": lora, "full": curve((2, 5.0, 0.35), (4, 10.0, 0.31))}
    assert _adapt.alike(record) == {"step": 4, "share": 0.2, "lora": 0.33, "full": 0.35}
    assert _adapt.alike({"lora": lora, "full": curve((3, 1.0, 0.3))}) is None


def test_the_error_of_edges() -> None:
    """User 0 met items 0 and 1 and likes cold item 1; user 1 met item 1 and likes cold item 0."""
    edges = np.array([[0.5, 0.0], [0.0, 1.0]], np.float32)
    history, targets = Ragged.of([[0, 1], [1]]), Ragged.of([[1], [0]])
    split = ColdSplit(0, np.arange(2), np.arange(2, 4), history, targets)
    assert _adapt.ridge_error(edges, split) == pytest.approx((0.25 + 0 + 1 + 1) / 2)


@pytest.mark.parametrize("command", ["train", "compare"])
def test_projections_on_the_command_line(command: str) -> None:
    parser = argparse.ArgumentParser()
    llm.add(parser.add_subparsers())
    options = parser.parse_args(["llm", command, "--targets", "q_proj", "up_proj"])
    assert llm._align_config(options).targets == ("q_proj", "up_proj")
    plain = llm._align_config(parser.parse_args(["llm", command]))
    last = replace(AlignConfig(), tuned=0.0625, targets=llm.EVERY, dropout=0.2, strength=0.7)
    one_layer = replace(last, batch=128, steps=64, save=16)
    assert plain == (AlignConfig() if command == "train" else one_layer)
