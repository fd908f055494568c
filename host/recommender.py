# SPDX-License-Identifier: Apache-2.0
"""The recommender a host program uses: item tokens in, item tokens and scores out."""

from __future__ import annotations

from collections.abc import Sequence

from recfabric.contract import Contract
from recfabric.errors import DeviceError
from recfabric.host.catalogue import Catalogue, Recommendation
from recfabric.host.device import Device
from recfabric.host.driver import Failed, HotPathDriver, Query
from recfabric.host.soft import SoftDevice
from recfabric.kernels.hotpath.config import HotPathConfig

__all__ = ["Recommendation", "Recommender"]


class Recommender:
    """Answers requests from a contract on a device (``soft`` when none is given)."""

    def __init__(self, contract: Contract, device: Device | None = None) -> None:
        self.contract = contract
        self.driver = HotPathDriver(
            device or SoftDevice(HotPathConfig.for_contract(contract)), contract
        )
        self.catalogue = Catalogue(contract, self.driver.device.config)

    def recommend(
        self, history: Sequence[str], k: int = 10, *, exclude: Sequence[str] = ()
    ) -> Recommendation:
        """The k best items for a history, which is itself left out, as is ``exclude``.

        Of a history longer than the contract's limit the latest items count; all are left out.
        An empty history gives the popularity order. Fewer than k items come back when the
        catalogue has no more. Raises RequestError for an unknown item, a k outside 1 and the
        device's limit, or more items to leave out than the device holds.
        """
        asked = self.catalogue.query(history, k, exclude=exclude)
        if isinstance(asked, Recommendation):
            return asked
        answer = self.driver.request(asked.history, asked.seen, asked.k)
        return self.catalogue.recommendation(answer)

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
