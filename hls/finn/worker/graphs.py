# SPDX-License-Identifier: Apache-2.0
"""Models as FINN's hardware layers: from QONNX, from integers, from the shape of a product."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import finn.transformation.streamline.absorb as absorb
import numpy as np
from finn.transformation.fpgadataflow.convert_to_hw.conv_inp_gen import InferConvInpGen
from finn.transformation.fpgadataflow.convert_to_hw.duplicate_streams import (
    InferDuplicateStreamsLayer,
)
from finn.transformation.fpgadataflow.convert_to_hw.elementwise_binary_operation import (
    InferElementwiseBinaryOperation,
)
from finn.transformation.fpgadataflow.convert_to_hw.fm_padding import InferFMPadding
from finn.transformation.fpgadataflow.convert_to_hw.quantized_matrix_vector_activation import (
    InferQuantizedMatrixVectorActivation,
)
from finn.transformation.fpgadataflow.convert_to_hw.thresholding import InferThresholdingLayer
from finn.transformation.qonnx.convert_qonnx_to_finn import ConvertQONNXtoFINN
from finn.transformation.streamline import Streamline
from finn.transformation.streamline.reorder import (
    MakeMaxPoolNHWC,
    MoveLinearPastEltwiseAdd,
    MoveLinearPastFork,
)
from finn.transformation.streamline.round_thresholds import RoundAndClipThresholds
from onnx import TensorProto, helper
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.fold_constants import FoldConstants
from qonnx.transformation.general import (
    GiveReadableTensorNames,
    GiveUniqueNodeNames,
    RemoveStaticGraphInputs,
    RemoveUnusedTensors,
)
from qonnx.transformation.infer_data_layouts import InferDataLayouts
from qonnx.transformation.infer_datatypes import InferDataTypes
from qonnx.transformation.infer_shapes import InferShapes
from qonnx.transformation.lower_convs_to_matmul import LowerConvsToMatMul
from qonnx.util.basic import qonnx_make_model
from qonnx.util.cleanup import cleanup_model

DOMAIN = "finn.custom_op.fpgadataflow"


class RefusedError(Exception):
    """What FINN cannot build; one sentence for the user."""


def load(request: dict[str, Any], folder: Path) -> ModelWrapper:
    """The request's model, every node a hardware layer, inputs and outputs integers."""
    kind = request["kind"]
    if kind == "qonnx":
        model = _from_qonnx(folder / "model.onnx")
    elif kind == "layers":
        model = _from_integers(dict(np.load(folder / "layers.npz")), request["bits"])
    else:
        model = _product(request["shape"], request["bits"])
    return _to_hardware(model)


def _from_qonnx(path: Path) -> ModelWrapper:
    """Streamlined: matrix products, thresholds and sums of integers, host's part cut off."""
    try:
        model = cleanup_model(ModelWrapper(str(path)))
        model = model.transform(ConvertQONNXtoFINN())
    except Exception as error:  # FINN raises whatever it meets
        raise RefusedError(
            f"FINN cannot read {path.name} as QONNX ({_first_line(error)}); export it with "
            "brevitas.export.export_qonnx."
        ) from error
    for step in (InferShapes(), FoldConstants(), GiveUniqueNodeNames(), GiveReadableTensorNames()):
        model = model.transform(step)
    model = model.transform(InferDataTypes()).transform(RemoveStaticGraphInputs())
    model = _streamline(model)
    _cut_head(model)
    return model


def _streamline(model: ModelWrapper) -> ModelWrapper:
    model = model.transform(absorb.AbsorbScalarBiasIntoMultiThreshold()).transform(Streamline())
    for _ in range(2):
        model = model.transform(MoveLinearPastFork()).transform(MoveLinearPastEltwiseAdd())
        model = model.transform(Streamline())
    if model.get_nodes_by_op_type("Conv"):
        model = model.transform(LowerConvsToMatMul()).transform(MakeMaxPoolNHWC())
        model = model.transform(absorb.AbsorbTransposeIntoMultiThreshold())
        model = model.transform(absorb.AbsorbConsecutiveTransposes())
    model = model.transform(Streamline()).transform(InferDataLayouts())
    model = model.transform(RemoveUnusedTensors()).transform(InferDataTypes())
    return model.transform(RoundAndClipThresholds()).transform(InferDataLayouts())


def _cut_head(model: ModelWrapper) -> None:
    """Drop what turns the float input into integers: that is the host's; integers come in."""
    graph = model.graph
    while True:
        (name,) = [tensor.name for tensor in graph.input][:1]
        consumers = model.find_consumers(name)
        if model.get_tensor_datatype(name).is_integer() or len(consumers) != 1:
            break
        node = consumers[0]
        if node.op_type not in ("MultiThreshold", "Transpose", "Mul", "Add"):
            break
        _drop_first(model, node)


def _drop_first(model: ModelWrapper, node: Any) -> None:
    kept = model.get_tensor_valueinfo(node.output[0])
    model.graph.input.remove(model.graph.input[0])
    model.graph.input.insert(0, kept)
    model.graph.value_info.remove(kept)
    model.graph.node.remove(node)


