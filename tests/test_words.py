# SPDX-License-Identifier: Apache-2.0
"""Words at request time on MiniLM's real weights: exact on every device, refused in words."""

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from recfabric.bench._words import measure
from recfabric.cli import main
from recfabric.cli.serve import _encoder
from recfabric.contract import Contract
from recfabric.errors import ConfigError, ContractError, DataError, RequestError
from recfabric.host.device import Device
from recfabric.host.driver import ALONE, BATCH, Answer, HotPathDriver, Query
from recfabric.host.items import ItemRows, insert
from recfabric.host.recommender import Recommender
from recfabric.host.rtl import RtlDevice
from recfabric.host.runtime import Runtime
from recfabric.host.soft import SoftDevice
from recfabric.host.tables import SPARE_ROWS
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.kernels.stimulus import random_contract
from recfabric.quant.llm.reader import TextReader
from recfabric.quant.llm.textmap import FILE, MapConfig, TextMap, fit_map
from recfabric.words import TextEncoder, open_recommender, write_map
from tests.host.runtime_cases import item_rows

ITEMS = 56  # the netlist has room for eight more
WISH = "a dark comedy about chess"
KINDS = ("Comedy", "Drama", "Horror", "Western")
SUBJECTS = ("chess", "the sea", "a haunted house", "two brothers", "a bank robbery", "space", "war")
TEXTS = tuple(
    f"The {kind} of {subject} ({1980 + i}). Genres: {kind}"
    for i, kind in enumerate(KINDS)
    for subject in (*SUBJECTS, *(f"{s} and love" for s in SUBJECTS))
)


@pytest.fixture(scope="module")
def contract() -> Contract:
    return random_contract(items=ITEMS, dim=16, heads=1, bits=4, edges=5, seed=22, history=64)


@pytest.fixture(scope="module")
def config(contract: Contract) -> HotPathConfig:
    found = HotPathConfig.for_contract(
        contract, beat_bits=64, pe=2, simd=2, k_max=8, max_seen=64, max_rows=64
    )
    assert found.edge_items == 64
    return found


