# SPDX-License-Identifier: Apache-2.0
"""FINN's own last steps where Vivado is installed: its stitched IP and its synthesis."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from recfabric.errors import ConfigError, ToolMissingError
from recfabric.hls.finn import process
from recfabric.hls.finn.process import Target


def build(layers: Path, target: Target, out: Path, *, synthesise: bool = True) -> dict[str, Any]:
    """Stitch ``layers.onnx`` into a Vivado IP in ``out``, synthesise it out of context.

    Raises ToolMissingError without Vivado or FINN's environment, ConfigError for FINN's refusal.
    """
    if shutil.which("vivado") is None:
        raise ToolMissingError(
            "Vivado is not on the PATH; without it the netlist is stitched and simulated here but "
            "not synthesised for a Xilinx part."
        )
    out.mkdir(parents=True, exist_ok=True)
    (out / "answer.json").unlink(missing_ok=True)
    document = {
        "action": "vivado",
        "layers": str(layers.absolute()),
        "part": target.part,
        "clock_ns": target.clock_ns,
        "synthesise": synthesise,
    }
    (out / "request.json").write_text(json.dumps(document, indent=1) + "\n")
    process.call(out.absolute())
    answer: dict[str, Any] = json.loads((out / "answer.json").read_text())
    if "refused" in answer:
        raise ConfigError(str(answer["refused"]))
    return answer
