# SPDX-License-Identifier: Apache-2.0
"""LoRA under DeepSpeed: one rank and two, states that resume, JSON as it is, ranks that die."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from recfabric.errors import ConfigError, DataError, NetworkError, RecFabricError
from recfabric.quant.datasets import Dataset
from recfabric.quant.llm import engine, frozen, layers, models
from recfabric.quant.llm.adapt import Adapted, adapt, find_adapters, material
from recfabric.quant.llm.align import OBJECTIVES, AlignConfig, item_factors
from recfabric.quant.llm.frozen import first_pass, read_states
from recfabric.quant.llm.launch import RankError
from recfabric.quant.llm.vectors import EncoderConfig, encode, load_encoder
from recfabric.requests import Ragged

Things = tuple[tuple[str, ...], Ragged]
SMALL = AlignConfig(batch=8, steps=6, save=3, factors=4, rate=2e-3, tuned=0.7, depth=1.0)


@pytest.fixture
def small(tiny_causal: Path, cache: Path) -> AlignConfig:
    return replace(SMALL, model=str(tiny_causal))


def _losses(done: Adapted) -> list[float]:
    return [note["loss"] for note in done.curve]


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_it_learns_and_the_encoder_takes_it(
    small: AlignConfig, things: Things, tmp_path: Path, objective: str, full: bool
) -> None:
    config = replace(small, objective=objective, full=full, steps=12, save=12)
    done = adapt(config, *things, tmp_path / "out")
    losses = _losses(done)
    assert len(losses) == 12 and min(losses[-3:]) < losses[0]
    before, after = encode(things[0], config.encoder), encode(things[0], done.encoder(config))
    assert before.shape == after.shape and not np.allclose(before, after)


@pytest.mark.parametrize("full", [False, True])
def test_an_adapter_keeps_a_share_of_what_was_learned(
    small: AlignConfig, things: Things, tmp_path: Path, full: bool
) -> None:
    """A quarter of the way from the frozen weights to the trained ones; training is the same."""
    config, settings = replace(small, full=full), {"train_batch_size": 8}
    whole = adapt(config, *things, tmp_path / "whole", settings=settings)
    part = replace(config, strength=0.25)
    less = adapt(part, *things, tmp_path / "less", settings=settings)
    assert _losses(less) == _losses(whole)

    def weights(encoder: EncoderConfig) -> torch.Tensor:
        _, network = load_encoder(encoder, torch.float32)
        return torch.cat([w.flatten() for w in network.state_dict().values()])

    frozen = weights(small.encoder)
    far, near = weights(whole.encoder(config)) - frozen, weights(less.encoder(part)) - frozen
    assert far.abs().max() > 1e-3
    # Of full fine-tuning the weights are bfloat16: half of a last place of either.
    rounding = 1.25 * 2**-8 * (frozen.abs() + far.abs()) if full else 1e-6
    assert bool(((near - 0.25 * far).abs() <= rounding).all())


def test_what_lora_forgets(small: AlignConfig, things: Things, tmp_path: Path) -> None:
    plain = adapt(small, *things, tmp_path / "plain")
    done = adapt(replace(small, dropout=0.5), *things, tmp_path / "out")
    # B is 0 before the first update, whatever A reads.
    assert _losses(done)[0] == _losses(plain)[0] and _losses(done)[-1] != _losses(plain)[-1]


def test_states_are_those_of_the_frozen_layers(
    small: AlignConfig, things: Things, cache: Path
) -> None:
    """Each text's, end to end, as the whole network gives them; the vectors are the encoder's."""
    config, texts = replace(small, tuned=0.5, longest=5), ["", *things[0], "a much longer calm one"]
    start = first_pass(texts, config, torch.float32)
    assert start.states is not None and start.cpu is not None and start.cpu > 0
    tokenizer, network = models.load_model(config.model, torch.float32)
    with torch.inference_mode():
        found = [
            network(input_ids=torch.tensor([ids]), output_hidden_states=True).hidden_states[2][0]
            for ids in tokenizer(texts[1:], truncation=True, max_length=5)["input_ids"]
        ]
    torch.testing.assert_close(read_states(start.states), torch.cat(found))
    assert not start.vectors[0].any()
    assert np.allclose(start.vectors, encode(texts, config.encoder), atol=0.1)


def test_the_frozen_layers_run_once(
    small: AlignConfig, things: Things, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The losses are those of a network that runs whole at every step; the pass is not repeated."""
    settings = {"train_batch_size": 8}
    done = adapt(small, *things, tmp_path / "out", settings=settings)
    with monkeypatch.context() as patch:
        patch.setattr(engine, "read_states", lambda _: None)
        patch.setattr(layers, "_above", lambda network, _: network)
        whole = adapt(small, *things, tmp_path / "whole", settings=settings)
    assert _losses(done) == pytest.approx(_losses(whole), rel=1e-5)

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("the frozen layers ran again")

    monkeypatch.setattr(frozen, "run", fail)
    again = adapt(replace(small, rate=1e-3), *things, tmp_path / "again", settings=settings)
    assert again.encoding == done.encoding
    with pytest.raises(AssertionError, match="ran again"):
        adapt(replace(small, tuned=0.4), *things, tmp_path / "other", settings=settings)


