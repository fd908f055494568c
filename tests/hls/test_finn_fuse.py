# SPDX-License-Identifier: Apache-2.0
"""The contract's dense part by FINN: thresholds are the requantisation, the hot path is exact."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recfabric.errors import ConfigError
from recfabric.hls.finn import fuse
from recfabric.hls.finn.process import compile_layers
from recfabric.host.rtl import RtlDevice
from recfabric.host.soft import SoftDevice
from recfabric.host.verify import answer_all
from recfabric.kernels.dense.model import dense
from recfabric.kernels.fixed import requantise
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.kernels.stimulus import random_contract, random_requests


@given(
    bias=st.lists(st.integers(-(1 << 20), 1 << 20), min_size=1, max_size=4),
    shift=st.integers(0, 12),
    sums=st.lists(st.integers(-(1 << 21), 1 << 21), min_size=1, max_size=20),
)
def test_thresholds_are_the_requantisation(bias: list[int], shift: int, sums: list[int]) -> None:
    offsets, values = np.array(bias, np.int32), np.array(sums)
    steps = fuse.thresholds(offsets, shift)
    # Around every step, where ties are, and anywhere else.
    near = np.clip(steps[:, ::37, None] + np.arange(-1, 2), -(1 << 23), 1 << 23)
    for row in range(len(bias)):
        asked = np.concatenate([values, near[row].reshape(-1)])
        counted = -128 + (asked[:, None] >= steps[row]).sum(axis=1)
        assert (counted == requantise(asked + offsets[row], shift)).all()


def test_finn_executes_the_dense_part(finn: str) -> None:
    contract = random_contract(items=20, dim=16)
    inputs, outputs = compile_layers(fuse.request(contract, pe=4, simd=8)).vectors()
    t = contract.tensors
    expected = dense(inputs[0].astype(np.int8), t.fuse_weight, t.fuse_bias, contract.shifts.fuse)
    assert (outputs[0] == expected).all()


def test_weights_without_a_negative_one_are_compiled(finn: str) -> None:
    contract = random_contract(items=20, dim=16)
    tensors = replace(contract.tensors, fuse_weight=contract.tensors.fuse_weight & 127)
    request = fuse.request(replace(contract, tensors=tensors), pe=4, simd=8)
    inputs, outputs = compile_layers(request).vectors()
    expected = dense(
        inputs[0].astype(np.int8), tensors.fuse_weight, tensors.fuse_bias, contract.shifts.fuse
    )
    assert (outputs[0] == expected).all()


def test_the_hot_path_with_finn_in_the_fuse_slot(finn: str) -> None:
    contract = random_contract(items=300, dim=16, heads=2, history=64)
    config = HotPathConfig.for_contract(
        contract, beat_bits=128, pe=4, simd=8, max_rows=64, max_seen=256, k_max=16
    )
    slot = fuse.fuse_slot(contract, pe=4, simd=8)
    requests = random_requests(contract, 40)
    soft = SoftDevice(config)
    rtl = RtlDevice(config, memory_bytes=1 << 22, slots=slot)
    left, right = (answer_all(device, contract, requests, k=10) for device in (soft, rtl))
    rtl.close()
    assert (left.rows == right.rows).all() and (left.scores == right.scores).all()


def test_bad_folding_is_named() -> None:
    with pytest.raises(ConfigError, match="divisors"):
        fuse.request(random_contract(items=20, dim=16), pe=3)
