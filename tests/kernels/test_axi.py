# SPDX-License-Identifier: Apache-2.0
"""The AXI parts of rf_hotpath and rf_graph: joined reads, rows and lists read, rows written."""

from pathlib import Path

import pytest

from recfabric.sim.mutants import targets
from recfabric.sim.testbench import Fault, Testbench

NAMES = ("axi-merge", "row-read", "list-read", "row-write")
FAULTS = [
    ("axi-merge", Fault("rf_axi_merge.sv", "== 8'(Turns)) pick", "== 8'(Turns + 1)) pick")),
    ("axi-merge", Fault("rf_axi_merge.sv", "&& s_axi_rready[back]", "")),
    (
        "row-read",
        Fault("rf_row_read.sv", "given && m_axis_row_tlast) give_q", "given) give_q"),
    ),
    ("row-read", Fault("rf_row_read.sv", "error_o = |error", "error_o = error[0]")),
    ("list-read", Fault("rf_list_read.sv", "asked || !cmd_valid", "asked")),
    ("list-read", Fault("rf_list_read.sv", "RoomBits'(burst) : '0)", "RoomBits'(1) : '0)")),
    (
        "row-write",
        Fault("rf_row_write.sv", "&& left_q == '0 && answers_q == '0", "&& left_q == '0"),
    ),
    ("row-write", Fault("rf_row_write.sv", "ahead_q < 2'd2", "ahead_q < 2'd3")),
]


def bench(name: str, fault: Fault | None = None) -> tuple[Testbench, Path]:
    """A part with the parameters that its mutants have too, so that both share what is found."""
    target = targets()[name]
    (tests,) = target.tests
    return Testbench(target.top, target.parameters, fault), tests


@pytest.mark.parametrize("name", NAMES)
def test_every_beat_goes_where_it_should(name: str) -> None:
    made, tests = bench(name)
    made.run(tests)


@pytest.mark.parametrize(("name", "fault"), FAULTS, ids=lambda v: v if isinstance(v, str) else "")
def test_a_planted_fault_is_caught(name: str, fault: Fault) -> None:
    made, tests = bench(name, fault)
    assert made.outcome(tests).failed
