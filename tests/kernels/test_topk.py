# SPDX-License-Identifier: Apache-2.0
"""rf_topk: the integer model against plain sorting, the RTL against the integer model."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recfabric.errors import RequestError
from recfabric.kernels.sources import sources
from recfabric.kernels.topk.model import NO_ID, NO_SCORE, topk
from recfabric.sim.testbench import Fault, Testbench
from recfabric.sim.verilator import lint

TOPK = Path(__file__).parent / "cocotb_topk.py"
CONFIGURATIONS: list[dict[str, object]] = [
    {},
    {"Dim": 128, "ElemBits": 4, "BeatBits": 64, "KMax": 5, "MaxSeen": 16},
    {"Dim": 16, "ElemBits": 8, "BeatBits": 512, "KMax": 10, "MaxSeen": 64},
    {"Dim": 256, "ElemBits": 8, "BeatBits": 512, "KMax": 128},
]
SMALL = CONFIGURATIONS[2]
FAULTS = [
    # a tie goes to the row given last
    Fault(
        "rf_topk_array.sv",
        "if (!exists_q[i] || score_q > cell_score_q)",
        "if (!exists_q[i] || score_q >= cell_score_q)",
    ),
    # ties between lanes
    Fault("rf_topk_pkg.sv", "a.row < b.row", "a.row > b.row"),
    # the second row of a group replaces the first
    Fault("rf_seen.sv", "(same ? open_mask_q : '0)", "'0"),
    # the scan does not wait for the seen list
    Fault("rf_seen.sv", "head_valid ? !head_behind : empty_o", "!head_behind"),
]


@given(st.data())
def test_model_is_exact(data: st.DataObject) -> None:
    n, dim, k = (data.draw(st.integers(1, limit)) for limit in (12, 4, 14))
    byte = st.integers(-128, 127) | st.sampled_from([-128, 127, 0, 1])
    query = data.draw(st.lists(byte, min_size=dim, max_size=dim))
    items = [data.draw(st.lists(byte, min_size=dim, max_size=dim)) for _ in range(n)]
    if data.draw(st.booleans()):  # ties
        items = [items[i // 3] for i in range(n)]
    terms = data.draw(st.lists(st.integers(-2, 2) | st.integers(-32768, 32767), min_size=n))[:n]
    shift = data.draw(st.integers(0, 15))
    seen = sorted(data.draw(st.sets(st.integers(0, n + 2))))
    scored = [
        (-sum(map(int.__mul__, query, item)) - (term << shift), row)
        for row, (item, term) in enumerate(zip(items, terms, strict=True))
        if row not in seen
    ]
    want = [(row, -score) for score, row in sorted(scored)][:k]
    want += [(NO_ID, NO_SCORE)] * (k - len(want))
    for table in (np.array(items, np.int8), np.array(items, np.float32)):
        ids, scores = topk(
            np.array(query, np.int8),
            table,
            np.array(terms, np.int16),
            term_shift=shift,
            seen=np.array(seen, np.int64),
            k=k,
        )
        assert ids.dtype == scores.dtype == np.int32
        assert list(zip(ids.tolist(), scores.tolist(), strict=True)) == want


@pytest.mark.parametrize(("k", "shift"), [(0, 0), (1, 16), (1, -1)])
def test_model_refuses(k: int, shift: int) -> None:
    empty = np.zeros((1, 16), np.int8)
    with pytest.raises(RequestError, match="outside"):
        topk(empty[0], empty, np.zeros(1), term_shift=shift, seen=np.zeros(0), k=k)


@pytest.mark.parametrize("parameters", CONFIGURATIONS)
def test_rtl(parameters: dict[str, object]) -> None:
    Testbench("rf_topk", parameters).run(TOPK)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.new)
def test_a_planted_fault_is_caught(fault: Fault) -> None:
    assert Testbench("rf_topk", SMALL, fault=fault).outcome(TOPK).failed


@pytest.mark.parametrize("dim", [16, 256])
@pytest.mark.parametrize("elem_bits", [4, 8])
@pytest.mark.parametrize("beat_bits", [64, 512])
def test_lint(dim: int, elem_bits: int, beat_bits: int) -> None:
    parameters = {"Dim": dim, "ElemBits": elem_bits, "BeatBits": beat_bits, "KMax": 1}
    assert lint(sources("rf_topk"), "rf_topk", parameters) == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [("Dim", 8), ("Dim", 48), ("Dim", 512), ("ElemBits", 5), ("BeatBits", 1024), ("KMax", 0),
     ("KMax", 129), ("MaxSeen", 100), ("MaxSeen", 1)],
)  # fmt: skip
def test_a_bad_parameter_stops_elaboration(name: str, value: int) -> None:
    assert f"{name} must be" in lint(sources("rf_topk"), "rf_topk", {name: value})
