# SPDX-License-Identifier: Apache-2.0
"""Messages along edges, in software: the integer model, the memory image, the netlist's sizes."""

from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recfabric.contract import Contract
from recfabric.errors import ConfigError
from recfabric.kernels.hotpath import wrapper
from recfabric.kernels.hotpath._registers import OFFSETS
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.kernels.hotpath.image import check_fit, edge_rows, memory_image
from recfabric.kernels.hotpath.model import HotPath
from recfabric.kernels.scatter.model import edge_sums, pack_edges, scatter, spread, unpack_edges
from recfabric.kernels.stimulus import random_contract, random_requests

Array = npt.NDArray[np.int64]


def slowly(targets: Array, weights: Array, norm: int, shift: int, items: int) -> list[int]:
    """The specification, an edge at a time, in exact fractions."""
    sums = [0] * items
    for target, weight in zip(targets.ravel().tolist(), weights.ravel().tolist(), strict=True):
        if target < items:
            sums[target] += weight
    rounded = [round(Fraction(x * norm, 1 << shift)) for x in sums]  # Python rounds half to even
    return [min(max(x, -(1 << 23)), (1 << 23) - 1) for x in rounded]


@given(
    st.integers(0, 40),
    st.integers(1, 9),
    st.integers(0, 0xFFFF),
    st.integers(0, 47),
    st.integers(0, 1 << 32),
)
def test_the_model_is_the_naive_loop(n: int, edges: int, norm: int, shift: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    items = int(rng.integers(1, 12))
    targets = rng.integers(0, items + 3, (n, edges))  # some lead beyond the catalogue
    weights = rng.integers(-128, 128, (n, edges))
    got = scatter(targets, weights.astype(np.int8), norm, shift, items=items)
    assert got.dtype == np.int32
    assert got.tolist() == slowly(targets, weights, norm, shift, items)


@given(st.sampled_from([-128, 127]), st.integers(1, 1024), st.integers(0, 0xFFFF))
def test_one_item_taking_all_edges_saturates_and_ties(weight: int, n: int, norm: int) -> None:
    targets, weights = np.zeros((n, 1), np.int64), np.full((n, 1), weight)
    for shift in (0, 1, 4):
        got = scatter(targets, weights.astype(np.int8), norm, shift, items=1)
        assert got.tolist() == slowly(targets, weights, norm, shift, 1)


def test_the_largest_sum_fits_18_bits() -> None:
    full = np.full((1024, 1), -128, np.int8)
    assert edge_sums(np.zeros((1024, 1), int), full, 2).tolist() == [-(1 << 17), 0]


def test_a_history_without_items_sends_no_message() -> None:
    nothing = np.zeros((0, 4), np.int8)
    assert scatter(nothing.astype(int), nothing, 0, 3, items=5).tolist() == [0] * 5


@pytest.mark.parametrize("bits", [4, 8])
def test_random_requests_reach_saturation_and_ties(bits: int) -> None:
    """Both ends of 24 bits, ties rounded up and down, and answers that show them."""
    contract = random_contract(items=190, edges=20, bits=bits, seed=3)
    model, shift, reached = HotPath.of(contract), contract.shifts.scatter, set()
    requests = random_requests(contract, 12, seen=190)
    for history, seen in zip(requests.history, requests.seen, strict=True):
        norm = int(contract.tensors.norm[len(history)])
        messages = model.messages(history, norm)
        assert messages is not None
        t = contract.tensors
        exact = edge_sums(t.edge_item[history], t.edge_weight[history], 190).astype(int) * norm
        tie = exact & ((1 << shift) - 1) == 1 << (shift - 1)
        reached |= {f"tie to {x & 1}" for x in exact[tie] >> shift}
        shown, _ = model.answer(history, norm, seen, 20)
        reached |= {int(m) for m in messages[shown[shown >= 0]] if m in (-(1 << 23), (1 << 23) - 1)}
    assert reached == {"tie to 0", "tie to 1", -(1 << 23), (1 << 23) - 1}


def test_without_edges_nothing_is_added() -> None:
    assert HotPath.of(random_contract(items=20, dim=16)).messages(np.array([1]), 9) is None


def test_edges_pack_and_unpack_to_the_last_bit() -> None:
    targets = np.array([[0, (1 << 24) - 1, 77, 5]])
    weights = np.array([[-128, 127, 0, -1]], np.int8)
    words = pack_edges(targets, weights)
    assert words.tolist() == [[0x8000_0000, 0x7FFF_FFFF, 0, 0xFF00_0005]]
    back = unpack_edges(words)
    assert back[0].tolist() == [[0, (1 << 24) - 1, 0, 5]]
    assert back[1].tolist() == weights.tolist()


@given(
    st.sampled_from([(64, 2), (64, 64), (256, 8), (512, 16), (512, 32), (512, 128)]),
    st.integers(0, 1 << 32),
)
def test_slots_of_one_bank_lie_apart(shape: tuple[int, int], seed: int) -> None:
    """Every slot once; in a beat and in a group of four no more of a bank than its share."""
    (beat_bits, slots), banks = shape, 16
    beats = slots * 32 // beat_bits
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, int(rng.integers(1, 60)), (7, slots))
    weights = rng.integers(-2, 3, (7, slots)).astype(np.int8)
    order = spread(targets, weights, banks=banks, beats=beats)
    assert (np.sort(order, axis=1) == np.arange(slots)).all()
    bank = np.take_along_axis(np.where(weights, targets % banks, -1), order, axis=1)
    for parts in (beats, max(slots // 4, beats)):
        for b in range(banks):
            each = (bank.reshape(7, parts, -1) == b).sum(axis=2)
            assert (each.max(axis=1) <= -(-each.sum(axis=1) // parts)).all()


def edged() -> Contract:
    return random_contract(items=300, dim=16, heads=1, edges=20, seed=2)


def test_an_image_holds_every_edge_in_whole_beats() -> None:
    contract = edged()
    config = HotPathConfig.for_contract(contract, pe=4, simd=8)
    assert (config.edges, config.edge_items, config.edge_row_bytes) == (32, 512, 128)
    region = memory_image(contract, config)["edge"]
    assert len(region) == 10 * 4096  # 300 rows of 128 bytes
    words = region[: 300 * 128].view("<u4").reshape(300, 32)
    assert not region[300 * 128 :].any()
    expected = np.zeros((300, 32), np.uint32)
    expected[:, :20] = pack_edges(contract.tensors.edge_item, contract.tensors.edge_weight)
    assert np.array_equal(np.sort(words, axis=1), np.sort(expected, axis=1))
    assert not np.array_equal(words, expected)


def test_rows_of_edges_do_not_depend_on_how_many_are_ordered_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    contract = edged()
    config = HotPathConfig.for_contract(contract, pe=4, simd=8)
    tensors = contract.tensors
    whole = edge_rows(tensors.edge_item, tensors.edge_weight, config)
    monkeypatch.setattr("recfabric.kernels.hotpath.image._SOME_ROWS", 7)
    assert np.array_equal(edge_rows(tensors.edge_item, tensors.edge_weight, config), whole)


def test_a_netlist_without_edges_has_no_region_for_them() -> None:
    contract = random_contract(items=30, dim=16, heads=1)
    assert "edge" not in memory_image(contract, HotPathConfig(dim=16, heads=1, pe=4))


@pytest.mark.parametrize(
    ("contract", "parameters", "edges", "edge_items"),
    [
        ({"items": 30, "edges": 1}, {}, 16, 32),
        ({"items": 30, "edges": 1}, {"beat_bits": 64}, 2, 32),
        ({"items": 4097, "edges": 128}, {}, 128, 8192),
        # 4 lanes of a port times 8 ports are more than 16 banks
        ({"items": 30, "edges": 17}, {"scan_ports": 8}, 32, 64),
        ({"items": 30, "edges": 17}, {"edges": 64, "edge_items": 4096}, 64, 4096),
        ({"items": 30, "edges": 0}, {"edges": 16}, 16, 32),
        ({"items": 30, "edges": 0}, {}, 0, 0),
    ],
)
def test_a_netlist_for_a_contract_has_room_for_its_edges(
    contract: dict[str, int], parameters: dict[str, int], edges: int, edge_items: int
) -> None:
    made = random_contract(dim=16, heads=1, **contract)
    config = HotPathConfig.for_contract(made, pe=4, simd=8, **parameters)
    assert (config.edges, config.edge_items) == (edges, edge_items)
    check_fit(made, config)


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"edges": 16}, "edges of 16 and edge_items of 0 must both be 0"),
        ({"edge_items": 64}, "edges of 0 and edge_items of 64 must both be 0"),
        ({"edges": 8, "edge_items": 64}, "edges of 8 is no power of two of at least 16"),
        ({"edges": 48, "edge_items": 64}, "edges of 48 is no power of two"),
        ({"edges": 256, "edge_items": 64}, "edges of 256 is outside 0..128"),
        ({"edges": 16, "edge_items": 16}, "edge_items of 16 is no power of two of at least 32"),
        ({"edges": 16, "edge_items": 1 << 21}, "edge_items of 2097152 is outside"),
    ],
)
def test_bad_sizes_of_edges_are_named(parameters: dict[str, int], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        HotPathConfig(**parameters)


def test_a_netlist_too_small_for_the_edges_is_refused() -> None:
    contract = edged()
    for edges, edge_items, says in (
        (0, 0, "has 20 edges an item but the hardware's rows hold 0"),
        (16, 512, "has 20 edges an item but the hardware's rows hold 16"),
        (32, 256, "has 300 items but the hardware adds edges into 256"),
    ):
        config = HotPathConfig(dim=16, heads=1, pe=4, edges=edges, edge_items=edge_items)
        with pytest.raises(ConfigError, match=says):
            check_fit(contract, config)


def test_edges_among_too_many_items_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recfabric.kernels.hotpath.config.MAX_EDGE_ITEMS", 256)
    with pytest.raises(ConfigError, match=r"edges among 300 items but .* holds 256"):
        HotPathConfig.for_contract(edged())


def test_the_edges_address_is_the_first_ports() -> None:
    for ports in (1, 4):
        config = HotPathConfig(dim=16, pe=4, edges=16, edge_items=64, scan_ports=ports)
        assert wrapper.arguments(config)["edge"] == 0
    assert "edge" not in wrapper.arguments(HotPathConfig())
    assert {"edge_lo", "edge_hi", "scatter_shift"} < OFFSETS.keys()


def test_edges_count_in_the_bounds() -> None:
    contract = edged()
    plain, config = HotPathConfig(), HotPathConfig(edges=32, edge_items=512)
    assert config.bound_beats(contract.shape, 50) - plain.bound_beats(contract.shape, 50) == 100
    assert config.front_beats(50, 9) - plain.front_beats(50, 9) == 100
