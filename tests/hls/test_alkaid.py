# SPDX-License-Identifier: Apache-2.0
"""The fuse layer as distributed arithmetic inside rf_hotpath: every integer equal in Verilator."""

from pathlib import Path

import pytest

pytest.importorskip("alkaid", reason="the extra 'hls' is not installed")

from recfabric.contract import Contract
from recfabric.errors import ConfigError
from recfabric.hls.alkaid import fuse_slot
from recfabric.host.rtl import RtlDevice
from recfabric.host.soft import SoftDevice
from recfabric.host.verify import Equivalence, answer_all, compare
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.kernels.stimulus import random_contract, random_requests
from recfabric.sim.verilated import MemoryModel


def against_rtl(contract: Contract, slots: tuple[Path, ...]) -> Equivalence:
    """64 random requests through the RTL with these slots and through the integer model."""
    config = HotPathConfig.for_contract(contract, pe=4, simd=4, requant_lanes=4)
    requests = random_requests(contract, 64, seed=2)
    device = RtlDevice(config, memory=MemoryModel(stall=0.2), slots=slots)
    rtl = answer_all(device, contract, requests, k=10)
    device.close()
    return compare(answer_all(SoftDevice(config), contract, requests, k=10), rtl)


@pytest.fixture(scope="module")
def contract() -> Contract:
    return random_contract(items=200, dim=16, heads=2, seed=4, history=64)


def test_the_hot_path_with_distributed_arithmetic_is_exact(contract: Contract) -> None:
    row = against_rtl(contract, fuse_slot(contract))
    assert (row.requests, row.values, row.mismatches) == (64, 1280, 0)


def test_a_changed_weight_is_caught(contract: Contract, tmp_path: Path) -> None:
    wrapper, layer = fuse_slot(contract)
    other = random_contract(items=200, dim=16, heads=2, seed=5, history=64)
    wrong = fuse_slot(other)[1].read_text()
    assert wrong != layer.read_text()
    changed = tmp_path / layer.name
    changed.write_text(wrong)
    assert against_rtl(contract, (wrapper, changed)).mismatches > 0


def test_a_layer_too_large_to_unroll_is_refused() -> None:
    large = random_contract(items=20, dim=256, seed=1)
    with pytest.raises(ConfigError, match="131072 products but distributed arithmetic unrolls"):
        fuse_slot(large)
