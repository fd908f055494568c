# SPDX-License-Identifier: Apache-2.0
"""rf_gather: the integer model against big integers, the RTL against the integer model."""

from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recfabric.errors import DeviceError
from recfabric.kernels.gather.model import Op, gather
from recfabric.kernels.sources import sources
from recfabric.sim.bench import Bench
from recfabric.sim.coverage import assert_every_point_hit
from recfabric.sim.testbench import Fault, Testbench
from recfabric.sim.verilator import lint

GATHER = Path(__file__).parent / "cocotb_gather.py"
SMALL: dict[str, int] = {"Dim": 16, "BeatBits": 128, "RequantLanes": 4}
WEIGHTED = SMALL | {"WeightBits": 8, "WithMax": 1}
CONFIGURATIONS: list[dict[str, int]] = [
    {},
    {"Dim": 16, "RequantLanes": 16, "WeightBits": 8, "WithMax": 1, "MaxRows": 100},
    {"Dim": 32, "ElemBits": 4, "BeatBits": 64, "RequantLanes": 16, "WithMax": 1, "MaxRows": 60},
    {"Dim": 16, "ElemBits": 4, "BeatBits": 64, "WeightBits": 8, "WithMax": 1, "MaxRows": 60},
]
# What only the cocotb tests see: a lost cycle, a reset in mid-request.
FAULTS = [
    Fault("rf_gather.sv", "job_valid_q && !job_done", "job_valid_q"),
    Fault("rf_gather.sv", "job_valid_q  <= 1'b0;", ""),
]
FIRST = "(first_i || (WithMax && max_i))"
# What changes an answer, or lets none come.
WRONG = [
    (SMALL, Fault("rf_gather.sv", "!(busy && (empty || last))", "1'b1")),
    (SMALL, Fault("rf_gather_lanes.sv", f"({FIRST} ? '0 : sum)", "sum")),
    (SMALL, Fault("rf_rescale.sv", "empty_a_q ? '0 : ", "")),
    (WEIGHTED, Fault("rf_gather.sv", "!(busy && slot_q[Stages-1].finish)", "1'b1")),
    (WEIGHTED, Fault("rf_gather.sv", "{tail.add, tail.finish} = '0", "tail.finish = '0")),
    (WEIGHTED, Fault("rf_products.sv", "] = field - below", "] = field")),
    (WEIGHTED, Fault("rf_gather_lanes.sv", FIRST, "first_i")),
    (WEIGHTED, Fault("rf_gather_lanes.sv", "max_i && !first_i && sum", "max_i && sum")),
    (WEIGHTED, Fault("rf_gather_lanes.sv", "sum > value", "sum < value")),
]
INT8 = st.integers(-128, 127) | st.sampled_from([-128, 127])


@given(
    edges=st.lists(st.tuples(st.lists(INT8, min_size=3, max_size=3), INT8), max_size=40),
    norm=st.integers(0, 65535) | st.sampled_from([0, 1, 65535]),
    shift=st.integers(0, 47),
    weighted=st.booleans(),
    op=st.sampled_from(Op),
)
def test_model_is_exact(
    edges: list[tuple[list[int], int]], norm: int, shift: int, weighted: bool, op: Op
) -> None:
    reduce = max if op is Op.MAX else sum
    messages = [[x * (weight if weighted else 1) for x in row] for row, weight in edges] or [
        [0] * 3
    ]
    totals = [reduce(column) * norm for column in zip(*messages, strict=True)]
    want = [max(-128, min(127, round(Fraction(total, 1 << shift)))) for total in totals]
    rows = np.array([row for row, _ in edges], np.int8).reshape(-1, 3)
    weights = np.array([weight for _, weight in edges], np.int8) if weighted else None
    assert gather(rows, norm, shift, weights=weights, op=op).tolist() == want


