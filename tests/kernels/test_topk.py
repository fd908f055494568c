# SPDX-License-Identifier: Apache-2.0
"""rf_topk: the integer model against plain sorting, the RTL against the integer model."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recfabric.errors import RequestError
from recfabric.kernels.sources import sources
from recfabric.kernels.topk.model import NO_ID, NO_SCORE, port_rows, topk, topk_users
from recfabric.sim.coverage import assert_every_point_hit
from recfabric.sim.formal import Proof, prove
from recfabric.sim.testbench import Fault, Testbench
from recfabric.sim.verilator import lint

TOPK = Path(__file__).parent / "cocotb_topk.py"
CONFIGURATIONS: list[dict[str, int]] = [
    {},
    {"Dim": 128, "ElemBits": 4, "BeatBits": 64, "KMax": 5, "MaxSeen": 16},
    {"Dim": 256, "ElemBits": 8, "BeatBits": 512, "KMax": 128},
    {"Dim": 16, "ElemBits": 4, "BeatBits": 128, "KMax": 3, "MaxSeen": 4, "Ports": 2, "Users": 2},
    {"Dim": 32, "ElemBits": 8, "BeatBits": 64, "KMax": 10, "MaxSeen": 16, "Ports": 4, "Users": 4},
    {"Dim": 16, "ElemBits": 4, "BeatBits": 64, "KMax": 20, "MaxSeen": 64, "Ports": 16},
    {"Dim": 16, "ElemBits": 4, "BeatBits": 64, "KMax": 17, "MaxSeen": 16},
]
SMALL = CONFIGURATIONS[3]  # lanes, ports and users, cells
SORTED = CONFIGURATIONS[6]  # a lane's items fill many batches
UNREACHABLE = {
    "rf_fifo.full": "rf_seen offers an entry only to a store that is not full",
    # A level gives a run without a gap: what it still needs came before the run's first entry left.
    "rf_topk_keep.over_before_its_batch": "a sorted batch comes without a gap",
}
# What is planted where, and the test that must catch it.
FAULTS = [
    (
        "a tie goes to the row given last",
        SMALL,
        Fault(
            "rf_topk_array.sv",
            "if (!exists_q[i] || score_q > cell_score_q)",
            "if (!exists_q[i] || score_q >= cell_score_q)",
        ),
        "ordered_scores",
    ),
    (
        "a tie between lanes goes to the higher row",
        SMALL,
        Fault("rf_topk_pkg.sv", "a.row < b.row", "a.row > b.row"),
        "ordered_scores",
    ),
    (
        "the second row of a group replaces the first",
        SMALL,
        Fault("rf_seen.sv", "(same ? open_mask_q : '0)", "'0"),
        "seen_corners",
    ),
    (
        "the scan does not wait for the seen list",
        SMALL,
        Fault("rf_seen.sv", "head_valid ? !head_behind : empty_o", "!head_behind"),
        "late_stream",
    ),
    (
        "the scan waits for one port only",
        SMALL,
        Fault("rf_topk.sv", "(s_axis_item_tvalid | ~wanted) == '1", "s_axis_item_tvalid != '0"),
        "late_stream",
    ),
    (
        "ports without an item in the last group are waited for",
        SMALL,
        Fault("rf_topk.sv", "wanted[p] = present[p*PortLanes]", "wanted[p] = 1'b1"),
        "few_items",
    ),
    (
        "every user has the first one's k",
        SMALL,
        Fault("rf_topk.sv", "(cmd[u].k),", "(cmd[0].k),"),
        "random_requests",
    ),
    (
        "a user without a request holds the scan",
        SMALL,
        Fault("rf_topk.sv", "query_due_q[u] <= cmd[u].k != '0", "query_due_q[u] <= 1'b1"),
        "random_requests",
    ),
    (
        "a tie inside a batch goes to the row given last",
        SORTED,
        Fault("rf_topk_level.sv", "b.score > a.score", "b.score >= a.score"),
        "ordered_scores",
    ),
    (
        "a tie with the list goes to the batch",
        SORTED,
        Fault("rf_topk_keep.sv", "take_b = b.score > a.score", "take_b = b.score >= a.score"),
        "ordered_scores",
    ),
    (
        "the bar is too high",
        SORTED,
        Fault("rf_topk_keep.sv", "KLog2'(KMax - 1)) bar_o", "KLog2'(KMax - 2)) bar_o"),
        "late_last_place",
    ),
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


@given(st.data())
def test_several_users_share_a_scan(data: st.DataObject) -> None:
    users, n, dim = (data.draw(st.integers(1, limit)) for limit in (4, 12, 4))
    rng = np.random.default_rng(data.draw(st.integers(0, 1 << 32)))
    queries = rng.integers(-128, 128, (users, dim), dtype=np.int8)
    items, terms = rng.integers(-3, 3, (n, dim), dtype=np.int8), rng.integers(-3, 3, n)
    seen = [np.flatnonzero(rng.random(n) < 0.3) for _ in range(users)]
    k = data.draw(st.lists(st.integers(0, 14), min_size=users, max_size=users))
    got = topk_users(queries, items, terms, term_shift=1, seen=seen, k=k)
    for u in range(users):
        ranked = sorted(
            (-int(score), row)
            for row, score in enumerate(items.astype(int) @ queries[u] + 2 * terms)
            if row not in seen[u]
        )
        want = [(row, -score) for score, row in ranked][: k[u]]
        want += [(NO_ID, NO_SCORE)] * (k[u] - len(want))
        assert list(zip(*(part.tolist() for part in got[u]), strict=True)) == want


def test_users_without_all_they_need_are_refused() -> None:
    empty = np.zeros((2, 16), np.int8)
    with pytest.raises(RequestError, match="each user has one"):
        topk_users(empty, empty, np.zeros(2), term_shift=0, seen=[np.zeros(0)], k=[1, 1])


@given(st.integers(1, 70), st.sampled_from([1, 2, 4, 8, 16]), st.sampled_from([1, 2, 8]), st.data())
def test_ports_do_not_change_the_result(
    n: int, ports: int, lanes: int, data: st.DataObject
) -> None:
    rows = port_rows(n, ports=ports, lanes=lanes)
    assert sorted(np.concatenate(rows).tolist()) == list(range(n))
    groups = [-(-len(held) // lanes) for held in rows]
    assert max(groups) - min(groups) <= 1 and groups == sorted(groups, reverse=True)
    rng = np.random.default_rng(data.draw(st.integers(0, 1 << 32)))
    k = data.draw(st.integers(1, 12))
    items, query = rng.integers(-2, 3, (n, 4), dtype=np.int8), np.array([1, 2, 0, -1], np.int8)
    terms, seen = rng.integers(-2, 3, n), rng.random(n) < 0.3
    whole = topk(query, items, terms, term_shift=0, seen=np.flatnonzero(seen), k=k)
    merged = []
    for held in rows:
        unseen = np.flatnonzero(seen[held])
        ids, scores = topk(query, items[held], terms[held], term_shift=0, seen=unseen, k=k)
        merged += [(-int(s), int(held[i])) for i, s in zip(ids, scores, strict=True) if i != NO_ID]
    want = [(row, -score) for score, row in sorted(merged)][:k]
    want += [(NO_ID, NO_SCORE)] * (k - len(want))
    assert list(zip(*(part.tolist() for part in whole), strict=True)) == want


@pytest.mark.parametrize("parameters", CONFIGURATIONS)
def test_rtl(parameters: dict[str, int]) -> None:
    Testbench("rf_topk", parameters).run(TOPK)


def test_every_branch_is_hit() -> None:
    runs = [Testbench("rf_topk", parameters).hits(TOPK) for parameters in (SMALL, SORTED)]
    assert_every_point_hit(runs, unreachable=UNREACHABLE)


@pytest.mark.parametrize(
    ("what", "parameters", "fault", "test"), FAULTS, ids=[fault[0] for fault in FAULTS]
)
def test_a_planted_fault_is_caught(
    what: str, parameters: dict[str, int], fault: Fault, test: str
) -> None:
    bench = Testbench("rf_topk", parameters, fault=fault)
    outcome = bench.outcome(TOPK, only=test)
    assert outcome.failed, what
    assert all(test in name for name in outcome.failed)


# Every sequence of three batches and their drain; the cells themselves are proven by induction.
SAME = Proof("rf_topk_sort_properties", {"KMax": 2}, base=13)


def test_the_sort_gives_what_the_cells_give() -> None:
    result = prove(SAME, only="same_item")
    assert (result.part, result.broken) == ("bounded", ())


@pytest.mark.parametrize("fault", [f for *_, f, _ in FAULTS if ">= a.score" in f.new])
def test_a_fault_of_the_sort_breaks_the_property(fault: Fault) -> None:
    result = prove(SAME, only="same_item", fault=fault)
    assert (result.part, result.broken) == ("base", ("same_item",))


@pytest.mark.parametrize("dim", [16, 256])
@pytest.mark.parametrize("elem_bits", [4, 8])
@pytest.mark.parametrize("beat_bits", [64, 512])
def test_lint(dim: int, elem_bits: int, beat_bits: int) -> None:
    parameters = {"Dim": dim, "ElemBits": elem_bits, "BeatBits": beat_bits, "KMax": 1}
    assert lint(sources("rf_topk"), "rf_topk", parameters) == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [("Dim", 8), ("Dim", 48), ("Dim", 512), ("ElemBits", 5), ("BeatBits", 1024), ("KMax", 0),
     ("KMax", 129), ("MaxSeen", 100), ("MaxSeen", 1), ("Ports", 3), ("Ports", 32),
     ("Users", 3), ("Users", 8)],
)  # fmt: skip
def test_a_bad_parameter_stops_elaboration(name: str, value: int) -> None:
    assert f"{name} must be" in lint(sources("rf_topk"), "rf_topk", {name: value})
