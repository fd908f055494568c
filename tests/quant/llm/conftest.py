# SPDX-License-Identifier: Apache-2.0
"""A data set's texts and who likes what."""

import numpy as np
import pytest

from recfabric.requests import Ragged


@pytest.fixture(scope="session")
def things() -> tuple[tuple[str, ...], Ragged]:
    """Texts of 24 items, half calm and half loud, and users who like one half."""
    texts = tuple(f"{('calm', 'loud')[i % 2]} thing number {i}" for i in range(24))
    rng = np.random.default_rng(0)
    users = [np.sort(rng.choice(np.arange(u % 2, 24, 2), 6, replace=False)) for u in range(30)]
    return texts, Ragged.of(users)
