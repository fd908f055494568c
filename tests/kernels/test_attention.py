# SPDX-License-Identifier: Apache-2.0
"""rf_attention: the integer model against big integers, the RTL against the integer model."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recfabric.contract import exp2_table
from recfabric.kernels.attention.model import attend, attend_matrix, leaky
from recfabric.kernels.sources import sources
from recfabric.sim.coverage import assert_every_point_hit
from recfabric.sim.testbench import Fault, Testbench
from recfabric.sim.verilator import lint

ATTENTION = Path(__file__).parent / "cocotb_attention.py"
CONFIGURATIONS: list[dict[str, object]] = [
    {},
    {"Dim": 128, "Heads": 1, "KeyBits": 4, "ValueBits": 4, "BeatBits": 64},
    {"Dim": 16, "Heads": 4},
    {"Dim": 256, "Heads": 4, "ValueBits": 4},
]
LEAKY = {"Dim": 16, "Heads": 4, "Slope": 51}  # PyTorch Geometric's 0.2
LEAKY_TESTS = "random_requests|negative_logits|full_history|rate/"  # the others want all exponents
UNREACHABLE = {
    "rf_divide.keeps_its_sender_waiting": "a request is finished when its dividers are ready",
    "rf_rescale.stalls_with_chunks_inside": "no job comes within a division of the one before",
    "rf_rescale.job_right_behind": "no job comes within a division of the one before",
}
FAULTS = [
    Fault("rf_attention.sv", ".free_i      (!taken_q[open_bank_q])", ".free_i      (1'b1)"),
    Fault("rf_attention_values.sv", "<= (first_q ? '0 : sum_q) +", "<= sum_q +"),
    Fault("rf_exp2.sv", "(InBits - Exp2Frac)'(8)", "(InBits - Exp2Frac)'(7)"),
]
INT8 = st.integers(-128, 127) | st.sampled_from([-128, 127])


def naive(
    query: list[int],
    keys: list[list[int]],
    values: list[list[int]],
    heads: int,
    logit_shift: int,
    out_shift: int,
) -> list[int]:
    """The equations of the kernel's page on Python's integers."""
    if not keys:
        return [0] * len(query)
    out, width, table = [], len(query) // heads, exp2_table().tolist()
    for h in range(heads):
        dims = range(h * width, (h + 1) * width)
        dots = [Fraction(sum(query[d] * key[d] for d in dims), 1 << logit_shift) for key in keys]
        x = [max(-(2**15), min(2**15 - 1, round(dot))) for dot in dots]
        e = [max(x) - v for v in x]
        p = [0 if v >> 5 > 8 else round(Fraction(table[v & 31], 1 << (v >> 5))) for v in e]
        scale = 2**30 // sum(p)
        for d in dims:
            total = sum(w * value[d] for w, value in zip(p, values, strict=True))
            out.append(max(-128, min(127, round(Fraction(total * scale, 1 << out_shift)))))
    return out


@settings(deadline=None)
@given(
    heads=st.sampled_from([1, 2, 4]),
    rows=st.lists(st.lists(INT8, min_size=16, max_size=16), max_size=12),
    query=st.lists(INT8, min_size=8, max_size=8),
    logit_shift=st.integers(0, 31) | st.integers(4, 10),
    out_shift=st.integers(0, 47) | st.integers(26, 32),
)
def test_model_is_exact(
    heads: int, rows: list[list[int]], query: list[int], logit_shift: int, out_shift: int
) -> None:
    both = np.array(rows, np.int8).reshape(-1, 16)
    got = attend(
        np.array(query, np.int8),
        both[:, :8],
        both[:, 8:],
        heads=heads,
        logit_shift=logit_shift,
        out_shift=out_shift,
    )
    keys, values = [row[:8] for row in rows], [row[8:] for row in rows]
    assert got.tolist() == naive(query, keys, values, heads, logit_shift, out_shift)


@pytest.mark.parametrize("element", [-128, 127])
def test_model_is_exact_at_its_widest(element: int) -> None:
    rows = np.full((1024, 256), element, np.int8)
    got = attend(rows[0], rows, rows, heads=1, logit_shift=0, out_shift=30)
    table = rows.tolist()
    assert got.tolist() == naive(table[0], table, table, 1, 0, 30)


@settings(deadline=None)
@given(
    queries=st.lists(st.lists(INT8, min_size=8, max_size=8), max_size=5),
    rows=st.lists(st.lists(INT8, min_size=16, max_size=16), max_size=12),
    logit_shift=st.integers(0, 31) | st.integers(4, 10),
    out_shift=st.integers(0, 47) | st.integers(26, 32),
)
def test_matrix_model_is_exact(
    queries: list[list[int]], rows: list[list[int]], logit_shift: int, out_shift: int
) -> None:
    both, q = np.array(rows, np.int8).reshape(-1, 16), np.array(queries, np.int8).reshape(-1, 8)
    keys, values = both[:, :8], both[:, 8:]
    got = attend_matrix(q, keys, values, logit_shift=logit_shift, out_shift=out_shift)
    assert got.shape == q.shape
    for query, answer in zip(q, got, strict=True):
        want = naive(query.tolist(), keys.tolist(), values.tolist(), 1, logit_shift, out_shift)
        alone = attend(query, keys, values, heads=1, logit_shift=logit_shift, out_shift=out_shift)
        assert answer.tolist() == want == alone.tolist()


@pytest.mark.parametrize("parameters", CONFIGURATIONS)
def test_rtl(parameters: dict[str, object]) -> None:
    Testbench("rf_attention", parameters).run(ATTENTION)


def test_rtl_with_a_slope() -> None:
    outcome = Testbench("rf_attention", LEAKY).outcome(ATTENTION, only=LEAKY_TESTS)
    assert outcome.passed and not outcome.failed


def test_every_branch_is_hit() -> None:
    """Rounding, ties, both ends, new maxima, stalls, empty requests."""
    hits = Testbench("rf_attention", CONFIGURATIONS[1]).hits(ATTENTION)
    assert_every_point_hit([hits], unreachable=UNREACHABLE)


@settings(deadline=None)
@given(st.lists(st.integers(-(2**15), 2**15 - 1), max_size=20), st.integers(0, 256))
def test_leaky_is_exact(x: list[int], slope: int) -> None:
    want = [v if v >= 0 else round(Fraction(v * slope, 256)) for v in x]
    assert leaky(np.array(x, np.int16), slope).tolist() == want


def test_a_wrong_slope_is_caught() -> None:
    fault = Fault("rf_leaky.sv", "data_i < 0 ? scaled", "data_i < -1 ? scaled")
    bench = Testbench("rf_attention", LEAKY, fault=fault)
    assert bench.outcome(ATTENTION, only=LEAKY_TESTS).failed


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.old)
def test_a_planted_fault_is_caught(fault: Fault) -> None:
    bench = Testbench("rf_attention", {"Dim": 16, "Heads": 4}, fault=fault)
    assert bench.outcome(ATTENTION).failed


@pytest.mark.parametrize(
    "parameters",
    [
        {"Dim": 32, "Heads": 1, "KeyBits": 4, "MaxRows": 1, "RequantLanes": 1},
        {"Dim": 64, "Heads": 4, "KeyBits": 8, "ValueBits": 4, "BeatBits": 64, "MaxRows": 1000},
        {"Dim": 256, "Heads": 2, "BeatBits": 128, "RequantLanes": 16},
    ],
)
def test_lint(parameters: dict[str, object]) -> None:
    assert lint(sources("rf_attention"), "rf_attention", parameters) == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [("Dim", 8), ("Dim", 48), ("Heads", 3), ("Heads", 8), ("KeyBits", 2), ("ValueBits", 16),
     ("BeatBits", 96), ("MaxRows", 0), ("MaxRows", 1025), ("RequantLanes", 128),
     ("Slope", 257)],
)  # fmt: skip
def test_a_bad_parameter_stops_elaboration(name: str, value: int) -> None:
    text = lint(sources("rf_attention"), "rf_attention", {name: value})
    assert f"rf_attention: {name} must be" in text
