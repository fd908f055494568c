# SPDX-License-Identifier: Apache-2.0
"""Vitis HLS on a written project, and its reports. Never run by us: there is no Vitis here.

hls4ml drives the tool and reads its files; this module asks for the steps, checks that the tool
is there and gives the figures as one record.
"""

from __future__ import annotations

import contextlib
import io
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recfabric.errors import ToolMissingError

if TYPE_CHECKING:
    from hls4ml.model.graph import ModelGraph

PROGRAM = "vitis-run"
COMMAND = "vitis-run --mode hls --tcl build_prj.tcl"


@dataclass(frozen=True)
class HlsReport:
    """What Vitis HLS says of a design.

    ``latency``, ``interval``: least and most clock cycles; ``clock_ns``: asked for and estimated;
    cells: HLS's estimates, or Vivado's synthesis where that ran (``tool`` says which; then
    ``bram36`` are tiles), None where a report does not tell; ``cosimulation``: its verdict, or
    "not run".
    """

    tool: str
    latency: tuple[int, int]
    interval: tuple[int, int]
    clock_ns: tuple[float, float]
    lut: int
    ff: int
    dsp: int
    bram36: float
    uram: int | None
    cosimulation: str


def require() -> None:
    """Raises ToolMissingError without Vitis."""
    if shutil.which(PROGRAM) is None:
        raise ToolMissingError(
            f"{PROGRAM} is not on the PATH; the project is complete: run `{COMMAND}` in it where "
            "Vitis is installed."
        )


def build(model: ModelGraph) -> HlsReport:
    """Synthesis, C/RTL co-simulation and IP export of a written project.

    Raises ToolMissingError without Vitis or where it stops.
    """
    require()
    try:
        model.build(csim=True, synth=True, cosim=True, validation=True, export=True)
    except Exception as error:
        raise ToolMissingError(f"Vitis HLS stopped: {error}") from None
    return read(Path(model.config.get_output_dir()))


def read(folder: Path) -> HlsReport:
    """The reports below a project folder, read by hls4ml.

    Raises ToolMissingError where there is none.
    """
    from hls4ml.report import parse_vivado_report

    found: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(IndexError):
        found = parse_vivado_report(str(folder)) or {}
    return _report(found, folder)


def _report(found: dict[str, Any], folder: Path) -> HlsReport:
    if "CSynthesisReport" not in found:
        raise ToolMissingError(f"{folder} holds no report of Vitis HLS; run `{COMMAND}` there.")
    hls, logic = found["CSynthesisReport"], found.get("VivadoSynthReport", {})
    cells = {name: logic.get(name, hls.get(name)) for name in ("LUT", "FF", "URAM")}
    return HlsReport(
        tool="Vivado synthesis" if logic else "HLS estimate",
        latency=(int(hls["BestLatency"]), int(hls["WorstLatency"])),
        interval=(int(hls["IntervalMin"]), int(hls["IntervalMax"])),
        clock_ns=(float(hls["TargetClockPeriod"]), float(hls["EstimatedClockPeriod"])),
        lut=int(cells["LUT"]),
        ff=int(cells["FF"]),
        dsp=int(logic["DSP48E"] if logic else hls["DSP"]),
        bram36=float(logic["BRAM_18K"]) if logic else int(hls["BRAM_18K"]) / 2,
        uram=None if cells["URAM"] is None else int(cells["URAM"]),
        cosimulation=found.get("CosimReport", {}).get("Status", "not run"),
    )
