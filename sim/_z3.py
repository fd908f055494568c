# SPDX-License-Identifier: Apache-2.0
"""What sim.formal asks of z3: the queries on a model that Yosys wrote, and how they are run."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from recfabric.errors import MissingExtraError, RecFabricError


class FormalError(RecFabricError):
    """A module that Yosys does not take, or a proof that z3 does not decide in its time."""


def query(top: str, chosen: list[int], last: int, first: str) -> str:
    """States s0 to s``last``: the first as told, each following from the one before and allowed by
    the assumptions, all but the last keeping the chosen properties. Asks how the last breaks one.
    """
    kept = " ".join(f"(|{top}_a {i}| s)" for i in chosen)
    lines = [f"(define-fun kept ((s |{top}_s|)) Bool (and true {kept}))"]
    lines += [f"(declare-const s{i} |{top}_s|)" for i in range(last + 1)]
    lines += [f"(assert (and (|{top}_h| s{i}) (|{top}_u| s{i})))" for i in range(last + 1)]
    lines += [f"(assert (|{top}_t| s{i} s{i + 1}))" for i in range(last)]
    lines += [f"(assert (kept s{i}))" for i in range(last)]
    values = " ".join(f"(|{top}_a {i}| s{last})" for i in chosen)
    lines += [first, f"(assert (not (kept s{last})))", "(check-sat)", f"(get-value ({values}))"]
    return "\n".join(lines) + "\n"


def solve(path: Path, script: str, timeout_s: int) -> str | None:
    """None where z3 finds no way to break a property, else the properties' values in one."""
    program = Path(sys.executable).parent / "z3"
    if find_spec("z3") is None or not program.exists():
        raise MissingExtraError("z3-solver", "formal")
    path.write_text(f"(set-logic QF_BV)\n{script}")
    said = run([str(program), f"-T:{timeout_s}", str(path)], path.parent, timeout_s + 10)
    verdict, _, values = said.partition("\n")
    if verdict not in ("sat", "unsat"):
        raise FormalError(f"z3 does not decide {path}: {said[:200]}")
    return values if verdict == "sat" else None


def run(command: list[str], folder: Path, timeout_s: int) -> str:
    """What a command prints, on one thread; FormalError where it takes longer."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
        )
    except subprocess.TimeoutExpired:
        raise FormalError(f"No answer in {timeout_s} s from {command[0]} in {folder}.") from None
    return done.stdout + done.stderr
