# SPDX-License-Identifier: Apache-2.0
"""The recommender a host program uses: item tokens in, item tokens and scores out."""

from __future__ import annotations

from collections.abc import Sequence

from recfabric.contract import Contract
from recfabric.errors import DeviceError
from recfabric.host.catalogue import Catalogue, Recommendation
from recfabric.host.device import Device
from recfabric.host.driver import Failed, HotPathDriver, Query
from recfabric.host.items import Encoder, free_tokens, insert, text_rows
from recfabric.host.soft import SoftDevice
from recfabric.kernels.hotpath.config import HotPathConfig

__all__ = ["ROOM", "Recommendation", "Recommender"]

ROOM = 1 << 14  # items that may be added where the integer models are the device


class Recommender:
    """Answers requests from a contract on a device (``soft`` when none is given, with room for
    ``ROOM`` more items). ``encoder``: reads texts; :func:`recfabric.words.open_recommender` brings
    a contract folder's own."""

    def __init__(
        self, contract: Contract, device: Device | None = None, *, encoder: Encoder | None = None
    ) -> None:
        self.contract, self.encoder = contract, encoder
        if device is None:
            device = SoftDevice(HotPathConfig.for_contract(contract, room=ROOM))
        self.driver = HotPathDriver(device, contract)
        self.catalogue = Catalogue(contract, self.driver.device.config)

    def recommend(
        self,
        history: Sequence[str] = (),
        k: int = 10,
        *,
        text: str | None = None,
        exclude: Sequence[str] = (),
    ) -> Recommendation:
        """The k best items for a history, which is itself left out, as is ``exclude``.

        ``text``: what is wanted in words. The encoder turns it into the rows of an item, which
        the device reads with the history's, as often as it has items (once without a history).
        Of a history longer than the contract's limit the latest items count; all are left out.
        Without both, the popularity order comes. Fewer than k items come back when the
        catalogue has no more. Raises RequestError for an unknown item, a text without a word or
        without an encoder, a k outside 1 and the device's limit, or more items to leave out than
        the device holds.
        """
        rows = None if text is None else text_rows(self.encoder, [text], self.contract)
        asked = self.catalogue.query(history, k, exclude=exclude, text=rows)
        if isinstance(asked, Recommendation):
            return asked
        return self.catalogue.recommendation(self.driver.ask(asked))

    def add_item(self, text: str, token: str | None = None) -> str:
        """Add an item that is known by its text alone; gives its token. See :meth:`add_items`."""
        return self.add_items([text], None if token is None else [token])[0]

    def add_items(self, texts: Sequence[str], tokens: Sequence[str] | None = None) -> list[str]:
        """Add items by their texts, or replace those whose token is known; gives the tokens.

        The next request may return them. The tables are written beside those in use: on any
        error these stay. ``tokens``: their names (None: ``new-1`` and so on). Raises RequestError
        for a text without a word, a token given twice or no encoder, ConfigError where the
        device's netlist has no room, DeviceError where its memory has none.
        """
        rows = text_rows(self.encoder, texts, self.contract)
        names = free_tokens(self.contract, len(texts)) if tokens is None else list(tokens)
        contract = insert(self.contract, names, rows)
        for _ in self.driver.stage(contract):
            pass
        self.driver.switch(contract)
        self.contract = contract
        self.catalogue = Catalogue(contract, self.driver.device.config)
        return names

    def recommend_many(
        self, histories: Sequence[Sequence[str]], k: int = 10
    ) -> list[Recommendation]:
        """:meth:`recommend` for many histories, overlapped on the device; one entry for each.

        Raises as :meth:`recommend` does, and DeviceError where the device reports a fault.
        """
        asked = [self.catalogue.query(history, k) for history in histories]
        outcomes = iter(self.driver.request_many([one for one in asked if isinstance(one, Query)]))
        given = []
        for one in asked:
            if isinstance(one, Recommendation):
                given.append(one)
                continue
            outcome = next(outcomes)
            if isinstance(outcome, Failed):
                raise DeviceError(
                    f"The device '{self.driver.device.name}' reports {outcome.status.faults()} for "
                    f"request {len(given)}; see the status register in kernels/hotpath/README.md."
                )
            given.append(self.catalogue.recommendation(outcome))
        return given
