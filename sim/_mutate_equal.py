# SPDX-License-Identifier: Apache-2.0
"""Which mutants cannot be caught, in a process of its own: ``-m recfabric.sim._mutate_equal``.

Works in a folder that ``_mutate_yosys`` has filled: reads ``suspects.json`` (top, mutants), writes
``equal.json`` with the numbers of those mutants that change no output and no register's next value
whatever the inputs and the state are. First the mutated cell alone is looked at: where what is read
of its output is the same for all inputs of the cell, all else is. Then each is a miter of the
netlist with the mutation and without it, cut at the registers. Yosys' SAT solver decides; what it
does not decide in its time is not listed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import Any

TIMEOUT_S = 5
BUDGET_S = 200  # CPU time for all of a netlist's suspects
SMALL_BITS = 4096  # a memory of so many is proven as registers
_CELL = re.compile(r"-cell (\S+) -port (\S+)(?: -portbit (\d+))?")
_MADE = "$auto$mutate"  # Yosys' name of what selects and makes a mutation
_MEMORY_PORTS = ("$memrd", "$memrd_v2", "$memwr", "$memwr_v2")


def prove(job: dict[str, Any]) -> list[int]:
    """The numbers of the job's mutants that are proven equal to the unmutated netlist."""
    from pyosys import libyosys as ys

    design = ys.Design()

    def run(*commands: str) -> None:
        for command in commands:
            ys.run_pass(command, design)

    netlist = f"{job['top']}_netlist"
    run("read_rtlil netlist.il", "opt_clean", "design -save whole")  # one name a signal
    mutations = Path("mutations.ys").read_text().splitlines()
    equal = [
        number
        for number in job["mutants"]
        if _same_cell(ys, design, run, netlist, mutations[number - 1], number)
    ]
    run("design -load whole")
    _cut_memories(ys, design.module(ys.IdString(f"\\{netlist}")))
    run("memory_map", "dffunmap", "opt_clean")
    _cut_registers(ys, design.module(ys.IdString(f"\\{netlist}")))
    run("opt_clean", f"rename {netlist} gold", "copy gold gate", "design -save cut")
    for number in job["mutants"]:
        if number in equal:
            continue
        if process_time() > BUDGET_S:
            break
        run("design -load cut")
        if _equal(run, number):
            equal.append(number)
    return equal


def _equal(run: Callable[..., None], number: int, *, any_for_x: bool = False) -> bool:
    """Whether "gold" and its copy "gate" have the same outputs, unmutated and with the mutation.

    ``any_for_x``: or others where the unmutated ones are x, which Yosys writes for what is read by
    nobody then: a register, for one, that is not enabled.
    """
    x, undef = (" -ignore_gold_x", " -enable_undef -set-def-inputs") if any_for_x else ("", "")
    for module, value in (("gold", 0), ("gate", number)):
        run(f"cd {module}", "delete -input mutsel", f"connect -set mutsel {value}", "cd ..")
    run("opt_expr", "opt_clean -purge", f"miter -equiv{x} -flatten -make_assert gold gate miter")
    run("hierarchy -top miter", "opt_expr")
    proof = f"sat -prove-asserts{undef} -timeout {TIMEOUT_S} miter"
    # What both have in common is held once, and is not compared then: little is left to solve.
    run("opt -fast -share_all", "opt_expr", "opt_clean -purge", f"tee -o proof.log {proof}")
    return "no model found: SUCCESS" in Path("proof.log").read_text()


def _same_cell(
    ys: Any,  # noqa: ANN401
    design: Any,  # noqa: ANN401
    run: Callable[..., None],
    netlist: str,
    mutation: str,
    number: int,
) -> bool:
    """Whether a mutation changes nothing that is read of the outputs of the cells that see it.

    These are the cell of a mutated input, and those that read a mutated output.
    """
    found = _CELL.search(mutation)
    if found is None:
        return False
    run("design -load whole")
    module = design.module(ys.IdString(f"\\{netlist}"))
    cells = {cell.name.str(): cell for cell in module.cells_.values()}
    cell = cells.get(found[1] if found[1].startswith("$") else f"\\{found[1]}")
    if cell is None:
        return True  # nothing of its output was read
    port, bit = found[2], int(found[3] or 0)
    if port in ("Y", "Q"):
        changed = _mutated(ys, cells, cell, port, bit)
        if not changed.size() or not _read(ys, module, changed).size():
            return True
        if _leaves(ys, module, changed):
            return False
        kept = [other for other in cells.values() if _reads(other, changed)]
    elif port == "D" and cell.hasPort(ys.IdString("\\Q")):
        output = cell.getPort(ys.IdString("\\Q"))
        return not _read(ys, module, output.extract(bit, 1)).size()
    else:
        kept = [cell]
    if not all(one.hasPort(ys.IdString("\\Y")) for one in kept):
        return False  # a register or a memory
    shown = ys.SigSpec()
    for one in kept:
        shown.append(_read(ys, module, one.getPort(ys.IdString("\\Y"))))
    names = {one.name.str() for one in kept}
    for name, other in cells.items():
        if name not in names and not name.startswith(_MADE):
            module.remove(other)
    _expose(ys, module, shown, drives=False)
    run("opt_clean", f"rename {netlist} gold", "cd gold", "setundef -undriven -expose", "cd ..")
    run("copy gold gate")
    return _equal(run, number, any_for_x=True)


