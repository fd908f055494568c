# SPDX-License-Identifier: Apache-2.0
"""Mutation: does a kernel's own cocotb test notice when a gate of it is wrong?

Yosys samples mutations of the netlist (an inverted bit, a stuck one, one inverted by a neighbour)
and puts them all into one netlist, whose input ``mutsel`` selects one: a kernel costs one build.
The tests of the kernel then run on every mutant until one fails. They see nothing but the ports:
assertions and cover points are not in the netlist.

A survivor that provably changes nothing (no output and no register's next value, in any state;
Yosys' SAT solver decides) is no mutant a test could catch: it is counted apart, as equal.

What is mutated and by which tests it must be caught stands beside the kernels in ``mutants.toml``,
with the reason for each survivor there may be. ``python -m recfabric.sim.mutate`` prints the table.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from recfabric.builds import build_lock, content_key
from recfabric.config import build_dir
from recfabric.errors import ConfigError, MissingExtraError, RecFabricError
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.kernels.hotpath.registers import generate
from recfabric.kernels.sources import ROOT, sources
from recfabric.sim import testbench

COUNT = 240  # so that 200 remain when those proven equal are left out
SEED = 1
TARGET_SHARE = 0.95
TIMEOUT_S = 300
_FIELD = re.compile(r"-(mode|cell|port|portbit|wire|wirebit|src) (\S+)")
_HEADER = re.compile(r"^module .*?^\);", re.DOTALL | re.MULTILINE)
_PORTS = re.compile(r"^module \w+_netlist\((.*?)\);", re.DOTALL | re.MULTILINE)
_ARGS = ("-Wno-fatal", "-Wno-lint", "-Wno-style", "-Wno-ENUMVALUE")


class MutationError(RecFabricError):
    """A netlist that cannot be made, or tests that fail on the unmutated one."""


@dataclass(frozen=True)
class Target:
    """What is mutated (``within``: cells of these files only, all if empty) and what must see it.

    ``config``: of the hot path, where that is the top; it gives the parameters.
    """

    name: str
    top: str
    tests: Path
    folder: Path  # of the kernel, where mutants.toml lies
    parameters: Mapping[str, int] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    within: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reason:
    """Why a survivor may live: the file and the signal it lies in, kinds of mutation, and why."""

    target: str
    file: str
    signal: str  # a regular expression
    why: str
    kinds: tuple[str, ...] = ()  # all if empty


@dataclass(frozen=True)
class Mutant:
    """One mutation and its fate. ``signal``: the wire with its bit, or the cell's port."""

    number: int
    kind: str  # inv, const0, const1, cnot0, cnot1
    signal: str
    sources: tuple[str, ...]  # file:line.column
    how: str  # "survived", "equal" (proven), else the exception that ended it
    by: str  # the test that caught it
    cpu_s: float
    reason: str = ""


@dataclass(frozen=True)
class Score:
    """A target's mutants. ``cpu_s``: of all runs, without the build."""

    target: Target
    mutants: tuple[Mutant, ...]
    cpu_s: float

    @property
    def survivors(self) -> tuple[Mutant, ...]:
        """The mutants that no test has noticed."""
        return tuple(m for m in self.mutants if m.how == "survived")

    @property
    def equal(self) -> tuple[Mutant, ...]:
        """The mutants that are proven to change nothing."""
        return tuple(m for m in self.mutants if m.how == "equal")

    @property
    def share(self) -> float:
        """Caught mutants as a share of all that change something, or may."""
        return 1 - len(self.survivors) / (len(self.mutants) - len(self.equal))


def targets() -> dict[str, Target]:
    """Every target of every ``mutants.toml``, by name."""
    found = {}
    for path, data in _tables():
        for row in data.get("target", ()):
            row = dict(row)
            tests = ROOT.resolve().parent / "tests" / "kernels" / row.pop("tests")
            within = tuple(row.pop("within", ()))
            made = Target(tests=tests, folder=path.parent, within=within, **row)
            found[made.name] = made
    return found


def reasons() -> tuple[Reason, ...]:
    """Every accepted survivor of every ``mutants.toml``."""
    rows = [row for _, data in _tables() for row in data.get("survivor", ())]
    return tuple(Reason(**row | {"kinds": tuple(row.get("kinds", ()))}) for row in rows)


def _tables() -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in sorted(ROOT.rglob("mutants.toml")):
        yield path, tomllib.loads(path.read_text())


def score(target: Target, *, count: int = COUNT, seed: int = SEED) -> Score:
    """Run the target's tests on ``count`` mutants; every verdict is kept by content.

    Raises MutationError where Yosys or Verilator refuse the netlist, or where the tests do not
    pass on the unmutated one.
    """
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
    mutants = tuple(_mutant(i, line, answers[i], known) for i, line in enumerate(lines, 1))
    return Score(target, mutants, round(sum(a["cpu"] for a in answers.values()), 1))


def _folder(target: Target, count: int, seed: int) -> Path:
    own = Path(__file__).parent / "_mutate_yosys.py"
    parts = (_parameters(target), target.within, count, seed)
    return build_dir() / "mutants" / f"{target.top}-{content_key((*_sources(target), own), *parts)}"


