# SPDX-License-Identifier: Apache-2.0
"""rf_dots: every packing exact for all factors, as many DSPs as it says."""

from pathlib import Path

import pytest

from recfabric.bitstreams.cells import utilisation
from recfabric.kernels.sources import sources
from recfabric.sim.bench import Bench
from recfabric.sim.faults import Fault
from recfabric.sim.verilator import lint

HERE = Path(__file__).parent
CHECK = tuple(HERE / f"rf_{name}.sv" for name in ("dots_check", "sweep_count", "dots_sweep"))
PACKINGS = 5
FAULTS = [
    (0, Fault("rf_dots_group.sv", "^ {f + 1 < Fields, ", "^ {1'b0, ")),
    (0, Fault("rf_dots_group.sv", "CarryBits] - low_q", "CarryBits] - (low_q ^ 1'b1)")),
    (1, Fault("rf_sum_tree.sv", "carry <= carries[0]", "carry <= carries[1]")),
    (1, Fault("rf_dots.sv", "<< (ABits - 1)", "<< ABits")),
]


def sweep(several: int, count_bits: int, fault: Fault | None = None) -> tuple[int, int]:
    """Which packings gave a wrong sum, and which met their largest one: a bit each."""
    parameters = {"Several": several, "CountBits": count_bits}
    with Bench("rf_dots_sweep", parameters, generated=CHECK, fault=fault) as bench:
        run = bench.run({}, {"m_axis_done": 1}, max_cycles=2**count_bits + 1000)
    word = int.from_bytes(run.outputs["m_axis_done"].tobytes(), "little")
    return word & (1 << PACKINGS) - 1, word >> PACKINGS


def test_every_product_of_every_packing_is_exact() -> None:
    assert sweep(0, 24) == (0, 0b11111)


def test_sums_of_several_lanes_are_exact() -> None:
    assert sweep(1, 14) == (0, 0b11111)


@pytest.mark.parametrize(("several", "fault"), FAULTS, ids=lambda v: getattr(v, "new", ""))
def test_a_planted_fault_is_caught(several: int, fault: Fault) -> None:
    assert sweep(several, 14, fault)[0]


@pytest.mark.parametrize(
    ("part", "parameters", "dsp"),
    [
        ("xc7z020", {"Rows": 2, "Lanes": 4}, 4),
        ("xczu5ev", {"Rows": 2, "Lanes": 4}, 4),
        ("xc7z020", {"Rows": 4, "Lanes": 4, "ABits": 4}, 4),
        ("xczu5ev", {"Rows": 4, "Lanes": 4, "ABits": 4, "PortBits": 27}, 4),
        ("xczu5ev", {"Rows": 3, "Lanes": 4, "ABits": 4, "PortBits": 27, "Fields": 3}, 4),
    ],
)
def test_a_multiplication_of_several_products_is_one_dsp(
    part: str, parameters: dict[str, int], dsp: int
) -> None:
    assert utilisation("rf_dots", parameters, part).dsp == dsp


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"Rows": 1, "Lanes": 1},
        {"Rows": 6, "Lanes": 5, "ABits": 4, "PortBits": 27},
        {"Rows": 4, "Lanes": 3, "ABits": 3, "BBits": 5, "Fields": 3},
        {"Rows": 5, "Lanes": 1, "ABits": 2, "BBits": 2},
    ],
)
def test_lint(parameters: dict[str, object]) -> None:
    assert lint(sources("rf_dots"), "rf_dots", parameters) == ""


@pytest.mark.parametrize(
    ("name", "value"), [("ABits", 9), ("BBits", 1), ("PortBits", 18), ("Fields", 3), ("Rows", 0)]
)
def test_a_bad_parameter_stops_elaboration(name: str, value: int) -> None:
    text = lint(sources("rf_dots"), "rf_dots", {name: value})
    assert f"rf_dots: {name}" in text or f"{name} must" in text