def test_the_real_model_on_one_rank_and_on_two(ml100k: Dataset, tmp_path: Path) -> None:
    config = AlignConfig(batch=8, steps=3, save=3, factors=8, rate=2e-3)
    # float32: Adam's first step is near the gradient's sign, which bfloat16's noise turns.
    settings = engine.default_settings(config, zero=2, ranks=2) | {"bf16": {"enabled": False}}
    try:
        found = material(ml100k, "film", cold=0)
        few = Ragged.of([lists[lists < 32] for lists in found.history])
        given = {"beside": found.beside[:32, :32], "settings": settings}
        one = adapt(config, found.prompts[:32], few, tmp_path / "one", **given)
    except NetworkError as error:
        pytest.skip(f"NOT TESTED: {error}")
    two = adapt(config, found.prompts[:32], few, tmp_path / "two", ranks=2, **given)
    assert [note["ranks"] for note in two.curve] == [2, 2, 2]
    assert _losses(one) == pytest.approx(_losses(two), rel=1e-3)
    assert len(set(_losses(one))) == 3


def test_what_was_cut_off_goes_on(
    small: AlignConfig, things: Things, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = adapt(small, *things, tmp_path / "whole")
    step = engine._Run.step

    def cut(run: engine._Run, number: int, batch: list[int], folder: Path) -> None:
        if number == 4:
            raise KeyboardInterrupt
        step(run, number, batch, folder)

    with monkeypatch.context() as patch:
        patch.setattr(engine._Run, "step", cut)
        with pytest.raises(KeyboardInterrupt):
            adapt(small, *things, tmp_path / "cut")
    resumed = adapt(small, *things, tmp_path / "cut")
    assert _losses(resumed) == pytest.approx(_losses(whole), abs=1e-4)
    lines = (tmp_path / "cut" / engine.CURVE).read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [0, 1, 2, 3, 3, 4, 5]


DYING = """
import os, signal, threading, time
from pathlib import Path
if os.environ.get("RANK") == "1":
    def watch():
        while not (Path({state!r}) / "latest").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)
    threading.Thread(target=watch, daemon=True).start()
"""


def test_a_rank_that_dies_loses_nothing(
    small: AlignConfig, things: Things, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rank 1 is killed once the first state is whole; the same command then goes on from it."""
    out, config = tmp_path / "out", replace(small, steps=400, save=100)
    trap = tmp_path / "trap"
    trap.mkdir()
    (trap / "sitecustomize.py").write_text(DYING.format(state=str(out / engine.STATES)))
    with monkeypatch.context() as patch:
        patch.setenv("PYTHONPATH", str(trap), prepend=":")
        with pytest.raises(RankError, match=r"A process of 2 died .* same command"):
            adapt(config, *things, out, ranks=2)
    noted = len((out / engine.CURVE).read_text().splitlines())
    assert 100 <= noted < 400
    done = adapt(replace(config, steps=noted + 1), *things, out, ranks=2)
    steps = [json.loads(one)["step"] for one in (out / engine.CURVE).read_text().splitlines()]
    assert min(steps[noted:]) >= 100 and len(done.curve) == noted + 1


def test_a_folder_of_another_training(
    small: AlignConfig, things: Things, tmp_path: Path, tiny_causal: Path
) -> None:
    done = adapt(small, *things, tmp_path / "out")
    before = (tmp_path / "out" / engine.CURVE).read_text()
    with pytest.raises(ConfigError, match="another training"):
        adapt(replace(small, seed=1), *things, tmp_path / "out")
    assert (tmp_path / "out" / engine.CURVE).read_text() == before
    with pytest.raises(ConfigError, match="belongs to"):
        encode(things[0], EncoderConfig(str(tiny_causal), adapter=str(done.folder), depth=0.5))


ADAM: dict[str, object] = {
    "optimizer": {"type": "AdamW", "params": {"lr": 1e-2, "torch_adam": True}},
    "scheduler": {"type": "WarmupLR", "params": {"warmup_num_steps": 2}},
}


@pytest.mark.parametrize(
    ("settings", "alike"),
    [
        (
            {
                "train_batch_size": 8,
                "train_micro_batch_size_per_gpu": 2,
                "gradient_accumulation_steps": "auto",
                "zero_optimization": {"stage": 2, "overlap_comm": False},
            }
            | ADAM,
            {"train_batch_size": 8} | ADAM,
        ),
        ({"zero_optimization": {"stage": 3}}, {"zero_optimization": {"stage": 1}}),
    ],
)
def test_deepspeeds_own_json(
    small: AlignConfig,
    things: Things,
    tmp_path: Path,
    settings: dict[str, object],
    alike: dict[str, object],
) -> None:
    """How the work is cut up changes no loss; the JSON's optimiser and schedule do."""
    file = tmp_path / "ds.json"
    file.write_text(json.dumps(settings))
    done = adapt(small, *things, tmp_path / "out", settings=engine.read_settings(file))
    whole = adapt(small, *things, tmp_path / "whole", settings=alike)
    assert _losses(done) == pytest.approx(_losses(whole), rel=1e-3)
    assert json.loads((tmp_path / "out" / "job.json").read_text())["deepspeed"] == settings
    if "optimizer" in settings:
        plain = adapt(small, *things, tmp_path / "plain", settings={"train_batch_size": 8})
        assert _losses(done) != pytest.approx(_losses(plain), rel=1e-2)


def test_bad_json(small: AlignConfig, things: Things, tmp_path: Path) -> None:
    file = tmp_path / "ds.json"
    file.write_text("{")
    with pytest.raises(DataError, match="is no JSON"):
        engine.read_settings(file)
    with pytest.raises(DataError, match="cannot be read"):
        engine.read_settings(tmp_path / "none.json")
    wrong = {"train_batch_size": 8, "train_micro_batch_size_per_gpu": 3}
    with pytest.raises(ConfigError, match="DeepSpeed refuses"):
        adapt(small, *things, tmp_path / "out", settings=wrong)
    with pytest.raises(ConfigError, match="ZeRO stage of 4"):
        engine.default_settings(small, zero=4)


def test_what_cannot_be_learned(small: AlignConfig, things: Things, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="fewer than two texts"):
        adapt(small, ("", "calm", ""), Ragged.of([[0, 1]]), tmp_path / "a")
    with pytest.raises(ConfigError, match="no causal model"):
        adapt(replace(small, model="minilm"), *things, tmp_path / "b")
    with pytest.raises(ConfigError, match="LoRA finds no nothing"):
        adapt(replace(small, targets=("nothing",)), *things, tmp_path / "c")
    with pytest.raises(ConfigError, match="13 of 24 items leaves too few"):
        adapt(replace(small, objective="ridge", batch=13), *things, tmp_path / "e")
    with pytest.raises(RecFabricError, match="65 ranks"):
        adapt(small, *things, tmp_path / "d", ranks=65)
    with pytest.raises(DataError, match="holds no adapter"):
        find_adapters(tmp_path, [0])


@pytest.mark.parametrize(
    "wrong",
    [
        {"tuned": 0.0},
        {"rank": 0},
        {"dropout": 1.0},
        {"strength": 0.0},
        {"objective": "x"},
        {"rate": 1.0},
        {"seed": -1},
    ],
)
def test_bad_configuration(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        AlignConfig(**wrong)  # type: ignore[arg-type]


def test_places_keep_who_likes_what(things: Things) -> None:
    place = item_factors(things[1], 24, 2)
    alike = place @ place.T
    assert alike[0, 2] > 0.1 and abs(alike[0, 1]) < 1e-6
    assert np.mean(np.square(place).sum(1)) == pytest.approx(1)