def _tests_key(target: Target) -> str:
    """Of everything that decides a verdict beside the netlist."""
    folder = target.tests.parent
    helpers = [p for p in folder.glob("*.py") if not p.stem.startswith(("test_", "cocotb_"))]
    own = Path(__file__).parent / "mutate_cocotb.py"
    files = (target.tests, own, *sorted(helpers), *sorted(target.folder.glob("*.py")))
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
    modules = ["recfabric.sim.mutate_cocotb", target.tests.stem]
    testbench.run_simulator(
        folder / "sim", target.top, modules, python_path=target.tests.parent, env=environment
    )


def _leave_out_equal(target: Target, folder: Path, answers: dict[int, dict[str, Any]]) -> None:
    """Turn "survived" into "equal" where that is proven; asked once for each mutant."""
    kept = folder / "proven.json"
    proven: dict[str, bool] = json.loads(kept.read_text()) if kept.exists() else {}
    survivors = [i for i, answer in answers.items() if i and answer["how"] == "survived"]
    asked = [i for i in survivors if str(i) not in proven]
    if asked:
        (folder / "suspects.json").write_text(json.dumps({"top": target.top, "mutants": asked}))
        _yosys("_mutate_equal", folder, TIMEOUT_S * 5)
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


def _mutant(number: int, line: str, answer: dict[str, Any], known: list[Reason]) -> Mutant:
    fields: dict[str, str] = {}
    places = []
    for key, value in _FIELD.findall(line):
        fields[key] = value
        if key == "src":
            places.append(Path(value).name)
    signal = f"{fields['cell'].rpartition('.')[2]}.{fields['port']}[{fields.get('portbit', '0')}]"
    if "wire" in fields:
        signal = f"{fields['wire']}[{fields.get('wirebit', '0')}]"
    made = Mutant(
        number, fields["mode"], signal, tuple(places), answer["how"], answer["by"], answer["cpu"]
    )
    why = next((reason.why for reason in known if _excuses(reason, made)), "")
    return Mutant(**asdict(made) | {"sources": made.sources, "reason": why})


def _excuses(reason: Reason, mutant: Mutant) -> bool:
    there = any(place.startswith(f"{reason.file}:") for place in mutant.sources)
    kind = not reason.kinds or mutant.kind in reason.kinds
    return there and kind and re.search(reason.signal, mutant.signal) is not None


_HEADS = ("target", "mutants", "equal", "caught", "left", "share", "explained", "CPU s")


def report(result: Score) -> str:
    """A target's line of the table, and two for each survivor."""
    n, left, equal = len(result.mutants), result.survivors, len(result.equal)
    explained = sum(bool(m.reason) for m in left)
    figures = f"{n:8} {equal:6} {n - equal - len(left):7} {len(left):5} {result.share:7.1%}"
    lines = [f"{result.target.name:18} {figures} {explained:10} {result.cpu_s:8.1f}"]
    for m in left:
        lines.append(f"  {m.number:4} {m.kind:6} {m.signal:36} {' '.join(m.sources)}")
        lines.append(f"       {m.reason or 'NO REASON GIVEN'}")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 1 where a target has less than 95 % caught."""
    parser = argparse.ArgumentParser(prog="python -m recfabric.sim.mutate", description=__doc__)
    parser.add_argument("--kernel", action="append", help="a target by name (all by default)")
    parser.add_argument("--count", type=int, default=COUNT, help="mutants of each target")
    parser.add_argument("--seed", type=int, default=SEED, help="of Yosys' sampling")
    parser.add_argument("--json", type=Path, help="write every mutant's fate to this file")
    chosen = parser.parse_args(arguments)
    known = targets()
    for name in chosen.kernel or ():
        if name not in known:
            raise ConfigError(f"There is no target '{name}'; choose from {', '.join(known)}.")
    names = chosen.kernel or list(known)
    sys.stdout.write("{:18} {:>8} {:>6} {:>7} {:>5} {:>7} {:>10} {:>8}\n".format(*_HEADS))
    scores = []
    for name in names:
        scores.append(score(known[name], count=chosen.count, seed=chosen.seed))
        sys.stdout.write(report(scores[-1]))
        sys.stdout.flush()
    if chosen.json:
        chosen.json.parent.mkdir(parents=True, exist_ok=True)
        chosen.json.write_text(json.dumps([_plain(s) for s in scores], indent=1) + "\n")
    return int(any(s.share < TARGET_SHARE for s in scores))


def _plain(result: Score) -> dict[str, Any]:
    return {
        "kernel": result.target.name,
        "top": result.target.top,
        "parameters": _parameters(result.target),
        "mutants": len(result.mutants),
        "equal": len(result.equal),
        "caught": len(result.mutants) - len(result.equal) - len(result.survivors),
        "share": round(result.share, 4),
        "cpu_s": result.cpu_s,
        "fates": [asdict(m) for m in result.mutants],
    }


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except RecFabricError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from None
