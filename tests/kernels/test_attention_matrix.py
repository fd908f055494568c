# SPDX-License-Identifier: Apache-2.0
"""rf_attention_matrix against its integer model (which test_attention.py tests)."""

from pathlib import Path

import pytest

from recfabric.kernels.sources import sources
from recfabric.sim.coverage import assert_every_point_hit
from recfabric.sim.testbench import Fault, Testbench
from recfabric.sim.verilator import lint

MATRIX = Path(__file__).parent / "cocotb_attention_matrix.py"
SMALL = {"Dim": 16, "MaxRows": 16, "Pe": 4, "Depth": 8, "RequantLanes": 4}
CONFIGURATIONS = [
    SMALL,
    {"Dim": 16, "MaxRows": 64, "Pe": 2, "Depth": 16, "RequantLanes": 2},
]
UNREACHABLE = {
    "rf_divide.waits_for_its_receiver": "the FIFO behind it has a place for every row in flight",
    "rf_fifo.full": "the FIFOs have a place for every row in flight",
    "rf_rescale.answers_zero": "a head without keys has weights, all of them 0",
}
FAULTS = [
    Fault("rf_attention_schedule.sv", "ready_q != '0 && value_open_i", "value_open_i"),
    Fault("rf_attention_softmax.sv", ">= tag_q[0].rest ? Lowest", ">= tag_q[0].rest ? '0"),
    Fault("rf_attention_shared.sv", "<= 32'(last_block_i) ?", "<= 32'(last_block_i) + 1 ?"),
    Fault("rf_attention_operands.sv", "32'(value_row) / Pe % Parts) % Parts", "0) % Parts"),
]


@pytest.mark.parametrize("parameters", CONFIGURATIONS, ids=str)
def test_rtl(parameters: dict[str, int]) -> None:
    Testbench("rf_attention_matrix", parameters).run(MATRIX)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.file}-{fault.old}")
def test_a_planted_fault_is_caught(fault: Fault) -> None:
    bench = Testbench("rf_attention_matrix", SMALL, fault=fault)
    assert bench.outcome(MATRIX).failed


def test_every_branch_is_hit() -> None:
    """Rounding, ties, both ends, stalls, full slots."""
    hits = Testbench("rf_attention_matrix", SMALL).hits(MATRIX)
    assert_every_point_hit([hits], unreachable=UNREACHABLE)


@pytest.mark.parametrize(
    "parameters",
    [
        {"Dim": 128, "MaxRows": 128},
        {"Dim": 256, "MaxRows": 1024, "Pe": 32, "Depth": 32, "RequantLanes": 32},
        {"Dim": 8, "MaxRows": 8, "Pe": 2, "Depth": 8, "RequantLanes": 1},
    ],
)
def test_lint(parameters: dict[str, int]) -> None:
    assert lint(sources("rf_attention_matrix"), "rf_attention_matrix", parameters) == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [("Dim", 32), ("Dim", 512), ("Dim", 96), ("MaxRows", 32), ("MaxRows", 2048), ("MaxRows", 80),
     ("Pe", 1), ("Pe", 128), ("Pe", 12), ("Depth", 4), ("Depth", 256), ("Depth", 48),
     ("RequantLanes", 0), ("RequantLanes", 32), ("RequantLanes", 3)],
)  # fmt: skip
def test_a_bad_parameter_stops_elaboration(name: str, value: int) -> None:
    text = lint(sources("rf_attention_matrix"), "rf_attention_matrix", {name: value})
    assert f"rf_attention_matrix: {name} must be" in text
