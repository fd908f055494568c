# SPDX-License-Identifier: Apache-2.0
"""``recfabric deploy``: a board's project, its build, and its host code on simulated hardware."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from recfabric.bitstreams import boards
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.proof import FUSE_LAYERS

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    command = commands.add_parser(
        "deploy", help="write a board's project, build it where the vendor's tool is installed"
    )
    command.add_argument("model", type=Path, help="a contract folder")
    command.add_argument("--board", required=True, help=f"one of {', '.join(boards.names())}")
    command.add_argument("--out", type=Path, help="the project's folder (build/bitstreams/BOARD)")
    command.add_argument(
        "--hardware",
        action="append",
        default=[],
        metavar="NAME=NUMBER",
        help="a parameter of rf_hotpath that differs from the board's; may be repeated",
    )
    command.add_argument(
        "--fuse", choices=FUSE_LAYERS, default="rf_dense", help="what computes the fuse layer"
    )
    command.add_argument(
        "--simulate",
        type=int,
        metavar="N",
        help="instead: N requests through the board's host code and the simulated netlist",
    )
    command.add_argument(
        "--cells",
        action="store_true",
        help="instead: count the netlist's cells by Yosys (minutes; nothing is placed)",
    )
    command.add_argument(
        "--build",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="run the vendor's tool on the project",
    )
    command.set_defaults(run=_deploy)


def _deploy(options: argparse.Namespace) -> int:
    from recfabric.bitstreams import project
    from recfabric.deploy import BUILDS, deploy

    hardware = HotPathConfig.read(options.hardware)
    if options.simulate is not None:
        return _simulate(options, hardware)
    if options.cells:
        return _cells(options, hardware)
    out = options.out or BUILDS / options.board.lower()
    written = deploy(options.model, options.board, out, hardware=hardware, fuse=options.fuse)
    print(f"project: {out} ({written.board.title}, {written.board.device})")
    if options.build:
        built = project.build(written)
        print(f"bitstream by {built.manifest.tool}; reports: {', '.join(built.manifest.reports)}")
    return 0


def _simulate(options: argparse.Namespace, hardware: dict[str, int]) -> int:
    from recfabric.deploy import simulate

    found = simulate(options.model, options.board, options.simulate, hardware=hardware)
    row = found.equivalence
    print(
        f"{row.left} == {row.right}: {row.requests} requests, {row.values} integers, "
        f"{row.mismatches} mismatches ({found.about}; no board)"
    )
    return 1 if row.mismatches else 0


def _cells(options: argparse.Namespace, hardware: dict[str, int]) -> int:
    from recfabric.deploy import cells

    found, part = cells(options.model, options.board, hardware=hardware)
    rows = {
        "LUT": (found.lut + found.lutram, part.lut),
        "FF": (found.ff, part.ff),
        "DSP": (found.dsp, part.dsp),
        "BRAM36": (found.bram36, part.bram36),
    }
    for name, (used, there) in rows.items():
        print(f"{name:<7}{used:>9g} of {there:>7} ({used / there:.0%})")
    print(f"{part.name}, {found.tool}")
    return 0 if all(used <= there for used, there in rows.values()) else 1
