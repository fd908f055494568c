# SPDX-License-Identifier: Apache-2.0
"""Which mutants cannot be caught, in a process of its own: ``-m recfabric.sim._mutate_equal``.

Works in a folder that ``_mutate_yosys`` has filled: reads ``suspects.json`` (top, mutants), writes
``equal.json`` with the numbers of those mutants that change no output and no register's next value
whatever the inputs and the state are. Each is a miter of the netlist with the mutation and without
it, cut at the registers, which Yosys' SAT solver decides; what it does not decide in its time is
not listed.
"""

from __future__ import annotations

import json
from pathlib import Path
from time import process_time
from typing import Any

TIMEOUT_S = 5
BUDGET_S = 200  # CPU time for all of a netlist's suspects


def prove(job: dict[str, Any]) -> list[int]:
    """The numbers of the job's mutants that are proven equal to the unmutated netlist."""
    from pyosys import libyosys as ys

    design = ys.Design()

    def run(*commands: str) -> None:
        for command in commands:
            ys.run_pass(command, design)

    netlist = f"{job['top']}_netlist"
    run("read_rtlil netlist.il", "memory_map", "dffunmap", "opt_clean")
    _cut(ys, design.module(ys.IdString(f"\\{netlist}")))
    run("opt_clean", f"rename {netlist} gold", "copy gold gate", "design -save cut")
    equal = []
    for number in job["mutants"]:
        if process_time() > BUDGET_S:
            break
        run("design -load cut")
        for module, value in (("gold", 0), ("gate", number)):
            run(f"cd {module}", "delete -input mutsel", f"connect -set mutsel {value}", "cd ..")
        run("opt_expr", "opt_clean", "miter -equiv -flatten -make_assert gold gate miter")
        run("hierarchy -top miter", "opt_expr")
        proof = f"sat -prove-asserts -timeout {TIMEOUT_S} miter"
        run("opt_merge -share_all", "opt_clean", f"tee -o proof.log {proof}")
        if "no model found: SUCCESS" in Path("proof.log").read_text():
            equal.append(number)
    return equal


def _cut(ys: Any, module: Any) -> None:  # noqa: ANN401
    """Make each register's output an input of the module, and its next value an output."""
    registers = [cell for cell in module.cells_.values() if cell.type.str() == "$dff"]
    for i, cell in enumerate(registers):
        width = cell.getPort(ys.IdString("\\Q")).size()
        now = module.addWire(ys.IdString(f"\\state{i}"), width)
        then = module.addWire(ys.IdString(f"\\next{i}"), width)
        now.port_input = then.port_output = True
        module.connect(cell.getPort(ys.IdString("\\Q")), ys.SigSpec(now))
        module.connect(ys.SigSpec(then), cell.getPort(ys.IdString("\\D")))
        module.remove(cell)
    module.fixup_ports()


if __name__ == "__main__":
    found = prove(json.loads(Path("suspects.json").read_text()))
    Path("equal.json").write_text(json.dumps(found))
