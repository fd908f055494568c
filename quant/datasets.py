# SPDX-License-Identifier: Apache-2.0
"""Data sets from folders: RecBole atomic files and LightGCN's ``train.txt``/``test.txt``.

Formats: https://recbole.io/docs/user_guide/data/atomic_files.html and the data folders of
https://github.com/kuandeng/LightGCN.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from recfabric.errors import DataError
from recfabric.quant.text import compose

TRAIN, VALID, TEST = 0, 1, 2
TYPES = ("token", "token_seq", "float", "float_seq")


@dataclass(frozen=True, eq=False)
class Dataset:
    """M interactions of U users with I items, in the order of the file.

    ``users``, ``items``: outside names; ``user``, ``item``: int32 (M,), indices into them;
    ``rating``, ``timestamp``: float64 (M,) or None; ``texts``: a sentence for each item (empty
    where nothing is known of it) or None; ``given``: int8 (M,), the files' own split as TRAIN and
    TEST, or None; ``sources``: SHA-256 of each file read, by file name.

    Users whose names are all integers stand in numeric order, others in order of appearance;
    items in the order of the item file, those only seen in interactions behind them.
    """

    name: str
    users: tuple[str, ...]
    items: tuple[str, ...]
    user: npt.NDArray[np.int32]
    item: npt.NDArray[np.int32]
    rating: npt.NDArray[np.float64] | None
    timestamp: npt.NDArray[np.float64] | None
    texts: tuple[str, ...] | None
    given: npt.NDArray[np.int8] | None
    sources: Mapping[str, str]

    @cached_property
    def sha256(self) -> str:
        """One hash for all files the data set was read from."""
        lines = "".join(f"{name} {digest}\n" for name, digest in sorted(self.sources.items()))
        return hashlib.sha256(lines.encode()).hexdigest()


@dataclass(frozen=True)
class _Table:
    path: Path
    names: tuple[str, ...]
    types: tuple[str, ...]
    rows: list[list[str]]

    def column(self, name: str) -> list[str] | None:
        if name not in self.names:
            return None
        at = self.names.index(name)
        return [row[at] for row in self.rows]

    def need(self, name: str) -> list[str]:
        column = self.column(name)
        if column is None:
            raise DataError(
                f"{self.path} line 1 has no column '{name}:token' but {list(self.names)}; name "
                "the columns as RecBole's atomic files do."
            )
        for line, token in enumerate(column, 2):
            if not token:
                raise DataError(f"{self.path} line {line} has an empty {name}; fill or remove it.")
        return column

    def numbers(self, name: str) -> npt.NDArray[np.float64] | None:
        column = self.column(name)
        if column is None:
            return None
        return np.array([_number(self.path, i, name, t) for i, t in enumerate(column, 2)])


def load_dataset(folder: Path) -> Dataset:
    """Read a folder of RecBole atomic files or of LightGCN's ``train.txt`` and ``test.txt``.

    Raises DataError, naming the file and the line, for a malformed row, a rating or timestamp
    that is no finite number, an item listed twice in the item file, a missing column, an empty
    file, and a folder with neither format.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; name one with a .inter file or a train.txt.")
    inter = sorted(folder.glob("*.inter"))
    preferred = folder / f"{folder.resolve().name}.inter"
    if preferred in inter:
        return _load_atomic(preferred)
    if len(inter) == 1:
        return _load_atomic(inter[0])
    if inter:
        raise DataError(
            f"{folder} holds {len(inter)} .inter files and none is named {preferred.name}; keep "
            "one data set in a folder."
        )
    if (folder / "train.txt").exists() and (folder / "test.txt").exists():
        return _load_lightgcn(folder)
    raise DataError(
        f"{folder} holds neither a .inter file nor train.txt and test.txt; see "
        "https://recbole.io/docs/user_guide/data/atomic_files.html for the format."
    )


