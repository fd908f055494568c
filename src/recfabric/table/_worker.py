# SPDX-License-Identifier: Apache-2.0
"""One stage, in this process: ``python -m recfabric.table._worker JOB.json``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from recfabric.demo import training_extra, write_json
from recfabric.errors import RecFabricError
from recfabric.table.plan import DONE, Plan

JOB, ERROR = "job.json", "error.txt"


def functions() -> dict[str, Callable[..., dict[str, Any]]]:
    """The stages' functions by their kind."""
    with training_extra():
        from recfabric.table import alone, latency, stages

        found = (
            stages.yardstick,
            stages.tune_gnn,
            stages.gnn,
            stages.adapter,
            stages.vectors,
            stages.hybrid,
            stages.texts,
            alone.llm,
            latency.ask,
            latency.fpga,
        )
    return {function.__name__: function for function in found}


def work(folder: Path) -> None:
    """Do what ``job.json`` in the folder asks for; leaves ``stage.json`` there."""
    from recfabric.table.stages import Task

    job = json.loads((folder / JOB).read_text())
    needs = {name: Path(path) for name, path in job["needs"].items()}
    task = Task(Plan(**job["plan"]), job["seed"], folder, needs)
    result = functions()[job["kind"]](task, **job["options"])
    write_json(folder / DONE, result | {"job": job})


def main() -> int:
    """Run; gives the exit code. What is wrong with the input is left in ``error.txt``."""
    folder = Path(sys.argv[1])
    try:
        work(folder)
    except RecFabricError as error:
        (folder / ERROR).write_text(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
