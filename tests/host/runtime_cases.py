# SPDX-License-Identifier: Apache-2.0
"""Contracts, requests and devices of the runtime's tests, and what an answer is held against."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future

import numpy as np

from recfabric.contract import Contract
from recfabric.errors import DeviceTimeoutError
from recfabric.host.device import Completion
from recfabric.host.driver import Query
from recfabric.host.items import ItemRows
from recfabric.host.runtime import Served
from recfabric.host.soft import SoftDevice
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.kernels.hotpath.model import HotPath
from recfabric.kernels.stimulus import random_contract

ITEMS = 90


def two_contracts() -> list[Contract]:
    return [random_contract(items=ITEMS + i, dim=16, heads=1, seed=5 + i) for i in range(2)]


def config(contract: Contract) -> HotPathConfig:
    return HotPathConfig.for_contract(contract, pe=4, simd=4)


def soft(contract: Contract) -> SoftDevice:
    return SoftDevice(config(contract))


def queries(count: int, seed: int = 1) -> list[Query]:
    rng = np.random.default_rng(seed)
    return [
        Query(
            rng.integers(0, ITEMS, i % 19),
            np.unique(rng.integers(0, ITEMS, i % 40)),
            1 + i % 32,
        )
        for i in range(count)
    ]


def check(served: Served, query: Query, contract: Contract) -> None:
    """The answer is that of the integer model on the contract that it names."""
    assert served.contract == contract.sha256
    history = np.asarray(query.history)
    norm = int(contract.tensors.norm[len(history)])
    seen = np.asarray(query.seen, np.int32)
    rows, scores = HotPath.of(contract).answer(history, norm, seen, query.k)
    assert served.rows.tolist() == rows.tolist()
    assert served.scores.tolist() == scores.tolist()


def check_all(futures: Sequence[Future[Served]], asked: Sequence[Query], by: Contract) -> None:
    for future, query in zip(futures, asked, strict=True):
        check(future.result(20), query, by)


class Gate(SoftDevice):
    """A soft device whose runs wait until it is opened; ``blocks``: whatever the time-out."""

    def __init__(self, config: HotPathConfig, *, blocks: bool = True) -> None:
        super().__init__(config)
        self.blocks = blocks
        self.open = threading.Event()
        self.open.set()

    def wait(self, timeout_s: float) -> Completion:
        if not self.open.wait(None if self.blocks else timeout_s):
            raise DeviceTimeoutError("The gate is shut.")
        return super().wait(timeout_s)


def item_rows(contract: Contract, row: int) -> ItemRows:
    """The rows of an item of the catalogue, as a text would bring them."""
    names = ("message", "key", "value", "item", "bias", "popularity", "edge_item", "edge_weight")
    return ItemRows(**{name: getattr(contract.tensors, name)[[row]] for name in names})
