# SPDX-License-Identifier: Apache-2.0
"""``recfabric table``: the stages of the rows, then the table in three forms."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from recfabric.bitstreams.boards import board
from recfabric.demo import open_data
from recfabric.errors import ConfigError, DataError
from recfabric.quant.datasets import Dataset
from recfabric.quant.progress import Progress
from recfabric.table.pages import markdown, write_table
from recfabric.table.plan import ROWS, Plan
from recfabric.table.record import make_record
from recfabric.table.run import run_stages


def make_table(
    plan: Plan,
    seeds: Sequence[int],
    out: Path,
    progress: Progress,
    *,
    rows: Sequence[str] | None = None,
    again: bool = False,
    apart: bool = True,
) -> str:
    """Run what is missing and write ``table.json``, ``table.md`` and ``table.html`` into ``out``.

    ``rows``: their short names (all by default); ``again``: measure latencies anew; ``apart``: see
    :func:`recfabric.table.run.run_stages`. Gives the Markdown. Raises ConfigError for an unknown
    row or board, DataError for data without texts, StageError where a stage fails.
    """
    chosen = list(ROWS) if not rows else [name for name in ROWS if name in rows]
    for name in rows or ():
        if name not in ROWS:
            raise ConfigError(f"The row '{name}' is none of {', '.join(ROWS)}.")
    board(plan.board)
    data = checked_data(plan, seeds, progress)
    stages = [stage for name in chosen for stage in ROWS[name].stages]
    latencies = [ROWS[name].latency for name in chosen] if again else []
    run_stages(plan, stages, seeds, out, progress, again=latencies, apart=apart)
    record = make_record(plan, data, chosen, seeds, out)
    write_table(record, out)
    return markdown(record)


def checked_data(plan: Plan, seeds: Sequence[int], progress: Progress) -> Dataset:
    """The plan's data set; raises DataError without texts and ConfigError for bad seeds."""
    if len(set(seeds)) != len(seeds) or not all(0 <= seed < 1 << 32 for seed in seeds):
        raise ConfigError(f"The seeds {list(seeds)} are not distinct numbers of 0 to 2**32 - 1.")
    data = open_data(plan.data, progress)
    if data.texts is None:
        raise DataError(f"The data set '{data.name}' has no item texts; bring a .item file.")
    return data
