# SPDX-License-Identifier: Apache-2.0
"""Runs the stages of the wanted rows and seeds, each once, in processes of their own."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from recfabric.demo import write_json
from recfabric.errors import RecFabricError
from recfabric.quant.progress import Progress
from recfabric.table._worker import ERROR, JOB, work
from recfabric.table.plan import DONE, READS, STAGES, Plan

Record = dict[str, Any]


class StageError(RecFabricError):
    """A stage that ended without a result; names it and what it said last."""


def folder_of(out: Path, stage: str, seed: int) -> Path:
    """Where a stage's results lie; one that has no seed of its own has one folder for all."""
    name = f"{stage}-{seed}" if STAGES[stage].seeded else stage
    return (out / "stages" / name).absolute()


def wanted(names: Iterable[str]) -> list[str]:
    """Stages and all that they need, in an order in which they can run."""
    found: dict[str, None] = {}

    def visit(name: str) -> None:
        for need in STAGES[name].needs.values():
            visit(need)
        found[name] = None

    for name in names:
        visit(name)
    return list(found)


def run_stages(
    plan: Plan,
    names: Sequence[str],
    seeds: Sequence[int],
    out: Path,
    progress: Progress,
    *,
    again: Iterable[str] = (),
    apart: bool = True,
) -> None:
    """Run what is not there yet, seed after seed.

    ``again``: stages that run anew though they are there; ``apart``: each in a process of its own,
    without which its peak memory says nothing. A stage that is there with other settings runs
    anew, and so does what needs it. Raises StageError; what was done before stays.
    """
    todo = [(name, seed) for seed in seeds for name in wanted(names)]
    renewed: set[Path] = set()
    with progress.task("table", len(todo)) as advance:
        for name, seed in todo:
            _run(plan, name, seed, seeds[0], out, renewed, name in set(again), apart)
            advance(1)


def read_stage(out: Path, stage: str, seed: int) -> Record:
    """What a finished stage left."""
    record: Record = json.loads((folder_of(out, stage, seed) / DONE).read_text())
    return record


def _run(
    plan: Plan,
    name: str,
    seed: int,
    first: int,
    out: Path,
    renewed: set[Path],
    again: bool,
    apart: bool,
) -> None:
    stage, folder = STAGES[name], folder_of(out, name, seed)
    if folder in renewed:
        return
    needs = {key: folder_of(out, need, seed) for key, need in stage.needs.items()}
    job = {
        "kind": stage.kind,
        "options": dict(stage.options),
        "plan": asdict(plan),
        "seed": seed if stage.seeded else first,
        "needs": {key: str(path) for key, path in needs.items()},
        "found": {key: _digest(path / DONE) for key, path in needs.items()},
    }
    if not again and _there(folder, job):
        return
    renewed.add(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / DONE).unlink(missing_ok=True)
    write_json(folder / JOB, job)
    if apart:
        _apart(name, seed, folder)
    else:
        work(folder)


def _digest(path: Path) -> str:
    """Of what a need left: when it ran anew, even in a run that was cut off, it is another one."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _there(folder: Path, job: Record) -> bool:
    """Whether the folder holds the result of this very job."""
    try:
        return _key(json.loads((folder / DONE).read_text())["job"]) == _key(job)
    except (OSError, ValueError, KeyError):
        return False


def _key(job: Record) -> Record:
    """All of a job that decides its result."""
    settings = {name: job["plan"][name] for name in READS[job["kind"]]}
    return {**job, "plan": settings}


def _apart(name: str, seed: int, folder: Path) -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    (folder / ERROR).unlink(missing_ok=True)
    log = folder / "log.txt"
    with log.open("wb") as said:
        command = [sys.executable, "-m", "recfabric.table._worker", str(folder)]
        done = subprocess.run(command, env=environment, stdout=said, stderr=subprocess.STDOUT)
    if done.returncode:
        error = folder / ERROR
        words = error.read_text() if error.exists() else log.read_text(errors="replace")
        last = (words.strip().splitlines() or ["nothing"])[-1]
        raise StageError(f"The stage '{name}' of seed {seed} ended ({last}); see {log}.")
