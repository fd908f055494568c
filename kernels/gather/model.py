# SPDX-License-Identifier: Apache-2.0
"""The integer model of ``rf_gather``: it is the specification."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from recfabric.kernels.fixed import requantise

Array = npt.NDArray[Any]


class Op(IntEnum):
    """What a gather makes of the rows; ``rf_pkg::gather_op_e`` says the same."""

    SUM = 0
    MAX = 1


def gather(
    rows: Array,
    norm: int,
    shift: int,
    *,
    weights: Array | None = None,
    op: Op = Op.SUM,
) -> npt.NDArray[np.int8]:
    """``sat8(rne(norm * sum_i weights[i] * rows[i], shift))``, exactly, or with the maximum.

    ``rows``: int8 (n, D), the messages of n neighbours, at most 2**20 of them; none give the zero
    vector. ``norm``: 0..65535; ``shift``: 0..62 (a contract's: 0..47); ``weights``: int8 (n,), all
    1 by default; ``op``: the maximum is that of the weighted rows. A mean is a sum with the norm
    1 / n (:mod:`recfabric.kernels.graph.scale`). Returns int8 (D,).

    With item tables frozen the sum is LightGCN's user embedding (He et al., SIGIR 2020, equations
    7 and 8) in integers.
    """
    messages = rows.astype(np.int64)
    if weights is not None:
        messages = messages * weights.astype(np.int64)[:, None]
    if not len(rows):
        return np.zeros(rows.shape[1], np.int8)
    total = messages.max(axis=0) if op is Op.MAX else messages.sum(axis=0)
    return requantise(total * norm, shift).astype(np.int8)
