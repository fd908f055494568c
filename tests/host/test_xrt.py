# SPDX-License-Identifier: Apache-2.0
"""The ``xrt`` device against a stand-in for pyxrt: exact, strict in its calls, safe in faults."""

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from recfabric.bitstreams import boards
from recfabric.bitstreams.hwh import write_simulated
from recfabric.contract import Contract
from recfabric.errors import BitstreamError, DeviceError, DeviceTimeoutError, ToolMissingError
from recfabric.host import simulated_pyxrt
from recfabric.host.device import Status
from recfabric.host.driver import Answer, Failed, HotPathDriver, Query
from recfabric.host.soft import SoftDevice
from recfabric.host.verify import answer_all, compare
from recfabric.host.xrt_device import XrtDevice
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.kernels.stimulus import random_contract, random_requests
from recfabric.sim.verilated import MemoryModel
from tests.host.runtime_cases import item_rows

ITEMS = 400


@pytest.fixture(scope="module")
def contract() -> Contract:
    return random_contract(items=ITEMS, dim=16, heads=1, seed=11)


@pytest.fixture(scope="module")
def config(contract: Contract) -> HotPathConfig:
    """The netlist of test_pynq.py: one build for both."""
    return boards.board("u250").hotpath(contract, beat_bits=64, pe=4, simd=4)


