# SPDX-License-Identifier: Apache-2.0
"""The contract: exact round trip, a hash that means it, and bad folders named in one sentence."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recfabric.contract import (
    Contract,
    FixedPoint,
    Shape,
    Shifts,
    exp2_table,
    json_schema,
)
from recfabric.errors import ContractError
from recfabric.kernels.fixed import requantise, round_shift
from recfabric.kernels.stimulus import random_contract, random_requests
from recfabric.requests import Ragged, Requests


def edit(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "contract.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    random_contract(items=50, dim=16, heads=1).save(tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize(("bits", "edges"), [(4, 0), (8, 0), (8, 128)])
def test_a_contract_comes_back_as_it_was(tmp_path: Path, bits: int, edges: int) -> None:
    contract = random_contract(items=70, dim=32, heads=4, bits=bits, seed=3, edges=edges)
    contract.save(tmp_path / "model")
    again = Contract.load(tmp_path / "model")
    assert again.sha256 == contract.sha256
    assert (again.shape, again.formats, again.tokens) == (
        contract.shape,
        contract.formats,
        contract.tokens,
    )
    for name in vars(contract.tensors):
        left, right = getattr(contract.tensors, name), getattr(again.tensors, name)
        assert left.dtype == right.dtype
        assert np.array_equal(left, right)


@pytest.mark.parametrize("edges", [0, 3])
def test_the_document_fits_the_published_schema(tmp_path: Path, edges: int) -> None:
    folder = tmp_path / "model"
    random_contract(items=50, dim=16, heads=1, edges=edges).save(folder)
    jsonschema.Draft202012Validator.check_schema(json_schema())
    jsonschema.validate(json.loads((folder / "contract.json").read_text()), json_schema())


def test_every_integer_and_every_format_is_in_the_hash() -> None:
    contract = random_contract(items=20, dim=16, heads=1, edges=4, seed=5)
    names = {contract.sha256}
    for name in vars(contract.tensors):
        array = getattr(contract.tensors, name).copy()
        array.flat[3] = array.flat[3] ^ 1
        names.add(replace(contract, tensors=replace(contract.tensors, **{name: array})).sha256)
    names.add(replace(contract, tokens=(*contract.tokens[:-1], "other")).sha256)
    item = replace(contract.formats.item, frac=6)
    names.add(replace(contract, formats=replace(contract.formats, item=item)).sha256)
    assert len(names) == 1 + len(vars(contract.tensors)) + 2


def test_provenance_does_not_rename_a_contract() -> None:
    contract = random_contract(items=20, dim=16, heads=1)
    assert replace(contract, provenance={"seed": 9}).sha256 == contract.sha256


def test_tensors_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="read-only"):
        random_contract(items=20, dim=16).tensors.item[0, 0] = 1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda d: d.update(version=1), "schema version 1"),
        (lambda d: d.update(sha256="0" * 64), "hashes to"),
        (lambda d: d["formats"]["item"].update(frac=5), "hashes to"),
        (lambda d: d["shifts"].update(gather=3), "shifts in .* are not those of its formats"),
        (lambda d: d.pop("tokens"), "'tokens' is a required property"),
        (lambda d: d["shape"].update(dim=48), "at shape/dim"),
        (lambda d: d["shape"].update(items=51), "expected int8"),
        (lambda d: d["shape"].update(edges=129), "at shape/edges"),
        (lambda d: d["shape"].update(edges=2), r"'edge_item' is int32\(50, 0\), expected int32"),
        (lambda d: d["formats"].pop("edge"), "'edge' is a required property"),
        (lambda d: d["tokens"].__setitem__(0, d["tokens"][1]), "distinct item tokens"),
    ],
)
def test_a_changed_document_is_refused(
    folder: Path, change: Callable[[dict[str, Any]], None], says: str
) -> None:
    edit(folder, change)
    with pytest.raises(ContractError, match=says):
        Contract.load(folder)


def test_a_changed_tensor_is_refused(folder: Path) -> None:
    with np.load(folder / "tensors.npz") as archive:
        arrays = dict(archive)
    arrays["item"][3, 3] ^= 1
    np.savez(folder / "tensors.npz", **arrays)
    with pytest.raises(ContractError, match="hashes to"):
        Contract.load(folder)


@pytest.mark.parametrize("name", ["contract.json", "tensors.npz"])
def test_missing_and_damaged_files_are_named(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"\x00damaged")
    with pytest.raises(ContractError, match=name):
        Contract.load(folder)
    (folder / name).unlink()
    with pytest.raises(ContractError, match=name):
        Contract.load(folder)


def test_a_format_outside_the_hardware_is_refused() -> None:
    contract = random_contract(items=20, dim=16)
    far = replace(contract.formats, fused=FixedPoint(True, 8, 40))
    with pytest.raises(ContractError, match="fuse shift of -26"):
        Shifts.of(far)
    with pytest.raises(ContractError, match=r"outside 1\.\.64"):
        FixedPoint(True, 65, 0)


def test_a_sum_beyond_32_bits_is_refused() -> None:
    contract = random_contract(items=20, dim=16)
    bias = np.full(16, 2**31 - 1, np.int32)
    with pytest.raises(ContractError, match="beyond 32 bits"):
        replace(contract, tensors=replace(contract.tensors, fuse_bias=bias))


@pytest.mark.parametrize(
    "shape",
    [
        *((0, 64, 2, 1024), ((1 << 24) + 1, 64, 2, 1), (9, 48, 1, 1), (9, 64, 3, 1)),
        *((9, 64, 1, 1025), (9, 64, 1, 8, -1), (9, 64, 1, 8, 129)),
    ],
)
def test_a_shape_outside_its_limits_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ContractError, match="outside its limit"):
        Shape(*shape)


def with_edges(items: list[int], weights: list[int]) -> Contract:
    """20 items of which the fourth has these edges."""
    contract = random_contract(items=20, dim=16, edges=len(items))
    edge_item, edge_weight = np.zeros((20, len(items)), np.int32), np.zeros((20, len(items)), int)
    edge_item[3], edge_weight[3] = items, weights
    tensors = replace(
        contract.tensors, edge_item=edge_item, edge_weight=edge_weight.astype(np.int8)
    )
    return replace(contract, tensors=tensors)


@pytest.mark.parametrize(
    ("items", "weights", "says"),
    [
        ([1, 20, 2], [1, 1, 1], r"lead to items 0\.\.20, outside the catalogue's 0\.\.19"),
        ([1, -1, 2], [1, 1, 1], r"lead to items -1\.\.2, outside"),
        ([5, 2, 5], [1, 1, -1], "item 3 has two edges to one item"),
    ],
)
def test_edges_to_no_item_or_twice_to_one_are_refused(
    items: list[int], weights: list[int], says: str
) -> None:
    with pytest.raises(ContractError, match=says):
        with_edges(items, weights)


def test_slots_without_an_edge_may_hold_anything() -> None:
    with_edges([5, 5, 99, 0, 0], [1, 0, 0, 0, 0])


def test_an_edge_format_outside_the_hardware_is_refused() -> None:
    contract = with_edges([5, 2, 7], [64, 1, 127])
    score = contract.formats.score.frac
    for edge, says in (
        (FixedPoint(True, 9, 0), "format 'edge' is .*2 to 8 bits"),
        (FixedPoint(False, 8, 0), "format 'edge' is .*2 to 8 bits"),
        (FixedPoint(True, 7, 0), r"'edge_weight' holds 0\.\.127, outside its format's -64"),
        (FixedPoint(True, 8, score - 16), r"scatter shift of -1 .* outside 0\.\.47"),
        (FixedPoint(True, 8, score + 33), r"scatter shift of 48 .* outside 0\.\.47"),
    ):
        with pytest.raises(ContractError, match=says):
            replace(contract, formats=replace(contract.formats, edge=edge))


def test_the_softmax_table_has_no_tie() -> None:
    exact = [255 * 2.0 ** (-i / 32) for i in range(32)]
    assert exp2_table().tolist() == [round(x) for x in exact]
    assert min(abs(x - math.floor(x) - 0.5) for x in exact) > 1e-3


@given(st.integers(-(2**61), 2**61), st.integers(0, 62))
def test_rounding_is_half_to_even(value: int, shift: int) -> None:
    assert int(round_shift(value, shift)) == round(Fraction(value, 1 << shift))


@given(st.integers(-(2**40), 2**40), st.integers(0, 40), st.integers(2, 16))
def test_requantising_saturates(value: int, shift: int, width: int) -> None:
    limit = 1 << (width - 1)
    expected = min(max(round(Fraction(value, 1 << shift)), -limit), limit - 1)
    assert int(requantise(value, shift, width)) == expected


def test_requests_come_back_as_they_were(tmp_path: Path) -> None:
    requests = random_requests(random_contract(items=40, dim=16), 12)
    requests.save(tmp_path)
    again = Requests.load(tmp_path)
    assert again is not None
    assert again.protocol == requests.protocol
    for left, right in zip(again.history, requests.history, strict=True):
        assert np.array_equal(left, right)
    (tmp_path / "requests.npz").write_bytes(b"no")
    with pytest.raises(ContractError, match=r"requests\.npz"):
        Requests.load(tmp_path)
    (tmp_path / "requests.npz").unlink()
    assert Requests.load(tmp_path) is None


def test_ragged_lists_keep_empty_ones() -> None:
    lists = Ragged.of([[], [1, 2], [], [3]])
    assert [one.tolist() for one in lists] == [[], [1, 2], [], [3]]
