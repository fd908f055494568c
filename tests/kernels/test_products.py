# SPDX-License-Identifier: Apache-2.0
"""rf_products: every product of every packing, as many DSPs as it says."""

from pathlib import Path

import pytest

from recfabric.bitstreams.cells import utilisation
from recfabric.sim.bench import Bench
from recfabric.sim.faults import Fault

HERE = Path(__file__).parent
SWEEP = (HERE / "rf_sweep_count.sv", HERE / "rf_products_sweep.sv")
FAULTS = [
    Fault("rf_products.sv", "{!Signed && !Last, ", "{1'b0, "),
    Fault("rf_products.sv", "(Signed || f + 2 == Fields) && ", "1'b0 && "),
    Fault("rf_products.sv", "term_q <= field - below", "term_q <= field"),
    Fault("rf_products.sv", "(ElemBits + 1)'(borrow)", "'0"),
]


def sweep(count_bits: int, fault: Fault | None = None) -> tuple[int, int]:
    """Which packings gave a wrong product, and which met their largest ones: a bit each."""
    parameters = {"CountBits": count_bits}
    with Bench("rf_products_sweep", parameters, generated=SWEEP, fault=fault) as bench:
        run = bench.run({}, {"m_axis_done": 1}, max_cycles=2**count_bits + 1000)
    word = int.from_bytes(run.outputs["m_axis_done"].tobytes(), "little")
    return word & 0b111111, word >> 6


def test_every_product_is_exact() -> None:
    assert sweep(24) == (0, 0b111111)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.new)
def test_a_planted_fault_is_caught(fault: Fault) -> None:
    assert sweep(16, fault)[0]


@pytest.mark.parametrize("part", ["xc7z020", "xczu5ev"])
@pytest.mark.parametrize(("bits", "most"), [(8, 32), (4, 16)])
@pytest.mark.parametrize(
    ("kernel", "parameters"),
    [
        ("rf_sum_rows", {"Groups": 2, "Heads": 2, "SumBits": 26}),
        ("rf_gather_lanes", {"WeightBits": 8, "SumBits": 26, "Stages": 3}),
    ],
)
def test_64_lanes_share_dsps(
    kernel: str, parameters: dict[str, int], part: str, bits: int, most: int
) -> None:
    """Two products of 8 bits, or four of 4 bits, by a weight of 8 bits in each."""
    assert utilisation(kernel, parameters | {"ElemBits": bits}, part).dsp == most
