# SPDX-License-Identifier: Apache-2.0
"""Builds a module for cocotb (once per content) and runs a cocotb test module on it."""

from __future__ import annotations

import os
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from recfabric.config import build_dir
from recfabric.errors import MissingExtraError
from recfabric.kernels.sources import sources
from recfabric.sim import verilator
from recfabric.sim.faults import Fault as Fault
from recfabric.sim.faults import plant

if TYPE_CHECKING:
    from cocotb_tools.runner import Runner

_ARGS = (
    *verilator.WARNINGS,
    "--assert",
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
            with verilator.build_lock():
                if not (folder / "built").exists():
                    self._compile(folder, plant(self.fault, files, folder))
                    (folder / "built").touch()
        return folder

    def run(self, tests: Path, *, seed: int = 1, env: Mapping[str, str] | None = None) -> None:
        """Run every cocotb test of a file; raises AssertionError with the names of failed ones."""
        outcome = self.outcome(tests, seed=seed, env=env)
        if outcome.failed or not outcome.passed:
            names = ", ".join(outcome.failed) or "no test ran"
            raise AssertionError(f"{self.top} {dict(self.parameters)}: {names}; see {outcome.log}")

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
        results.unlink(missing_ok=True)
        with _process_environment(tests.parent), suppress(SystemExit, RuntimeError):
            _runner().test(
                test_module=tests.stem,
                hdl_toplevel=self.top,
                hdl_toplevel_lang="verilog",
                build_dir=folder,
                seed=seed,
                extra_env=dict(env or {}),
                test_args=["+verilator+rand+reset+2", f"+verilator+seed+{seed}"],
                results_xml=str(results),
                log_file=log,
                waves=self.waves,
                test_filter=only,
            )
        if not results.exists():
            raise AssertionError(f"{self.top}: the simulation left no results; see {log}")
        return _read(results, log)

    def _compile(self, folder: Path, files: list[Path]) -> None:
        with _process_environment(MAKEFLAGS=_MAKEFLAGS):
            _runner().build(
                sources=files,
                hdl_toplevel=self.top,
                parameters=dict(self.parameters),
                build_args=list(_ARGS),
                build_dir=folder,
                always=True,
                timescale=("1ns", "1ps"),
                waves=self.waves,
                log_file=folder / "build.log",
            )
        _prune(folder, self.top)


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


def _read(results: Path, log: Path) -> Outcome:
    passed: list[str] = []
    failed: list[str] = []
    for case in ElementTree.parse(results).iter("testcase"):
        bad = case.find("failure") is not None or case.find("error") is not None
        (failed if bad else passed).append(str(case.get("name")))
    return Outcome(tuple(passed), tuple(failed), log)
