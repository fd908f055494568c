# SPDX-License-Identifier: Apache-2.0
"""A generation: one contract as the runtime serves it, with answers that are known beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from recfabric.contract import Contract
from recfabric.errors import ConfigError, DeviceError, RequestError
from recfabric.host.catalogue import Catalogue
from recfabric.host.driver import Answer, Failed, HotPathDriver, Query
from recfabric.host.items import check_text
from recfabric.host.soft import SoftDevice
from recfabric.kernels.hotpath.config import HotPathConfig

KNOWN = 8  # requests whose answers a device must know before it serves


@dataclass(frozen=True, eq=False)
class Generation:
    """A contract in use. ``number`` counts up from 1; ``shards``: the rows that each device scores.

    ``known`` are requests, ``expected`` their answers by each shard, from the integer model;
    ``soft`` are the drivers that answer for a shard's device while it is out, or empty.
    """

    number: int
    contract: Contract
    catalogue: Catalogue
    shards: tuple[range | None, ...]
    known: tuple[Query, ...]
    expected: tuple[tuple[Answer, ...], ...]
    soft: tuple[HotPathDriver, ...]

    @classmethod
    def of(
        cls, number: int, contract: Contract, configs: Sequence[HotPathConfig], *, fallback: bool
    ) -> Generation:
        """Cut the catalogue into a shard for each device and compute the known answers.

        Raises ConfigError where a netlist does not fit or the catalogue has fewer items than
        there are devices.
        """
        shards = cut(contract.shape.items, len(configs))
        drivers = tuple(
            HotPathDriver(SoftDevice(config), contract, scanned=shard)
            for config, shard in zip(configs, shards, strict=True)
        )
        common = limits(configs)
        known = known_queries(contract, common)
        expected = tuple(tuple(answers(driver.request_many(known))) for driver in drivers)
        catalogue = Catalogue(contract, common)
        soft = drivers if fallback else ()
        return cls(number, contract, catalogue, shards, known, expected, soft)

    def check(self, query: Query) -> Query:
        """The query with its lists as arrays; raises RequestError for what no device may get."""
        config, shape = self.catalogue.config, self.contract.shape
        if isinstance(query.k, bool) or not isinstance(query.k, int | np.integer):
            raise RequestError(f"k is {query.k!r} but must be a whole number.")
        if not 1 <= query.k <= config.k_max:
            raise RequestError(
                f"k is {query.k} but must be 1 to {config.k_max} on this device; change k."
            )
        if query.text is not None:
            check_text(query.text, self.contract)
        longest = shape.max_history - (query.weight if query.text is not None else 0)
        history = _rows("history", query.history, longest, shape.items)
        seen = _rows("seen list", query.seen, config.max_seen, shape.items)
        if len(seen) > 1 and not (seen[1:] > seen[:-1]).all():
            raise RequestError("The seen list is not strictly ascending; sort it, each row once.")
        return Query(history, seen, int(query.k), query.text, query.weight)


def cut(items: int, shards: int) -> tuple[range | None, ...]:
    """Consecutive shards of nearly the same size; None for the whole where there is one device."""
    if items < shards or not shards:
        raise ConfigError(
            f"A catalogue of {items} items cannot be cut for {shards} devices; take fewer devices."
        )
    if shards == 1:
        return (None,)
    ends = [items * i // shards for i in range(shards + 1)]
    return tuple(range(a, b) for a, b in pairwise(ends))


def limits(configs: Sequence[HotPathConfig]) -> HotPathConfig:
    """The configuration whose k and seen list are the smallest of all."""
    k_max, max_seen = min(c.k_max for c in configs), min(c.max_seen for c in configs)
    first = configs[0].describe()
    return HotPathConfig(**(first | {"k_max": k_max, "max_seen": max_seen}))


def known_queries(contract: Contract, config: HotPathConfig) -> tuple[Query, ...]:
    """Requests that touch all of a contract: short and long histories, with rows left out."""
    rng = np.random.default_rng(contract.shape.items)
    n, longest = contract.shape.items, contract.shape.max_history
    given = []
    for i in range(KNOWN):
        history = rng.integers(0, n, min(longest, 8 << i))
        given.append(Query(history, np.unique(rng.integers(0, n, min(i, n))), config.k_max))
    return tuple(given)


def answers(outcomes: Sequence[Answer | Failed]) -> list[Answer]:
    """The outcomes, none of which may have failed; raises DeviceError for one that has."""
    given = []
    for outcome in outcomes:
        if isinstance(outcome, Failed):
            raise DeviceError(f"The device reports {outcome.status.faults()} for a good request.")
        given.append(outcome)
    return given


def _rows(name: str, given: npt.ArrayLike, limit: int, items: int) -> npt.NDArray[np.integer[Any]]:
    try:
        rows = np.asarray(given)
    except (ValueError, TypeError, OverflowError):
        raise RequestError(f"The {name} is no list of item rows.") from None
    if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "iu"):
        raise RequestError(f"The {name} is no flat list of whole numbers.")
    if len(rows) > limit:
        raise RequestError(
            f"The {name} has {len(rows)} items but this device holds {limit}; shorten it."
        )
    if rows.size and (int(rows.min()) < 0 or int(rows.max()) >= items):
        outside = int(rows.min()) if int(rows.min()) < 0 else int(rows.max())
        raise RequestError(
            f"The {name} holds row {outside} but the catalogue's rows are 0 to {items - 1}."
        )
    return rows.astype(np.int64)
