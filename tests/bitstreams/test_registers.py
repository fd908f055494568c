# SPDX-License-Identifier: Apache-2.0
"""What every kernel keeps in flip-flops: no memory, and no data behind a reset."""

import pytest

from recfabric.bitstreams import _yosys
from recfabric.bitstreams.cells import REGISTER_BITS, register_memories, reset_registers

# Valid bits, states, counters and addresses are reset: none of them is wider than a count.
WIDEST = 32
KERNELS = [
    ("rf_dense", {"Pe": 8, "Simd": 8}),
    ("rf_dense", {"Pe": 8, "Simd": 8, "WeightBits": 4}),
    ("rf_gather", {"Dim": 32, "BeatBits": 128}),
    ("rf_gather", {"Dim": 32, "BeatBits": 128, "ElemBits": 4}),
    ("rf_attention", {"Dim": 32, "BeatBits": 128}),
    ("rf_attention", {"Dim": 32, "BeatBits": 128, "KeyBits": 4, "ValueBits": 4}),
    ("rf_topk", {"Dim": 32, "BeatBits": 128, "KMax": 8}),
    ("rf_topk", {"Dim": 32, "BeatBits": 128, "KMax": 8, "ElemBits": 4}),
    ("rf_scatter", {"BeatBits": 128, "Lanes": 4}),
    ("rf_axi_read", {}),
    ("rf_axi_write", {}),
]


@pytest.mark.parametrize(("kernel", "parameters"), KERNELS)
def test_no_memory_and_no_reset_data_in_flip_flops(kernel: str, parameters: dict[str, int]) -> None:
    memories = register_memories(kernel, parameters, "xc7z020")
    assert [m for m in memories if m.words * m.width > REGISTER_BITS] == []
    resets = reset_registers(kernel, parameters, "xc7z020")
    assert resets  # the reset was found
    assert [r for r in resets if r.width > WIDEST] == []


def test_a_register_behind_the_inverted_reset_is_found() -> None:
    cells = {
        "n": {"type": "$logic_not", "connections": {"A": [2], "Y": [3]}},
        "a": {
            "type": "$sdff",
            "connections": {"SRST": [3]},
            "parameters": {"WIDTH": "101000"},
            "attributes": {"src": "rf_x.sv:7.3|x"},
        },
        "b": {
            "type": "$sdff",
            "connections": {"SRST": [9]},
            "parameters": {"WIDTH": "1"},
            "attributes": {},
        },
    }
    netlist = {"modules": {"rf_x": {"ports": {"rst_ni": {"bits": [2]}}, "cells": cells}}}
    assert _yosys.resets(netlist) == [{"module": "rf_x", "where": "rf_x.sv:7.3", "width": 40}]
