# SPDX-License-Identifier: Apache-2.0
"""The contract's dense part as QONNX: run it, and hold it against the integer model.

``fuse.onnx`` is what hls4ml and FINN start from; :func:`fuse` executes it with qonnx itself, so
that its integers are known before any backend compiles it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from recfabric.contract import Contract
from recfabric.errors import ContractError, MissingExtraError

FILE = "fuse.onnx"


def fuse(folder: Path, contract: Contract, states: npt.NDArray[np.int8]) -> npt.NDArray[np.int32]:
    """The fused vectors of int8 (R, 2 D) states by QONNX execution: integers (R, D).

    Raises ContractError where the graph is missing or gives values off the fused format's grid,
    MissingExtraError without the package qonnx.
    """
    try:
        from qonnx.core.modelwrapper import ModelWrapper
        from qonnx.core.onnx_exec import execute_onnx
        from qonnx.transformation.infer_shapes import InferShapes
    except ImportError:
        raise MissingExtraError("qonnx", "train") from None
    if not (folder / FILE).exists():
        raise ContractError(f"{folder} holds no {FILE}; export the model again.")
    model = ModelWrapper(str(folder / FILE)).transform(InferShapes())
    source, sink = model.graph.input[0].name, model.graph.output[0].name
    f = contract.formats
    shape = model.get_tensor_shape(source)
    rows = []
    for row in states:
        values = (row.astype(np.float32) * np.float32(f.state.scale)).reshape(shape)
        rows.append(execute_onnx(model, {source: values})[sink].reshape(-1))
    integers = np.stack(rows) / f.fused.scale
    if not np.array_equal(integers, np.rint(integers)):
        raise ContractError(f"{folder / FILE} gives values off its output's fixed-point grid.")
    return np.rint(integers).astype(np.int32)
