# SPDX-License-Identifier: Apache-2.0
"""A board's project: RTL, the vendor flow's files, a manifest; and the vendor's tools on it.

A folder appears whole or not at all. Nothing in it names another place on this machine, so it
can be carried to one that has Vivado or Vitis.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from recfabric.bitstreams import vitis, vivado
from recfabric.bitstreams.boards import Board, board
from recfabric.config import build_dir
from recfabric.contract import Contract
from recfabric.errors import ToolMissingError
from recfabric.kernels.hotpath.arguments import abi_hash
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.kernels.hotpath.manifest import Manifest, sources_hash
from recfabric.kernels.hotpath.registers import generate
from recfabric.kernels.hotpath.wrapper import NAME, wrapper
from recfabric.kernels.sources import sources

SCRIPT = "build.sh"
LOG = "build.log"
# Programs that must be there; what a host loads, first of all.
_PROGRAMS = {"vivado": ("vivado", "make"), "vitis": ("vivado", "v++")}
_TITLES = {"vivado": "Vivado", "vitis": "Vitis"}
_PRODUCTS = {
    "vivado": (f"{vivado.DESIGN}.bit", f"**/hw_handoff/{vivado.DESIGN}.hwh"),
    "vitis": (f"{NAME}.xclbin",),
}
_REPORTS = "reports"


@dataclass(frozen=True)
class Project:
    """A written project: its folder and what it is of."""

    folder: Path
    board: Board
    manifest: Manifest


def write_project(
    contract: Contract,
    board_name: str,
    out: Path,
    *,
    hardware: Mapping[str, int] | None = None,
    slots: Sequence[Path] = (),
    bound: bool = False,
) -> Project:
    """Write a board's whole project for a contract; what was in ``out`` is replaced.

    ``hardware``: netlist parameters that differ from the board's; ``slots``: files in place of
    the kernels' own, such as another ``rf_fuse.sv``; ``bound``: whether they hold weights of this
    contract. Raises ConfigError for an unknown board or a netlist that it cannot hold,
    MissingExtraError without PeakRDL or edalize.
    """
    target = board(board_name)
    config = target.hotpath(contract, **(hardware or {}))
    out.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}-"))
    try:
        files = _sources(config, staging / "rtl", slots)
        write = vivado.write if target.flow == "vivado" else vitis.write
        _script(staging / SCRIPT, write(target, config, files, staging))
        manifest = Manifest(
            contract=contract.sha256,
            bound=bound,
            hardware=config.describe(),
            abi=abi_hash(),
            sources=sources_hash(files),
            board=target.name,
            part=target.device,
            flow=target.flow,
            clock_mhz=target.clock_mhz,
        )
        manifest.save(staging, _names(staging))
        staging.chmod(0o755)  # mkdtemp's are the owner's alone
        _swap(staging, out)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return Project(out, target, Manifest.load(out))


def _sources(config: HotPathConfig, folder: Path, slots: Sequence[Path]) -> list[Path]:
    """Copies of all files of the netlist, packages first, the top with the board's ports last."""
    folder.mkdir()
    top = folder / f"{NAME}.v"
    top.write_text(wrapper(config))
    generated = generate(build_dir() / "generated", config.scan_ports)
    copies = []
    for path in sources(NAME, (*generated, *slots, top)):
        copies.append(folder / path.name)
        if path != top:
            shutil.copyfile(path, copies[-1])
    return copies


def _script(path: Path, commands: Sequence[Sequence[str]]) -> None:
    lines = [
        "#!/bin/sh",
        "# SPDX-License-Identifier: Apache-2.0",
        "set -eu",
        'cd "$(dirname "$0")"',
    ]
    path.write_text("\n".join([*lines, *(shlex.join(command) for command in commands), ""]))
    path.chmod(0o755)


def _names(folder: Path) -> list[str]:
    return [p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()]


def _swap(staging: Path, out: Path) -> None:
    """Put a finished folder in its place; an old one there goes away whole."""
    old = out.with_name(f".{out.name}.old.{os.getpid()}")
    if out.exists():
        out.rename(old)
    staging.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def build(project: Project) -> Project:
    """Run the vendor's tools on a project and write what came out into its manifest.

    Raises ToolMissingError with one sentence where a tool is not installed, or fails.
    """
    flow, folder = project.board.flow, project.folder
    for program in _PROGRAMS[flow]:
        if shutil.which(program) is None:
            raise ToolMissingError(
                f"{program} is not on the PATH; the project in {folder} is complete: run "
                f"`sh {folder / SCRIPT}` where {_TITLES[flow]} is installed."
            )
    with (folder / LOG).open("w") as log:
        code = subprocess.run(
            ["sh", SCRIPT], cwd=folder, stdout=log, stderr=subprocess.STDOUT, check=False
        ).returncode
    if code:
        raise ToolMissingError(f"{_TITLES[flow]} failed; its log is {folder / LOG}.")
    return collect(project)


def collect(project: Project) -> Project:
    """Take a finished build's products and reports into the manifest.

    For builds made elsewhere by the script too. Raises ToolMissingError where a product is not
    there.
    """
    flow, folder = project.board.flow, project.folder
    products = [_product(folder, pattern) for pattern in _PRODUCTS[flow]]
    reports = [_beside(folder, path, f"{_REPORTS}/{path.name}") for path in _vendor_reports(folder)]
    written = set(project.manifest.files) | {path.name for path in products} | set(reports)
    manifest = replace(project.manifest, tool=_version(flow), reports=tuple(sorted(reports)))
    manifest.save(folder, written)
    return replace(project, manifest=Manifest.load(folder))


def _product(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if not found:
        raise ToolMissingError(f"The build left no {pattern} in {folder}; see {folder / LOG}.")
    if found[-1].parent != folder:
        _beside(folder, found[-1], found[-1].name)
    return folder / found[-1].name


def _beside(folder: Path, path: Path, name: str) -> str:
    (folder / name).parent.mkdir(exist_ok=True)
    if path != folder / name:
        shutil.copyfile(path, folder / name)
    return name


def _vendor_reports(folder: Path) -> Iterable[Path]:
    """Utilisation and timing of the placed and routed design, by Vivado's names."""
    for pattern in ("**/*utilization_placed.rpt", "**/*timing_summary_routed.rpt"):
        yield from sorted(p for p in folder.glob(pattern) if p.parent.name != _REPORTS)


def _version(flow: str) -> str:
    """What the flow's main program calls itself, "unknown" where it does not run here."""
    program = _PROGRAMS[flow][-1] if flow == "vitis" else _PROGRAMS[flow][0]
    if shutil.which(program) is None:
        return f"{_TITLES[flow]}, version unknown"
    done = subprocess.run([program, "-version"], capture_output=True, text=True, check=False)
    lines = [line.strip(" *") for line in done.stdout.splitlines() if line.strip(" *")]
    return lines[0] if lines else f"{_TITLES[flow]}, version unknown"
