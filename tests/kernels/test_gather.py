# SPDX-License-Identifier: Apache-2.0
"""rf_gather: the integer model against big integers, the RTL against the integer model."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recfabric.kernels.gather.model import gather
from recfabric.kernels.sources import sources
from recfabric.sim.testbench import Fault, Testbench
from recfabric.sim.verilator import lint

GATHER = Path(__file__).parent / "cocotb_gather.py"
CONFIGURATIONS: list[dict[str, object]] = [
    {},
    {"Dim": 128, "ElemBits": 4, "BeatBits": 64},
    {"Dim": 16, "RequantLanes": 4},
]
FAULTS = [
    Fault("rf_gather.sv", "active_q && !empty && !(last && job_valid_q)", "active_q && !empty"),
    Fault("rf_gather.sv", "job_valid_q  <= 1'b0;", ""),
    Fault("rf_rescale.sv", "empty_a_q ? '0 : ", ""),
    Fault("rf_sum_rows.sv", "first ? '0 : bank ?", "bank ?"),
]
INT8 = st.integers(-128, 127) | st.sampled_from([-128, 127])


@given(
    rows=st.lists(st.lists(INT8, min_size=3, max_size=3), max_size=40),
    norm=st.integers(0, 65535) | st.sampled_from([0, 1, 65535]),
    shift=st.integers(0, 47),
)
def test_model_is_exact(rows: list[list[int]], norm: int, shift: int) -> None:
    totals = [sum(row[d] for row in rows) * norm for d in range(3)]
    want = [max(-128, min(127, round(Fraction(total, 1 << shift)))) for total in totals]
    assert gather(np.array(rows, np.int8).reshape(-1, 3), norm, shift).tolist() == want


@pytest.mark.parametrize("parameters", CONFIGURATIONS)
def test_rtl(parameters: dict[str, object]) -> None:
    Testbench("rf_gather", parameters).run(GATHER)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.old)
def test_a_planted_fault_is_caught(fault: Fault) -> None:
    assert Testbench("rf_gather", {"Dim": 16}, fault=fault).outcome(GATHER).failed


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"Dim": 256},
        {"Dim": 16, "RequantLanes": 16, "MaxRows": 1},
        {"Dim": 32, "ElemBits": 4, "BeatBits": 256, "RequantLanes": 1, "MaxRows": 100},
        {"Dim": 256, "ElemBits": 8, "BeatBits": 64},
    ],
)
def test_lint(parameters: dict[str, object]) -> None:
    assert lint(sources("rf_gather"), "rf_gather", parameters) == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [("Dim", 8), ("Dim", 48), ("Dim", 512), ("ElemBits", 3), ("BeatBits", 96), ("BeatBits", 1024),
     ("MaxRows", 0), ("MaxRows", 1025), ("RequantLanes", 3), ("RequantLanes", 128)],
)  # fmt: skip
def test_a_bad_parameter_stops_elaboration(name: str, value: int) -> None:
    assert f"rf_gather: {name} must be" in lint(sources("rf_gather"), "rf_gather", {name: value})