def _to_hardware(model: ModelWrapper) -> ModelWrapper:
    _cut_ends(model)
    steps = (
        InferThresholdingLayer(),
        InferQuantizedMatrixVectorActivation(),
        InferFMPadding(),
        InferConvInpGen(),
        InferElementwiseBinaryOperation(_filter=_adds_streams),
        InferDuplicateStreamsLayer(),
        absorb.AbsorbConsecutiveTransposes(),
        InferDataLayouts(),
    )
    for step in steps:
        model = model.transform(step)
    _cut_ends(model)
    model = model.transform(RemoveUnusedTensors()).transform(GiveUniqueNodeNames())
    model = model.transform(InferShapes()).transform(InferDataTypes())
    _check(model)
    return model


def _adds_streams(model: ModelWrapper, node: Any) -> bool:
    shapes = {tuple(model.get_tensor_shape(name)) for name in node.input}
    constant = any(model.get_initializer(name) is not None for name in node.input)
    return node.op_type == "Add" and len(shapes) == 1 and not constant


def _is_hardware(node: Any) -> bool:
    return bool(node.domain.startswith(DOMAIN))


def _cut_ends(model: ModelWrapper) -> None:
    """Layout and scale at the ends are the host's: the first and the last nodes, while they are."""
    while True:
        consumers = model.find_consumers(model.graph.input[0].name)
        if len(consumers) != 1 or _is_hardware(consumers[0]):
            break
        if consumers[0].op_type != "Transpose":
            break
        _drop_first(model, consumers[0])
    for index in range(len(model.graph.output)):
        _cut_tail(model, index)


def _cut_tail(model: ModelWrapper, index: int) -> None:
    while True:
        output = model.graph.output[index]
        node = model.find_producer(output.name)
        if node is None or _is_hardware(node):
            return
        if node.op_type not in ("Mul", "Add", "Transpose", "Reshape", "Flatten"):
            return
        kept = model.get_tensor_valueinfo(node.input[0])
        if kept is None or kept in model.graph.input:
            return
        model.graph.output.remove(output)
        model.graph.output.insert(index, kept)
        model.graph.value_info.remove(kept)
        model.graph.node.remove(node)


def _check(model: ModelWrapper) -> None:
    for node in model.graph.node:
        if not _is_hardware(node):
            raise RefusedError(
                f"The layer {node.name} ({node.op_type}) is none that FINN builds as hardware "
                "here; quantise its inputs with power-of-two or per-tensor scales and keep to "
                "linear, convolution, activation and addition layers."
            )
    for tensor in (*model.graph.input, *model.graph.output):
        kind = model.get_tensor_datatype(tensor.name)
        if not kind.is_integer():
            raise RefusedError(
                f"The tensor {tensor.name} is {kind.name}, not an integer; quantise the model's "
                "input and every activation."
            )
    if not model.graph.node:
        raise RefusedError("The model holds no layer for hardware; give it a linear layer.")


def _from_integers(tensors: dict[str, Any], bits: dict[str, int]) -> ModelWrapper:
    """One layer: ``weight`` (R, C) and ``thresholds`` (R, T), one row each an output."""
    weight, thresholds = tensors["weight"], tensors["thresholds"]
    rows, cols = weight.shape
    model = _make(
        [
            helper.make_node("MatMul", ["in0", "weight"], ["sum"]),
            helper.make_node(
                "MultiThreshold",
                ["sum", "thresholds"],
                ["out0"],
                domain="qonnx.custom_op.general",
                out_dtype=f"INT{bits['out']}",
                out_bias=float(-(1 << (bits["out"] - 1))),
                out_scale=1.0,
                data_layout="NC",
            ),
        ],
        {"in0": [1, cols]},
        {"out0": [1, rows]},
    )
    model.set_initializer("weight", weight.T.astype(np.float32))
    model.set_initializer("thresholds", thresholds.astype(np.float32))
    model.set_tensor_datatype("in0", DataType[f"INT{bits['in']}"])
    model.set_tensor_datatype("weight", DataType[f"INT{bits['weight']}"])
    model.set_tensor_datatype("thresholds", DataType["INT32"])
    return model.transform(InferShapes()).transform(InferDataTypes())


def _product(shape: dict[str, int], bits: dict[str, str]) -> ModelWrapper:
    """in0 (rows, inner) times in1 (inner, columns), both streams."""
    rows, inner, columns = shape["rows"], shape["inner"], shape["columns"]
    model = _make(
        [helper.make_node("MatMul", ["in0", "in1"], ["out0"])],
        {"in0": [1, 1, rows, inner], "in1": [1, 1, inner, columns]},
        {"out0": [1, 1, rows, columns]},
    )
    for name in ("in0", "in1"):
        model.set_tensor_datatype(name, DataType[bits[name]])
    return model.transform(InferShapes()).transform(InferDataTypes())


def _make(
    nodes: list[Any], inputs: dict[str, list[int]], outputs: dict[str, list[int]]
) -> ModelWrapper:
    def tensors(shapes: dict[str, list[int]]) -> list[Any]:
        return [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in shapes.items()
        ]

    graph = helper.make_graph(nodes, "layers", tensors(inputs), tensors(outputs))
    return ModelWrapper(qonnx_make_model(graph))


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
