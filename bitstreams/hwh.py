# SPDX-License-Identifier: Apache-2.0
"""A build of simulated hardware: what a host of a PYNQ board loads, with no bitstream in it.

The hardware handoff (``.hwh``) tells pynq which IP lies where; here it is written from the board's
file and the register map, as far as pynq reads it. A real board needs Vivado's own. The ``.bit``
holds no configuration of a device, only a header and the handoff's hash: pynq keeps metadata by
the hash of that file.
"""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from recfabric.bitstreams import ps
from recfabric.bitstreams.boards import Board
from recfabric.bitstreams.vivado import CONTROL_RANGE, DESIGN, KERNEL, registers
from recfabric.contract import Contract
from recfabric.errors import ConfigError
from recfabric.kernels.hotpath.arguments import CONTROL, VLNV, abi_hash
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.kernels.hotpath.manifest import Manifest
from recfabric.kernels.hotpath.wrapper import NAME, axi_ports

FLOW = "simulation"
TOOL = "none: simulated hardware, not for a board"
_AXI = "xilinx.com:interface:aximm:1.0"
_PS_VERSION = {"processing_system7": "5.5", "zynq_ultra_ps_e": "3.5"}
_CLOCKS = 4


def handoff(board: Board, config: HotPathConfig) -> str:
    """The ``.hwh`` of a design on a Zynq board. Raises ConfigError for a board without a PS."""
    if board.flow != "vivado":
        raise ConfigError(f"{board.title} is no PYNQ board: it is reached through XRT.")
    root = Element("EDKSYSTEM", EDWVERSION="1.2", VIVADOVERSION="simulated")
    SubElement(root, "SYSTEMINFO", NAME=DESIGN, PART=board.device, SOURCE="recfabric")
    SubElement(root, "EXTERNALPORTS")
    SubElement(root, "EXTERNALINTERFACES")
    modules = SubElement(root, "MODULES")
    _processing_system(modules, board, config)
    _kernel(modules, config)
    ElementTree.indent(root, " ")
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _module(modules: Element, name: str, vlnv: str) -> Element:
    told = {"INSTANCE": name, "FULLNAME": f"/{name}", "VLNV": vlnv, "BD": DESIGN, "IPTYPE": "IP"}
    return SubElement(modules, "MODULE", told | {"MODTYPE": vlnv.split(":")[2]})


def _parameters(module: Element, values: dict[str, str]) -> None:
    into = SubElement(module, "PARAMETERS")
    for name, value in values.items():
        SubElement(into, "PARAMETER", NAME=name, VALUE=value)


def _processing_system(modules: Element, board: Board, config: HotPathConfig) -> None:
    module = _module(modules, "ps", f"xilinx.com:ip:{board.ps}:{_PS_VERSION[board.ps]}")
    _parameters(module, dict(ps.parameters(board, axi_ports(config))) | _clocks(board))
    SubElement(module, "PORTS")
    interfaces = SubElement(module, "BUSINTERFACES")
    control = ps.control_interface(board).pin
    SubElement(interfaces, "BUSINTERFACE", NAME=control, TYPE="MASTER", VLNV=_AXI)
    memory = SubElement(module, "MEMORYMAP")
    base = board.control_base
    place = {"ADDRESSBLOCK": "reg0", "BASENAME": "C_BASEADDR", "BASEVALUE": f"0x{base:08X}"}
    place |= {"HIGHNAME": "C_HIGHADDR", "HIGHVALUE": f"0x{base + CONTROL_RANGE - 1:08X}"}
    place |= {"INSTANCE": KERNEL, "IS_DATA": "TRUE", "MEMTYPE": "REGISTER"}
    place |= {"MASTERBUSINTERFACE": control, "SLAVEBUSINTERFACE": CONTROL}
    SubElement(memory, "MEMRANGE", place)