def wrong_answers(parameters: dict[str, int], fault: Fault | None, requests: int = 300) -> int:
    """Integers of an 8-bit rf_gather of one-beat rows, with stalls, that are not the model's."""
    rng = np.random.default_rng(2)
    dim, weighted = parameters["Dim"], "WeightBits" in parameters
    counts = rng.choice([0, 1, 1, 2, 3, 17], requests)
    ops = rng.integers(0, 1 + weighted, requests)
    norms, shifts = rng.integers(1, 1 << 16, requests), rng.integers(14, 26, requests)
    rows = rng.integers(-128, 128, (counts.sum(), dim)).astype(np.int8)
    weights = rng.integers(-128, 128, counts.sum()).astype(np.int8)
    words = counts << 32 | ops << 24 | shifts << 16 | norms
    inputs = {
        "s_axis_cmd": words.astype("<u8").view(np.uint8).reshape(-1, 8)[:, :7],
        "s_axis_row": rows.view(np.uint8),
        "s_axis_row_tuser": weights.view(np.uint8) & (0xFF if weighted else 0),
    }
    with Bench("rf_gather", parameters, fault=fault) as bench:
        run = bench.run(inputs, {"m_axis_vec": requests}, max_cycles=20_000, stall=0.3)
    ends = np.cumsum(counts)
    wanted = [
        gather(
            rows[end - count : end],
            int(norm),
            int(shift),
            weights=weights[end - count : end] if weighted else None,
            op=Op(int(op)),
        )
        for end, count, norm, shift, op in zip(ends, counts, norms, shifts, ops, strict=True)
    ]
    return int((run.outputs["m_axis_vec"].view(np.int8) != np.array(wanted)).sum())


@pytest.mark.parametrize("parameters", CONFIGURATIONS)
def test_rtl(parameters: dict[str, int]) -> None:
    Testbench("rf_gather", parameters).run(GATHER)


def test_every_cover_point_is_hit() -> None:
    assert_every_point_hit(Testbench("rf_gather", p).hits(GATHER) for p in CONFIGURATIONS)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.old)
def test_a_planted_fault_is_caught(fault: Fault) -> None:
    assert Testbench("rf_gather", SMALL, fault=fault).outcome(GATHER).failed


@pytest.mark.parametrize("parameters", [SMALL, WEIGHTED], ids=["plain", "weighted"])
def test_random_nodes_in_volume(parameters: dict[str, int]) -> None:
    assert wrong_answers(parameters, None) == 0


@pytest.mark.parametrize(("parameters", "fault"), WRONG, ids=lambda v: getattr(v, "old", ""))
def test_a_planted_fault_changes_integers(parameters: dict[str, int], fault: Fault) -> None:
    with suppress(DeviceError):  # it stands still, or answers twice: caught as well
        assert wrong_answers(parameters, fault) > 0


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"Dim": 256},
        {"Dim": 16, "RequantLanes": 16, "MaxRows": 1},
        {"Dim": 32, "ElemBits": 4, "BeatBits": 256, "RequantLanes": 1, "MaxRows": 100},
        {"Dim": 256, "ElemBits": 8, "BeatBits": 64},
        {"Dim": 128, "MaxRows": 1 << 20, "RequantLanes": 64, "WeightBits": 8, "WithMax": 1},
        {"Dim": 64, "ElemBits": 4, "RequantLanes": 64, "WeightBits": 2},
        {"Dim": 128, "ElemBits": 4, "BeatBits": 64},
    ],
)
def test_lint(parameters: dict[str, object]) -> None:
    assert lint(sources("rf_gather"), "rf_gather", parameters) == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [("Dim", 8), ("Dim", 48), ("Dim", 512), ("ElemBits", 3), ("BeatBits", 96), ("BeatBits", 1024),
     ("MaxRows", 0), ("MaxRows", 1048577), ("WeightBits", 1), ("WeightBits", 9),
     ("RequantLanes", 3), ("RequantLanes", 128)],
)  # fmt: skip
def test_a_bad_parameter_stops_elaboration(name: str, value: int) -> None:
    assert f"rf_gather: {name} must be" in lint(sources("rf_gather"), "rf_gather", {name: value})
