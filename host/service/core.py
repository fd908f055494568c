# SPDX-License-Identifier: Apache-2.0
"""What the service does, without HTTP: tokens, users and texts in, named answers out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recfabric.errors import (
    OverloadedError,
    RequestError,
    SupersededError,
    UnknownUserError,
)
from recfabric.host._generation import Generation
from recfabric.host.catalogue import Recommendation
from recfabric.host.items import Encoder, ItemRows, text_rows
from recfabric.host.runtime import Runtime
from recfabric.host.service.models import Answered, Ask, Inserted, Insertion, NewItem, Vectors
from recfabric.requests import Requests

_TABLES = ("message", "key", "value", "item", "bias", "popularity")


@dataclass(frozen=True)
class User:
    """What the contract's requests know of a user, in item tokens."""

    history: tuple[str, ...]
    seen: tuple[str, ...]


class Users:
    """The users of a contract folder's requests, by name; nobody where it names none."""

    def __init__(self, requests: Requests | None, tokens: Sequence[str]) -> None:
        self._requests, self._tokens = requests, tokens
        names = requests.users if requests else ()
        self._number = {name: i for i, name in enumerate(names)}

    def find(self, name: str) -> User:
        """A user's lists; raises UnknownUserError."""
        if self._requests is None or name not in self._number:
            raise UnknownUserError(
                f"The user {name!r} is not among the {len(self._number)} users whose histories "
                "this contract brings; send the history itself."
            )
        number = self._number[name]
        rows = self._requests.history[number], self._requests.seen[number]
        history, seen = (tuple(self._tokens[row] for row in some) for some in rows)
        return User(history, seen)


class Recommendations:
    """A runtime, the users that it knows, and an encoder where there is one."""

    def __init__(
        self, runtime: Runtime, requests: Requests | None = None, encoder: Encoder | None = None
    ) -> None:
        self.runtime, self.encoder = runtime, encoder
        self.users = Users(requests, runtime.generation.contract.tokens)
        self._inserting = asyncio.Lock()

    async def recommend(self, ask: Ask) -> Answered:
        """Answer a request; raises RecFabricError where it cannot be answered."""
        history, exclude = self._history(ask)
        text = await self._text(ask)
        while True:
            generation = self.runtime.generation
            asked = generation.catalogue.query(history, ask.k, exclude=exclude, text=text)
            if isinstance(asked, Recommendation):
                return _answered(asked, generation, ("host",))
            try:
                served = await self.runtime.arequest(asked, generation=generation)
            except SupersededError:
                continue  # the tables were swapped between the two lines before
            given = generation.catalogue.recommendation(served.answer)
            return _answered(given, served.generation, served.devices)

    async def insert(self, insertion: Insertion) -> Inserted:
        """Add or replace items and swap the tables under traffic.

        Raises OverloadedError while another insertion runs.
        """
        if self._inserting.locked():
            raise OverloadedError("Another insertion is running; send this one again later.")
        async with self._inserting:
            return await asyncio.to_thread(self._insert, insertion.items)

    def _insert(self, items: Sequence[NewItem]) -> Inserted:
        old = self.runtime.generation.contract
        tokens = [item.token for item in items]
        generation = self.runtime.insert(tokens, self._rows(items))
        added = generation.contract.shape.items - old.shape.items
        return Inserted(
            inserted=added,
            replaced=len(tokens) - added,
            contract=generation.contract.sha256,
            generation=generation.number,
        )

    def _rows(self, items: Sequence[NewItem]) -> ItemRows:
        given = [item.vectors for item in items if item.vectors is not None]
        texts = [item.text for item in items if item.text is not None]
        if len(given) == len(items) and not texts:
            return _of_vectors(given, self.runtime.generation.contract.shape.dim)
        if len(texts) != len(items) or given:
            raise RequestError("Give each item either by its vectors or, all of them, by text.")
        return text_rows(self.encoder, texts, self.runtime.generation.contract)

    async def _text(self, ask: Ask) -> ItemRows | None:
        """The rows of a request's text; a request without one calls no encoder."""
        if ask.text is None:
            return None
        contract = self.runtime.generation.contract
        return await asyncio.to_thread(text_rows, self.encoder, [ask.text], contract)

    def _history(self, ask: Ask) -> tuple[Sequence[str], Sequence[str]]:
        """A request's history and the items to leave out besides."""
        if ask.user is not None and ask.history is not None:
            raise RequestError("A history and a user are given; give one of them.")
        if ask.user is None and ask.history is None and ask.text is None:
            raise RequestError("Nothing is given; give a history, a user or a text.")
        if ask.user is not None:
            user = self.users.find(ask.user)
            return user.history, (*user.seen, *ask.exclude)
        return ask.history or (), ask.exclude


def _of_vectors(given: Sequence[Vectors], dim: int) -> ItemRows:
    for one in given:
        for name in _TABLES[:4]:
            if len(getattr(one, name)) != dim:
                raise RequestError(
                    f"A vector '{name}' has {len(getattr(one, name))} integers but the contract's "
                    f"dimension is {dim}."
                )
    return ItemRows(**{n: np.array([getattr(one, n) for one in given], np.int64) for n in _TABLES})


def _answered(given: Recommendation, generation: Generation, devices: Sequence[str]) -> Answered:
    return Answered(
        items=list(given.items),
        scores=list(given.scores),
        popular=given.popular,
        contract=generation.contract.sha256,
        generation=generation.number,
        devices=list(devices),
    )
