# SPDX-License-Identifier: Apache-2.0
"""From a model to FINN's RTL layers, without Vivado: their files, folding, cycles and results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import graphs
import numpy as np
from describe import describe
from finn.transformation.fpgadataflow.annotate_cycles import AnnotateCycles
from finn.transformation.fpgadataflow.insert_dwc import InsertDWC
from finn.transformation.fpgadataflow.minimize_accumulator_width import MinimizeAccumulatorWidth
from finn.transformation.fpgadataflow.minimize_weight_bit_width import MinimizeWeightBitWidth
from finn.transformation.fpgadataflow.prepare_ip import _codegen_single_node
from finn.transformation.fpgadataflow.set_folding import SetFolding
from finn.transformation.fpgadataflow.specialize_layers import SpecializeLayers
from finn.transformation.streamline.round_thresholds import RoundAndClipThresholds
from finn.util.basic import getHWCustomOp
from graphs import RefusedError as RefusedError
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.transformation.general import GiveReadableTensorNames, GiveUniqueNodeNames
from qonnx.transformation.infer_datatypes import InferDataTypes
from qonnx.transformation.infer_shapes import InferShapes

# Layers that FINN has in HLS alone and that our own modules stand for.
OURS = ("DuplicateStreams_hls", "ElementwiseAdd_hls")


def compile_model(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The request's model as RTL layers in ``folder``: the design, its tests in ``vectors.npz``."""
    model = graphs.load(request, folder)
    model = _signed(model.transform(MinimizeWeightBitWidth()))
    model = model.transform(MinimizeAccumulatorWidth())
    model = model.transform(RoundAndClipThresholds()).transform(InferDataTypes())
    vectors = _vectors(model, request, folder)
    np.savez(folder / "vectors.npz", **vectors)
    model = _specialise(model, request)
    model = _fold(model, request)
    model = model.transform(InsertDWC()).transform(SpecializeLayers(request["part"]))
    model = model.transform(GiveUniqueNodeNames(request["prefix"]))
    model = model.transform(InferShapes()).transform(InferDataTypes())
    model = model.transform(AnnotateCycles())
    for node in model.graph.node:
        if node.op_type not in OURS:
            _codegen_single_node(node, model, request["part"], request["clock_ns"])
    model.save(str(folder / "layers.onnx"))
    return describe(model)


def _signed(model: ModelWrapper) -> ModelWrapper:
    """Weights that all happen to be at least 0 are signed ones too: MVAU_rtl takes no others."""
    for node in model.graph.node:
        if not node.op_type.startswith("MVAU"):
            continue
        instance = getHWCustomOp(node)
        weights = instance.get_input_datatype(1)
        if model.get_initializer(node.input[1]) is not None and not weights.signed():
            signed = DataType[f"INT{weights.bitwidth() + 1}"]
            instance.set_nodeattr("weightDataType", signed.name)
            model.set_tensor_datatype(node.input[1], signed)
    return model


def _specialise(model: ModelWrapper, request: dict[str, Any]) -> ModelWrapper:
    """Every layer in RTL; raises RefusedError for one that FINN has in HLS alone."""
    for node in model.graph.node:
        instance = getHWCustomOp(node)
        if "preferred_impl_style" in instance.get_nodeattr_types():
            instance.set_nodeattr("preferred_impl_style", "rtl")
    model = model.transform(SpecializeLayers(request["part"]))
    model = model.transform(GiveUniqueNodeNames()).transform(GiveReadableTensorNames())
    for node in model.graph.node:
        if node.op_type.endswith("_hls") and node.op_type not in OURS:
            raise RefusedError(_why_not(node, model, request["part"]))
    return model


