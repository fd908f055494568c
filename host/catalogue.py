# SPDX-License-Identifier: Apache-2.0
"""Between item tokens and rows: requests into queries, answers into recommendations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recfabric.contract import Contract
from recfabric.errors import RequestError
from recfabric.host.device import Cycles
from recfabric.host.driver import Answer, Query
from recfabric.host.items import ItemRows, check_text
from recfabric.kernels.hotpath.config import HotPathConfig


@dataclass(frozen=True)
class Recommendation:
    """``items``: tokens, best first; ``scores``: their values, in the scores' fixed point.

    ``popular`` is True when the history was empty: the items are the most popular ones and the
    scores their interactions in training.
    """

    items: tuple[str, ...]
    scores: tuple[float, ...]
    popular: bool = False
    cycles: Cycles | None = None


class Catalogue:
    """A contract's items by their tokens, within the limits of a device's netlist."""

    def __init__(self, contract: Contract, config: HotPathConfig) -> None:
        self.contract, self.config = contract, config
        self._rows = {token: row for row, token in enumerate(contract.tokens)}

    def query(
        self,
        history: Sequence[str],
        k: int = 10,
        *,
        exclude: Sequence[str] = (),
        text: ItemRows | None = None,
    ) -> Query | Recommendation:
        """A history's request in rows, or its answer where there is nothing: the popular items.

        The history and ``exclude`` are left out of the answer. Of a history longer than the
        contract's limit the latest items count. A ``text``'s rows count as much as the history, of
        which the latest half of the limit is then taken. Raises RequestError for an unknown item, a
        k outside 1 and the device's limit, or more items to leave out than the device holds.
        """
        if not 1 <= k <= self.config.k_max:
            raise RequestError(
                f"k is {k} but must be 1 to {self.config.k_max} on this device; change k."
            )
        rows = self._known(history)
        seen = np.unique(np.concatenate([rows, self._known(exclude)]))
        if len(seen) > self.config.max_seen:
            raise RequestError(
                f"{len(seen)} items are to be left out but this device holds "
                f"{self.config.max_seen}; shorten the history or the exclusions."
            )
        longest = self.contract.shape.max_history
        if text is not None:
            check_text(text, self.contract)
            rows = rows[max(len(rows) - longest // 2, 0) :]
            return Query(rows, seen, k, text, weight=max(1, len(rows)))
        if not len(rows):
            return self._popular(seen, k)
        return Query(rows[-longest:], seen, k)

    def recommendation(self, answer: Answer) -> Recommendation:
        """An answer in rows as tokens; fewer than k where the catalogue has no more."""
        found = answer.rows >= 0
        scale = self.contract.formats.score.scale
        return Recommendation(
            tuple(self.contract.tokens[row] for row in answer.rows[found]),
            tuple(float(score) * scale for score in answer.scores[found]),
            cycles=answer.cycles,
        )

    def _known(self, tokens: Sequence[str]) -> npt.NDArray[np.int64]:
        try:
            return np.array([self._rows[str(token)] for token in tokens], dtype=np.int64)
        except KeyError as error:
            raise RequestError(
                f"The item {error.args[0]!r} is not among the contract's {len(self._rows)} items; "
                "take one of its tokens."
            ) from None

    def _popular(self, seen: npt.NDArray[np.int64], k: int) -> Recommendation:
        counts = self.contract.tensors.popularity.astype(np.int64)
        counts[seen] = -1
        order = np.argsort(-counts, kind="stable")[:k]
        order = order[counts[order] >= 0]
        return Recommendation(
            tuple(self.contract.tokens[row] for row in order),
            tuple(float(counts[row]) for row in order),
            popular=True,
        )