@pytest.fixture(scope="module")
def folder(contract: Contract, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A contract folder with a map that MiniLM reads for."""
    made = tmp_path_factory.mktemp("words")
    contract.save(made)
    write_map(contract, TEXTS, made, models=["minilm"], sharpness=2.0)
    return made


@pytest.fixture(scope="module")
def encoder(folder: Path, contract: Contract) -> TextEncoder:
    found = TextEncoder.open(folder, contract)
    assert found is not None
    return found


@pytest.fixture
def rtl(config: HotPathConfig) -> Iterator[RtlDevice]:
    device = RtlDevice(config, memory_bytes=1 << 22)
    yield device
    device.close()


def same(left: Answer, right: Answer) -> bool:
    return bool((left.rows == right.rows).all() and (left.scores == right.scores).all())


def test_words_are_computed_on_the_device_as_by_the_integer_model(
    contract: Contract, config: HotPathConfig, encoder: TextEncoder, rtl: RtlDevice
) -> None:
    """The reference: the same rows as an item of the catalogue, which a history may name."""
    rows = encoder.rows([WISH], contract)
    known = insert(contract, ["wish"], rows)
    reference = Recommender(known, SoftDevice(config))
    devices: Sequence[Device] = (SoftDevice(config), rtl)
    for device in devices:
        words = Recommender(contract, device, encoder=encoder)
        for history in ([], ["item3"], ["item3", "item9", "item3", "item40"]):
            given = words.recommend(history, 8, text=WISH)
            wished = [*history, *["wish"] * max(1, len(history))]
            right = reference.recommend(wished, 8)
            assert (given.items, given.scores) == (right.items, right.scores), device.name
            assert given.items != words.recommend(history, 8).items
            assert not given.popular


def test_texts_of_a_batch_do_not_touch_each_other(
    contract: Contract, config: HotPathConfig, rtl: RtlDevice
) -> None:
    """Two batches and more, with and without texts, and each request on its own."""
    rng = np.random.default_rng(4)
    asked, right = [], []
    model = HotPathDriver(SoftDevice(config), contract)
    for i in range(2 * BATCH + 6):
        row, weight = int(rng.integers(ITEMS)), int(rng.integers(1, 4))
        history = rng.integers(0, ITEMS, i % 7)
        rows = item_rows(contract, row) if i % 3 else None
        asked.append(Query(history, [], 6, rows, weight))
        whole = [*history, *([row] * weight if i % 3 else [])]
        right.append(model.request(whole, [], 6))
    for device in (SoftDevice(config), rtl):
        driver = HotPathDriver(device, contract)
        for i, outcome in enumerate(driver.request_many(asked)):
            assert isinstance(outcome, Answer)
            assert same(outcome, right[i]), (device.name, i)
        for i in range(0, len(asked), 9):
            assert same(driver.ask(asked[i]), right[i]), (device.name, i)
    with Runtime(contract, [SoftDevice(config), SoftDevice(config)]) as shards:
        futures = [shards.submit(query) for query in asked]
        for future, answer in zip(futures, right, strict=True):
            assert same(future.result(30).answer, answer)


def test_of_a_long_history_the_latest_half_counts(
    contract: Contract, config: HotPathConfig, encoder: TextEncoder
) -> None:
    """Behind it the text as often; all of the history is left out of the answer."""
    known = insert(contract, ["wish"], encoder.rows([WISH], contract))
    history, half = [*range(40), *range(5)], contract.shape.max_history // 2
    words = Recommender(contract, SoftDevice(config), encoder=encoder)
    given = words.recommend([f"item{i}" for i in history], 8, text=WISH)
    whole = [*history[-half:], *[ITEMS] * half]
    right = HotPathDriver(SoftDevice(config), known).request(whole, [*range(40), ITEMS], 8)
    assert given.items == tuple(known.tokens[row] for row in right.rows)


def test_the_spare_rows_are_closed_to_requests_without_text(
    contract: Contract, config: HotPathConfig, encoder: TextEncoder, rtl: RtlDevice
) -> None:
    for device in (SoftDevice(config), rtl):
        driver = HotPathDriver(device, contract)
        driver.ask(Query([1], [], 3, encoder.rows([WISH], contract)))
        with pytest.raises(Exception, match="row"):
            driver.request([ITEMS + ALONE], [], 3)
    assert 2 * BATCH < SPARE_ROWS


def test_a_request_without_text_calls_no_language_model(folder: Path) -> None:
    recommender = open_recommender(folder)
    encoder = recommender.encoder
    assert isinstance(encoder, TextEncoder)
    recommender.recommend(["item1"])
    recommender.recommend([])
    recommender.recommend_many([["item1"], ["item2"]])
    assert encoder.calls == 0
    assert encoder._readers[0]._loaded is None  # not even loaded
    recommender.recommend(["item1"], text=WISH)
    recommender.recommend(text=WISH)
    assert encoder.calls == 2


def test_a_new_item_is_in_the_next_answer(
    contract: Contract, config: HotPathConfig, encoder: TextEncoder, rtl: RtlDevice
) -> None:
    text = "The Comedy of chess in winter (1980). Genres: Comedy"
    rows = encoder.rows([text], contract)
    expected = insert(contract, ["winter"], rows)
    for name in (f.name for f in fields(rows)):
        assert np.array_equal(getattr(expected.tensors, name)[-1:], getattr(rows, name)), name
    assert rows.edge_weight is not None and rows.edge_weight.any()
    right = Recommender(expected, SoftDevice(config))
    others = [f"item{i}" for i in range(8, ITEMS)]
    for device in (SoftDevice(config), rtl):
        recommender = Recommender(contract, device, encoder=encoder)
        assert recommender.add_item(text, "winter") == "winter"
        assert recommender.contract.sha256 == expected.sha256
        for history in (["winter"], ["item5", "winter"], ["item7"]):
            given, wanted = recommender.recommend(history, 8), right.recommend(history, 8)
            assert (given.items, given.scores) == (wanted.items, wanted.scores)
        assert "winter" in recommender.recommend(["item7"], 8, exclude=others).items
        # Beyond the netlist's array nothing changes.
        with pytest.raises(ConfigError, match="65 items but the hardware adds edges into 64"):
            recommender.add_items([text] * 8)
        assert recommender.contract.sha256 == expected.sha256
        assert recommender.recommend(["winter"], 8).items == right.recommend(["winter"], 8).items
        assert recommender.add_items([text, WISH]) == ["new-1", "new-2"]
        assert recommender.contract.shape.items == ITEMS + 3


class Rows:
    """Rows out of a text's number, for volume."""

    def rows(self, texts: Sequence[str], contract: Contract) -> ItemRows:
        t, place = contract.tensors, [int(text) % ITEMS for text in texts]
        names = ("message", "key", "value", "item", "bias", "popularity")
        return ItemRows(**{name: getattr(t, name)[place] for name in names})


def test_thousands_of_items_at_once(contract: Contract) -> None:
    texts = [str(i) for i in range(3000)]
    recommender = Recommender(contract, encoder=Rows())
    recommender.add_items(texts)
    device = SoftDevice(HotPathConfig.for_contract(contract, room=4000))
    with Runtime(contract, [device]) as runtime:
        names = runtime.add_items(texts, Rows())
        assert runtime.add_item("5", Rows(), names[17]) == "new-18"
        assert runtime.generation.number == 3
        assert runtime.generation.contract.shape.items == ITEMS + 3000
        history = [ITEMS + 2999, 4]
        served = runtime.request(Query(history, sorted(history), 10))
        right = recommender.recommend(["new-3000", "item4"], 10)
        assert [runtime.generation.contract.tokens[r] for r in served.rows] == list(right.items)


def test_the_text_decides(encoder: TextEncoder, contract: Contract) -> None:
    """A wish weighs the items that are like it most, and labels are found in plain words."""
    reader = TextReader("minilm")
    vectors = [reader.read([WISH])]
    weights = encoder.map.weights(encoder.map.featurise([WISH], vectors))[0]
    best = [TEXTS[row] for row in encoder.map.anchors[np.argsort(-weights)[:2]]]
    assert all(text.startswith("The Comedy of chess") for text in best)
    labels = encoder.map.featurise([WISH], vectors)[0, : len(encoder.map.labels)]
    assert [label for label, on in zip(encoder.map.labels, labels, strict=True) if on] == ["Comedy"]


def test_every_text_gives_its_own_rows(encoder: TextEncoder, contract: Contract) -> None:
    """In one call or alone, in any order, whatever was asked before."""
    texts = [WISH, "a horror film in space", "a western about war"]
    together, other = encoder.rows(texts, contract), encoder.rows(texts[::-1], contract)
    for i, text in enumerate(texts):
        alone = encoder.rows([text], contract)
        for name in ("message", "key", "value", "item", "bias"):  # another order of sums: a tie
            row = getattr(alone, name)[0]
            assert np.abs(row - getattr(together, name)[i]).max() <= 1, name
            assert np.abs(row - getattr(other, name)[2 - i]).max() <= 1, name
    assert len(np.unique(together.message, axis=0)) == 3


@pytest.mark.parametrize("text", ["", "  \n\t"])
def test_an_empty_text_is_refused(encoder: TextEncoder, contract: Contract, text: str) -> None:
    recommender = Recommender(contract, encoder=encoder)
    with pytest.raises(RequestError, match="The text has no word"):
        recommender.recommend(["item1"], text=text)
    with pytest.raises(RequestError, match="The text 2 of 2 has no word"):
        recommender.add_items([WISH, text])
    assert recommender.contract is contract
    with pytest.raises(RequestError, match="no text encoder"):
        Recommender(contract).recommend(text=WISH)
    with pytest.raises(RequestError, match="No text is given"):
        recommender.add_items([])


@pytest.mark.parametrize(
    "text",
    ["schwarze Komödie über Schach", "чёрная комедия про шахматы", "国际象棋的黑色喜剧", "?!"],
)
def test_any_language_is_answered(encoder: TextEncoder, contract: Contract, text: str) -> None:
    assert len(Recommender(contract, encoder=encoder).recommend(text=text, k=5).items) == 5


def test_a_very_long_text_is_read_as_far_as_the_model_reads(
    encoder: TextEncoder, contract: Contract
) -> None:
    long = " ".join(["chess"] * 10_000)
    first, second = (encoder.rows([text], contract) for text in (long, long + " and a horror film"))
    assert np.array_equal(first.message, second.message)


def test_a_map_of_something_else_is_refused(
    folder: Path, contract: Contract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = random_contract(items=ITEMS, dim=16, heads=1, bits=4, edges=5, seed=23, history=64)
    with pytest.raises(ConfigError, match="belongs to the contract"):
        TextEncoder.open(folder, other)
    found = TextMap.load(folder)
    assert found is not None
    changed = replace(found.models[0], identity="0" * 32)
    with pytest.raises(ConfigError, match="not those that the contract's texts were mapped"):
        TextEncoder(contract, replace(found, models=(changed,)))
    encoder = TextEncoder(contract, found)
    with pytest.raises(ConfigError, match="another model than the tables in use"):
        encoder.rows([WISH], random_contract(items=ITEMS, dim=32, heads=1, bits=8))
    shutil.copytree(folder, tmp_path / "m")
    raw = bytearray((tmp_path / "m" / FILE).read_bytes())
    raw[len(raw) // 2] ^= 1
    (tmp_path / "m" / FILE).write_bytes(raw)
    with pytest.raises(ContractError, match="cannot be read as a map"):
        TextMap.load(tmp_path / "m")
    replace(found, unit=found.unit + 1).save(tmp_path / "m")
    again = TextMap.load(tmp_path / "m")
    assert again is not None
    assert again.sha256 != found.sha256
    monkeypatch.setattr("recfabric.quant.llm.textmap.VERSION", 2)
    with pytest.raises(ContractError, match="version 1, not 2"):
        TextMap.load(folder)


def test_items_without_a_text_are_left_out_of_the_map(contract: Contract) -> None:
    texts = ["" if i % 2 else text for i, text in enumerate(TEXTS)]
    found = fit_map(contract, texts, [])
    met = np.flatnonzero(contract.tensors.popularity)
    assert found.anchors.tolist() == [row for row in met if row % 2 == 0]
    with pytest.raises(DataError, match="no map to fit"):
        fit_map(contract, [""] * ITEMS, [])
    with pytest.raises(ConfigError, match="penalty of 0"):
        MapConfig(penalty=0)


def test_the_map_is_kernel_ridge_regression(contract: Contract) -> None:
    """Against the same in float64, with every known item's row as the target."""
    rng = np.random.default_rng(2)
    vectors = rng.normal(size=(ITEMS, 6)).astype(np.float32)
    reader = TextReader("minilm")
    found = fit_map(contract, TEXTS, [(replace_model(reader), vectors)], sharpness=1.0)
    features = found.featurise(TEXTS, [vectors]).astype(np.float64)
    known = features[found.anchors]
    gram = np.exp(0.25 * known @ known.T) + 5.0 * np.eye(len(known))
    expected = np.exp(0.25 * features @ known.T) @ np.linalg.solve(
        gram, contract.tensors.message[found.anchors].astype(np.float64)
    )
    rows = found.rows(found.weights(found.featurise(TEXTS, [vectors])), contract)
    assert np.abs(rows["message"] - expected).max() < 0.51


def replace_model(reader: TextReader):  # type: ignore[no-untyped-def]  # noqa: ANN201
    return replace(reader.about, blocks=1)


def test_the_commands(
    folder: Path, contract: Contract, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    right = open_recommender(folder).recommend(["item3"], 4, text=WISH)
    assert main(["recommend", str(folder), "item3", "--text", WISH, "-k", "4"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[0] for line in lines] == list(right.items)
    assert main(["recommend", str(folder), "--text", WISH, "-k", "4"]) == 0
    capsys.readouterr()
    contract.save(tmp_path)
    assert main(["recommend", str(tmp_path), "--text", WISH]) == 2
    assert "no text encoder" in capsys.readouterr().err
    assert _encoder(tmp_path, contract, None) is None
    with pytest.raises(ConfigError, match=r"holds no text\.npz"):
        _encoder(tmp_path, contract, True)
    assert _encoder(folder, contract, False) is None
    served = _encoder(folder, contract, None)
    assert served is not None
    assert served._readers[0]._loaded is not None
    about = json.loads((folder / "contract.json").read_text())
    assert about["sha256"] == served.map.contract


def test_the_benchmark_counts_who_was_asked(folder: Path, tmp_path: Path) -> None:
    result = measure(folder, requests=5)
    assert (result.plain_calls, result.models) == (0, ("minilm",))
    assert result.text_calls == 25  # warm-up included
    Contract.load(folder).save(tmp_path)
    with pytest.raises(ConfigError, match=r"holds no text\.npz"):
        measure(tmp_path)
