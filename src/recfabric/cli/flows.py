# SPDX-License-Identifier: Apache-2.0
"""``recfabric compile``: a contract to a vendor flow's project, one backend each."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from recfabric.bitstreams import boards
from recfabric.contract import Contract
from recfabric.kernels.graph.store import FILE as GRAPH_FILE
from recfabric.requests import Requests

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    command = commands.add_parser("compile", help="write a vendor flow's project of a contract")
    command.add_argument(
        "model",
        type=Path,
        help="a contract folder; hls4ml: or a graph model; finn: or a QONNX file",
    )
    command.add_argument("--backend", choices=tuple(_BACKENDS), default="hls4ml")
    command.add_argument("--board", default="kv260", help=f"one of {', '.join(boards.names())}")
    command.add_argument("--out", type=Path, help="the project's folder (build/BACKEND/BOARD)")
    command.add_argument("--io-type", default="io_parallel", help="hls4ml: or io_stream")
    command.add_argument("-k", type=int, default=20, help="hls4ml: length of the answer (20)")
    command.add_argument("--on-chip", action="store_true", help="hls4ml: tables in block RAM")
    command.add_argument(
        "--rate", type=float, default=0.0, help="finn: frames a second to fold for"
    )
    command.add_argument("--build", action="store_true", help="run the vendor's tool on it")
    command.set_defaults(run=_compile)


def _compile(options: argparse.Namespace) -> int:
    boards.board(options.board)
    return _BACKENDS[options.backend](options)


def _hls4ml(options: argparse.Namespace) -> int:
    from recfabric.hls.hls4ml.compile import compile_contract, compile_graph
    from recfabric.hls.hls4ml.csim import import_project

    config = import_project().HlsConfig(
        board=options.board, io_type=options.io_type, k=options.k, memory=not options.on_chip
    )
    out = options.out or Path("build") / "hls4ml" / options.board.lower()
    try:
        if (options.model / GRAPH_FILE).exists():
            report = compile_graph(options.model, out, config, build=options.build)
        else:
            contract, requests = Contract.load(options.model), Requests.load(options.model)
            report = compile_contract(contract, requests, out, config, build=options.build)
    finally:
        if out.exists():
            print(f"project: {out}")
    print(report or "Vitis HLS was not run on it.")
    return 0


def _finn(options: argparse.Namespace) -> int:
    from recfabric.finn.compile import compile_model, target_of
    from recfabric.hls.finn import vivado

    out = options.out or Path("build") / "finn" / options.board.lower()
    summary = compile_model(options.model, options.board, out, rate=options.rate)
    estimate = summary["estimate"]
    print(f"netlist: {out / 'rf_finn_top.sv'}")
    print(
        f"{len(summary['layers'])} layers, a frame every {estimate['interval']} cycles by FINN's "
        f"estimate, {len(summary['fifos'])} FIFOs"
    )
    if options.build:
        print(vivado.build(out / "layers.onnx", target_of(options.board), out / "vivado"))
    else:
        print("Vivado was not run on it.")
    return 0


_BACKENDS: dict[str, Callable[[argparse.Namespace], int]] = {"hls4ml": _hls4ml, "finn": _finn}
