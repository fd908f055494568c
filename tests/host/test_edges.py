# SPDX-License-Identifier: Apache-2.0
"""Edges through the soft device: the same integers as the contract's model, faults as specified."""

import json
from pathlib import Path

import numpy as np
import pytest

from recfabric.cli import main
from recfabric.contract import Contract
from recfabric.errors import DeviceError
from recfabric.host.device import Status
from recfabric.host.driver import Answer, HotPathDriver
from recfabric.host.soft import SoftDevice
from recfabric.host.verify import answer_all, compare
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.kernels.hotpath.model import HotPath
from recfabric.kernels.scatter.model import pack_edges
from recfabric.kernels.stimulus import random_contract, random_requests

ITEMS = 190


@pytest.fixture(scope="module")
def contract() -> Contract:
    return random_contract(items=ITEMS, dim=16, heads=1, edges=20, seed=3)


def driver(contract: Contract, **parameters: int) -> HotPathDriver:
    config = HotPathConfig.for_contract(contract, pe=4, simd=8, **parameters)
    return HotPathDriver(SoftDevice(config), contract)


@pytest.mark.parametrize(
    "parameters",
    [{}, {"beat_bits": 64, "scan_ports": 4}, {"edges": 128, "edge_items": 1 << 20}],
    ids=["one port", "narrow ports", "larger netlist"],
)
def test_the_memory_image_gives_the_contracts_answers(
    contract: Contract, parameters: dict[str, int]
) -> None:
    model, requests = HotPath.of(contract), random_requests(contract, 24, seen=ITEMS)
    config = HotPathConfig.for_contract(contract, pe=4, simd=4, **parameters)
    got = answer_all(SoftDevice(config), contract, requests, k=20)
    without = HotPath.of(random_contract(items=ITEMS, dim=16, heads=1, seed=3))
    changed = 0
    for i, history in enumerate(requests.history):
        norm = int(contract.tensors.norm[len(history)])
        rows, scores = model.answer(history, norm, requests.seen[i], 20)
        assert np.array_equal(got.rows[i], rows)
        assert np.array_equal(got.scores[i], scores)
        changed += not np.array_equal(without.answer(history, norm, requests.seen[i], 20)[0], rows)
    assert changed > 16  # without edges the lists are others


def test_a_netlist_with_edges_runs_a_contract_without() -> None:
    plain = random_contract(items=ITEMS, dim=16, heads=1, seed=3)
    requests = random_requests(plain, 8)
    left, right = (
        answer_all(
            SoftDevice(HotPathConfig.for_contract(plain, pe=4, simd=4, edges=edges)),
            plain,
            requests,
        )
        for edges in (0, 16)
    )
    assert compare(left, right).mismatches == 0


def test_an_edge_to_no_item_is_dropped(contract: Contract) -> None:
    """What a host must not write, the hardware leaves out: targets from n_items on."""
    clean, dirty = driver(contract), driver(contract)
    config = clean.device.config
    row = np.zeros(config.edges, np.uint32)
    row[3] = pack_edges(np.array(7), np.array(5, np.int8))
    clean.device.write(clean.buffers["edge"], row.view(np.uint8), 11 * config.edge_row_bytes)
    row[4:] = pack_edges(np.array([ITEMS + i * 9000 for i in range(28)]), np.full(28, 99, np.int8))
    dirty.device.write(dirty.buffers["edge"], row.view(np.uint8), 11 * config.edge_row_bytes)
    left, right = clean.request([11, 4], [], 20), dirty.request([11, 4], [], 20)
    assert np.array_equal(left.rows, right.rows)
    assert np.array_equal(left.scores, right.scores)


def test_an_edge_written_at_run_time_counts_at_the_next_request(contract: Contract) -> None:
    one = driver(contract)
    before = one.request([11], [], 1)
    place = (int(before.rows[0]) + 1) % ITEMS
    row = np.zeros(one.device.config.edges, np.uint32)
    row[31] = pack_edges(np.array(place), np.array(127, np.int8))
    one.device.write(one.buffers["edge"], row.view(np.uint8), 11 * one.device.config.edge_row_bytes)
    assert one.request([11], [], 1).rows.tolist() == [place]


def test_a_bad_row_sends_the_messages_of_row_0(contract: Contract) -> None:
    """As the kernel reads row 0 in its place; the answer is reported as faulty."""
    one = driver(contract)
    good = one.request([0, 5], [], 20)
    with pytest.raises(DeviceError, match="bad_row"):
        one.request([ITEMS, 5], [], 20)
    raw = one.device.read(one.buffers["result"], 160).view("<i4").reshape(20, 2)
    assert np.array_equal(raw[:, 0], good.rows)
    assert np.array_equal(raw[:, 1], good.scores)


@pytest.mark.parametrize(("name", "value"), [("n_items", 257), ("scatter_shift", 48)])
def test_arguments_beyond_the_array_are_bad(contract: Contract, name: str, value: int) -> None:
    """A netlist whose array has 256 entries."""
    one = driver(contract)
    assert isinstance(one.request([1], [], 10), Answer)
    one.device.start({name: value})
    assert one.device.wait(1).status == Status(bad_argument=True)


def test_verify_writes_what_was_compared(contract: Contract, tmp_path: Path) -> None:
    """A contract folder with edges and answers of its own model, through the command line."""
    model, requests = HotPath.of(contract), random_requests(contract, 16)
    answers = [
        model.answer(h, int(contract.tensors.norm[len(h)]), seen, 10)
        for h, seen in zip(requests.history, requests.seen, strict=True)
    ]
    ids, scores = (np.stack([a[part] for a in answers]) for part in (0, 1))
    contract.save(tmp_path)
    path = tmp_path / "verify.json"
    command = ["verify", str(tmp_path), "--backend", "soft", "--json", str(path)]
    for change, code in ((0, 0), (1, 1)):
        saved = scores.copy()
        saved[3, 2] += change
        type(requests)(
            requests.protocol, requests.history, requests.seen, requests.targets, ids, saved
        ).save(tmp_path)
        assert main(command) == code
        assert json.loads(path.read_text())["equivalence"][0]["mismatches"] == change
