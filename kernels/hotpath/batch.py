# SPDX-License-Identifier: Apache-2.0
"""A batch in device memory: descriptors that ``rf_hotpath`` reads and records that it writes.

All numbers are little-endian; both lie 64 bytes apart. ``rf_pkg::descriptor_t`` and
``rf_finish.sv`` say the same in SystemVerilog.
"""

from __future__ import annotations

import numpy as np

# A request: addresses and lengths of its lists, where its answers go, k and the length's norm.
DESCRIPTOR = np.dtype(
    [
        *((name, "<u8") for name in ("history", "seen", "result")),
        *((name, "<u4") for name in ("n_history", "n_seen", "k", "norm")),
        ("reserved", "<u8", 3),
    ]
)
# Its end: the status register's bits of this request alone; beats read by all ports since the
# start of the run; the cycles of the run in which it was opened, passed each stage and ended.
RECORD = np.dtype(
    [
        *((name, "<u4") for name in ("status", "beats")),
        *((name, "<u4") for name in ("start", "gather", "attention", "fuse", "scan", "end")),
        ("reserved", "<u8", 4),
    ]
)
NOT_WRITTEN = 0xFFFF_FFFF  # a status that no kernel writes: what a host puts there before


def result_stride(k: int) -> int:
    """Bytes from one request's answers to the next: k of 8 bytes that no page border cuts."""
    return max(64, 1 << (8 * k - 1).bit_length())
