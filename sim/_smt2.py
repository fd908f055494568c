# SPDX-License-Identifier: Apache-2.0
"""A module as SMT-LIB, in a process of its own: ``python -m recfabric.sim._smt2``.

Works in the current folder: reads ``job.json`` (top, files, parameters), writes ``model.smt2``.
Yosys ends the process on an error, which is why it does not run inside the caller. The passes are
those of SymbiYosys for an SMT engine; a state is one bit-vector, memories are registers.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

# The design's own concurrent assertions and cover points: read_slang takes some of their forms.
_CONCURRENT = re.compile(r"^\s*\w+ : (?:assert|cover) property \(.*?\);$", re.DOTALL | re.MULTILINE)
_PASSES = (
    "memory_nordff",
    "memory_map -formal",
    "async2sync",
    "chformal -assume -early",
    "chformal -lower",
    "formalff -clk2ff -ff2anyinit",
    "dffunmap",
    "setundef -undriven -anyseq",
    "opt -keepdc -fast",
    "check -assert",
    "hierarchy -smtcheck",
    "formalff -assume",
    "write_smt2 -stbv model.smt2",
)


def write(job: dict[str, Any]) -> None:
    """Elaborate the job's top and write its transition relation and properties."""
    from pyosys import libyosys as ys

    design = ys.Design()
    Path("source").mkdir(exist_ok=True)
    files = [Path("source") / Path(name).name for name in job["files"]]
    for name, copy in zip(job["files"], files, strict=True):
        copy.write_text(_CONCURRENT.sub("", Path(name).read_text()))
    overrides = " ".join(f"-G {name}={value}" for name, value in job["parameters"].items())
    read = f"read_slang --top {job['top']} {overrides} {' '.join(map(str, files))}"
    for command in (read, f"prep -flatten -top {job['top']}", *_PASSES):
        ys.run_pass(command, design)


if __name__ == "__main__":
    write(json.loads(Path("job.json").read_text()))
