# SPDX-License-Identifier: Apache-2.0
"""A parameter outside what a module supports stops elaboration with its name and its limit."""

import re
from functools import cache
from pathlib import Path

import pytest

from recfabric.config import build_dir
from recfabric.kernels.hotpath.registers import generate
from recfabric.kernels.sources import ROOT, sources
from recfabric.sim import verilator

BEAT = (0, 32, 96, 1024)
DIM = (0, 8, 48, 512)
BITS = (0, 2, 16)
# Every parameter of every kernel and common cell, with values that it must refuse.
REFUSED: dict[str, dict[str, tuple[int, ...]]] = {
    "rf_gather": {
        "Dim": DIM,
        "ElemBits": BITS,
        "BeatBits": BEAT,
        "MaxRows": (0, 1 << 21),
        "RequantLanes": (0, 3, 128),
        "WeightBits": (1, 9),
    },
    "rf_graph": {
        "Dim": (48,),
        "ElemBits": (2,),
        "BeatBits": (96,),
        "MaxRows": (0, 1 << 21),
        "RequantLanes": (3,),
        "WeightBits": (4,),
        "Rows": (65,),
        "Cols": (96,),
        "Pe": (3,),
        "Simd": (3,),
        "RowPorts": (0, 17),
        "FifoDepth": (1, 48),
        "ListDepth": (2, 48),
    },
    "rf_attention": {
        "Dim": DIM,
        "Heads": (0, 3, 8),
        "KeyBits": BITS,
        "ValueBits": BITS,
        "BeatBits": BEAT,
        "MaxRows": (0, 2048),
        "RequantLanes": (0, 3, 128),
        "Slope": (257,),
    },
    "rf_attention_matrix": {
        "Dim": (32, 96, 512),
        "MaxRows": (32, 96, 2048),
        "Pe": (1, 3, 128),
        "Depth": (4, 48, 256),
        "RequantLanes": (0, 3, 32),
    },
    "rf_dense": {
        "Rows": (0, 65),
        "Cols": (0, 129),
        "Pe": (0, 3, 128),
        "Simd": (0, 3, 256),
        "InBits": (1, 9),
        "WeightBits": (1, 9),
        "OutBits": (1, 17),
        "AccBits": (8, 33),
        "PortBits": (26,),
        "Fields": (0, 5),
        "BeatBits": BEAT,
    },
    "rf_topk": {
        "Dim": DIM,
        "ElemBits": BITS,
        "BeatBits": BEAT,
        "KMax": (0, 129),
        "MaxSeen": (0, 1, 3, 65536),
        "Ports": (0, 3, 32),
        "Users": (0, 3, 8),
    },
    "rf_scatter": {
        "Items": (0, 16, 100, 1 << 21),
        "Edges": (0, 8, 48, 256),
        "BeatBits": BEAT,
        "Lanes": (0, 3, 64),
        "Banks": (0, 1, 24, 128),
        "MaxRows": (0, 2048),
    },
    "rf_axi_read": {"BeatBits": BEAT, "FifoDepth": (0, 1, 48), "MaxBurst": (0, 257)},
    "rf_axi_write": {"BeatBits": BEAT},
    "rf_fifo": {"Width": (0,), "Depth": (0, 1, 3)},
    "rf_divide": {"DividendBits": (0,), "DivisorBits": (0,), "QuotientBits": (0, 200)},
    "rf_dot": {"Lanes": (0,), "ABits": (1,), "BBits": (1,)},
    "rf_pack": {"InBits": (0, 100), "OutBits": (0, 100)},
    "rf_unpack": {"InBits": (0, 100), "OutBits": (0, 100)},
    "rf_requant": {"InBits": (63,), "OutBits": (0, 1, 63), "ShiftBits": (0, 7)},
    "rf_exp2": {"InBits": (9, 33)},
    "rf_history": {"MaxRows": (0, 1, 2048), "BeatBits": BEAT, "Passes": (2, 5)},
    # One value each: the kernels inside refuse what the tests above say.
    "rf_hotpath": {
        "Dim": (48,),
        "Heads": (3,),
        "MessageBits": (2,),
        "KeyBits": (2,),
        "ValueBits": (2,),
        "ItemBits": (2,),
        "BeatBits": (96,),
        "MaxRows": (2048,),
        "MaxSeen": (3,),
        "KMax": (129,),
        "Pe": (3,),
        "Simd": (3,),
        "RequantLanes": (3,),
        "FifoDepth": (48,),
        "MaxBurst": (257,),
        "ScanPorts": (3,),
        "Edges": (1, 12),
        "EdgeItems": (64,),
        "MaxItems": (0, (1 << 24) + 1),
        "MaxRequests": (0, (1 << 24) + 1),
        "TimeBits": (7, 33),
    },
}
# rf_hotpath small, where the value under test allows it: elaboration takes seconds otherwise;
# rf_graph with its dense layer.
SMALL = {
    "rf_hotpath": {"Dim": 16, "BeatBits": 64, "KMax": 2, "Pe": 2, "Simd": 2},
    "rf_graph": {"Rows": 64},
}
_DECLARED = re.compile(r"^ *parameter\s+int unsigned\s+(\w+)", re.MULTILINE)


@cache
def files(top: str) -> tuple[Path, ...]:
    return (verilator.WAIVERS, *sources(top, generate(build_dir() / "generated")))


@pytest.mark.parametrize(
    ("top", "name", "value"),
    [(t, n, v) for t, table in REFUSED.items() for n, values in table.items() for v in values],
)
def test_a_bad_parameter_stops_elaboration(top: str, name: str, value: int) -> None:
    text = verilator.lint(files(top), top, SMALL.get(top, {}) | {name: value})
    said = [line for line in text.splitlines() if "USERFATAL" in line and "must" in line]
    assert any(name in line for line in said), text[:2000]


@pytest.mark.parametrize("top", REFUSED)
def test_no_parameter_is_left_out(top: str) -> None:
    assert set(_DECLARED.findall(files(top)[-1].read_text())) == set(REFUSED[top])


def test_every_kernel_is_here() -> None:
    """A kernel's top is the module that its folder is named after."""
    named = {path.stem: f"rf_{path.parent.name}" for path in ROOT.glob("*/rf_*.sv")}
    kernels = {module for module, folder in named.items() if module == folder}
    assert kernels <= set(REFUSED)
