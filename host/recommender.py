# SPDX-License-Identifier: Apache-2.0
"""The recommender a host program uses: item tokens in, item tokens and scores out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recfabric.contract import Contract
from recfabric.errors import RequestError
from recfabric.host.device import Cycles, Device
from recfabric.host.driver import HotPathDriver
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
        if not len(rows):
            return self._popular(seen, k)
        answer = self.driver.request(rows[-self.contract.shape.max_history :], seen, k)
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
