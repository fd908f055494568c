# SPDX-License-Identifier: Apache-2.0
"""Mutation: a sample of mutants is caught; tests that look at nothing catch none."""

from dataclasses import replace
from pathlib import Path

import pytest

from recfabric.sim.mutate import MutationError, reasons, report, score, targets

BLIND = """
import cocotb
from cocotb.triggers import ClockCycles
from recfabric.sim.streams import start

@cocotb.test(timeout_time=10, timeout_unit="us")
async def looks_at_nothing(dut):
    await start(dut)
    await ClockCycles(dut.clk_i, {cycles})
    assert {claim}
"""


def blind(folder: Path, *, cycles: int, claim: str = "True") -> Path:
    tests = folder / f"cocotb_blind_{cycles}.py"
    tests.write_text(BLIND.format(cycles=cycles, claim=claim))
    return tests


@pytest.mark.parametrize("name", ["fifo", "requant"])
def test_a_sample_of_mutants_is_caught(name: str) -> None:
    sample = score(targets()[name], count=12)
    assert len(sample.mutants) == 12
    assert sample.share >= 0.8, report(sample)
    caught = [mutant for mutant in sample.mutants if mutant.how not in ("survived", "equal")]
    assert all(mutant.by.startswith(f"cocotb_{name}.") for mutant in caught)


def test_tests_that_look_at_nothing_catch_nothing(tmp_path: Path) -> None:
    target = replace(targets()["fifo"], tests=blind(tmp_path, cycles=4))
    sample = score(target, count=12)
    assert sample.share == 0
    assert "NO REASON GIVEN" in report(sample)


def test_tests_that_fail_without_a_mutation_are_refused(tmp_path: Path) -> None:
    target = replace(targets()["fifo"], tests=blind(tmp_path, cycles=5, claim="False"))
    with pytest.raises(MutationError, match="did not all run"):
        score(target, count=12)


def test_every_reason_belongs_to_a_target() -> None:
    known = targets()
    assert {reason.target for reason in reasons()} <= known.keys()
    assert all(target.tests.exists() for target in known.values())
