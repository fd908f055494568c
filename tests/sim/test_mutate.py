# SPDX-License-Identifier: Apache-2.0
"""Mutation: a sample of mutants is caught; tests that look at nothing catch none."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from recfabric.kernels.sources import ROOT
from recfabric.sim.mutants import (
    WANTED,
    Mutant,
    Reason,
    Score,
    code_at,
    excuses,
    reasons,
    report,
    targets,
)
from recfabric.sim.mutate import MutationError, main, score

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


# A multiplexer whose A is x and whose upper bit is read by nobody, a register as well.
NETLIST = r"""
module t (input clk, s, input [1:0] b, output y, q);
  wire [1:0] w, h;
  \$mux #(.WIDTH(2)) pick (.A(2'bxx), .B(b), .S(s), .Y(w));
  \$dff #(.WIDTH(2), .CLK_POLARITY(1)) held (.CLK(clk), .D(b), .Q(h));
  assign y = w[0], q = h[0];
endmodule
"""
# What a product beside it costs a solver, and a term that is there anyway.
BESIDE = r"""
module t (input clk, s, input [31:0] a, b, output y, output [63:0] q);
  wire t;
  wire [63:0] p;
  \$mul #(.A_SIGNED(0), .B_SIGNED(0), .A_WIDTH(32), .B_WIDTH(32), .Y_WIDTH(64))
    times (.A(a), .B(b), .Y(p));
  \$dff #(.WIDTH(64), .CLK_POLARITY(1)) held (.CLK(clk), .D(p), .Q(q));
  \$and #(.A_SIGNED(0), .B_SIGNED(0), .A_WIDTH(1), .B_WIDTH(1), .Y_WIDTH(1))
    both (.A(s), .B(a[0]), .Y(t));
  \$or #(.A_SIGNED(0), .B_SIGNED(0), .A_WIDTH(1), .B_WIDTH(1), .Y_WIDTH(1))
    pick (.A(s), .B(t), .Y(y));
endmodule
"""
MUTATE = """
from pyosys import libyosys as ys
design = ys.Design()
for command in ("read_verilog -icells t.v", "script mutations.ys", "rename t t_netlist",
                "write_rtlil netlist.il"):
    ys.run_pass(command, design)
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
    target = replace(targets()["fifo"], tests=(blind(tmp_path, cycles=4),))
    sample = score(target, count=12)
    assert sample.share == 0
    assert "NO REASON GIVEN" in report(sample)


def test_tests_that_fail_without_a_mutation_are_refused(tmp_path: Path) -> None:
    target = replace(targets()["fifo"], tests=(blind(tmp_path, cycles=5, claim="False"),))
    with pytest.raises(MutationError, match="did not all run"):
        score(target, count=12)


def test_equal_is_what_changes_nothing_that_is_read(tmp_path: Path) -> None:
    """Of mutants of a bit that is x, of bits that nobody reads, and of the same places' others."""
    equal = ("pick -port A -portbit 0", "pick -port Y -portbit 1", "held -port D -portbit 1")
    others = ("pick -port B -portbit 0", "pick -port Y -portbit 0", "held -port D -portbit 0")
    found, _ = proven_equal(tmp_path, NETLIST, [f"inv -module t -cell {p}" for p in equal + others])
    assert found == [1, 2, 3]


def test_what_a_mutant_does_not_touch_is_not_solved(tmp_path: Path) -> None:
    """A multiplier beside it would take seconds or, on a busy machine, too long."""
    found, log = proven_equal(tmp_path, BESIDE, ["const0 -module t -cell both -port Y -portbit 0"])
    sizes = [int(size) for size in re.findall(r"Solving problem with (\d+) variables", log)]
    assert found == [1]
    assert sizes and sizes[-1] < 100


def proven_equal(folder: Path, netlist: str, mutations: list[str]) -> tuple[list[int], str]:
    """The numbers of those that change nothing, and what Yosys said."""
    (folder / "t.v").write_text(netlist)
    lines = [f"mutate -ctrl mutsel 3 {i} -mode {what}\n" for i, what in enumerate(mutations, 1)]
    (folder / "mutations.ys").write_text("".join(lines))
    numbers = list(range(1, len(mutations) + 1))
    (folder / "suspects.json").write_text(json.dumps({"top": "t", "mutants": numbers}))
    for command in (["-c", MUTATE], ["-m", "recfabric.sim._mutate_equal"]):
        ran = subprocess.run(
            [sys.executable, *command], cwd=folder, check=True, capture_output=True, text=True
        )
    return json.loads((folder / "equal.json").read_text()), ran.stdout


def test_a_sample_is_no_proof(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--kernel", "fifo", "--count", "12"]) == 1
    assert "fifo" in capsys.readouterr().out


def test_every_target_has_mutants_enough() -> None:
    assert WANTED == 200
    for target in targets().values():
        assert target.count >= WANTED, target.name
        assert all(path.exists() for path in target.tests), target.name


def test_every_kernel_with_a_cocotb_test_is_a_target() -> None:
    written = set((Path(__file__).parents[1] / "kernels").glob("cocotb_*.py"))
    assert written == {path for target in targets().values() for path in target.tests}


def fates(*, survived: int = 0, equal: int = 0, caught: int = 0, reason: str = "") -> Score:
    ends = ["survived"] * survived + ["equal"] * equal + ["AssertionError"] * caught
    made = [Mutant(i, "inv", "a_q[0]", (), (), how, "", 0.0, reason) for i, how in enumerate(ends)]
    return Score(targets()["fifo"], tuple(made), 0.0)


def test_what_passes() -> None:
    assert fates(caught=200).passes
    assert fates(caught=190, survived=10, reason="so").passes
    assert not fates(caught=199, equal=99).passes  # too few that change something
    assert not fates(caught=199, survived=1).passes  # no reason
    assert not fates(caught=189, survived=11, reason="so").passes  # less than 95 %


@pytest.mark.parametrize(
    ("change", "excused"),
    [
        ({}, True),
        ({"kind": "const1"}, False),
        ({"signal": "$2.A[13]"}, False),
        ({"sources": ("rf_other.sv:1.2-1.5",)}, False),
        ({"code": ("a != c",)}, False),
    ],
)
def test_a_reason_excuses_what_it_names(change: dict[str, object], excused: bool) -> None:
    reason = Reason("fifo", "rf_fifo.sv", r"\$\d\.A\[\d\]", "so", ("inv",), "a != b")
    mutant = Mutant(1, "inv", "$2.A[1]", ("rf_fifo.sv:1.2-1.8",), ("a != b",), "survived", "", 0.0)
    assert excuses(reason, replace(mutant, **change)) == excused


def test_the_code_of_a_place_is_found() -> None:
    texts = {"a.sv": ["  x <= y +", "    1;", "endmodule"]}
    assert code_at("a.sv:1.8-1.11", texts) == "y +"
    assert code_at("a.sv:1.8-2.6", texts) == "y + 1"
    assert code_at("a.sv:1.8", texts) == code_at("b.sv:1.8-1.11", texts) == ""


KINDS = {"inv", "const0", "const1", "cnot0", "cnot1"}


@pytest.mark.parametrize("reason", reasons(), ids=lambda r: f"{r.target}-{r.file}")
def test_every_reason_is_about_what_is_there(reason: Reason) -> None:
    assert reason.target in targets()
    assert set(reason.kinds) <= KINDS
    assert reason.why
    re.compile(reason.signal)
    text = ""
    if reason.file:
        (file,) = ROOT.rglob(reason.file)
        text = " ".join(file.read_text().split())
    assert reason.code in text
