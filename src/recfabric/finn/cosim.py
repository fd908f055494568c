# SPDX-License-Identifier: Apache-2.0
"""FINN's layers in Verilator against FINN's own execution: every integer, every frame, cycles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recfabric.hls.finn import stitch
from recfabric.hls.finn.design import Integers
from recfabric.hls.finn.process import Compiled
from recfabric.sim.bench import Bench, BenchRun

TOP = "rf_finn_top"
_SIZING_FRAMES = 3


@dataclass(frozen=True)
class Cosimulation:
    """One run. ``values``: integers compared, ``mismatches``: of them; ``cycles``: of the run;
    ``latency``: until the first frame's last beat; ``interval``: from frame to frame at the
    output, measured over all but the first; ``estimate``: FINN's for that interval."""

    stall: float
    frames: int
    values: int
    mismatches: int
    cycles: int
    latency: int
    interval: float
    estimate: int

    def record(self) -> dict[str, Any]:
        """For a result's record."""
        return asdict(self)


def size_fifos(compiled: Compiled) -> dict[str, int]:
    """Depths of the FIFOs by tensor, from a simulation with endless ones at FINN's rate.

    Twice what a stream held then: a FIFO that is filled to the brim stops the layer before it, and
    its own latency moves branches against each other. With less, short frames come slower than
    the slowest layer.
    """
    design = compiled.design
    options = stitch.Options(gauges=True, interval=design.interval)
    path = stitch.write(design, compiled.folder / "gauges", options)
    inputs, _ = compiled.vectors()
    frames = [np.resize(values, (_SIZING_FRAMES, *values.shape[1:])) for values in inputs]
    with Bench(TOP, generated=(path,)) as bench:
        _run(bench, compiled, frames, 0.0)
        fills = {s.tensor: bench.get(f"fill_{i}_o") for i, s in enumerate(stitch.edges(design))}
    return {tensor: 2 * fill for tensor, fill in fills.items() if fill}


def netlist(compiled: Compiled, depths: Mapping[str, int]) -> Path:
    """The stitched netlist with FIFOs of these depths, one file."""
    return stitch.write(compiled.design, compiled.folder / "sized", stitch.Options(depths))


def cosimulate(
    compiled: Compiled,
    depths: Mapping[str, int],
    *,
    stall: float = 0.0,
    seed: int = 1,
    expected: list[Integers] | None = None,
) -> Cosimulation:
    """All test frames back to back through the RTL; what FINN's execution gives must come out.

    ``expected``: outputs to hold the RTL against, FINN's own where not given.

    ``stall``: share of cycles in which each stream pauses at random. Raises DeviceTimeoutError
    where the netlist does not finish, and as :class:`Bench`.
    """
    inputs, executed = compiled.vectors()
    path = netlist(compiled, depths)
    with Bench(TOP, generated=(path,)) as bench:
        run = _run(bench, compiled, inputs, stall, seed)
    return compare(compiled, run, executed if expected is None else expected, stall)


def compare(
    compiled: Compiled, run: BenchRun, expected: list[Integers], stall: float
) -> Cosimulation:
    """What a run gave, held against the integers that it should have given."""
    design, frames = compiled.design, len(expected[0])
    differ, last = 0, run.stamps["m_axis_out0"]
    for i, stream in enumerate(design.outputs):
        found = stream.unpack(run.outputs[f"m_axis_out{i}"])
        differ += int((found != expected[i].reshape(found.shape)).sum())
        if run.stamps[f"m_axis_out{i}"][-1] > last[-1]:
            last = run.stamps[f"m_axis_out{i}"]
    ends = last[len(last) // frames - 1 :: len(last) // frames]
    return Cosimulation(
        stall=stall,
        frames=frames,
        values=sum(values.size for values in expected),
        mismatches=differ,
        cycles=run.cycles,
        latency=int(ends[0]) + 1,
        interval=float(ends[-1] - ends[0]) / max(frames - 1, 1),
        estimate=design.interval,
    )


def _run(
    bench: Bench, compiled: Compiled, inputs: list[Integers], stall: float, seed: int = 1
) -> BenchRun:
    design, frames = compiled.design, len(inputs[0])
    feed = {f"s_axis_in{i}": s.pack(inputs[i]) for i, s in enumerate(design.inputs)}
    awaited = {f"m_axis_out{i}": frames * s.beats for i, s in enumerate(design.outputs)}
    limit = int((design.latency + frames * design.interval) * 4 / (1 - min(stall, 0.9))) + 10_000
    return bench.run(feed, awaited, max_cycles=limit, stall=stall, seed=seed)
