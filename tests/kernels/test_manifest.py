# SPDX-License-Identifier: Apache-2.0
"""A build's manifest: whole, readable, and a reason to refuse what does not fit."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from recfabric.builds import write_whole
from recfabric.contract import Contract
from recfabric.errors import BitstreamError
from recfabric.kernels.hotpath.arguments import abi_hash
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.kernels.hotpath.manifest import FILE, Manifest
from recfabric.kernels.stimulus import random_contract


@pytest.fixture(scope="module")
def contract() -> Contract:
    return random_contract(items=30, dim=16, heads=1, history=100)


@pytest.fixture
def manifest(contract: Contract, tmp_path: Path) -> Manifest:
    (tmp_path / "rf_system.bit").write_bytes(b"bits")
    config = HotPathConfig.for_contract(contract, pe=4, simd=4)
    made = Manifest(
        contract=contract.sha256,
        bound=False,
        hardware=config.describe(),
        abi=abi_hash(),
        sources="s",
        board="kv260",
        part="p",
        flow="vivado",
        clock_mhz=200,
        tool="Vivado v2099.1",
        reports=("reports/a.rpt",),
    )
    made.save(tmp_path, ["rf_system.bit"])
    return Manifest.load(tmp_path)


def test_a_manifest_is_read_as_it_was_written(
    manifest: Manifest, contract: Contract, tmp_path: Path
) -> None:
    assert manifest.reports == ("reports/a.rpt",)
    assert manifest.config == HotPathConfig.for_contract(contract, pe=4, simd=4)
    assert list(manifest.files) == ["rf_system.bit"]
    assert len(manifest.files["rf_system.bit"]) == 64
    manifest.check(tmp_path, contract)
    assert manifest.file(tmp_path, ".bit") == tmp_path / "rf_system.bit"


def test_a_retrained_contract_of_the_same_shape_needs_no_new_bitstream(
    manifest: Manifest, tmp_path: Path
) -> None:
    other = random_contract(items=50, dim=16, heads=1, seed=9, history=100)
    assert other.sha256 != manifest.contract
    manifest.check(tmp_path, other)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"bound": True}, "holds weights of contract"),
        ({"abi": "0" * 16}, "register map is 0000000000000000"),
        ({"hardware": {"dimension": 16}}, "parameters are not of this release"),
        ({"hardware": HotPathConfig(dim=32, pe=4).describe()}, "dimension is 32"),
        ({"hardware": HotPathConfig(dim=16, heads=1, pe=4, max_rows=50).describe()}, "reach 100"),
    ],
)
def test_what_does_not_fit_is_refused(
    manifest: Manifest, tmp_path: Path, change: dict[str, object], says: str
) -> None:
    other = random_contract(items=50, dim=16, heads=1, seed=9, history=100)
    replace(manifest, **change).save(tmp_path, manifest.files)
    with pytest.raises(BitstreamError, match=says):
        Manifest.load(tmp_path).check(tmp_path, other)


def test_a_changed_or_missing_file_is_refused(
    manifest: Manifest, contract: Contract, tmp_path: Path
) -> None:
    path = tmp_path / "rf_system.bit"
    for damage in (lambda: path.write_bytes(b"bitz"), path.unlink):
        damage()
        with pytest.raises(BitstreamError, match=r"rf_system\.bit is not the file"):
            manifest.check(tmp_path, contract)


def test_a_build_that_never_ran_has_no_bitstream(manifest: Manifest, tmp_path: Path) -> None:
    with pytest.raises(BitstreamError, match=r"has 0 \.xclbin files"):
        manifest.file(tmp_path, ".xclbin")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "cannot be read"),
        ("{", "cannot be read"),
        ("[]", "no manifest of version 1"),
        ('{"schema": 1}', "no manifest of version 1"),
    ],
)
def test_a_damaged_manifest_is_one_sentence(
    manifest: Manifest, tmp_path: Path, text: str | None, says: str
) -> None:
    (tmp_path / FILE).unlink()
    if text is not None:
        (tmp_path / FILE).write_text(text)
    with pytest.raises(BitstreamError, match=says):
        Manifest.load(tmp_path)


def test_a_newer_manifest_is_refused(manifest: Manifest, tmp_path: Path) -> None:
    told = json.loads((tmp_path / FILE).read_text()) | {"schema": 2}
    (tmp_path / FILE).write_text(json.dumps(told))
    with pytest.raises(BitstreamError, match="no manifest of version 1"):
        Manifest.load(tmp_path)


def test_a_write_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x"
    write_whole(path, "old")

    def fails(self: Path, target: Path) -> None:
        raise OSError("no")

    monkeypatch.setattr(Path, "replace", fails)
    with pytest.raises(OSError, match="no"):
        write_whole(path, "new")
    assert path.read_text() == "old"