@pytest.fixture(scope="module")
def folder(
    contract: Contract, config: HotPathConfig, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    base = tmp_path_factory.mktemp("xrt")
    write_simulated(contract, boards.board("u250"), config, base)
    return base


@pytest.fixture
def pyxrt(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The stand-in where ``import pyxrt`` finds it."""
    monkeypatch.setattr(simulated_pyxrt.device, "memory_bytes", 1 << 23)
    monkeypatch.delitem(__import__("sys").modules, "pyxrt", raising=False)
    monkeypatch.setitem(__import__("sys").modules, "pyxrt", simulated_pyxrt)
    return simulated_pyxrt


@pytest.fixture
def device(folder: Path, contract: Contract, pyxrt: ModuleType) -> Iterator[XrtDevice]:
    opened = XrtDevice(folder, contract)
    yield opened
    opened.close()


def soft(contract: Contract, config: HotPathConfig) -> HotPathDriver:
    return HotPathDriver(SoftDevice(config), contract)


@pytest.mark.parametrize("batch", [1, 64])
def test_every_answer_of_100_users_is_equal(
    contract: Contract, config: HotPathConfig, device: XrtDevice, batch: int
) -> None:
    requests = random_requests(contract, 100)
    left = answer_all(SoftDevice(config), contract, requests)
    right = answer_all(device, contract, requests, batch=batch)
    row = compare(left, right)
    assert (row.values, row.mismatches) == (2000, 0)
    assert len(right.cycles) == 100
    assert all(c.total > 0 for c in right.cycles)


def test_a_text_counts_as_one_more_item(
    contract: Contract, config: HotPathConfig, device: XrtDevice
) -> None:
    """Its rows are those of item 7, which the reference has in the history instead."""
    rows = item_rows(contract, 7)
    asked = [Query([1] * i, [], 5, rows if i % 2 else None, 3) for i in range(6)]
    named = [Query([1] * i + [7] * 3 * (i % 2), [], 5) for i in range(6)]
    given = HotPathDriver(device, contract).request_many(asked)
    for got, right in zip(given, soft(contract, config).request_many(named), strict=True):
        assert isinstance(got, Answer)
        assert isinstance(right, Answer)
        assert got.rows.tolist() == right.rows.tolist()
        assert got.scores.tolist() == right.scores.tolist()


def test_shares_of_the_items_move_to_their_ports_banks(
    contract: Contract, device: XrtDevice
) -> None:
    driver = HotPathDriver(device, contract)
    groups = {name: device._places[b.address].group for name, b in driver.buffers.items()}
    assert {name: group for name, group in groups.items() if group} == {"item": 1, "item1": 2}


def test_a_share_left_in_the_wrong_banks_is_refused_by_xrt(
    contract: Contract, device: XrtDevice
) -> None:
    device._groups["item1"] = 0
    with pytest.raises(RuntimeError, match="bad memory bank for argument item1"):
        HotPathDriver(device, contract)


def test_faults_of_a_request_are_named(
    contract: Contract, config: HotPathConfig, device: XrtDevice
) -> None:
    driver = HotPathDriver(device, contract)
    for query, status in (
        (Query([1], [5, 3], 10), Status(bad_seen=True)),
        (Query([ITEMS], [], 10), Status(bad_row=True)),
        (Query([1], [], -1), Status(bad_argument=True)),  # 0xFFFFFFFF to the kernel
    ):
        with pytest.raises(DeviceError, match=status.faults()):
            driver.request(query.history, query.seen, query.k)
        good, failed = driver.request_many([Query([1, 2], [], 4), query])
        assert failed == Failed(status)
        assert isinstance(good, Answer)
        right = soft(contract, config).request([1, 2], [], 4)
        assert np.array_equal(good.rows, right.rows)


def test_a_bus_error_is_never_an_answer(contract: Contract, device: XrtDevice) -> None:
    driver = HotPathDriver(device, contract)
    simulated = device._card._kernel
    item = driver.buffers["item1"]
    place = device._places[item.address].bo.address()
    simulated.inject_slverr(place + 64, place + 128)
    with pytest.raises(DeviceError, match="bus_error"):
        driver.request([1, 2], [], 4)
    record = device._single[1].address
    simulated.inject_slverr(record, record + 64)
    with pytest.raises(DeviceError, match="bus_error"):  # its record cannot be written
        driver.request([1, 2], [], 4)
    simulated.inject_slverr(0, 0)
    driver.request([1, 2], [], 4)


def test_a_card_that_hangs_takes_nothing_more(
    folder: Path, contract: Contract, pyxrt: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pyxrt.device, "memory", MemoryModel(outstanding=0))
    monkeypatch.setattr(pyxrt, "CYCLES_A_MS", 100)
    device = XrtDevice(folder, contract)
    with pytest.raises(DeviceTimeoutError, match=r"within 0\.2 s .*xrt-smi reset"):
        HotPathDriver(device, contract, timeout_s=0.2)
    with pytest.raises(DeviceError, match="did not finish an earlier run"):
        device.start({"mode": 0})
    with pytest.raises(DeviceError, match="pyxrt can reset no card"):
        device.reset()


def test_too_little_memory_is_one_sentence(
    folder: Path, contract: Contract, pyxrt: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pyxrt.device, "memory_bytes", 1 << 15)
    with pytest.raises(DeviceError, match="bytes left in memory group 0"):
        HotPathDriver(XrtDevice(folder, contract), contract)


def test_a_build_for_another_contract_is_refused(folder: Path, pyxrt: ModuleType) -> None:
    with pytest.raises(BitstreamError, match="dimension is 16 but the contract's is 32"):
        XrtDevice(folder, random_contract(items=40, dim=32, heads=1))


def test_without_xrt_one_sentence_says_what_to_install(
    folder: Path, contract: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyxrt", None)
    with pytest.raises(ToolMissingError, match="install XRT"):
        XrtDevice(folder, contract)


def test_the_stand_in_is_as_strict_as_pybind(device: XrtDevice, pyxrt: ModuleType) -> None:
    """Each wrong call is refused; a device that made one would fail every test above."""
    card, kernel = device._card, device._kernel
    run, buffer = pyxrt.run(kernel), device._places[device._single[0].address].bo
    scalar = device._arguments["n_items"].index
    for call in (
        lambda: pyxrt.bo(card, 64, 0, 0),  # flags are an enum
        lambda: pyxrt.bo(card, 64.0, pyxrt.bo.normal, 0),
        lambda: run.set_arg(scalar, buffer),
        lambda: run.set_arg(0, 4096),  # an address is a buffer
        lambda: run.set_arg(scalar, np.int64(1)),
        lambda: run.set_arg(scalar, 1 << 31),
        lambda: buffer.sync("to", 64, 0),
        lambda: buffer.write(np.zeros(4, np.uint8)),  # no place to write to
        lambda: run.wait(0.5),
        lambda: card.load_xclbin(Path("x.xclbin")),
    ):
        with pytest.raises(TypeError):
            call()
    for call in (
        lambda: kernel.group_id(scalar),
        lambda: buffer.read(64, buffer.size()),
        lambda: pyxrt.kernel(card, pyxrt.uuid("x"), "rf_other"),
    ):
        with pytest.raises(RuntimeError):
            call()
