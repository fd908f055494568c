# SPDX-License-Identifier: Apache-2.0
"""Readers of data sets: what they read, and one sentence for what they cannot."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from recfabric.errors import DataError
from recfabric.quant.datasets import TEST, TRAIN, Dataset, load_dataset
from recfabric.quant.text import compose

INTER = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
ITEM = "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"


def folder_with(root: Path, **files: str) -> Path:
    folder = root / "toy"
    folder.mkdir()
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(content)
    return folder


def test_atomic_files_with_items_nobody_met_and_items_without_text(tmp_path: Path) -> None:
    folder = folder_with(
        tmp_path,
        toy__inter=INTER + "10\tb\t4\t7\n2\tc\t3\t5\n10\ta\t1\t6\n",
        toy__item=ITEM + "a\tToy Story\t1995\tAnimation Comedy\nz\tHeat\t1995\t\n",
    )
    data = load_dataset(folder)
    assert data.name == "toy"
    assert data.users == ("2", "10")
    assert data.items == ("a", "z", "b", "c")
    assert data.user.tolist() == [1, 0, 1]
    assert data.item.tolist() == [2, 3, 0]
    assert data.texts == ("Toy Story (1995). Genres: Animation Comedy", "Heat (1995)", "", "")
    assert data.rating is not None and data.rating.tolist() == [4, 3, 1]
    assert data.timestamp is not None and data.timestamp.tolist() == [7, 5, 6]
    inter = (folder / "toy.inter").read_bytes()
    assert data.sources["toy.inter"] == hashlib.sha256(inter).hexdigest()


def test_the_hash_follows_the_content(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, toy__inter=INTER + "1\ta\t4\t7\n")
    before = load_dataset(folder).sha256
    (folder / "toy.inter").write_text(INTER + "1\ta\t5\t7\n")
    assert load_dataset(folder).sha256 != before


def test_only_two_columns_and_windows_lines(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, other__inter="user_id:token\titem_id:token\r\nx\ta\r\ny\ta\r\n")
    data = load_dataset(folder)
    assert (data.users, data.items) == (("x", "y"), ("a",))
    assert data.rating is None and data.timestamp is None and data.texts is None


def test_lightgcn_files(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, train__txt="0 3 1\n1 3\n2\n", test__txt="0 2\n1 10\n")
    data = load_dataset(folder)
    assert data.users == ("0", "1") and data.items == ("1", "2", "3", "10")
    assert data.given is not None
    assert data.given.tolist() == [TRAIN] * 3 + [TEST] * 2
    assert [data.items[i] for i in data.item] == ["3", "1", "3", "2", "10"]


def test_movielens_is_what_it_should_be(ml100k: Dataset) -> None:
    assert (len(ml100k.users), len(ml100k.items), len(ml100k.user)) == (943, 1682, 100_000)
    assert ml100k.texts is not None
    assert ml100k.texts[0] == "Toy Story (1995). Genres: Animation Children's Comedy"
    assert ml100k.items == tuple(str(i) for i in range(1, 1683))
    assert np.all(np.asarray(ml100k.rating) >= 1)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"toy__inter": INTER + "1\ta\t4\t7\n1\tb\t4\n"}, ["toy.inter", "line 3", "3 fields", "4"]),
        ({"toy__inter": INTER + "1\ta\tnan\t7\n"}, ["toy.inter", "line 2", "rating", "'nan'"]),
        ({"toy__inter": INTER + "1\ta\t4\t7\n1\tb\tfive\t7\n"}, ["line 3", "rating", "'five'"]),
        ({"toy__inter": INTER + "1\ta\t4\tinf\n"}, ["line 2", "timestamp", "'inf'"]),
        ({"toy__inter": INTER + "1\t\t4\t7\n"}, ["line 2", "empty item_id"]),
        ({"toy__inter": "user_id:token\tthing:token\n1\ta\n"}, ["line 1", "'item_id:token'"]),
        ({"toy__inter": "user_id\titem_id\n1\ta\n"}, ["line 1", "typed header"]),
        ({"toy__inter": "user_id:token\titem_id:word\n1\ta\n"}, ["line 1", "token_seq"]),
        ({"toy__inter": ""}, ["toy.inter", "empty"]),
        ({"toy__inter": INTER}, ["toy.inter", "no row"]),
        ({"a__inter": INTER, "b__inter": INTER}, ["2 .inter files", "toy.inter"]),
        ({"notes__md": "hello"}, ["neither", "train.txt"]),
        ({"train__txt": "0 1\n"}, ["neither", "train.txt"]),
        ({"train__txt": "0 1\n", "test__txt": "0 x\n"}, ["test.txt", "line 1", "'x'"]),
        ({"train__txt": "0 1\n", "test__txt": "0\n"}, ["test.txt", "no interaction"]),
        (
            {"toy__inter": INTER + "1\ta\t4\t7\n", "toy__item": ITEM + "a\tA\t1\t\na\tB\t2\t\n"},
            ["toy.item", "line 3", "'a'", "line 2"],
        ),
        (
            {"toy__inter": INTER + "1\ta\t4\t7\n", "toy__item": ITEM + "a\tA\n"},
            ["toy.item", "line 2", "2 fields"],
        ),
    ],
)
def test_bad_input_is_one_sentence(tmp_path: Path, files: dict[str, str], words: list[str]) -> None:
    with pytest.raises(DataError) as error:
        load_dataset(folder_with(tmp_path, **files))
    sentence = str(error.value)
    assert all(word in sentence for word in words), sentence
    assert sentence.endswith(".") and "\n" not in sentence


def test_not_a_folder_and_not_utf8(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a folder"):
        load_dataset(tmp_path / "nowhere")
    folder = folder_with(tmp_path, toy__inter="")
    (folder / "toy.inter").write_bytes(INTER.encode() + b"1\ta\t4\t7\n1\t\xe9\t4\t7\n")
    with pytest.raises(DataError, match="line 3 is not UTF-8"):
        load_dataset(folder)


@pytest.mark.parametrize(
    ("names", "values", "text"),
    [
        (["title"], ["Fire Emblem"], "Fire Emblem"),
        (["brand", "name", "price"], ["Sega", "Sonic", "9.0"], "Sonic. Brand: Sega. Price: 9"),
        (["a_b", "year"], ["x", "1999.0"], "x (1999)"),
        (["year"], ["1999"], "1999"),
        (["title", "genre"], [" ", ""], ""),
    ],
)
def test_text_of_any_columns(names: list[str], values: list[str], text: str) -> None:
    assert compose(names, values) == text
