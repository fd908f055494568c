# SPDX-License-Identifier: Apache-2.0
"""The search on invented data: it goes on, prunes what does not fit, and its front verifies."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from recfabric.bitstreams.boards import board
from recfabric.cli import main
from recfabric.contract import Contract
from recfabric.errors import ConfigError
from recfabric.proof import prove
from recfabric.quant.choose import Candidates
from recfabric.quant.fit import FitConfig
from recfabric.quant.progress import Silent
from recfabric.quant.synthetic import synthetic_dataset
from recfabric.quant.train import TrainConfig
from recfabric.search import front, study
from recfabric.search.space import Point, Space

POINT = Point(16, 1, 8, 8, 6, 3, 2, scan_ports=1, pe=4, simd=8, requant_lanes=4)
SPACE = Space(
    dim=(16,),
    heads=(1,),
    edges=(0, 4),
    bits=(8, 4, 2),
    scan_ports=(1, 2, 8),
    pe=(2, 4),
    simd=(8,),
    requant_lanes=(2, 4),
)
FEW = FitConfig(epochs=2, batch=32)
TRAINING = TrainConfig(
    dim=16,
    heads=1,
    edges=4,
    longest=64,
    candidates=Candidates((10.0,), (0.0,), (0.0,)),
    lightgcn=None,
    floating=FEW,
    quantised=FEW,
)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> study.SearchConfig:
    data = synthetic_dataset(120, 50, seed=3, texts=False)
    monkeypatch.setattr("recfabric.demo.open_data", lambda name, progress: data)
    return study.SearchConfig(TRAINING, out=tmp_path, space=SPACE, trials=5, seed=1, refine=1)


def test_a_study_goes_on_and_its_front_verifies(config: study.SearchConfig) -> None:
    first = study.search(config, Silent())
    assert len(first.trials) == 5
    more = replace(config, trials=9, seed=2)
    found = study.search(more, Silent())
    assert [t.number for t in found.trials] == list(range(9))
    assert [t.params for t in found.trials[:5]] == [t.params for t in first.trials[:5]]
    assert study.search(more, Silent()).trials == found.trials  # there is nothing left to do

    record = front.report(found, more, study.evaluator_of(more, Silent()))
    states = record["trials_by_state"]
    assert states["complete"] + states["pruned"] == 9
    assert json.loads((config.out / "front.json").read_text()) == record
    (trained,) = record["float_ndcg"].values()
    assert 0 < trained < 1
    assert [study.point_of(t) for t in found.trials[:2]] == SPACE.corners()
    for entry in record["front"]:
        _check_entry(entry, config.out / "models")
    _check_front(record)
    page = (config.out / "front.html").read_text()
    assert "Plotly.newPlot" in page and "<script src=" not in page
    reasons = [t.user_attrs["reason"] for t in found.trials if t.state.name == "PRUNED"]
    assert reasons and all("need 9 ports but Kria KV260 has 4" in text for text in reasons)


def _check_entry(entry: front.Record, models: Path) -> None:
    """A point of the front: its contract is accepted, and is what the point says."""
    for made in (entry, entry["refined"]):
        folder = models / made["contract"]
        proof = prove(folder, "qonnx", Silent().task, hardware=entry["hardware"], k=20)
        assert proof.mismatches == 0 and len(proof.equivalence) == 2
        contract = Contract.load(folder)
        assert contract.sha256 == made["sha256"]
        for table in ("message", "key", "value", "item"):
            assert getattr(contract.formats, table).width == entry["parameters"][table]
        assert contract.shape.edges == entry["parameters"]["edges"]
    assert entry["verify"].startswith(f"recfabric verify {models / entry['contract']} --hardware ")


def _check_front(record: front.Record) -> None:
    """No trial is better than one of the front in one objective and as good in all others."""
    signs = {n: 1 if d == "maximize" else -1 for n, d in record["objectives"].items()}
    values = [[sign * t[n] for n, sign in signs.items()] for t in record["trials"]]
    for entry in record["front"]:
        own = [sign * entry[n] for n, sign in signs.items()]
        assert own in values
        better = (all(a >= b for a, b in zip(v, own, strict=True)) and v != own for v in values)
        assert not any(better)


def test_a_study_of_other_settings_is_refused(config: study.SearchConfig) -> None:
    study.open_study(config, "data")
    with pytest.raises(ConfigError, match="begun with another data"):
        study.open_study(config, "other data")
    with pytest.raises(ConfigError, match="begun with another space, board"):
        study.open_study(replace(config, space=Space(), board="pynq-z2"), "data")


def test_what_the_part_cannot_hold_is_pruned(
    config: study.SearchConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    from recfabric.bitstreams.area import Area

    huge = Area("xczu5ev", lut=500_000, ff=1, dsp=1, bram=1.0)
    monkeypatch.setattr("recfabric.search.evaluate.estimate", lambda config, part: huge)
    found = study.search(replace(config, trials=2, space=replace(SPACE, scan_ports=(1,))), Silent())
    assert {t.state.name for t in found.trials} == {"PRUNED"}
    assert found.trials[0].user_attrs["reason"] == "The lut of 500000 are 427% of the xczu5ev's."
    assert not (config.out / "models").exists()  # nothing was trained for it


def test_a_point_says_what_is_built() -> None:
    assert POINT.name == "d16-h1-e8-m8k6v3i2"
    made = POINT.hardware(board("kv260"), items=1000, longest=100, max_seen=256)
    assert (made.message_bits, made.key_bits, made.value_bits, made.item_bits) == (8, 8, 4, 4)
    assert (made.beat_bits, made.edges, made.edge_items) == (128, 8, 1024)
    with pytest.raises(ConfigError, match="scan_ports of 4 need 5 ports but Kria KV260 has 4"):
        replace(POINT, scan_ports=4).hardware(board("kv260"), items=1000, longest=100, max_seen=256)


def test_the_space_is_read_from_words() -> None:
    assert Space.read(["dim=32,64", "bits=8"]) == Space(dim=(32, 64), bits=(8,))
    for word in ("width=3", "dim=", "dim=a,b"):
        with pytest.raises(ConfigError, match="is no part of the search space"):
            Space.read([word])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--objectives", "speed"], "'speed' is no objective; choose some of ndcg"),
        (["--jobs", "0"], "The jobs of 0 are fewer than 1"),
        (["--board", "u250"], "No cells are known for Alveo U250"),
    ],
)
def test_a_bad_search_is_one_sentence(
    words: list[str],
    says: str,
    config: study.SearchConfig,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["search", "--out", str(config.out), *words]) == 2
    assert says in capsys.readouterr().err
