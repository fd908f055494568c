# SPDX-License-Identifier: Apache-2.0
"""Small invented data sets with structure a recommender can learn, for tests."""

from __future__ import annotations

import hashlib

import numpy as np

from recfabric.errors import ConfigError
from recfabric.quant.datasets import Dataset

TASTES = ("calm", "loud", "strange", "bright", "slow")


def synthetic_dataset(
    users: int = 60,
    items: int = 40,
    *,
    seed: int = 0,
    texts: bool = True,
    most: int | None = None,
) -> Dataset:
    """Users of five tastes who mostly meet items of their own; deterministic for a seed.

    Each user meets between 5 and ``most`` (``items // 2`` by default) distinct items, with ratings
    and ascending timestamps; every item is met by nobody or more. With ``texts`` each item is
    described.
    Raises ConfigError below 1 user or 10 items.
    """
    if users < 1 or items < 10:
        raise ConfigError(f"{users} users and {items} items are fewer than 1 and 10.")
    rng = np.random.default_rng(seed)
    taste_of_item = rng.integers(len(TASTES), size=items)
    taste_of_user = rng.integers(len(TASTES), size=users)
    appeal = rng.gamma(1.0, size=items) + 0.05
    met = []
    for user in range(users):
        odds = appeal * np.where(taste_of_item == taste_of_user[user], 8.0, 1.0)
        count = int(rng.integers(5, max(6, (most or items // 2) + 1)))
        met.append(rng.choice(items, size=count, replace=False, p=odds / odds.sum()))
    item = np.concatenate(met).astype(np.int32)
    user_of = np.repeat(np.arange(users, dtype=np.int32), [len(one) for one in met])
    name = f"synthetic-{users}x{items}-{seed}"
    return Dataset(
        name=name,
        users=tuple(f"u{i}" for i in range(users)),
        items=tuple(f"i{i}" for i in range(items)),
        user=user_of,
        item=item,
        rating=rng.integers(1, 6, size=len(item)).astype(np.float64),
        timestamp=np.arange(len(item), dtype=np.float64),
        texts=tuple(f"A {TASTES[t]} thing number {i}" for i, t in enumerate(taste_of_item))
        if texts
        else None,
        given=None,
        sources={name: hashlib.sha256(name.encode()).hexdigest()},
    )