def _load_atomic(inter: Path) -> Dataset:
    table = _read_table(inter)
    user_column, item_column = table.need("user_id"), table.need("item_id")
    item_file = inter.with_suffix(".item")
    listed, known = _read_items(item_file) if item_file.exists() else ((), {})
    users, items = _users(user_column), tuple(dict.fromkeys([*listed, *item_column]))
    return Dataset(
        name=inter.stem,
        users=users,
        items=items,
        user=_indices(user_column, users),
        item=_indices(item_column, items),
        rating=table.numbers("rating"),
        timestamp=table.numbers("timestamp"),
        texts=tuple(known.get(token, "") for token in items) if any(known.values()) else None,
        given=None,
        sources={path.name: _sha256(path) for path in (inter, item_file) if path.exists()},
    )


def _read_items(path: Path) -> tuple[tuple[str, ...], dict[str, str]]:
    table = _read_table(path)
    tokens = table.need("item_id")
    first: dict[str, int] = {}
    for line, token in enumerate(tokens, 2):
        if token in first:
            raise DataError(
                f"{path} line {line} lists the item '{token}' again (first in line "
                f"{first[token]}); remove one of them."
            )
        first[token] = line
    kept = [i for i, name in enumerate(table.names) if name != "item_id"]
    names = [table.names[i] for i in kept]
    texts = (compose(names, [row[i] for i in kept]) for row in table.rows)
    return tuple(tokens), dict(zip(tokens, texts, strict=True))


def _load_lightgcn(folder: Path) -> Dataset:
    users: list[str] = []
    items: list[str] = []
    given: list[int] = []
    for part, name in ((TRAIN, "train.txt"), (TEST, "test.txt")):
        before = len(users)
        for user, listed in _read_lists(folder / name):
            users += [user] * len(listed)
            items += listed
        if len(users) == before:
            raise DataError(f"{folder / name} holds no interaction; give it at least one.")
        given += [part] * (len(users) - before)
    user_tokens, item_tokens = _users(users), _users(items)
    return Dataset(
        name=folder.resolve().name,
        users=user_tokens,
        items=item_tokens,
        user=_indices(users, user_tokens),
        item=_indices(items, item_tokens),
        rating=None,
        timestamp=None,
        texts=None,
        given=np.array(given, np.int8),
        sources={name: _sha256(folder / name) for name in ("train.txt", "test.txt")},
    )


def _read_lists(path: Path) -> Iterator[tuple[str, list[str]]]:
    for line, text in enumerate(_lines(path), 1):
        fields = text.split()
        for token in fields:
            if not (token.isascii() and token.isdigit()):
                raise DataError(
                    f"{path} line {line} holds '{token}', not a number; each line is a user "
                    "followed by item ids."
                )
        if fields:
            yield fields[0], fields[1:]


def _read_table(path: Path) -> _Table:
    lines = _lines(path)
    header = [field.rpartition(":") for field in lines[0].split("\t")]
    if any(not name or kind not in TYPES for name, _, kind in header):
        raise DataError(
            f"{path} line 1 is no typed header ({lines[0][:60]!r}); each column is "
            f"'name:type' with a type of {', '.join(TYPES)}."
        )
    rows = []
    for line, text in enumerate(lines[1:], 2):
        row = text.split("\t")
        if len(row) != len(header):
            raise DataError(
                f"{path} line {line} has {len(row)} fields where the header has {len(header)}; "
                "separate them by tabs."
            )
        rows.append(row)
    if not rows:
        raise DataError(f"{path} holds a header and no row; give it at least one.")
    return _Table(path, tuple(h[0] for h in header), tuple(h[2] for h in header), rows)


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise DataError(f"{path} line {line} is not UTF-8; convert the file.") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); check the file.") from None
    lines = text.removesuffix("\n").split("\n")
    if not text.strip():
        raise DataError(f"{path} is empty; give it at least one interaction.")
    return [line.removesuffix("\r") for line in lines]


def _number(path: Path, line: int, name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise DataError(
            f"{path} line {line} has a {name} of '{text}', not a finite number; correct or remove "
            "the row."
        )
    return number


def _users(column: list[str]) -> tuple[str, ...]:
    distinct = list(dict.fromkeys(column))
    if all(token.isascii() and token.isdigit() for token in distinct):
        distinct.sort(key=int)
    return tuple(distinct)


def _indices(column: list[str], names: tuple[str, ...]) -> npt.NDArray[np.int32]:
    index = {name: i for i, name in enumerate(names)}
    return np.fromiter((index[token] for token in column), np.int32, len(column))


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