def _why_not(node: Any, model: ModelWrapper, part: str) -> str:
    kind = node.op_type.removesuffix("_hls")
    if kind == "MVAU":
        instance = getHWCustomOp(node)
        inputs, weights = instance.get_input_datatype(0), instance.get_input_datatype(1)
        values = model.get_initializer(node.input[1])
        if values is not None and values.min() == weights.min() and part[2] == "7":
            return (
                f"The layer {node.name} has the weight {int(values.min())}, the lowest of "
                f"{weights.name}, which FINN's RTL cannot multiply on {part}; train with "
                "narrow-range weights or choose an UltraScale+ board."
            )
        return (
            f"The layer {node.name} multiplies {inputs.name} by {weights.name}, which FINN has no "
            f"RTL for on {part}; use signed weights and inputs of 2 bits or more."
        )
    return (
        f"The layer {node.name} ({kind}) exists in FINN as HLS alone, which needs Vitis; build "
        "the model of linear, convolution, padding, activation and addition layers."
    )


def _fold(model: ModelWrapper, request: dict[str, Any]) -> ModelWrapper:
    """Folding by FINN's own search for a rate, then what the request says of single layers."""
    if request["target_cycles"]:
        model = model.transform(
            SetFolding(request["target_cycles"], mvau_wwidth_max=512, two_pass_relaxation=False)
        )
    for node in model.graph.node:
        wanted = request["folding"].get(node.name) or request["folding"].get(node.op_type) or {}
        instance = getHWCustomOp(node)
        for name, value in wanted.items():
            instance.set_nodeattr(name, value)
            _check_folding(node.name, instance, name)
    return model


def _check_folding(layer: str, instance: Any, name: str) -> None:
    kinds = instance.get_nodeattr_types()
    of = {"PE": ("MH", "NumChannels"), "SIMD": ("MW", "NumChannels", "IFMChannels")}.get(name, ())
    value = instance.get_nodeattr(name)
    for whole in of:
        if whole in kinds and instance.get_nodeattr(whole) % max(value, 1):
            raise RefusedError(
                f"The layer {layer} cannot be folded by {name} {value}; choose a divisor of its "
                f"{whole} of {instance.get_nodeattr(whole)}."
            )


def _vectors(
    model: ModelWrapper, request: dict[str, Any], folder: Path
) -> dict[str, np.ndarray[Any, Any]]:
    """Inputs of every graph input (n, ...) and FINN's own results of every output, integers."""
    given = np.load(folder / "inputs.npz") if (folder / "inputs.npz").exists() else {}
    count = request["vectors"] if not given else len(next(iter(given.values())))
    rng = np.random.default_rng(request["seed"])
    inputs = {}
    for i, tensor in enumerate(model.graph.input):
        shape, kind = model.get_tensor_shape(tensor.name), model.get_tensor_datatype(tensor.name)
        if f"in{i}" in given:
            inputs[tensor.name] = _given(given[f"in{i}"], shape, kind, i)
        else:
            inputs[tensor.name] = _random(rng, (count, *shape), kind)
    found: dict[str, list[Any]] = {tensor.name: [] for tensor in model.graph.output}
    for row in range(count):
        feed = {name: values[row].astype(np.float32) for name, values in inputs.items()}
        results = execute_onnx(model, feed)
        for name, rows in found.items():
            rows.append(np.rint(results[name]).astype(np.int64))
    vectors = {f"in{i}": inputs[tensor.name] for i, tensor in enumerate(model.graph.input)}
    return vectors | {f"out{i}": np.stack(found[t.name]) for i, t in enumerate(model.graph.output)}


def _random(rng: Any, shape: tuple[int, ...], kind: Any) -> Any:
    """Integers over the whole range of a type; the first two rows hold its ends alone."""
    low, high = int(kind.min()), int(kind.max())
    values = rng.integers(low, high + 1, shape, dtype=np.int64)
    for row, value in zip(values[:2], (low, high), strict=False):
        row[...] = value
    return values


def _given(values: Any, shape: list[int], kind: Any, index: int) -> Any:
    if int(np.prod(values.shape[1:])) != int(np.prod(shape)):
        raise RefusedError(
            f"Input {index} takes {shape} integers a frame, not {list(values.shape[1:])}."
        )
    if values.size and (values.min() < kind.min() or values.max() > kind.max()):
        raise RefusedError(f"Input {index} holds a value that its type {kind.name} does not.")
    return values.reshape(len(values), *shape).astype(np.int64)
