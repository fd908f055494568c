# SPDX-License-Identifier: Apache-2.0
"""The validation users on whom every model is judged while it trains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recfabric.quant.lists import take
from recfabric.quant.metrics import ndcg
from recfabric.quant.splits import Split
from recfabric.requests import Ragged

Ranker = Callable[[Ragged], npt.NDArray[np.int32]]


@dataclass(frozen=True, eq=False)
class Judge:
    """Validation: some users, their histories, the items to leave out and the targets."""

    users: npt.NDArray[np.int64]
    history: Ragged
    seen: Ragged
    targets: Ragged

    @classmethod
    def of(cls, split: Split, history: Ragged, judges: int) -> Judge:
        """At most ``judges`` users with validation items, evenly spread."""
        users = np.flatnonzero(np.diff(split.valid.indptr))
        users = users[:: max(1, -(-len(users) // judges))]
        parts = (take(lists, users) for lists in (history, split.train, split.valid))
        return cls(users, *parts)

    def __call__(self, ranker: Ranker) -> float:
        """NDCG@10 of the lists a ranker gives when ``seen`` is left out."""
        return ndcg(ranker(self.seen), self.targets)
