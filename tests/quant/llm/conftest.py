# SPDX-License-Identifier: Apache-2.0
"""A data set's texts and who likes what; no shared memory stays behind a job."""

from collections.abc import Iterator

import numpy as np
import pytest

from recfabric.quant.llm import launch
from recfabric.requests import Ragged


@pytest.fixture(autouse=True)
def no_buffers_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Of any job that a test runs, whether it ends well or its ranks die."""
    ports: list[int] = []
    free_port = launch._free_port

    def noted() -> int:
        ports.append(free_port())
        return ports[-1]

    monkeypatch.setattr(launch, "_free_port", noted)
    yield
    left = [path.name for port in ports for path in launch.SHARED.glob(f"deepspeed*_{port}_*")]
    assert not left


@pytest.fixture(scope="session")
def things() -> tuple[tuple[str, ...], Ragged]:
    """Texts of 24 items, half calm and half loud, and users who like one half."""
    texts = tuple(f"{('calm', 'loud')[i % 2]} thing number {i}" for i in range(24))
    rng = np.random.default_rng(0)
    users = [np.sort(rng.choice(np.arange(u % 2, 24, 2), 6, replace=False)) for u in range(30)]
    return texts, Ragged.of(users)
