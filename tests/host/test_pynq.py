# SPDX-License-Identifier: Apache-2.0
"""The ``pynq`` device in pynq's own environment on simulated hardware: exact, safe in faults."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recfabric.bitstreams import boards
from recfabric.bitstreams.hwh import write_simulated
from recfabric.contract import Contract
from recfabric.environments import PYNQ
from recfabric.errors import BitstreamError, DeviceError, ToolMissingError
from recfabric.host.driver import HotPathDriver
from recfabric.host.pynq_device import PynqDevice
from recfabric.host.pynq_process import answer_simulated
from recfabric.host.rtl import RtlDevice
from recfabric.host.soft import SoftDevice
from recfabric.host.verify import answer_all, compare
from recfabric.kernels.hotpath._registers import OFFSETS
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.kernels.stimulus import random_contract, random_requests
from recfabric.quant.datasets import Dataset
from recfabric.quant.lists import latest, take
from recfabric.quant.splits import split
from recfabric.requests import Requests
from recfabric.sim import verilated
from recfabric.sim.verilated import MemoryModel

USERS = 100
TIMEOUT_S = 300


@pytest.fixture(scope="module")
def contract() -> Contract:
    return random_contract(items=400, dim=16, heads=1, seed=11)


@pytest.fixture(scope="module")
def config(contract: Contract) -> HotPathConfig:
    return boards.board("pynq-z2").hotpath(contract, pe=4, simd=4)


@pytest.fixture(scope="module")
def folder(
    contract: Contract, config: HotPathConfig, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    base = tmp_path_factory.mktemp("pynq")
    write_simulated(contract, boards.board("pynq-z2"), config, base / "build")
    contract.save(base / "model")
    return base


@pytest.mark.parametrize("name", ["pynq-z2", "kv260"])
def test_every_answer_of_100_users_is_equal(
    contract: Contract, config: HotPathConfig, tmp_path: Path, pynq_python: str, name: str
) -> None:
    """Load the overlay, allocate, write the tables, recommend: ids and scores alike."""
    write_simulated(contract, boards.board(name), config, tmp_path / "build")
    requests = random_requests(contract, USERS)
    memory = MemoryModel(latency=20, stall=0.2, seed=2)
    run = answer_simulated(tmp_path, contract, requests, memory=memory, memory_bytes=1 << 22)
    row = compare(answer_all(SoftDevice(config), contract, requests), run.answers)
    assert (row.requests, row.values, row.mismatches) == (USERS, USERS * 20, 0)
    assert run.about["pynq"] == "4.0.0"
    assert run.about["numpy"].startswith("1.")
    assert run.about["downloads"] == 1
    assert run.about["cycles"] > 0
    # pynq 4.0 knows the clocks of ZynqMP alone; on Zynq-7000 the 3.x releases set them.
    assert run.about["clock_mhz"] == {"pynq-z2": None, "kv260": 200.0}[name]


def of_test_users(data: Dataset, contract: Contract) -> Requests:
    """Of a data set's first test users, as training leaves them behind."""
    parts = split(data)
    users = np.flatnonzero(np.diff(parts.test.indptr))[:USERS]
    nothing = np.zeros((USERS, 0), np.int32)
    return Requests(
        parts.protocol,
        take(latest(parts.train, contract.shape.max_history), users),
        take(parts.seen, users),
        take(parts.test, users),
        nothing,
        nothing,
    )


def test_every_answer_of_100_test_users_of_ml100k_is_equal_and_a_wrong_weight_is_seen(
    ml100k: Dataset, config: HotPathConfig, tmp_path: Path, pynq_python: str
) -> None:
    """Their histories and seen lists; the tables are random, of ml-100k's 1,682 items."""
    contract = random_contract(items=len(ml100k.items), dim=16, heads=1, seed=12)
    requests = of_test_users(ml100k, contract)
    write_simulated(contract, boards.board("kv260"), config, tmp_path / "build")
    right = answer_all(SoftDevice(config), contract, requests)
    run = answer_simulated(tmp_path, contract, requests, memory_bytes=1 << 22)
    row = compare(right, run.answers)
    assert (row.requests, row.values, row.mismatches) == (USERS, USERS * 20, 0)
    assert len(np.unique(right.rows)) > USERS
    item = contract.tensors.item.copy()
    item[right.rows[0, 0], 5] ^= 1
    wrong = replace(contract, tensors=replace(contract.tensors, item=item))
    run = answer_simulated(tmp_path, wrong, requests, memory_bytes=1 << 22)
    assert compare(right, run.answers).mismatches > 0


@pytest.fixture(scope="module")
def cases(
    contract: Contract, config: HotPathConfig, folder: Path, pynq_python: str
) -> dict[str, Any]:
    """What the cases in pynq's environment gave."""
    foreign = folder / "foreign"
    write_simulated(contract, boards.board("pynq-z2"), config, foreign)
    handoff = foreign / "rf_system.hwh"
    handoff.write_text(handoff.read_text().replace("recfabric:kernel", "other:kernel"))
    manifest = json.loads((foreign / "manifest.json").read_text())
    manifest["files"].pop("rf_system.hwh")
    (foreign / "manifest.json").write_text(json.dumps(manifest))
    script = Path(__file__).with_name("pynq_cases.py")
    library = verilated.build(config)
    command, environment = PYNQ.command([str(script), str(folder), str(library), str(foreign)])
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_a_kernel_that_hangs_is_loaded_anew(cases: dict[str, Any]) -> None:
    found = cases["time_out"]
    assert found["hang"].startswith("DeviceTimeoutError: The kernel did not finish within 0.2 s")
    assert found["downloads"] == 2
    assert "weights were never loaded" in found["next"]


