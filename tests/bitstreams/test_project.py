# SPDX-License-Identifier: Apache-2.0
"""Every board's project, read by strict stand-ins for the vendor's programs; faults are found."""

import importlib.util
import os
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from recfabric.bitstreams import boards, project
from recfabric.bitstreams import vivado as flow
from recfabric.bitstreams.project import build, write_project
from recfabric.contract import Contract
from recfabric.errors import ConfigError, ToolMissingError
from recfabric.kernels.hotpath.arguments import VLNV, kernel_arguments
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.kernels.hotpath.manifest import NOT_RUN, Manifest
from recfabric.kernels.hotpath.wrapper import arguments, axi_ports
from recfabric.kernels.stimulus import random_contract

HERE = Path(__file__).parent
ZYNQ = [name for name in boards.names() if boards.board(name).flow == "vivado"]
ALVEO = [name for name in boards.names() if boards.board(name).flow == "vitis"]


@pytest.fixture(scope="module")
def contract() -> Contract:
    return random_contract(items=60, seed=3)


@pytest.fixture(scope="module")
def written(contract: Contract, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("projects")
    return {n: write_project(contract, n, base / n).folder for n in boards.names()}


@pytest.fixture
def copy(written: dict[str, Path], tmp_path: Path) -> dict[str, Path]:
    """Copies to run things in."""
    return {n: shutil.copytree(f, tmp_path / n) for n, f in written.items()}


@pytest.fixture(scope="module")
def vpp() -> ModuleType:
    spec = importlib.util.spec_from_file_location("vpp_stand_in", HERE / "vpp_stand_in.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ZYNQ)
def test_a_zynq_project_is_taken_whole(
    copy: dict[str, Path], vivado: ModuleType, name: str
) -> None:
    folder, board = copy[name], boards.board(name)
    package = vivado.Design(folder)
    package.source("package_ip.tcl")
    assert package.core["vlnv"] == VLNV
    session = vivado.Design(folder)
    session.source("rf_system.tcl")
    assert session.part == board.device
    assert session.top == "rf_system_wrapper"
    assert "validate_bd_design" in session.done
    ports = axi_ports(board.hotpath(random_contract(items=60, seed=3)))
    through = dict(session.through())
    assert [through[f"{flow.KERNEL}/m_axi_gmem{p}"] for p in range(ports)] == [
        f"ps/{pin}" for pin in board.memory_ports[:ports]
    ]
    assert session.assigned[f"{flow.KERNEL}/s_axi_control/reg0"][0] == board.control_base
    clock = {"processing_system7": "PCW_FPGA0_PERIPHERAL_FREQMHZ"}.get(
        board.ps, "PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ"
    )
    assert session.config("ps", clock) == str(board.clock_mhz)


@pytest.mark.parametrize("name", ALVEO)
def test_an_alveo_project_is_taken_whole(
    copy: dict[str, Path], vivado: ModuleType, vpp: ModuleType, name: str
) -> None:
    folder, board = copy[name], boards.board(name)
    session = vivado.Design(folder)
    session.source("package_xo.tcl")
    assert session.properties["core"]["sdx_kernel_type"] == "rtl"
    xml = (folder / "kernel.xml").read_text()
    banks = vpp.check((folder / "link.cfg").read_text(), xml)
    assert tuple(banks.values()) == board.memory_ports[: len(banks)]


FAULTS = [
    # file, what is there, what stands there instead, what the stand-in says
    ("package_ip.tcl", "  {rtl/rf_dense.sv} \\\n", "", "names the module rf_dense"),
    ("package_ip.tcl", "rtl/rf_dense.sv", "rtl/rf_dens.sv", "rf_dens.sv does not exist"),
    ("package_ip.tcl", "ipx::save_core", "ipx::store_core", "invalid command name"),
    ("package_ip.tcl", "-taxonomy", "-taxonomie", "no option -taxonomie"),
    ("package_ip.tcl", "-busif m_axi_gmem1", "-busif m_axi_gmem9", "no interface m_axi_gmem9"),
    ("package_ip.tcl", "  key 0x01C", "  key 0x014", "registers overlap at 0x14"),
    ("package_ip.tcl", "set_property top rf_hotpath_top", "set_property top rf_top", "no file"),
    ("package_ip.tcl", "value READ_ONLY", "value READ_WRITE", "m_axi_gmem"),
    ("package_ip.tcl", "-clock ap_clk -reset ap_rst_n", "-clock ap_clk -reset ap_rst", "no inter"),
    ("block_design.tcl", "VLNV =~ $name:*", "VLNV =~ *:$name:*", "Vivado knows no IP"),
    ("block_design.tcl", "memory1/aclk", "", "memory1/aclk is not connected"),
    ("block_design.tcl", "S_AXI_HP1_FPD", "S_AXI_HP3_FPD", "no interface ps/S_AXI_HP3_FPD"),
    ("block_design.tcl", "SAXIGP3__DATA_WIDTH {128}", "SAXIGP3__DATA_WIDTH {64}", "128 bits and"),
    ("block_design.tcl", "PSU__USE__IRQ0 {1}", "PSU__USE__IRQ0 {0}", "no pin ps/pl_ps_irq0"),
    ("block_design.tcl", "PSU__USE__M_AXI_GP1 {0}", "PSU__USE__M_AXI_GP1 {1}", "not connected"),
    ("block_design.tcl", "PSU__FPGA_PL0", "PSU__FPGA_PLO", "no parameter"),
    ("block_design.tcl", "reset/peripheral_aresetn", "ps/pl_clk0", "cannot drive"),
    ("block_design.tcl", "0xA0000000", "0xA0000100", "cannot lie at"),
    ("block_design.tcl", "rf_hotpath_top:1.0", "rf_hotpath_top:1.1", "catalogue has no"),
    ("rtl/rf_hotpath_top.v", "[127:0] m_axi_gmem2_rdata", "[63:0] m_axi_gmem2_rdata", "64 bits"),
]


@pytest.mark.parametrize(("file", "there", "instead", "says"), FAULTS)
def test_a_fault_in_a_project_is_found(
    copy: dict[str, Path], vivado: ModuleType, file: str, there: str, instead: str, says: str
) -> None:
    folder = copy["kv260"]
    text = (folder / file).read_text()
    assert there in text
    (folder / file).write_text(text.replace(there, instead))
    error = sys.modules["vivado_core"].VivadoError
    with pytest.raises(error, match=re.escape(says)):
        vivado.Design(folder).source("package_ip.tcl")
        vivado.Design(folder).source("rf_system.tcl")


@pytest.mark.parametrize(
    ("there", "instead", "says"),
    [
        ('offset="0x01C"', 'offset="0x018"', "puts key elsewhere"),
        ('dataWidth="512"', 'dataWidth="256"', "kernel.xml has ports"),
        (
            'name="item1" id="23" port="m_axi_gmem2"',
            'name="item1" id="23" port="m_axi_gmem1"',
            "item1",
        ),
        ('id="3"', 'id="4"', "not numbered in order"),
        ('name="mode"', 'name="mood"', "no register mood"),
    ],
)
def test_a_fault_in_kernel_xml_is_found(
    copy: dict[str, Path], vivado: ModuleType, there: str, instead: str, says: str
) -> None:
    path = copy["u250"] / "kernel.xml"
    text = path.read_text()
    assert there in text
    path.write_text(text.replace(there, instead))
    with pytest.raises(sys.modules["vivado_core"].VivadoError, match=says):
        vivado.Design(copy["u250"]).source("package_xo.tcl")


@pytest.mark.parametrize(
    ("there", "instead", "says"),
    [
        ("DDR[2]", "DDR[4]", "no DDR[4]"),
        (".m_axi_gmem1:", ".m_axi_gmem0:", "one twice"),
        ("ap_clk", "clk_i", "no clock"),
        ("nk=", "nq=", "no nq"),
    ],
)
def test_a_fault_in_the_link_is_found(
    written: dict[str, Path], vpp: ModuleType, there: str, instead: str, says: str
) -> None:
    config, xml = ((written["u250"] / n).read_text() for n in ("link.cfg", "kernel.xml"))
    with pytest.raises(vpp.LinkError, match=re.escape(says)):
        vpp.check(config.replace(there, instead), xml)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vivado: ModuleType) -> Path:
    """A PATH on which vivado and v++ are the stand-ins."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, file in (("vivado", "vivado_stand_in.py"), ("v++", "vpp_stand_in.py")):
        program = folder / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{HERE / file}" "$@"\n')
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


@pytest.mark.parametrize("name", ["pynq-z2", "u50"])
def test_a_build_ends_in_a_manifest_of_its_products(
    contract: Contract, tmp_path: Path, programs: Path, name: str
) -> None:
    out = tmp_path / "out"
    built = build(write_project(contract, name, out))
    again = Manifest.load(out)
    assert again == built.manifest
    assert again.tool.endswith("stand-in: no tool")
    again.check(out, contract)
    suffixes = (".bit", ".hwh") if name == "pynq-z2" else (".xclbin",)
    assert all(again.file(out, suffix).exists() for suffix in suffixes)
    assert len(again.reports) == (2 if name == "pynq-z2" else 0)
    assert not any("runs" in path or path.startswith("ip/") for path in again.files)


def test_a_tool_that_fails_names_its_log(
    contract: Contract, tmp_path: Path, programs: Path
) -> None:
    written = write_project(contract, "kv260", tmp_path / "out")
    (tmp_path / "out" / "rtl" / "rf_dense.sv").unlink()
    with pytest.raises(ToolMissingError, match=r"Vivado failed; its log is .*build\.log"):
        build(written)
    assert "rf_dense.sv does not exist" in (tmp_path / "out" / "build.log").read_text()
    assert Manifest.load(tmp_path / "out").tool == NOT_RUN


def test_without_the_tool_all_is_written_and_one_sentence_said(
    contract: Contract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = write_project(contract, "pynq-z2", tmp_path / "out")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        ToolMissingError, match=r"vivado is not on the PATH; the project in .* is com"
    ):
        build(written)
    manifest = Manifest.load(tmp_path / "out")
    manifest.check(tmp_path / "out", contract)
    assert (manifest.tool, manifest.part) == (NOT_RUN, "xc7z020clg400-1")
    assert {"build.sh", "package_ip.tcl", "block_design.tcl", "Makefile"} <= set(manifest.files)


def test_a_project_that_cannot_be_written_leaves_the_old_one(
    contract: Contract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    first = write_project(contract, "kv260", out)

    def fails(*_: object) -> None:
        raise ConfigError("the disk is full")

    monkeypatch.setattr(project.vivado, "write", fails)
    with pytest.raises(ConfigError, match="disk"):
        write_project(contract, "kv260", out)
    assert Manifest.load(out) == first.manifest
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_nothing_in_a_project_names_this_machine(written: dict[str, Path]) -> None:
    for folder in written.values():
        for path in (p for p in folder.rglob("*") if p.is_file()):
            assert str(folder.parent) not in path.read_text(), path


@pytest.mark.parametrize(
    ("hardware", "says"),
    [
        ({"scan_ports": 4}, "scan_ports of 4 need 5 memory ports but Kria KV260 has 4"),
        ({"beat_bits": 512}, "beat_bits of 512 are more than the 128"),
    ],
)
def test_a_netlist_that_a_board_cannot_hold(
    contract: Contract, tmp_path: Path, hardware: dict[str, int], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        write_project(contract, "kv260", tmp_path / "out", hardware=hardware)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("ports", [1, 4])
def test_arguments_are_those_of_the_register_map(ports: int) -> None:
    config = HotPathConfig(scan_ports=ports)
    told = kernel_arguments(config)
    assert [a.index for a in told] == list(range(len(told)))
    assert [a.offset for a in told] == sorted(a.offset for a in told)
    addresses = {a.name: int(a.port.removeprefix("m_axi_gmem")) for a in told if a.is_address}
    assert addresses.items() >= arguments(config).items()
    assert {port for name, port in addresses.items() if name not in arguments(config)} <= {0}
    assert {a.name for a in told if not a.is_address} >= {"n_items", "k", "mode", "term_shift"}


def test_an_unknown_port_of_a_board_is_named(contract: Contract) -> None:
    board = boards.board("kv260")
    config = board.hotpath(contract)
    for change, says in (
        ({"memory_ports": ("S_AXI_ACP", "S_AXI_HP1_FPD", "S_AXI_HP2_FPD")}, "port 'S_AXI_ACP'"),
        ({"control": "M_AXI_HPM9"}, "control port 'M_AXI_HPM9'"),
    ):
        with pytest.raises(ConfigError, match=says):
            flow.block_design(replace(board, **change), config)
