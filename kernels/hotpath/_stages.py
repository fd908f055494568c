# SPDX-License-Identifier: Apache-2.0
"""What the cost model knows of a request and of a netlist: beats, and the pipelines' cycles.

The latencies are those of the kernels' pages: ``rf_gather``, ``rf_attention``, ``rf_dense``,
``rf_topk``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from recfabric.kernels.hotpath.config import HotPathConfig

FLIGHT = 4  # requests in flight
JOB = 2  # cycles from a request's opening until a stage sees it


@dataclass(frozen=True)
class Sizes:
    """What a netlist makes of one request, in beats and cycles.

    ``rows``: of the history; ``per_row``: beats of a row of messages, keys, values and edges;
    ``ids``: item rows of a beat; ``edge_cycles``: of the adder, for all beats of edges; ``seen``:
    the groups of the seen items, ascending; ``groups`` of ``group_beats`` beats to scan.
    """

    rows: int
    per_row: tuple[int, int, int, int]
    ids: int
    edge_cycles: int
    seen: Sequence[int]
    k: int
    groups: int
    group_beats: int
    bias_groups: int


@dataclass(frozen=True)
class Latencies:
    """Cycles of a netlist's pipelines.

    ``chunks``: a vector's requantisation; ``logits``: from the last key to the first value;
    ``dense``: from the attention's answer to the fused vector, ``folds`` of them a vector;
    ``score``: from the last item to the first result.
    """

    chunks: int
    logits: int
    dense: int
    folds: int
    score: int

    @classmethod
    def of(cls, config: HotPathConfig) -> Latencies:
        """The latencies that the kernels' pages state."""
        c = config
        key_lanes = min(c.dim, c.beat_bits // c.key_bits)
        head_lanes = min(c.dim // c.heads, key_lanes)
        item_lanes = min(c.dim, c.beat_bits // c.item_bits)
        folds = (c.dim // c.pe) * (2 * c.dim // c.simd)
        lanes = (c.lanes - 1).bit_length()
        # Above 16 the last batch is filled up, sorted and merged; the fullest lane waits longest.
        keep = (c.k_max - 1).bit_length()
        fill = (1 << keep) * c.lanes // (c.lanes + 1)
        sort = 0 if c.k_max <= 16 else fill + (1 << keep) + 2 * keep + 6
        return cls(
            chunks=c.dim // c.requant_lanes,
            logits=1 + _log4(head_lanes) + 8,
            dense=folds + 6 + _log4(c.simd) + (1 if c.pe > 1 else 0),
            folds=folds,
            score=1 + _log4(item_lanes) + 5 + lanes + sort,
        )


def _log4(number: int) -> int:
    """The logarithm to base 4, rounded up."""
    return ((number - 1).bit_length() + 1) // 2