def test_after_a_reset_nothing_is_answered_before_the_weights_are_back(
    cases: dict[str, Any], contract: Contract, config: HotPathConfig
) -> None:
    found = cases["reset"]
    assert found["refused"].startswith("DeviceError: The fuse layer's weights were never loaded")
    assert found["same"]
    right = HotPathDriver(SoftDevice(config), contract).request([1, 2, 3], [], 5)
    assert found["answer"] == [*right.rows.tolist(), *right.scores.tolist()]


def test_a_text_counts_as_one_more_item(
    cases: dict[str, Any], contract: Contract, config: HotPathConfig
) -> None:
    driver = HotPathDriver(SoftDevice(config), contract)
    right = [driver.request(named, [], 5) for named in ([7, 7], [1, 2, 7, 7])]
    assert cases["words"]["given"] == [[*r.rows.tolist(), *r.scores.tolist()] for r in right]


def test_a_missing_flush_is_seen(cases: dict[str, Any]) -> None:
    """The simulated board's memory is as incoherent as a real one's: the check can fail."""
    right = f"no error: {cases['reset']['answer']}"
    assert cases["cache"]["unflushed"] != right


def test_too_little_memory_is_one_sentence(cases: dict[str, Any]) -> None:
    assert "did not give 4096 contiguous bytes (free buffers" in cases["memory"]["full"]


def test_the_driver_is_bound_by_vlnv_and_knows_the_registers(cases: dict[str, Any]) -> None:
    found = cases["binding"]
    assert found["driver"] == "HotPathIP"
    wanted = {name.removesuffix("_lo") for name in OFFSETS if not name.endswith("_hi")}
    have = {name.lower() for name in found["registers"]}
    assert wanted - have == {f"item{n}" for n in range(2, 16)}  # this netlist has two shares
    assert "names 0 IPs recfabric:kernel:rf_hotpath_top:1.0" in found["foreign"]


def test_what_is_synchronised_is_whole_lines_or_a_whole_remote_buffer(
    cases: dict[str, Any],
) -> None:
    assert cases["lines"] == {"offset": 64, "bytes": 64, "remote": 4096}


def test_every_answer_of_100_users_is_equal_over_grpc(
    contract: Contract, config: HotPathConfig, tmp_path: Path, pynq_python: str
) -> None:
    """pynq's RemoteDevice, found by its variable, against a board's side of PYNQ.remote."""
    write_simulated(contract, boards.board("kv260"), config, tmp_path / "build")
    contract.save(tmp_path / "model")
    script = Path(__file__).with_name("pynq_remote.py")
    words = [str(script), str(tmp_path), str(verilated.build(config))]
    command, environment = PYNQ.command(words)
    environment = {**environment, "PYNQ_REMOTE_DEVICES": "127.0.0.1"}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found.pop("gone").startswith("The board did not give data: ")
    assert found == {
        "values": 2000,
        "mismatches": 0,
        "device": "RemoteDevice",
        "board": "simulated",
        "loads": 2,
        "after_reset": True,
    }


def test_hardware_that_is_not_its_manifests_is_refused(
    contract: Contract, config: HotPathConfig
) -> None:
    device = RtlDevice(config, memory_bytes=1 << 22)
    device.registers.check(config)
    for other in ({"k_max": 16}, {"item_bits": 4}, {"scan_ports": 1}, {"beat_bits": 128}):
        wrong = boards.board("kv260").hotpath(contract, **{**config.describe(), **other})
        with pytest.raises(DeviceError, match=r"The hardware's .* but its manifest says"):
            device.registers.check(wrong)
    device.close()


def test_a_build_for_another_contract_is_refused_before_anything_is_loaded(folder: Path) -> None:
    other = random_contract(items=40, dim=32, heads=1)
    with pytest.raises(BitstreamError, match="hardware's dimension is 16 but the contract's is 32"):
        PynqDevice(folder / "build", other)


def test_without_pynq_one_sentence_says_what_to_install(
    folder: Path, contract: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pynq", None)
    with pytest.raises(Exception, match=r"recfabric\[pynq\]"):
        PynqDevice(folder / "build", contract)


def test_a_missing_environment_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYNQ_VENV", str(tmp_path))
    with pytest.raises(ToolMissingError, match=r"pynq's environment is not in .*make pynq-env"):
        PYNQ.python()


def test_rubbish_in_memory_is_not_an_answer(contract: Contract, config: HotPathConfig) -> None:
    """The same request twice gives the same bytes whatever lay in the result buffer."""
    device = RtlDevice(config, memory_bytes=1 << 22)
    driver = HotPathDriver(device, contract)
    first = driver.request([5], [], 7)
    device.write(driver.buffers["result"], np.full(64, 0xA5, np.uint8))
    assert np.array_equal(driver.request([5], [], 7).scores, first.scores)
    device.close()
