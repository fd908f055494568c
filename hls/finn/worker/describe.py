# SPDX-License-Identifier: Apache-2.0
"""A graph of RTL layers in words that need no FINN: modules, streams, files, cycles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from finn.analysis.fpgadataflow.dataflow_performance import dataflow_performance
from finn.util.basic import getHWCustomOp
from finn.util.settings import get_settings
from qonnx.core.modelwrapper import ModelWrapper

_FOLDING = ("PE", "SIMD", "parallel_window")


def describe(model: ModelWrapper) -> dict[str, Any]:
    """The design: its layers in order, its inputs and outputs, FINN's estimate of cycles."""
    layers = [_layer(node, model) for node in model.graph.node]
    return {
        "layers": layers,
        "inputs": [_end(model, t.name, layers, "inputs") for t in model.graph.input],
        "outputs": [_end(model, t.name, layers, "outputs") for t in model.graph.output],
        "estimate": dataflow_performance(model),
    }


def _layer(node: Any, model: ModelWrapper) -> dict[str, Any]:
    instance = getHWCustomOp(node)
    kinds = instance.get_nodeattr_types()
    rtl = node.op_type.endswith("_rtl")
    return {
        "name": node.name,
        "kind": node.op_type,
        "module": instance.get_nodeattr("gen_top_module") if rtl else "",
        "files": [str(Path(f).resolve()) for f in _files(node, instance)] if rtl else [],
        "parameters": _parameters(node, instance),
        "weights": _weights(node, instance),
        "folding": {k: instance.get_nodeattr(k) for k in _FOLDING if k in kinds},
        "cycles": int(instance.get_exp_cycles()),
        "inputs": [
            _stream(model, instance, i, name, "in")
            for i, name in enumerate(node.input)
            if model.get_initializer(name) is None
        ],
        "outputs": [_stream(model, instance, i, n, "out") for i, n in enumerate(node.output)],
    }


def _stream(model: ModelWrapper, instance: Any, index: int, tensor: str, way: str) -> Any:
    inward = way == "in"
    kind = instance.get_input_datatype(index) if inward else instance.get_output_datatype(index)
    folded = (
        instance.get_folded_input_shape(index)
        if inward
        else instance.get_folded_output_shape(index)
    )
    width = (
        instance.get_instream_width_padded(index)
        if inward
        else instance.get_outstream_width_padded(index)
    )
    return {
        "tensor": tensor,
        "port": f"{way}{index}_V",
        "bits": int(kind.bitwidth()),
        "signed": bool(kind.signed()),
        "lanes": int(folded[-1]),
        "width": int(width),
        "folded": [int(n) for n in folded],
        "shape": [int(n) for n in model.get_tensor_shape(tensor)],
    }


def _end(model: ModelWrapper, tensor: str, layers: list[Any], side: str) -> Any:
    found = [s for layer in layers for s in layer[side] if s["tensor"] == tensor]
    return found[0]


def _files(node: Any, instance: Any) -> list[str]:
    files = [str(path) for path in instance.get_rtl_file_list(abspath=True)]
    library, code = get_settings().finn_rtllib, instance.get_nodeattr("code_gen_dir_ipgen")
    if node.op_type == "MVAU_rtl" and instance.get_nodeattr("mem_mode") == "internal_decoupled":
        files += [f"{library}/axi/hdl/axilite.sv"]
        files += [f"{library}/memstream/hdl/{name}.sv" for name in ("memstream", "memstream_axi")]
        files += [f"{code}/{node.name}_memstream_wrapper.v"]
    if node.op_type == "MVAU_rtl" and instance.get_nodeattr("mem_mode") == "dynamic":
        files += [f"{library}/dynload/hdl/dynamic_load.sv"]
        files += [f"{code}/{node.name}_dynamic_load_wrapper.v"]
    return files


def _parameters(node: Any, instance: Any) -> dict[str, str]:
    if node.op_type != "Thresholding_rtl":
        return {}
    code = Path(instance.get_nodeattr("code_gen_dir_ipgen")).resolve()
    return {"THRESHOLDS_PATH": f'"{code}/{node.name}_"'}


def _weights(node: Any, instance: Any) -> dict[str, Any]:
    """The module that streams an MVAU's weights, and where they come from."""
    if node.op_type != "MVAU_rtl":
        return {}
    code = Path(instance.get_nodeattr("code_gen_dir_ipgen")).resolve()
    width = (instance.get_nodeattr("PE") * instance.get_nodeattr("SIMD")) * (
        instance.get_input_datatype(1).bitwidth()
    )
    padded = -(-width // 8) * 8
    mode = instance.get_nodeattr("mem_mode")
    if mode == "internal_decoupled":
        image = f"{code}/memblock.dat"
        return {
            "module": f"{node.name}_memstream_wrapper",
            "kind": "memory",
            "width": padded,
            "image": image,
        }
    if mode == "dynamic":
        return {"module": f"{node.name}_dynamic_load_wrapper", "kind": "stream", "width": padded}
    raise ValueError(mode)
