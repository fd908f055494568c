# SPDX-License-Identifier: Apache-2.0
"""New and changed items in a contract, and what an online encoder of texts must do."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from recfabric.contract import Contract, Tensors
from recfabric.errors import RequestError

NO_ENCODER = (
    "There is no text encoder; bring a contract folder with text.npz (`recfabric export` writes it "
    "for data with texts), or give item tokens or vectors."
)
_SHARED = ("norm", "fuse_weight", "fuse_bias")  # tensors that are not one row an item


@dataclass(frozen=True)
class ItemRows:
    """Rows of M items in the contract's formats.

    ``message``, ``key``, ``value``, ``item``: integers (M, D); ``bias``, ``popularity``: (M,).
    ``edge_item``: the rows that an item's edges lead to, ``edge_weight``: their integers,
    (M, E) each, or both None: no edges.
    """

    message: npt.NDArray[np.integer[Any]]
    key: npt.NDArray[np.integer[Any]]
    value: npt.NDArray[np.integer[Any]]
    item: npt.NDArray[np.integer[Any]]
    bias: npt.NDArray[np.integer[Any]]
    popularity: npt.NDArray[np.integer[Any]]
    edge_item: npt.NDArray[np.integer[Any]] | None = None
    edge_weight: npt.NDArray[np.integer[Any]] | None = None


class Encoder(Protocol):
    """Turns texts into what the tables hold; may be used from several threads."""

    def rows(self, texts: Sequence[str], contract: Contract) -> ItemRows:
        """The rows of items that are known by their texts alone, in the contract's formats.

        Raises RequestError for a text without a word, ConfigError for a contract of another model.
        """


def insert(contract: Contract, tokens: Sequence[str], rows: ItemRows) -> Contract:
    """The contract with items added at its end, or replaced where their token is known.

    Rows of other items stay where they are. Raises RequestError for a token given twice or rows
    of another shape, ContractError for integers outside a format or a sum that could wrap.
    """
    if len(set(tokens)) != len(tokens):
        raise RequestError("A token is given twice; give each item once.")
    place = {token: row for row, token in enumerate(contract.tokens)}
    known = np.array([token in place for token in tokens], dtype=bool)
    old = np.array([place[token] for token in tokens if token in place], dtype=np.int64)
    tensors = {}
    for f in fields(Tensors):
        table = getattr(contract.tensors, f.name)
        if f.name not in _SHARED:
            given = _fit(f.name, getattr(rows, f.name, None), table, len(tokens))
            table = np.concatenate([table, given[~known]])
            table[old] = given[known]
        tensors[f.name] = table
    names = (*contract.tokens, *(t for t in tokens if t not in place))
    return Contract(
        shape=replace(contract.shape, items=len(names)),
        formats=contract.formats,
        tensors=Tensors(**tensors),
        tokens=names,
        provenance={**contract.provenance, "inserted_from": contract.sha256},
    )


def text_rows(encoder: Encoder | None, texts: Sequence[str], contract: Contract) -> ItemRows:
    """The rows of texts; raises RequestError where there is no encoder or nothing to read."""
    if encoder is None:
        raise RequestError(NO_ENCODER)
    if not texts:
        raise RequestError("No text is given; give at least one.")
    return encoder.rows(texts, contract)


def free_tokens(contract: Contract, count: int) -> list[str]:
    """So many names that no item of a contract has: ``new-1`` and so on."""
    taken = set(contract.tokens)
    unlimited = (f"new-{number}" for number in itertools.count(1))
    return list(itertools.islice((n for n in unlimited if n not in taken), count))


def check_text(rows: ItemRows, contract: Contract) -> None:
    """Raises RequestError where a text's rows are not one item's in the contract's formats."""
    for name in ("message", "key", "value"):
        row, form = getattr(rows, name), getattr(contract.formats, name)
        if row.shape != (1, contract.shape.dim) or not form.holds(row):
            raise RequestError(
                f"The text's row '{name}' is {row.shape} of {row.min()}..{row.max()} but the "
                f"contract takes (1, {contract.shape.dim}) of {form.min}..{form.max}."
            )


def _fit(
    name: str,
    given: npt.NDArray[np.integer[Any]] | None,
    table: npt.NDArray[np.integer[Any]],
    count: int,
) -> npt.NDArray[np.integer[Any]]:
    """The given rows in the table's type; raises RequestError where they do not fit into it."""
    shape = (count, *table.shape[1:])
    if given is None:
        return np.zeros(shape, table.dtype)
    given = np.asarray(given)
    limits = np.iinfo(table.dtype)
    if given.shape != shape:
        raise RequestError(f"The rows '{name}' are {given.shape} but the table takes {shape}.")
    if given.size and not (limits.min <= int(given.min()) and int(given.max()) <= limits.max):
        raise RequestError(
            f"The rows '{name}' hold {given.min()}..{given.max()}, outside {table.dtype}."
        )
    return given.astype(table.dtype)
