# SPDX-License-Identifier: Apache-2.0
"""Chain, branch and convolutions from Brevitas: FINN's RTL in Verilator is FINN's execution."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from brevitas.export import export_qonnx

from recfabric.errors import ConfigError, RequestError
from recfabric.finn import cosim
from recfabric.finn.compile import cycles_of, request_of, target_of
from recfabric.hls.finn import examples
from recfabric.hls.finn.process import Compiled, Request, Target, compile_layers

PART = Target("xczu5ev-sfvc784-1-e")
CYCLES = {"mlp": 64, "residual": 64, "conv": 600}


def _compile(name: str) -> Compiled:
    model = examples.qonnx(name)
    return compile_layers(Request("qonnx", PART, model=model, target_cycles=CYCLES[name]))


def test_streams_pack_and_unpack(finn: str) -> None:
    stream = _compile("mlp").design.outputs[0]
    top = 1 << (stream.bits - 1)
    frames = np.random.default_rng(1).integers(-top, top, (3, *stream.shape))
    assert (stream.unpack(stream.pack(frames)) == frames).all()
    with pytest.raises(RequestError, match="integers"):
        stream.pack(frames[:, :, :-1])
    with pytest.raises(RequestError, match="only"):
        stream.pack(frames + top)


# ---- the RTL against FINN's execution ----
@pytest.mark.parametrize("name", CYCLES)
def test_the_rtl_is_finns_execution_at_finns_rate(finn: str, name: str) -> None:
    compiled = _compile(name)
    depths = cosim.size_fifos(compiled)
    run = cosim.cosimulate(compiled, depths)
    assert run.values > 50 and run.mismatches == 0
    assert 0.95 * run.estimate <= run.interval <= 1.05 * run.estimate
    assert cosim.cosimulate(compiled, depths, stall=0.3).mismatches == 0


def test_a_flipped_weight_is_caught(finn: str) -> None:
    inputs, expected = _compile("mlp").vectors()
    model = onnx.load_from_string(examples.qonnx("mlp"))
    weight = next(i for i in model.graph.initializer if len(i.dims) == 2)
    values = onnx.numpy_helper.to_array(weight).copy()
    values.flat[np.abs(values).argmax()] *= -1
    weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
    flipped = compile_layers(
        Request(
            "qonnx",
            PART,
            model=model.SerializeToString(),
            inputs={"in0": inputs[0]},
            target_cycles=CYCLES["mlp"],
        )
    )
    depths = cosim.size_fifos(flipped)
    assert cosim.cosimulate(flipped, depths).mismatches == 0
    assert cosim.cosimulate(flipped, depths, expected=expected).mismatches > 0


# ---- what FINN cannot build ----
def _export(model: torch.nn.Module, tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    export_qonnx(model.eval(), args=torch.randn(1, 8), export_path=str(path), dynamo=False)
    return path


def _compile_file(path: Path, part: str = PART.part) -> Compiled:
    return compile_layers(request_of(path, Target(part)))


def test_a_float_layer_is_refused(finn: str, tmp_path: Path) -> None:
    path = _export(torch.nn.Sequential(torch.nn.Linear(8, 4), torch.nn.ReLU()), tmp_path)
    with pytest.raises(ConfigError, match="quantise"):
        _compile_file(path)


def test_an_unsupported_layer_is_refused(finn: str, tmp_path: Path) -> None:
    path = _export(torch.nn.Softmax(dim=-1), tmp_path)
    with pytest.raises(ConfigError, match="Softmax"):
        _compile_file(path)


def test_weights_that_seven_series_cannot_multiply_are_refused(finn: str) -> None:
    weight = np.full((4, 8), -128)
    tensors = {"weight": weight, "thresholds": np.tile(np.arange(255), (4, 1))}
    request = Request("layers", PART, tensors=tensors, bits={"in": 8, "weight": 8, "out": 8})
    with pytest.raises(ConfigError, match="-128"):
        compile_layers(replace(request, target=Target("xc7z020clg400-1")))


def test_a_folding_that_does_not_divide_is_refused(finn: str) -> None:
    model = examples.qonnx("mlp")
    with pytest.raises(ConfigError, match="divisor"):
        compile_layers(Request("qonnx", PART, model=model, folding={"MVAU_rtl": {"PE": 5}}))


def test_wrong_shapes_are_refused(finn: str) -> None:
    model = examples.qonnx("mlp")
    inputs = {"in0": np.zeros((2, 31), np.int64)}
    with pytest.raises(ConfigError, match="32"):
        compile_layers(Request("qonnx", PART, model=model, inputs=inputs))


def test_bad_requests_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="neither"):
        request_of(tmp_path / "nothing.onnx", PART)
    with pytest.raises(ConfigError, match="vectors"):
        Request("qonnx", PART, vectors=0)
    with pytest.raises(ConfigError, match="rate"):
        cycles_of(target_of("kv260"), 1e12)
