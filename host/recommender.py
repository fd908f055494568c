# SPDX-License-Identifier: Apache-2.0
"""The recommender a host program uses: item tokens in, item tokens and scores out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recfabric.contract import Contract
from recfabric.errors import DeviceError, RequestError
from recfabric.host.device import Cycles, Device
from recfabric.host.driver import Answer, Failed, HotPathDriver, Query
from recfabric.host.soft import SoftDevice
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


class Recommender:
    """Answers requests from a contract on a device (``soft`` when none is given)."""

    def __init__(self, contract: Contract, device: Device | None = None) -> None:
        self.contract = contract
        self.driver = HotPathDriver(
            device or SoftDevice(HotPathConfig.for_contract(contract)), contract
        )
        self._rows = {token: row for row, token in enumerate(contract.tokens)}

    def recommend(
        self, history: Sequence[str], k: int = 10, *, exclude: Sequence[str] = ()
    ) -> Recommendation:
        """The k best items for a history, which is itself left out, as is ``exclude``.

        Of a history longer than the contract's limit the latest items count; all are left out.
        An empty history gives the popularity order. Fewer than k items come back when the
        catalogue has no more. Raises RequestError for an unknown item, a k outside 1 and the
        device's limit, or more items to leave out than the device holds.
        """
        rows, seen = self._rows_of(history, k, exclude)
        if not len(rows):
            return self._popular(seen, k)
        return self._tokens(self.driver.request(rows, seen, k))

    def recommend_many(
        self, histories: Sequence[Sequence[str]], k: int = 10
    ) -> list[Recommendation]:
        """:meth:`recommend` for many histories, overlapped on the device; one entry for each.

        Raises as :meth:`recommend` does, and DeviceError where the device reports a fault.
        """
        asked = [self._rows_of(history, k, ()) for history in histories]
        queries = [Query(rows, seen, k) for rows, seen in asked if len(rows)]
        outcomes = iter(self.driver.request_many(queries))
        given = []
        for rows, seen in asked:
            if not len(rows):
                given.append(self._popular(seen, k))
                continue
            outcome = next(outcomes)
            if isinstance(outcome, Failed):
                raise DeviceError(
                    f"The device '{self.driver.device.name}' reports {outcome.status.faults()} for "
                    f"request {len(given)}; see the status register in kernels/hotpath/README.md."
                )
            given.append(self._tokens(outcome))
        return given

    def _rows_of(
        self, history: Sequence[str], k: int, exclude: Sequence[str]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The history's latest rows and the rows to leave out."""
        config = self.driver.device.config
        if not 1 <= k <= config.k_max:
            raise RequestError(
                f"k is {k} but must be 1 to {config.k_max} on this device; change k."
            )
        rows = self._known(history)
        seen = np.unique(np.concatenate([rows, self._known(exclude)]))
        if len(seen) > config.max_seen:
            raise RequestError(
                f"{len(seen)} items are to be left out but this device holds {config.max_seen}; "
                "shorten the history or the exclusions."
            )
        return rows[-self.contract.shape.max_history :], seen

    def _tokens(self, answer: Answer) -> Recommendation:
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
