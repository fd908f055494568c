# SPDX-License-Identifier: Apache-2.0
"""One netlist with many mutations, in a process of its own: ``-m recfabric.sim._mutate_yosys``.

Works in the current folder: reads ``job.json`` (top, files, parameters, count, seed, width,
within), writes ``netlist.v``, whose module ``<top>_netlist`` has an input ``mutsel`` that selects
one of the mutations in ``mutations.ys`` (0: none). Yosys ends the process on an error, which is
why it does not run inside the caller.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def write(job: dict[str, Any]) -> None:
    """Elaborate, flatten, choose the mutations by Yosys' own sampling, apply them all."""
    from pyosys import libyosys as ys

    design = ys.Design()
    top, overrides = job["top"], " ".join(f"-G {k}={v}" for k, v in job["parameters"].items())
    read = "read_slang --ignore-assertions --best-effort-hierarchy"
    # Only cells of these files are mutated: what another kernel's tests answer for is left alone.
    within = " ".join(f"a:src=*/{name}.sv*" for name in job["within"])
    sample = f"mutate -list {job['count']} -seed {job['seed']} -ctrl mutsel {job['width']} 1"
    for command in (
        f"{read} --top {top} {overrides} {' '.join(job['files'])}",
        f"hierarchy -top {top}",
        "proc",
        "flatten",
        "opt -full",
        "wreduce",
        "peepopt",
        # Verilog writes these as part-selects beyond the bounds, which Verilator reads otherwise.
        "techmap t:$shift t:$shiftx",
        "opt -full",
        "bwmuxmap",
        "opt_clean",
        # Not a memory's own ports: Yosys writes no Verilog for one whose read enable changes.
        f"select -set within {within or 'c:*'} %% t:$mem* %d",
        f"{sample} -o mutations.ys @within",
        "script mutations.ys",
        f"rename {top} {top}_netlist",
        "write_rtlil netlist.il",
        "write_verilog -noattr netlist.v",
    ):
        ys.run_pass(command, design)


if __name__ == "__main__":
    write(json.loads(Path("job.json").read_text()))
