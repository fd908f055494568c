# SPDX-License-Identifier: Apache-2.0
"""``recfabric finn-cosim``: any model of FINN's RTL layers in Verilator, without Vivado."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    command = commands.add_parser(
        "finn-cosim", help="hold FINN's RTL in Verilator against FINN's own execution"
    )
    command.add_argument("model", type=Path, help="a QONNX file, or a contract folder")
    command.add_argument("--board", default="kv260", help="whose part and clock (kv260)")
    command.add_argument("--rate", type=float, default=0.0, help="frames a second to fold for")
    command.add_argument("--cycles", type=int, default=0, help="or cycles from frame to frame")
    command.add_argument("--frames", type=int, default=16, help="random test frames (16)")
    command.add_argument("--stall", type=float, default=0.3, help="share of stalled cycles (0.3)")
    command.add_argument("--seed", type=int, default=1)
    command.add_argument("--json", type=Path, metavar="FILE", help="where the result goes")
    command.set_defaults(run=_cosim)


def _cosim(options: argparse.Namespace) -> int:
    from recfabric.errors import ConfigError
    from recfabric.finn import cosim
    from recfabric.finn.compile import cycles_of, request_of, target_of
    from recfabric.hls.finn.process import compile_layers

    if not 0 < options.stall < 1:
        raise ConfigError(f"A stall of {options.stall} is no share between 0 and 1.")
    target = target_of(options.board)
    cycles = cycles_of(target, options.rate) if options.rate else options.cycles
    request = request_of(
        options.model, target, target_cycles=cycles, frames=options.frames, seed=options.seed
    )
    compiled = compile_layers(request)
    for layer in compiled.design.layers:
        folding = " ".join(f"{name} {value}" for name, value in layer.folding.items())
        print(f"{layer.name:<44} {layer.cycles:>8} cycles  {folding}")
    depths = cosim.size_fifos(compiled)
    print(f"FIFOs: {', '.join(str(depth) for depth in depths.values()) or 'none needed'}")
    runs = [
        cosim.cosimulate(compiled, depths, stall=stall, seed=options.seed)
        for stall in (0.0, options.stall)
    ]
    for run in runs:
        print(
            f"stalls {run.stall:.0%}: {run.frames} frames, {run.values} integers, "
            f"{run.mismatches} mismatches; {run.interval:.1f} cycles a frame "
            f"(FINN's estimate {run.estimate}), first frame after {run.latency}"
        )
    if options.json:
        options.json.write_text(json.dumps([run.record() for run in runs], indent=1) + "\n")
    return 1 if any(run.mismatches for run in runs) else 0
