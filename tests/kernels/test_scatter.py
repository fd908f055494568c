# SPDX-License-Identifier: Apache-2.0
"""rf_scatter: the RTL against the integer model."""

from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from recfabric.errors import DeviceError
from recfabric.kernels.scatter.model import pack_edges, scatter
from recfabric.kernels.sources import sources
from recfabric.sim.bench import Bench
from recfabric.sim.coverage import assert_every_point_hit
from recfabric.sim.formal import Proof, prove
from recfabric.sim.testbench import Fault, Testbench
from recfabric.sim.verilator import lint

SCATTER = Path(__file__).parent / "cocotb_scatter.py"
SMALL: dict[str, int] = {"Items": 64, "Edges": 4, "BeatBits": 64, "Banks": 4, "MaxRows": 30}
CONFIGURATIONS: list[dict[str, int]] = [
    SMALL,
    {"Items": 256, "Edges": 32, "Lanes": 4, "MaxRows": 100},
]
# What only the cocotb tests see: a lost cycle, what a reset must clear.
FAULTS = [
    Fault("rf_scatter_issue.sv", "open_i && (pending_q & ~granted) == '0", "open_i && idle_o"),
    Fault("rf_scatter.sv", "      sweep_q <= 1'b1;", "      sweep_q <= 1'b0;"),
]
# What changes an answer, or lets none come.
WRONG = [
    Fault("rf_scatter_array.sv", "same_q ? written_q : data_q", "data_q"),
    Fault("rf_scatter_array.sv", "!add_q ? '0 : same_q", "same_q"),
    Fault("rf_scatter_issue.sv", "wants[b][e] && !any[b]", "wants[b][e]"),
    Fault("rf_scatter_issue.sv", "(given[e].target) < items_i", "(given[e].target) <= items_i"),
    Fault("rf_scatter.sv", "left_q == '0 && added && given", "left_q == '0 && given"),
    Fault("rf_scatter_terms.sv", "if (advance && sum_valid_q) product_q", "product_q"),
]


def wrong_answers(fault: Fault | None, requests: int = 120, seed: int = 2) -> int:
    """Terms of a small rf_scatter, with stalls, that are not the model's."""
    rng = np.random.default_rng(seed)
    parameters = SMALL | {"Lanes": 2}
    counts = rng.choice([0, 1, 2, 3, 17, 30], requests)
    items = rng.integers(1, parameters["Items"] + 1, requests)
    norms, shifts = rng.integers(1, 1 << 16, requests), rng.integers(0, 20, requests)
    edges = [_edges(rng, int(n), int(m)) for n, m in zip(counts, items, strict=True)]
    words = [
        (int(m) << 40 | int(n) << 24 | int(shift) << 16 | int(norm)).to_bytes(9, "little")
        for m, n, shift, norm in zip(items, counts, shifts, norms, strict=True)
    ]
    beats = np.concatenate([pack_edges(*pair) for pair in edges])
    inputs = {
        "s_axis_cmd": np.frombuffer(b"".join(words), np.uint8).reshape(-1, 9),
        "s_axis_edge": beats.view(np.uint8).reshape(-1, 8),
    }
    groups = -(-items // 2)
    with Bench("rf_scatter", parameters, fault=fault) as bench:
        run = bench.run(inputs, {"m_axis_term": int(groups.sum())}, max_cycles=40_000, stall=0.3)
    terms = _terms(run.outputs["m_axis_term"], 2)
    starts = 2 * (np.cumsum(groups) - groups)
    wrong = 0
    for (targets, weights), start, m, norm, shift in zip(
        edges, starts, items, norms, shifts, strict=True
    ):
        want = scatter(targets, weights, int(norm), int(shift), items=int(m))
        wrong += int((terms[start : start + m] != want).sum())
    return wrong


def _edges(
    rng: np.random.Generator, rows: int, items: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int8]]:
    """Random edges: many to few items, so that entries and banks meet; some beyond the items."""
    targets = rng.integers(0, items + 2, (rows, SMALL["Edges"]), dtype=np.int32)
    targets[rng.random(targets.shape) < 0.3] = items - 1
    weights = rng.integers(-128, 128, targets.shape).astype(np.int8)
    weights[rng.random(weights.shape) < 0.2] = 0
    return targets, weights


def _terms(beats: npt.NDArray[np.uint8], lanes: int) -> npt.NDArray[np.int32]:
    """Beats of 24-bit terms as one array."""
    octets = beats.reshape(-1, lanes, 3)
    wide = np.zeros((*octets.shape[:2], 4), np.uint8)
    wide[:, :, 1:] = octets
    return (wide.view("<i4")[..., 0] >> 8).reshape(-1)


@pytest.mark.parametrize("parameters", CONFIGURATIONS)
def test_rtl(parameters: dict[str, int]) -> None:
    Testbench("rf_scatter", parameters).run(SCATTER)


def test_every_cover_point_is_hit() -> None:
    assert_every_point_hit(Testbench("rf_scatter", p).hits(SCATTER) for p in CONFIGURATIONS)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.old)
def test_a_planted_fault_is_caught(fault: Fault) -> None:
    assert Testbench("rf_scatter", SMALL, fault=fault).outcome(SCATTER).failed


def test_random_histories_in_volume() -> None:
    assert wrong_answers(None) == 0


@pytest.mark.parametrize("fault", WRONG, ids=lambda fault: fault.old)
def test_a_planted_fault_changes_integers(fault: Fault) -> None:
    with suppress(DeviceError):  # it stands still, or answers twice: caught as well
        assert wrong_answers(fault) > 0


# Every run of so many cycles; the kernel's parts are proven by induction.
WHOLE = Proof("rf_scatter_properties", base=14)


def test_no_short_run_gives_a_wrong_term() -> None:
    result = prove(WHOLE, only="terms_are_the_sums")
    assert (result.part, result.broken) == ("bounded", ())


def test_arrays_that_do_not_take_turns_break_the_property() -> None:
    fault = Fault("rf_scatter.sv", "if (swap) turn_q <= !turn_q;", "")
    result = prove(WHOLE, only="terms_are_the_sums", fault=fault)
    assert (result.part, result.broken) == ("base", ("terms_are_the_sums",))


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"Items": 1 << 20, "Lanes": 4},
        {"Items": 4, "Edges": 4, "BeatBits": 128, "Banks": 2, "MaxRows": 1},
        {"Edges": 128, "Lanes": 32, "Banks": 64},
        {"Edges": 2, "BeatBits": 64, "Lanes": 16},
    ],
)
def test_lint(parameters: dict[str, object]) -> None:
    assert lint(sources("rf_scatter"), "rf_scatter", parameters) == ""
