# SPDX-License-Identifier: Apache-2.0
"""An epoch of training on a graph of Gowalla's size: CPU-seconds and memory.

The graph is random: who meets what follows a power law, and nothing can be learned from it, so its
ranking is not looked at. Gowalla as LightGCN's authors give it has 29,858 users, 40,981 items and
1,027,370 interactions, 810,128 of them for training.
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from recfabric.config import tool_versions
from recfabric.errors import ConfigError
from recfabric.quant.choose import Candidates
from recfabric.quant.datasets import Dataset
from recfabric.quant.fit import FitConfig
from recfabric.quant.progress import Advance
from recfabric.quant.train import TrainConfig, train

EPOCH_S, PEAK_MIB = 60.0, 4096.0  # most that an epoch and the whole run may take
_LINEAR = "linear models"  # as train names them
_SKEW = 0.7  # of the items' power law


@dataclass(frozen=True)
class EpochResult:
    """``seconds``: CPU-seconds of an epoch of each fit, and of the linear model; ``peak_mib``:
    of the process.
    """

    users: int
    items: int
    interactions: int
    seconds: dict[str, float]
    peak_mib: float
    seed: int

    @property
    def met(self) -> bool:
        """Whether each epoch and the memory are within their limits."""
        fits = [value for name, value in self.seconds.items() if name != _LINEAR]
        return bool(fits) and max(fits) <= EPOCH_S and self.peak_mib <= PEAK_MIB

    def record(self) -> dict[str, Any]:
        """For a JSON file."""
        return asdict(self) | {"met": self.met, "versions": tool_versions()}

    def table(self) -> str:
        """For a terminal."""
        sizes = (f"{self.users:,} users", f"{self.items:,} items")
        lines = [", ".join((*sizes, f"{self.interactions:,} interactions, random"))]
        lines += [f"{name:14s} {value:7.1f} CPU-seconds" for name, value in self.seconds.items()]
        lines += [
            f"{'peak memory':14s} {self.peak_mib:7.0f} MiB",
            f"limits: an epoch {EPOCH_S:g} CPU-seconds, {PEAK_MIB:g} MiB",
        ]
        return "\n".join(lines)


@dataclass
class Clock:
    """Progress that notes the CPU-seconds of each task up to its last step."""

    seconds: dict[str, float] = field(default_factory=dict)

    def note(self, text: str) -> bool:
        """Show nothing."""
        return False

    @contextmanager
    def task(self, name: str, total: int) -> Iterator[Advance]:
        """Time it; here a fit has one step, its epoch."""
        begin = time.process_time()

        def advance(steps: int) -> None:
            self.seconds[name] = time.process_time() - begin

        yield advance


def measure(users: int, items: int, interactions: int, *, seed: int = 1) -> EpochResult:
    """Train one epoch over all users in each fit, from one linear model, without texts.

    Raises ConfigError as :func:`random_dataset` does.
    """
    dataset, clock = random_dataset(users, items, interactions, seed), Clock()
    once = FitConfig(epochs=1, steps=-(-users // FitConfig.batch))
    one = Candidates(penalties=(300.0,), nearby=(0.0,), texts=(0.0,), smooth=(0.0,), product=(1.0,))
    config = TrainConfig(lightgcn=None, seed=seed, candidates=one, floating=once, quantised=once)
    with tempfile.TemporaryDirectory() as folder:
        train(config, dataset, Path(folder), clock)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    clock.seconds.pop("test")
    return EpochResult(users, items, len(dataset.user), clock.seconds, peak, seed)


def random_dataset(users: int, items: int, interactions: int, seed: int) -> Dataset:
    """Distinct random pairs, at least five for each user.

    Raises ConfigError for fewer than that, or for more than half of all pairs.
    """
    if not 10 * users <= 2 * interactions <= users * items:
        raise ConfigError(
            f"{interactions} interactions of {users} users with {items} items are fewer than 5 a "
            "user or more than half of all pairs."
        )
    rng = np.random.default_rng(seed)
    odds = 1.0 / np.arange(1, items + 1) ** _SKEW
    user = np.repeat(np.arange(users), 5)
    pairs = np.unique(user * items + np.arange(5 * users) % items)
    while len(pairs) < interactions:
        missing = interactions - len(pairs)
        user = rng.integers(0, users, missing)
        item = rng.choice(items, missing, p=odds / odds.sum())
        pairs = np.union1d(pairs, user * items + item)
    return Dataset(
        name=f"random-{users}x{items}-{len(pairs)}",
        users=tuple(f"u{i}" for i in range(users)),
        items=tuple(f"i{i}" for i in range(items)),
        user=(pairs // items).astype(np.int32),
        item=(pairs % items).astype(np.int32),
        rating=np.ones(len(pairs)),
        timestamp=np.arange(len(pairs), dtype=np.float64),
        texts=None,
        given=None,
        sources={},
    )
