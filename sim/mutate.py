# SPDX-License-Identifier: Apache-2.0
"""Mutation: does a kernel's own cocotb test notice when a gate of it is wrong?

Yosys samples mutations of the netlist (an inverted bit, a stuck one, one inverted by a neighbour)
and puts them all into one netlist, whose input ``mutsel`` selects one: a kernel costs one build.
The tests of the kernel then run on every mutant until one fails. They see nothing but the ports:
assertions and cover points are not in the netlist.

A survivor that provably changes nothing (no output and no register's next value, in any state;
Yosys' SAT solver decides) is no mutant a test could catch: it is counted apart, as equal.

What is mutated and by which tests it must be caught stands beside the kernels in ``mutants.toml``,
with the reason for each survivor there may be. ``python -m recfabric.sim.mutate`` prints the table
and fails where fewer than 200 mutants of a target change something, where less than 95 % of them
are caught, or where one survives without a reason.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from recfabric.builds import build_lock, content_key
from recfabric.config import build_dir
from recfabric.errors import ConfigError, MissingExtraError, RecFabricError
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.kernels.hotpath.registers import generate
from recfabric.kernels.sources import sources
from recfabric.sim import testbench
from recfabric.sim.mutants import (
    HEADS,
    Mutant,
    Reason,
    Score,
    Target,
    code_at,
    excuses,
    reasons,
    report,
    targets,
)

SEED = 1
TIMEOUT_S = 300
_FIELD = re.compile(r"-(mode|cell|port|portbit|ctrlbit|wire|wirebit|src) (\S+)")
_HEADER = re.compile(r"^module .*?^\);", re.DOTALL | re.MULTILINE)
_PORTS = re.compile(r"^module \w+_netlist\((.*?)\);", re.DOTALL | re.MULTILINE)
# Yosys marks its multiplexers parallel, which a mutation may break: that is no port's business.
_ARGS = ("--no-assert", "-Wno-fatal", "-Wno-lint", "-Wno-style", "-Wno-ENUMVALUE")


class MutationError(RecFabricError):
    """A netlist that cannot be made, or tests that fail on the unmutated one."""


def score(target: Target, *, count: int = 0, seed: int = SEED) -> Score:
    """Run the target's tests on ``count`` mutants (0: its own); every verdict is kept by content.

    Raises MutationError where Yosys or Verilator refuse the netlist, or where the tests do not
    pass on the unmutated one.
    """
    count = count or target.count
    folder = _folder(target, count, seed)
    with build_lock(folder.name):
        if not (folder / "built").exists():
            _build(target, folder, count, seed)
    lines = (folder / "mutations.ys").read_text().splitlines()
    results = folder / f"results-{_tests_key(target)}.jsonl"
    results.touch()
    wanted = list(range(len(lines) + 1))
    if any(number not in _answers(results) for number in wanted):
        _simulate(target, folder, wanted, results)
    answers = _answers(results)
    if any(number not in answers for number in wanted):
        raise MutationError(f"{target.name}: the mutants did not all run; see {folder / 'sim'}.")
    _leave_out_equal(target, folder, answers)
    known = [reason for reason in reasons() if reason.target == target.name]
    texts = {path.name: path.read_text().splitlines() for path in _sources(target)}
    mutants = tuple(_mutant(i, line, answers[i], known, texts) for i, line in enumerate(lines, 1))
    return Score(target, mutants, round(sum(a["cpu"] for a in answers.values()), 1))


def _folder(target: Target, count: int, seed: int) -> Path:
    own = Path(__file__).parent / "_mutate_yosys.py"
    parts = (_parameters(target), target.within, count, seed, _ARGS)
    return build_dir() / "mutants" / f"{target.top}-{content_key((*_sources(target), own), *parts)}"


def _tests_key(target: Target) -> str:
    """Of everything that decides a verdict beside the netlist."""
    folder = target.tests[0].parent
    helpers = [p for p in folder.glob("*.py") if not p.stem.startswith(("test_", "cocotb_"))]
    own = Path(__file__).parent / "mutate_cocotb.py"
    files = (*target.tests, own, *sorted(helpers), *sorted(target.folder.glob("*.py")))
    return content_key(files, sorted(_environment(target).items()))


def _sources(target: Target) -> tuple[Path, ...]:
    ports = int(target.config.get("scan_ports", 1))
    generated = generate(build_dir() / "generated", ports) if target.config else ()
    return sources(target.top, generated)


def _parameters(target: Target) -> dict[str, int]:
    made = HotPathConfig(**target.config).parameters() if target.config else {}
    return {**made, **target.parameters}


def _environment(target: Target) -> dict[str, str]:
    if not target.config:
        return dict(target.env)
    return {"CONFIG": json.dumps(asdict(HotPathConfig(**target.config))), **target.env}


def _build(target: Target, folder: Path, count: int, seed: int) -> None:
    """The netlist with its mutations, the wrapper around it, the simulator."""
    folder.mkdir(parents=True, exist_ok=True)
    files = _sources(target)
    width = count.bit_length()
    job: dict[str, Any] = {
        "top": target.top,
        "files": list(map(str, files)),
        "parameters": _parameters(target),
    }
    job |= {"count": count, "seed": seed, "width": width, "within": target.within}
    (folder / "job.json").write_text(json.dumps(job))
    _yosys("_mutate_yosys", folder, TIMEOUT_S)
    netlist = folder / "netlist.v"
    wrapper = folder / f"{target.top}.sv"
    wrapper.write_text(wrap(files[-1].read_text(), netlist.read_text(), target.top, width))
    packages = [path for path in files if path.stem.endswith("_pkg")]
    used = [*packages, netlist, wrapper]
    (folder / "sim").mkdir(exist_ok=True)
    testbench.compile_simulator(folder / "sim", target.top, used, _parameters(target), args=_ARGS)
    (folder / "built").touch()


def wrap(source: str, netlist: str, top: str, width: int) -> str:
    """A module with the header of ``source``, parameters and all, around its mutated netlist."""
    header, ports = _HEADER.search(source), _PORTS.search(netlist)
    if header is None or ports is None:
        raise MutationError(f"{top}: no module header that ends in a line of ');'.")
    names = re.findall(r"\w+", ports[1])
    connections = ",\n".join(f"      .{name}({name})" for name in names)
    return (
        f"{header[0]}\n  logic [{width - 1}:0] mutsel /* verilator public_flat_rw */;\n"
        f"  {top}_netlist u_netlist (\n{connections}\n  );\nendmodule\n"
    )


def _simulate(target: Target, folder: Path, wanted: Sequence[int], results: Path) -> None:
    environment = _environment(target) | {
        "MUTANTS": json.dumps(wanted),
        "MUTANT_RESULTS": str(results),
        "COCOTB_LOG_LEVEL": "CRITICAL",
        "PYTHONWARNINGS": "ignore",
    }
    modules = ["recfabric.sim.mutate_cocotb", *(path.stem for path in target.tests)]
    testbench.run_simulator(
        folder / "sim", target.top, modules, python_path=target.tests[0].parent, env=environment
    )


def _leave_out_equal(target: Target, folder: Path, answers: dict[int, dict[str, Any]]) -> None:
    """Turn "survived" into "equal" where that is proven; asked once for each mutant."""
    own = Path(__file__).parent / "_mutate_equal.py"
    kept = folder / f"proven-{content_key((own,))}.json"
    proven: dict[str, bool] = json.loads(kept.read_text()) if kept.exists() else {}
    survivors = [i for i, answer in answers.items() if i and answer["how"] == "survived"]
    asked = [i for i in survivors if str(i) not in proven]
    if asked:
        (folder / "suspects.json").write_text(json.dumps({"top": target.top, "mutants": asked}))
        _yosys("_mutate_equal", folder, TIMEOUT_S * 12)  # it keeps to a CPU time
        equal = json.loads((folder / "equal.json").read_text())
        proven |= {str(i): i in equal for i in asked}
        kept.write_text(json.dumps(proven))
    for i in survivors:
        if proven[str(i)]:
            answers[i]["how"] = "equal"


def _yosys(worker: str, folder: Path, timeout_s: int) -> None:
    """Run one of the modules that hold Yosys, in a folder of its own, its log beside."""
    if find_spec("pyosys") is None:
        raise MissingExtraError("pyosys", "synth")
    command = [sys.executable, "-m", f"recfabric.sim.{worker}"]
    with (folder / f"{worker}.log").open("w") as log:
        try:
            subprocess.run(
                command, cwd=folder, stdout=log, stderr=log, timeout=timeout_s, check=True
            )
        except (subprocess.TimeoutExpired, subprocess.CalledProcessError):
            raise MutationError(f"Yosys gave up; see {folder / worker}.log.") from None


def _answers(results: Path) -> dict[int, dict[str, Any]]:
    rows = (json.loads(line) for line in results.read_text().splitlines())
    return {row["mutant"]: row for row in rows}


def _mutant(
    number: int,
    line: str,
    answer: dict[str, Any],
    known: list[Reason],
    texts: Mapping[str, Sequence[str]],
) -> Mutant:
    fields: dict[str, str] = {}
    places = []
    for key, value in _FIELD.findall(line):
        fields[key] = value
        if key == "src":
            places.append(Path(value).name)
    signal = f"{fields['cell'].rpartition('.')[2]}.{fields['port']}[{fields.get('portbit', '0')}]"
    if "wire" in fields:
        signal = f"{fields['wire']}[{fields.get('wirebit', '0')}]"
    if "ctrlbit" in fields:
        signal += f" by {fields['ctrlbit']}"
    code = tuple(filter(None, (code_at(place, texts) for place in places)))
    fate = (answer["how"], answer["by"], answer["cpu"])
    made = Mutant(number, fields["mode"], signal, tuple(places), code, *fate)
    why = next((reason.why for reason in known if excuses(reason, made)), "")
    return replace(made, reason=why)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 1 where a target does not pass."""
    parser = argparse.ArgumentParser(prog="python -m recfabric.sim.mutate", description=__doc__)
    parser.add_argument("--kernel", action="append", help="a target by name (all by default)")
    parser.add_argument("--count", type=int, default=0, help="mutants of each target")
    parser.add_argument("--seed", type=int, default=SEED, help="of Yosys' sampling")
    parser.add_argument("--json", type=Path, help="write every mutant's fate to this file")
    chosen = parser.parse_args(arguments)
    known = targets()
    for name in chosen.kernel or ():
        if name not in known:
            raise ConfigError(f"There is no target '{name}'; choose from {', '.join(known)}.")
    names = chosen.kernel or list(known)
    sys.stdout.write("{:18} {:>8} {:>6} {:>7} {:>5} {:>7} {:>10} {:>8}\n".format(*HEADS))
    scores = []
    for name in names:
        scores.append(score(known[name], count=chosen.count, seed=chosen.seed))
        sys.stdout.write(report(scores[-1]))
        sys.stdout.flush()
    if chosen.json:
        chosen.json.parent.mkdir(parents=True, exist_ok=True)
        chosen.json.write_text(json.dumps([_plain(s) for s in scores], indent=1) + "\n")
    return int(not all(s.passes for s in scores))


def _plain(result: Score) -> dict[str, Any]:
    return {
        "kernel": result.target.name,
        "top": result.target.top,
        "parameters": _parameters(result.target),
        "mutants": len(result.mutants),
        "equal": len(result.equal),
        "caught": result.changing - len(result.survivors),
        "share": round(result.share, 4),
        "passes": result.passes,
        "cpu_s": result.cpu_s,
        "fates": [asdict(m) for m in result.mutants],
    }


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except RecFabricError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from None
