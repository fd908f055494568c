# SPDX-License-Identifier: Apache-2.0
"""The benchmark of an epoch: a random graph of the size asked for, every fit timed."""

from dataclasses import replace

import numpy as np
import pytest

from recfabric.bench._epoch import EpochResult, measure, random_dataset
from recfabric.errors import ConfigError


def test_every_pair_is_there_once_and_every_user_has_five() -> None:
    data = random_dataset(300, 200, 4000, seed=2)
    assert len(set(zip(data.user.tolist(), data.item.tolist(), strict=True))) == 4000
    assert np.bincount(data.user, minlength=300).min() >= 5
    assert data.item.max() < 200
    met = np.sort(np.bincount(data.item, minlength=200))
    assert met[-20:].sum() > 3 * met[:20].sum()  # a power law


@pytest.mark.parametrize("interactions", [1499, 30_001])
def test_what_fits_no_graph_is_refused(interactions: int) -> None:
    with pytest.raises(ConfigError, match="fewer than 5 a user or more than half"):
        random_dataset(300, 200, interactions, seed=2)


def test_each_fit_is_timed_and_held_against_its_limit() -> None:
    result = measure(120, 80, 1500)
    assert list(result.seconds) == ["linear models", "float model", "quantised model"]
    assert min(result.seconds.values()) > 0
    assert result.peak_mib > 100
    assert result.met
    slow = {**result.seconds, "quantised model": 60.1}
    assert not replace(result, seconds=slow).met
    assert not replace(result, peak_mib=4097.0).met
    assert not EpochResult(1, 1, 1, {}, 1.0, 1).met
    assert "quantised model" in result.table()