def _clocks(board: Board) -> dict[str, str]:
    """Clock 0 drives the design, by a divider of the PS' 1 GHz or 1.5 GHz; the others are off."""
    values: dict[str, str] = {}
    for n in range(_CLOCKS):
        if board.ps == "processing_system7":
            names = (f"PCW_FPGA_FCLK{n}_ENABLE", f"PCW_FCLK{n}_PERIPHERAL_CLKSRC")
            divide, source, pll = f"PCW_FCLK{n}_PERIPHERAL_DIVISOR{{}}", "IO PLL", 1000
        else:
            names = (f"PSU__FPGA_PL{n}_ENABLE", f"PSU__CRL_APB__PL{n}_REF_CTRL__SRCSEL")
            divide, source, pll = f"PSU__CRL_APB__PL{n}_REF_CTRL__DIVISOR{{}}", "IOPLL", 1500
            values[f"PSU__CRL_APB__PL{n}_REF_CTRL__ACT_FREQMHZ"] = str(board.clock_mhz)
        divisor = str(-(-pll // board.clock_mhz))
        values |= dict(zip(names, (str(int(n == 0)), source), strict=True))
        values |= {divide.format(0): divisor if n == 0 else "1", divide.format(1): "1"}
    return values


def _kernel(modules: Element, config: HotPathConfig) -> None:
    module = _module(modules, KERNEL, VLNV)
    block = SubElement(SubElement(module, "ADDRESSBLOCKS"), "ADDRESSBLOCK")
    block.attrib |= {"ACCESS": "", "INTERFACE": CONTROL, "NAME": "reg0", "RANGE": "4096"}
    block.attrib |= {"USAGE": "register"}
    into = SubElement(block, "REGISTERS")
    for name, offset, bits, access, text, _ in registers(config):
        told = {"DESCRIPTION": text, "ADDRESS_OFFSET": str(offset), "SIZE": str(bits)}
        told |= {"ACCESS": access, "IS_ENABLED": "true", "RESET_VALUE": "0"}
        register = SubElement(into, "REGISTER", NAME=name)
        for property_name, value in told.items():
            SubElement(register, "PROPERTY", NAME=property_name, VALUE=value)
    values = {name: str(value) for name, value in config.parameters().items()}
    _parameters(module, values)
    SubElement(module, "PORTS")
    interfaces = SubElement(module, "BUSINTERFACES")
    SubElement(interfaces, "BUSINTERFACE", NAME=CONTROL, TYPE="SLAVE", VLNV=_AXI)
    for port in range(axi_ports(config)):
        name = f"m_axi_gmem{port}"
        SubElement(interfaces, "BUSINTERFACE", NAME=name, TYPE="MASTER", VLNV=_AXI)


def bit_file(part: str, payload: bytes) -> bytes:
    """A ``.bit`` file's header with some bytes behind it: design, part, date and time, length."""
    fields = ((b"a", f"{DESIGN};Version=simulated"), (b"b", part), (b"c", "-"), (b"d", "-"))
    head = struct.pack(">H", 9) + bytes((0x0F, 0xF0) * 4) + b"\0" + struct.pack(">H", 1)
    for key, text in fields:
        raw = text.encode() + b"\0"
        head += key + struct.pack(">H", len(raw)) + raw
    return head + b"e" + struct.pack(">I", len(payload)) + payload


def write_simulated(
    contract: Contract, board: Board, config: HotPathConfig, folder: Path
) -> Manifest:
    """A folder that the ``pynq`` or the ``xrt`` device loads on simulated hardware."""
    folder.mkdir(parents=True, exist_ok=True)
    products = _pynq_products(board, config) if board.flow == "vivado" else _xrt_products()
    for name, content in products.items():
        (folder / name).write_bytes(content)
    manifest = Manifest(
        contract=contract.sha256,
        bound=False,
        hardware=config.describe(),
        abi=abi_hash(),
        sources="",
        board=board.name,
        part=board.device,
        flow=FLOW,
        clock_mhz=board.clock_mhz,
        tool=TOOL,
    )
    manifest.save(folder, products)
    return Manifest.load(folder)


def _pynq_products(board: Board, config: HotPathConfig) -> dict[str, bytes]:
    text = handoff(board, config).encode()
    bit = bit_file(board.device, hashlib.sha256(text).digest())
    return {f"{DESIGN}.hwh": text, f"{DESIGN}.bit": bit}


def _xrt_products() -> dict[str, bytes]:
    return {f"{NAME}.xclbin": f"{TOOL}\n".encode()}