def _mutated(ys: Any, cells: dict[str, Any], cell: Any, port: str, bit: int) -> Any:  # noqa: ANN401
    """What a bit of a cell's output is behind its mutation."""
    before = cell.getPort(ys.IdString(f"\\{port}")).extract(bit, 1)
    muxes = [c for name, c in cells.items() if name.startswith(_MADE) and c.type.str() == "$mux"]
    mine = [c for c in muxes if c.getPort(ys.IdString("\\A")) == before]
    return mine[0].getPort(ys.IdString("\\Y")) if mine else ys.SigSpec()


def _reads(cell: Any, signal: Any) -> bool:  # noqa: ANN401
    """Whether a cell has a bit of the signal among its inputs."""
    inputs = (what for port, what in cell.connections_.items() if cell.input(port))
    return any(what.extract(signal, what).size() for what in inputs)


def _leaves(ys: Any, module: Any, signal: Any) -> bool:  # noqa: ANN401
    """Whether a port of the module shows a bit of the signal, under whatever name."""
    ports = [ys.SigSpec(wire) for wire in module.wires_.values() if wire.port_output]
    names = (*ports, *(right for _, right in module.connections_))
    return any(what.extract(signal, what).size() for what in names)


def _read(ys: Any, module: Any, signal: Any, depth: int = 3) -> Any:  # noqa: ANN401
    """Those bits of a signal that a cell or a port of the module reads.

    A multiplexer reads a bit where what it makes of it is read, so many multiplexers deep.
    """
    if _leaves(ys, module, signal):
        return signal
    read = ys.SigSpec()
    for cell in module.cells_.values():
        for port, what in cell.connections_.items():
            if not cell.input(port):
                continue
            if depth and cell.type.str() == "$mux" and port.str() in ("\\A", "\\B"):
                output = cell.getPort(ys.IdString("\\Y"))
                made = what.extract(signal, output)
                if made.size():
                    read.append(output.extract(_read(ys, module, made, depth - 1), what))
            else:
                read.append(what.extract(signal, what))
    return signal.extract(read, signal)


def _cut_memories(ys: Any, module: Any) -> None:  # noqa: ANN401
    """Make what a large memory reads an input of the module, and what it is told an output.

    Small ones become registers, which may prove more: what a disabled port is told is no matter.
    """
    ports = [cell for cell in module.cells_.values() if cell.type.str() in _MEMORY_PORTS]
    for cell in ports:
        memory = module.memories[ys.IdString(cell.getParam(ys.IdString("\\MEMID")).decode_string())]
        if memory.size * memory.width <= SMALL_BITS:
            continue
        for name in ("ADDR", "EN", "DATA"):
            read = name == "DATA" and "rd" in cell.type.str()
            _expose(ys, module, cell.getPort(ys.IdString(f"\\{name}")), drives=read)
        module.remove(cell)


def _cut_registers(ys: Any, module: Any) -> None:  # noqa: ANN401
    """Make each register's output an input of the module, and its next value an output."""
    registers = [cell for cell in module.cells_.values() if cell.type.str() == "$dff"]
    for cell in registers:
        _expose(ys, module, cell.getPort(ys.IdString("\\Q")), drives=True)
        _expose(ys, module, cell.getPort(ys.IdString("\\D")), drives=False)
        module.remove(cell)


def _expose(ys: Any, module: Any, signal: Any, *, drives: bool) -> None:  # noqa: ANN401
    """A port of the module that drives the signal, or shows it."""
    wire = module.addWire(ys.IdString(f"\\cut{len(module.wires_)}"), signal.size())
    wire.port_input, wire.port_output = drives, not drives
    sides = (signal, ys.SigSpec(wire)) if drives else (ys.SigSpec(wire), signal)
    module.connect(*sides)
    module.fixup_ports()


if __name__ == "__main__":
    found = prove(json.loads(Path("suspects.json").read_text()))
    Path("equal.json").write_text(json.dumps(found))
