# SPDX-License-Identifier: Apache-2.0
"""Q K^T and A V by FINN's dynamic products, our softmax between: exactly the attention's model."""

from __future__ import annotations

import numpy as np
import pytest

from recfabric.errors import ConfigError, RequestError
from recfabric.finn.attention import Attention, Sizes
from recfabric.kernels.attention.model import attend

FRAMES, LOGIT_SHIFT, OUT_SHIFT = 6, 8, 30


def _frames(sizes: Sizes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    query = rng.integers(-128, 128, (FRAMES, sizes.queries, sizes.dim), dtype=np.int8)
    key, value = (
        rng.integers(-128, 128, (FRAMES, sizes.rows, sizes.dim), dtype=np.int8) for _ in range(2)
    )
    query[0], key[0], value[0] = -128, -128, -128  # every logit and every value alike
    key[1, 1:] = key[1, 0]  # ties of all rows
    value[2] = 127
    return query, key, value


def test_attention_through_dynamic_products(finn: str) -> None:
    sizes = Sizes()
    query, key, value = _frames(sizes)
    options = {"heads": 1, "logit_shift": LOGIT_SHIFT, "out_shift": OUT_SHIFT}
    expected = np.stack(
        [[attend(row, key[n], value[n], **options) for row in query[n]] for n in range(FRAMES)]
    )
    attention = Attention(sizes)
    for stall in (0.0, 0.3):
        found, _ = attention.run(
            query, key, value, logit_shift=LOGIT_SHIFT, out_shift=OUT_SHIFT, stall=stall
        )
        assert (found == expected).all()
    other, _ = attention.run(
        query, key[::-1].copy(), value, logit_shift=LOGIT_SHIFT, out_shift=OUT_SHIFT
    )
    assert (other != expected).any()
    with pytest.raises(RequestError, match="takes"):
        attention.run(query[:, :2], key, value, logit_shift=8, out_shift=30)


def test_lanes_that_do_not_divide_are_named() -> None:
    with pytest.raises(ConfigError, match="divide"):
        Sizes(lanes=3)
