# SPDX-License-Identifier: Apache-2.0
"""One synthesis in a process of its own: ``python -m recfabric.bitstreams._yosys``.

Works in the current folder: reads ``job.json`` (top, files, parameters, family, keep, synthesise,
options), writes ``result.json``. Yosys writes its log to stdout and ends the process on an error,
which is why it does not run inside the caller.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

# memory_map names each memory that no RAM cell takes; one that is never written is a ROM, in LUTs.
_IN_REGISTERS = re.compile(
    r"Mapping memory (?P<name>\S+) in module (?P<module>\S+):\n"
    r"\s+created (?P<words>\d+) \S+ cells and \d+ static cells of width (?P<width>\d+)\."
    r".*?write interface: (?P<writes>\d+) write mux blocks",
    re.DOTALL,
)

RESETS = ("rst_ni", "ap_rst_n")


def run(job: dict[str, Any]) -> dict[str, Any]:
    """Cells by module, memories in flip-flops, registers with a reset.

    Without ``synthesise`` no cells.
    """
    from pyosys import libyosys as ys

    design = ys.Design()

    def run_pass(command: str) -> None:
        ys.run_pass(command, design)

    overrides = " ".join(f"-G {name}={value}" for name, value in job["parameters"].items())
    run_pass(
        f"read_slang --ignore-assertions --best-effort-hierarchy {job['options']} "
        f"--top {job['top']} {overrides} {' '.join(job['files'])}"
    )
    for module in job["keep"]:
        run_pass(f"setattr -mod -set keep_hierarchy 1 {module}$*")
    flow = f"synth_xilinx -family {job['family']} -flatten -noiopad -top {job['top']} -run"
    run_pass(f"{flow} begin:map_ffram")
    run_pass(f"tee -q -o memories.log {flow} map_ffram:fine")
    result: dict[str, Any] = {
        "registers": registers(Path("memories.log").read_text()),
        "modules": {},
    }
    run_pass("select *")
    run_pass("write_json -selected resets.json")
    run_pass("select -clear")
    result["resets"] = resets(json.loads(Path("resets.json").read_text()))
    if job["synthesise"]:
        run_pass(f"{flow} fine:check")
        run_pass("tee -q -o stat.json stat -json")
        result["modules"] = _modules(json.loads(Path("stat.json").read_text()))
    return result


def registers(log: str) -> list[dict[str, Any]]:
    """Written memories that became flip-flops: module, name, words, width in bits."""
    return [
        {
            "module": found["module"].lstrip("\\"),
            "name": found["name"].lstrip("\\"),
            "words": int(found["words"]),
            "width": int(found["width"]),
        }
        for found in _IN_REGISTERS.finditer(log)
        if int(found["writes"])
    ]


def resets(netlist: dict[str, Any]) -> list[dict[str, Any]]:
    """Registers that the reset input clears: module, place in the source, width in bits."""
    found = []
    for module, body in netlist["modules"].items():
        nets = {bit for name in RESETS for bit in body["ports"].get(name, {}).get("bits", ())}
        for cell in body["cells"].values():
            if cell["type"] in ("$not", "$logic_not") and nets & set(cell["connections"]["A"]):
                nets |= set(cell["connections"]["Y"])
        for cell in body["cells"].values():
            wired = cell["connections"].get("SRST", cell["connections"].get("ARST", ()))
            if nets & set(wired):
                where = cell["attributes"].get("src", "").split("|")[0]
                width = int(cell["parameters"]["WIDTH"], 2)
                found.append({"module": module, "where": where, "width": width})
    return found


def _modules(stat: dict[str, Any]) -> dict[str, dict[str, int]]:
    return {
        name.lstrip("\\"): {
            kind.lstrip("\\"): int(n) for kind, n in module["num_cells_by_type"].items()
        }
        for name, module in stat["modules"].items()
    }


if __name__ == "__main__":
    outcome = run(json.loads(Path("job.json").read_text()))
    Path("result.json").write_text(json.dumps(outcome))
