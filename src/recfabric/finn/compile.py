# SPDX-License-Identifier: Apache-2.0
"""``recfabric compile --backend finn``: a model to one netlist and its images."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from recfabric.bitstreams import boards
from recfabric.contract import Contract
from recfabric.errors import ConfigError
from recfabric.finn import cosim
from recfabric.hls.finn import fuse, stitch
from recfabric.hls.finn.process import Compiled, Request, Target, compile_layers


def target_of(board: str) -> Target:
    """The part and the clock of a board. Raises ConfigError for an unknown board."""
    found = boards.board(board)
    return Target(found.device, 1000.0 / found.clock_mhz)


def cycles_of(target: Target, rate: float) -> int:
    """Cycles from frame to frame at a rate in frames a second. Raises ConfigError."""
    cycles = 1e9 / target.clock_ns / rate if rate > 0 else 0.0
    if cycles < 1:
        raise ConfigError(
            f"{rate:g} frames a second are no rate below one a cycle at "
            f"{1000 / target.clock_ns:g} MHz; ask for another."
        )
    return int(cycles)


def request_of(
    model: Path, target: Target, *, target_cycles: int = 0, frames: int = 16, seed: int = 1
) -> Request:
    """The request of a model: a contract's folder (its dense part) or a QONNX file.

    ``target_cycles``: from frame to frame, 0 for FINN's least folding (a contract: 16 x 16).
    Raises ConfigError where neither is there.
    """
    if model.is_dir():
        made = fuse.request(Contract.load(model), target, vectors=frames)
        if target_cycles:
            made = replace(made, target_cycles=target_cycles, folding={})
        return replace(made, seed=seed)
    if not model.is_file():
        raise ConfigError(f"{model} is neither a contract's folder nor a QONNX file; name one.")
    return Request(
        "qonnx",
        target,
        model=model.read_bytes(),
        target_cycles=target_cycles,
        vectors=frames,
        seed=seed,
    )


def compile_model(model: Path, board: str, out: Path, *, rate: float = 0.0) -> dict[str, Any]:
    """Write the netlist of a model for a board to ``out``; returns what ``design.json`` says.

    ``rate``: frames a second to fold for, 0 for none. ``rf_finn_top.sv`` reads its memory images
    from ``images/`` below the folder it runs in. Raises ConfigError for what FINN refuses,
    ToolMissingError without its environment.
    """
    target = target_of(board)
    cycles = cycles_of(target, rate) if rate else 0
    compiled = compile_layers(request_of(model, target, target_cycles=cycles))
    depths = cosim.size_fifos(compiled)
    return deliver(compiled, depths, target, out)


def deliver(
    compiled: Compiled, depths: dict[str, int], target: Target, out: Path
) -> dict[str, Any]:
    """Copy netlist, images and FINN's own graph to ``out``, free of absolute paths."""
    code = compiled.folder / "code"
    text = cosim.netlist(compiled, depths).read_text().replace(f"{code}/", "images/")
    stitch.put(out / f"{cosim.TOP}.sv", text)
    for image in code.rglob("*.dat"):
        place = out / "images" / image.relative_to(code)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(image, place)
    shutil.copyfile(compiled.folder / "layers.onnx", out / "layers.onnx")
    design = compiled.design
    summary = {
        "target": asdict(target),
        "layers": [
            {"name": x.name, "kind": x.kind, "folding": dict(x.folding), "cycles": x.cycles}
            for x in design.layers
        ],
        "estimate": {"interval": design.interval, "latency": design.latency},
        "fifos": depths,
    }
    stitch.put(out / "design.json", json.dumps(summary, indent=1) + "\n")
    return summary
