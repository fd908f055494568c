# SPDX-License-Identifier: Apache-2.0
"""A module Verilated together with a C++ harness into a shared library, kept by content.

The harness reads the module's ports through ``rf_top.h``, which is written here from the class
that Verilator made: name, direction and width of each. Verilator's own runtime, most of a small
build, is compiled once for all of them.
"""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from recfabric.builds import locked
from recfabric.config import build_dir
from recfabric.errors import ToolMissingError
from recfabric.kernels.sources import sources
from recfabric.sim import verilator
from recfabric.sim.faults import Fault, plant

_HERE = Path(__file__).parent
_HEADERS = (_HERE / "rf_ports.h", _HERE / "rf_memory.h")
_OPTIONS = (
    *("-O3", "--x-assign", "fast", "--x-initial", "fast", "--no-assert"),
    # Lint is a check of its own; a parameter that a module refuses stops the build.
    *("-Wno-fatal", "-Wno-lint", "-Wno-style", "-Werror-USERFATAL"),
)
# A step of a large module is one long piece of code: -O2 and this machine's vector instructions
# made the hot path a third faster than -O3; what runs once is not worth a compiler's time.
_OPTIMISE = "-O2"
_CFLAGS = "-march=native -fPIC -std=c++17"
_RUNTIME = "libverilated.a"


def _make(optimise: str) -> tuple[str, ...]:
    """The command that compiles what Verilator made."""
    return (
        *("make", "-j2", "CFG_CXXFLAGS_PCH_I=-include"),  # g++'s spelling
        *(f"OPT_FAST={optimise}", "OPT_SLOW=-O0", f"OPT_GLOBAL={optimise}"),
    )


_PORT = re.compile(r"VL_(IN|OUT)(?:8|16|64|W)?\(&(\w+),(\d+),(\d+)")


@dataclass(frozen=True)
class Library:
    """What is built: a module, its parameters, the harness around it, perhaps a planted fault.

    ``optimise``: of the C++ compiler; "-O0" builds several times quicker what runs but shortly.
    """

    top: str
    parameters: Mapping[str, int]
    harness: Path
    generated: tuple[Path, ...] = ()
    fault: Fault | None = None
    optimise: str = _OPTIMISE
    files: tuple[Path, ...] = field(init=False)

    def __post_init__(self) -> None:
        found = sources(self.top, self.generated)
        object.__setattr__(self, "files", (verilator.WAIVERS, *found))

    def path(self) -> Path:
        """Where the library of this content lies, built or not."""
        key = verilator.content_key(
            (*self.files, self.harness, *_HEADERS),
            sorted(self.parameters.items()),
            *(self.fault, _OPTIONS, _CFLAGS, _make(self.optimise), _PORT.pattern, _processor()),
        )
        return build_dir() / "verilated" / f"{self.top}-{self.harness.stem}-{key}.so"

    def build(self) -> Path:
        """The library; compiled when it is not there yet.

        Raises ToolMissingError without a compiler or where the module refuses a parameter,
        MissingExtraError without Verilator.
        """
        library = self.path()
        if not library.exists():
            with verilator.build_lock(library.stem):
                if not library.exists():
                    self.compile(library)
        return library

    def compile(self, library: Path) -> None:
        """Make the library at this place, whether it is kept or not; raises as :meth:`build`."""
        env = verilator.environment()
        include = Path(env["VERILATOR_ROOT"]) / "include"
        library.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=library.parent, prefix=f"{library.stem}-"))
        try:
            self._call(self._model(folder), env)
            header = (folder / f"V{self.top}.h").read_text()
            (folder / "rf_top.h").write_text("\n".join(_top(self.top, header)))
            self._call(self._make(folder, f"libV{self.top}.a", self.optimise), env)
            runtime = self._runtime(folder, env)
            self._call(self._link(folder, include, runtime), env)
            (folder / "library.so").replace(library)
        finally:
            shutil.rmtree(folder)

    def _runtime(self, folder: Path, env: Mapping[str, str]) -> Path:
        """Verilator's runtime, which is the same for every module; ``folder`` can make it."""
        key = verilator.content_key((), _OPTIONS, _CFLAGS, _make(_OPTIMISE), _processor())
        runtime = build_dir() / "verilated" / f"{key}-{_RUNTIME}"
        with locked(build_dir() / "locks" / runtime.name):
            if not runtime.exists():
                self._call(self._make(folder, _RUNTIME, _OPTIMISE), env)
                (folder / _RUNTIME).replace(runtime)
        return runtime

    def _call(self, command: list[str], env: Mapping[str, str]) -> None:
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ToolMissingError(
                f"Building {self.top} for simulation failed at {command[0]}: "
                f"{_first_error(done.stdout + done.stderr)}"
            )

    def _model(self, folder: Path) -> list[str]:
        files = plant(self.fault, self.files, folder / "fault")
        command = ["verilator", "--cc", "-j", "2", "--top-module", self.top]
        command += ["--Mdir", str(folder), *_OPTIONS, "-CFLAGS", _CFLAGS]
        command += [f"-G{name}={value}" for name, value in self.parameters.items()]
        return [*command, *map(str, files)]

    def _make(self, folder: Path, target: str, optimise: str) -> list[str]:
        return [*_make(optimise), "-s", "-C", str(folder), "-f", f"V{self.top}.mk", target]

    def _link(self, folder: Path, include: Path, runtime: Path) -> list[str]:
        command = ["g++", _OPTIMISE, *_CFLAGS.split(), "-shared", f"-I{folder}", f"-I{_HERE}"]
        command += [f"-I{include}", f"-I{include / 'vltstd'}", str(self.harness)]
        command += [str(folder / f"libV{self.top}.a"), str(runtime), "-pthread"]
        return [*command, "-o", str(folder / "library.so")]


@cache
def _processor() -> str:
    """What this machine's processor can do: a library made for it does not run on all others."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")


def _top(top: str, header: str) -> Iterator[str]:
    """rf_top.h: the ports of the class in ``header``."""
    yield "#pragma once"
    yield f'#include "V{top}.h"\n#include "rf_ports.h"\n#include "verilated.h"'
    yield f"namespace rf {{\nusing Top = V{top};"
    yield "inline Ports ports(Top& top) {\n  return {"
    for direction, name, high, low in _PORT.findall(header):
        bits = int(high) - int(low) + 1
        yield f'    port("{name}", {str(direction == "IN").lower()}, {bits}, top.{name}),'
    yield "  };\n}\n}  // namespace rf\n"


def _first_error(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower() or "FATAL" in line]
    return (errors or lines or ["it said nothing"])[0]
