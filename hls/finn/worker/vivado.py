# SPDX-License-Identifier: Apache-2.0
"""FINN's own last steps, where Vivado is installed: one stitched IP, then its synthesis."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from finn.transformation.fpgadataflow.create_stitched_ip import CreateStitchedIP
from finn.transformation.fpgadataflow.hlssynth_ip import HLSSynthIP
from finn.transformation.fpgadataflow.insert_fifo import InsertFIFO
from finn.transformation.fpgadataflow.prepare_ip import PrepareIP
from finn.transformation.fpgadataflow.specialize_layers import SpecializeLayers
from finn.transformation.fpgadataflow.synth_ooc import SynthOutOfContext
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.general import GiveReadableTensorNames, GiveUniqueNodeNames


def build(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Stitch ``layers.onnx`` of a compiled folder, synthesise it out of context where asked."""
    part, clock = request["part"], request["clock_ns"]
    model = ModelWrapper(request["layers"])
    model = model.transform(InsertFIFO(create_shallow_fifos=True))
    for step in (SpecializeLayers(part), GiveUniqueNodeNames(), GiveReadableTensorNames()):
        model = model.transform(step)
    for step in (PrepareIP(part, clock), HLSSynthIP(part), CreateStitchedIP(part, clock)):
        model = model.transform(step)
    answer = {"project": model.get_metadata_prop("vivado_stitch_proj")}
    if request["synthesise"]:
        model = model.transform(SynthOutOfContext(part, clock))
        answer["synthesis"] = model.get_metadata_prop("res_total_ooc_synth")
    model.save(str(folder / "stitched.onnx"))
    return answer
