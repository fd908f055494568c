# SPDX-License-Identifier: Apache-2.0
"""The integer model of ``rf_gather``: it is the specification."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from recfabric.kernels.fixed import requantise

Array = npt.NDArray[Any]


def gather(rows: Array, norm: int, shift: int) -> npt.NDArray[np.int8]:
    """``sat8(rne(sum_i rows[i] * norm, shift))``, exactly; no rows give the zero vector.

    ``rows``: int8 (n, D), the messages of a history of n items, at most 2**22 of them; ``norm``:
    0..65535; ``shift``: 0..62 (a contract's: 0..47). Returns int8 (D,). With item tables frozen
    this is LightGCN's user embedding (He et al., SIGIR 2020, equations 7 and 8) in integers.
    """
    total = rows.sum(axis=0, dtype=np.int64)
    return requantise(total * norm, shift).astype(np.int8)
