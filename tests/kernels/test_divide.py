# SPDX-License-Identifier: Apache-2.0
"""rf_divide: sequential division."""

from pathlib import Path

import pytest

from recfabric.kernels.sources import sources
from recfabric.sim.coverage import assert_every_point_hit
from recfabric.sim.testbench import Fault, Testbench
from recfabric.sim.verilator import lint

DIVIDE = Path(__file__).parent / "cocotb_divide.py"


@pytest.mark.parametrize("quotient_bits", [23, 31])
def test_divide(quotient_bits: int) -> None:
    Testbench("rf_divide", {"QuotientBits": quotient_bits}).run(DIVIDE)


def test_every_cover_point_is_hit() -> None:
    benches = (Testbench("rf_divide", {"QuotientBits": bits}) for bits in (23, 31))
    assert_every_point_hit(bench.hits(DIVIDE) for bench in benches)


def test_divide_catches_a_planted_fault() -> None:
    fault = Fault("rf_divide.sv", "trial >= {1'b0, divisor_q}", "trial > {1'b0, divisor_q}")
    assert Testbench("rf_divide", {"QuotientBits": 23}, fault=fault).outcome(DIVIDE).failed


@pytest.mark.parametrize(
    ("parameters", "word"),
    [({"QuotientBits": 0}, "QuotientBits"), ({"QuotientBits": 32}, "QuotientBits"),
     ({"QuotientBits": 8}, "DivisorBits")],
)  # fmt: skip
def test_a_bad_parameter_stops_elaboration(parameters: dict[str, object], word: str) -> None:
    assert f"rf_divide: {word}" in lint(sources("rf_divide"), "rf_divide", parameters)
