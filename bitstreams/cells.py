# SPDX-License-Identifier: Apache-2.0
"""Cells of a kernel by Yosys, for a part: a count from synthesis, not from a vendor's flow.

Nothing is placed or routed and no clock frequency follows. Results are kept by content below
``build/yosys``: sources, parameters, family and the version of Yosys.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from recfabric.bitstreams.parts import ALL_PARTS, Part
from recfabric.builds import build_lock, content_key
from recfabric.config import build_dir
from recfabric.errors import ConfigError, MissingExtraError, RecFabricError
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.kernels.hotpath.registers import generate
from recfabric.kernels.sources import sources

TOP = "rf_hotpath"
KERNELS = ("rf_gather", "rf_attention", "rf_dense", "rf_topk", "rf_axi_read", "rf_axi_write")
REGISTER_BITS = 1024  # a memory of more bits than this belongs into RAM cells
TIMEOUT_S = 1800
# LUTs that a distributed RAM or shift register takes (UG474, UG574).
_LUTRAM = {
    "RAM32M": 4,
    "RAM64M": 4,
    "RAM32M16": 8,
    "RAM64M8": 8,
    "RAM32X1S": 1,
    "RAM64X1S": 1,
    "RAM128X1S": 2,
    "RAM256X1S": 4,
    "RAM512X1S": 8,
    "RAM32X1D": 2,
    "RAM64X1D": 2,
    "RAM128X1D": 4,
    "RAM256X1D": 8,
    "RAM32X16DR8": 8,
    "RAM64X8SW": 8,
    "SRL16E": 1,
    "SRLC16E": 1,
    "SRLC32E": 1,
}
_BRAM36 = {"RAMB36E1": 1.0, "RAMB36E2": 1.0, "RAMB18E1": 0.5, "RAMB18E2": 0.5}
_FF = ("FDRE", "FDSE", "FDCE", "FDPE")
_DSP = ("DSP48E1", "DSP48E2")
_CARRY = ("CARRY4", "CARRY8")
# LUTs: an inverter in front of a DSP or a RAM is one; FINN places LUT6_2 by hand.
_LUT = (*(f"LUT{n}" for n in range(1, 7)), "LUT6_2", "INV")
# No fabric cell: clock buffers, wide multiplexers, which belong to the LUTs' slices, Yosys' marks.
_FREE = ("BUFG", "MUXF7", "MUXF8", "MUXF9", "$scopeinfo", "$print", "$check")
_PARAMETER = re.compile(r"\bparameter\s+(?:int\s+unsigned|bit)\s+(\w+)")


class SynthesisError(RecFabricError):
    """A module that Yosys does not take, or that became something no device should hold."""


@dataclass(frozen=True)
class Registers:
    """A memory that became flip-flops: ``words`` of ``width`` bits."""

    module: str
    name: str
    words: int
    width: int


@dataclass(frozen=True)
class Reset:
    """A register that the reset input clears: ``width`` bits, ``where`` its source has it."""

    module: str
    where: str
    width: int


@dataclass(frozen=True)
class Utilisation:
    """Cells of a module on a part.

    ``parameters``: of the module synthesised (of ``rf_hotpath`` for a kernel inside it);
    ``lut``: logic (LUT1 to LUT6, inverters); ``lutram``: LUTs used as RAM or shift register, not in
    ``lut``;
    ``bram36``: blocks of 36 Kibit, halves are RAMB18; ``carry``: CARRY4 or CARRY8;
    ``register_memories``: memories of more than 1,024 bits in flip-flops (there should be none);
    ``tool``: what counted, and what it did not do.
    """

    module: str
    part: str
    parameters: Mapping[str, int]
    lut: int
    ff: int
    dsp: int
    bram36: float
    lutram: int
    carry: int
    register_memories: tuple[str, ...]
    tool: str


@dataclass(frozen=True)
class _Job:
    """One run of Yosys. ``keep``: modules inside that are counted apart, not flattened."""

    top: str
    family: str
    parameters: tuple[tuple[str, int], ...]
    files: tuple[Path, ...]
    keep: tuple[str, ...] = ()
    synthesise: bool = True
    options: str = ""

    @property
    def result(self) -> Path:
        """Where its result is kept."""
        worker = Path(__file__).with_name("_yosys.py")
        asked = (self.family, self.parameters, self.keep, self.synthesise, self.options)
        key = content_key((*self.files, worker), self.top, *asked, yosys_version())
        return build_dir() / "yosys" / f"{self.top}-{self.family}-{key}.json"


def yosys_version() -> str:
    """The version of pyosys, which is that of the Yosys inside; "none" when not installed."""
    try:
        return version("pyosys")
    except PackageNotFoundError:
        return "none"


def utilisation(
    module: str, parameters: Mapping[str, int], part: str, *, slots: tuple[Path, ...] = ()
) -> Utilisation:
    """Cells of one module, everything below it flattened into it.

    ``module``: any file of the kernels; ``parameters``: by their SystemVerilog names; ``part``: a
    name in ``ALL_PARTS``; ``slots``: files in place of the kernels' own of the same name. Raises
    ConfigError for an unknown part, module or parameter, MissingExtraError without pyosys,
    SynthesisError where Yosys refuses the module.
    """
    job = _job(module, parameters, _part(part), slots=slots)
    (result,) = _results([job])
    return _row(module, [module], part, job, result)


def netlist_utilisation(
    top: str, files: Sequence[Path], parameters: Mapping[str, int], part: str, *, options: str = ""
) -> Utilisation:
    """Cells of a module that is none of ours, by the same run: ``files`` in order of compilation.

    ``options``: of ``read_slang``; raises as :func:`utilisation`.
    """
    values = tuple(sorted(parameters.items()))
    job = _Job(top, _part(part).family, values, tuple(files), options=options)
    (result,) = _results([job])
    return _row(top, [top], part, job, result)


def kernel_utilisation(
    config: HotPathConfig, parts: Sequence[str], *, advance: Callable[[int], None] | None = None
) -> list[Utilisation]:
    """Each kernel and the whole ``rf_hotpath`` on each part, kernels as they stand inside it.

    One run of Yosys a part: the kernels keep their borders, so they and the glue between them add
    up to the total. ``advance`` is called with 1 after each part. Raises as :func:`utilisation`.
    """
    kernels = (*KERNELS, "rf_scatter") if config.edges else KERNELS
    jobs = [_job(TOP, config.parameters(), _part(part), kernels) for part in parts]
    rows = []
    for part, job, result in zip(parts, jobs, _results(jobs, advance), strict=True):
        for kernel in kernels:
            instances = [name for name in result["modules"] if name.split("$")[0] == kernel]
            rows.append(_row(kernel, instances, part, job, result))
        rows.append(_row(TOP, [TOP], part, job, result))
    return rows


def register_memories(
    module: str, parameters: Mapping[str, int], part: str
) -> tuple[Registers, ...]:
    """Every memory below a module that becomes flip-flops, however small; no cells are mapped.

    Several times quicker than :func:`utilisation`; raises as it does.
    """
    (result,) = _results([_job(module, parameters, _part(part), synthesise=False)])
    return tuple(Registers(**found) for found in result["registers"])


def reset_registers(module: str, parameters: Mapping[str, int], part: str) -> tuple[Reset, ...]:
    """Every register below a module that its reset clears; no cells are mapped.

    The rule of this library: valid bits, states, counters and pointers are reset, data are not.
    Raises as :func:`utilisation`.
    """
    (result,) = _results([_job(module, parameters, _part(part), synthesise=False)])
    return tuple(Reset(**found) for found in result["resets"])


def _part(name: str) -> Part:
    if name not in ALL_PARTS:
        raise ConfigError(f"The part '{name}' is not known; choose one of {', '.join(ALL_PARTS)}.")
    return ALL_PARTS[name]


def _job(
    module: str,
    parameters: Mapping[str, int],
    part: Part,
    keep: tuple[str, ...] = (),
    *,
    synthesise: bool = True,
    slots: tuple[Path, ...] = (),
) -> _Job:
    try:
        files = sources(module, slots)
        if any(path.stem == "rf_control" for path in files):
            ports = parameters.get("ScanPorts", 1)
            files = sources(module, (*generate(build_dir() / "generated", ports), *slots))
    except KeyError:
        raise ConfigError(
            f"There is no module '{module}'; give the name of a file below kernels/."
        ) from None
    known = _PARAMETER.findall(files[-1].read_text())
    for name in parameters:  # Yosys takes an unknown name without a word
        if name not in known:
            choices = ", ".join(known) or "none"
            raise ConfigError(f"{module} has no parameter '{name}'; it has {choices}.")
    values = tuple(sorted((name, int(value)) for name, value in parameters.items()))
    return _Job(module, part.family, values, files, keep, synthesise)


def _results(
    jobs: Sequence[_Job], advance: Callable[[int], None] | None = None
) -> list[dict[str, Any]]:
    """What Yosys said of each job; kept results are read, the others run side by side."""
    tell = advance or (lambda steps: None)
    if not all(job.result.exists() for job in jobs):
        _require_pyosys()
        with build_lock("yosys"), ThreadPoolExecutor(min(len(jobs), os.cpu_count() or 1)) as pool:
            for _ in pool.map(_run, jobs):
                tell(1)
    else:
        tell(len(jobs))
    return [json.loads(job.result.read_text()) for job in jobs]


def _require_pyosys() -> None:
    if yosys_version() == "none":
        raise MissingExtraError("pyosys", "synth")


def _run(job: _Job) -> None:
    if job.result.exists():
        return
    job.result.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=job.result.parent, prefix=f"{job.top}-") as name:
        folder = Path(name)
        for path in job.files:  # copies by name: Yosys splits its commands at spaces
            shutil.copyfile(path, folder / path.name)
        task = {
            "top": job.top,
            "files": [path.name for path in job.files],
            "parameters": dict(job.parameters),
            "family": job.family,
            "keep": job.keep,
            "synthesise": job.synthesise,
            "options": job.options,
        }
        (folder / "job.json").write_text(json.dumps(task))
        _call(job, folder)
        (folder / "result.json").replace(job.result)


def _call(job: _Job, folder: Path) -> None:
    command = [sys.executable, "-m", "recfabric.bitstreams._yosys"]
    log = folder / "yosys.log"
    with log.open("w") as out:
        try:
            done = subprocess.run(
                command, cwd=folder, stdout=out, stderr=out, timeout=TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired:
            raise SynthesisError(
                f"Yosys did not finish {job.top} in {TIMEOUT_S} s; choose smaller parameters."
            ) from None
    if done.returncode or not (folder / "result.json").exists():
        reason = _reason(log.read_text(errors="replace"), done.returncode)
        raise SynthesisError(f"Yosys does not take {job.top}: {reason}")


def _reason(log: str, code: int) -> str:
    """The first error in a log as the end of a sentence."""
    for line in log.splitlines():
        if "ERROR: " in line:
            return line.strip().replace("ERROR: ", "").replace("$fatal encountered: ", "") + "."
    last = ([line.strip() for line in log.splitlines() if line.strip()] or ["no output"])[-1]
    ended = f"signal {-code}" if code < 0 else f"exit code {code}"
    return f"it ended with {ended} after '{last}'."


def _row(
    module: str, instances: Sequence[str], part: str, job: _Job, result: dict[str, Any]
) -> Utilisation:
    cells: Counter[str] = Counter()
    for instance in instances:
        cells += _flat(result["modules"], instance)
    _check(module, cells)
    found = [Registers(**r) for r in result["registers"]]
    large = [
        f"{r.module}.{r.name} ({r.words} x {r.width} bits)"
        for r in found
        if r.words * r.width > REGISTER_BITS and (module == job.top or r.module in instances)
    ]
    return Utilisation(
        module=module,
        part=part,
        parameters=dict(job.parameters),
        lut=sum(cells[kind] for kind in _LUT),
        ff=sum(cells[kind] for kind in _FF),
        dsp=sum(cells[kind] for kind in _DSP),
        bram36=sum(share * cells[kind] for kind, share in _BRAM36.items()),
        lutram=sum(luts * cells[kind] for kind, luts in _LUTRAM.items()),
        carry=sum(cells[kind] for kind in _CARRY),
        register_memories=tuple(large),
        tool=f"Yosys {yosys_version()} (pyosys), read_slang and synth_xilinx -family {job.family}: "
        "synthesis only, without place and route; nothing was run in Vivado",
    )


def _flat(modules: Mapping[str, Mapping[str, int]], name: str) -> Counter[str]:
    """Cells of a module and of all modules below it."""
    cells: Counter[str] = Counter()
    for kind, count in modules[name].items():
        below = _flat(modules, kind) if kind in modules else Counter({kind: 1})
        for cell, n in below.items():
            cells[cell] += n * count
    return cells


def _check(module: str, cells: Mapping[str, int]) -> None:
    counted = {*_BRAM36, *_LUTRAM, *_FF, *_DSP, *_CARRY, *_FREE, *_LUT}
    strange = sorted(set(cells) - counted)
    if strange:
        raise SynthesisError(
            f"Yosys left cells in {module} that are not counted: {', '.join(strange)}; "
            "latches and unmapped cells are faults of the RTL."
        )
