# SPDX-License-Identifier: Apache-2.0
"""Mutants: where they come from, what became of them, why a survivor may live."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recfabric.kernels.sources import ROOT

COUNT = 240  # so that 200 remain when those proven equal are left out
WANTED = 200  # mutants of a target that change something
TARGET_SHARE = 0.95
_SPAN = re.compile(r"(?P<file>[^:]+):(?P<top>\d+)\.(?P<left>\d+)-(?P<bottom>\d+)\.(?P<right>\d+)")


@dataclass(frozen=True)
class Target:
    """What is mutated (``within``: cells of these files only, all if empty) and what must see it.

    ``config``: of the hot path, where that is the top; it gives the parameters.
    """

    name: str
    top: str
    tests: tuple[Path, ...]
    folder: Path  # of the kernel, where mutants.toml lies
    parameters: Mapping[str, int] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    within: tuple[str, ...] = ()
    count: int = COUNT  # mutants; more where many are equal


@dataclass(frozen=True)
class Reason:
    """Why a survivor may live: where it lies, the kinds of mutation, and why.

    ``code``: the source text of the mutated cell, so that a number that Yosys gave to the cell
    need not be named, and a changed line is judged anew.
    """

    target: str
    file: str  # empty: of a cell that Yosys made of several, which has no place in the sources
    signal: str  # a regular expression for the whole of Mutant.signal
    why: str
    kinds: tuple[str, ...] = ()  # all if empty
    code: str = ""  # any if empty


@dataclass(frozen=True)
class Mutant:
    """One mutation and its fate.

    ``signal``: the wire with its bit, or the cell's port; where another bit of that port decides
    whether it is inverted (cnot0, cnot1), `` by `` and that bit's number.
    """

    number: int
    kind: str  # inv, const0, const1, cnot0, cnot1
    signal: str
    sources: tuple[str, ...]  # file:line.column
    code: tuple[str, ...]  # what stands there
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
    def changing(self) -> int:
        """How many mutants change something, or may."""
        return len(self.mutants) - len(self.equal)

    @property
    def share(self) -> float:
        """Caught mutants as a share of all that change something, or may."""
        return 1 - len(self.survivors) / self.changing

    @property
    def passes(self) -> bool:
        """Enough mutants, enough of them caught, and a reason for each of the others."""
        enough = self.changing >= WANTED and self.share >= TARGET_SHARE
        return enough and all(m.reason for m in self.survivors)


def targets() -> dict[str, Target]:
    """Every target of every ``mutants.toml``, by name."""
    found = {}
    for path, data in _tables():
        for row in data.get("target", ()):
            row = dict(row)
            files = row.pop("tests")
            listed = [files] if isinstance(files, str) else files
            tests = tuple(ROOT.resolve().parent / "tests" / "kernels" / name for name in listed)
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


def code_at(place: str, texts: Mapping[str, Sequence[str]]) -> str:
    """What stands at ``file:line.column-line.column``; nothing for a place that has no end."""
    span = _SPAN.fullmatch(place)
    if span is None or span["file"] not in texts:
        return ""
    top, left, bottom, right = (int(span[name]) - 1 for name in ("top", "left", "bottom", "right"))
    lines = list(texts[span["file"]][top : bottom + 1])
    lines[-1] = lines[-1][:right]
    lines[0] = lines[0][left:]
    return " ".join(" ".join(lines).split())


def excuses(reason: Reason, mutant: Mutant) -> bool:
    """Whether this reason is about this mutant."""
    there = any(place.startswith(f"{reason.file}:") for place in mutant.sources)
    there |= not reason.file and not mutant.sources
    kind = not reason.kinds or mutant.kind in reason.kinds
    code = not reason.code or reason.code in mutant.code
    return there and kind and code and re.fullmatch(reason.signal, mutant.signal) is not None


HEADS = ("target", "mutants", "equal", "caught", "left", "share", "explained", "CPU s")


def report(result: Score) -> str:
    """A target's line of the table, and three for each survivor."""
    n, left, equal = len(result.mutants), result.survivors, len(result.equal)
    explained = sum(bool(m.reason) for m in left)
    figures = f"{n:8} {equal:6} {n - equal - len(left):7} {len(left):5} {result.share:7.1%}"
    lines = [f"{result.target.name:18} {figures} {explained:10} {result.cpu_s:8.1f}"]
    for m in left:
        lines.append(f"  {m.number:4} {m.kind:6} {m.signal:36} {' '.join(m.sources)}")
        lines.extend(f"       {text[:88]}" for text in m.code[-1:])
        lines.append(f"       {m.reason or 'NO REASON GIVEN'}")
    return "\n".join(lines) + "\n"
