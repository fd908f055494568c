# SPDX-License-Identifier: Apache-2.0
"""The common cells."""

from pathlib import Path

import pytest

from recfabric.sim.testbench import Fault, Testbench

FIFO = Path(__file__).parent / "cocotb_fifo.py"


@pytest.mark.parametrize(("width", "depth"), [(8, 16), (512, 2)])
def test_fifo(width: int, depth: int) -> None:
    Testbench("rf_fifo", {"Width": width, "Depth": depth}).run(FIFO)


def test_fifo_catches_a_planted_fault() -> None:
    fault = Fault("rf_fifo.sv", "level_o != (AddrBits + 1)'(Depth)", "1'b1")
    bench = Testbench("rf_fifo", {"Width": 8, "Depth": 16}, fault=fault)
    assert bench.outcome(FIFO).failed
