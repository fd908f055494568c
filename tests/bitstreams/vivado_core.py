# SPDX-License-Identifier: Apache-2.0
"""A stand-in for Vivado: runs its Tcl in a Tcl interpreter and is strict about what it says.

It knows the commands, options, IPs, pins and parameters that this project's flow uses, from AMD's
UG835 (Tcl commands), UG1118 (IP packager), PG082 and PG201 (processing systems); anything else is
an error, as is a file that does not exist, a pin that is not there, two ends of unequal width, a
clock or a reset left open. It synthesises nothing: what it writes as a bitstream is a note that
says so. Block designs and runs are in ``vivado_stand_in.py``, which is a program too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

_PORT = re.compile(r"^\s*(input|output)\s+wire\s+(?:\[(\d+):0\]\s+)?(\w+)", re.M)
_AXI = re.compile(r"(m_axi_gmem\d+|s_axi_control)_")
COMPONENT = "ip/component.json"  # what the packager leaves for the project
NOTE = b"a stand-in's product: no bitstream\n"

# Options of each command: name -> those that take a value, those that do not.
OPTIONS: dict[str, tuple[str, str]] = {
    "create_project": ("part", "force"),
    "current_project": ("", ""),
    "set_property": ("", "dict"),
    "get_property": ("", ""),
    "list_property": ("", ""),
    "add_files": ("fileset", "norecurse"),
    "current_fileset": ("", ""),
    "get_filesets": ("", ""),
    "get_files": ("", ""),
    "update_compile_order": ("fileset", ""),
    "update_ip_catalog": ("", ""),
    "create_bd_design": ("", ""),
    "get_ipdefs": ("filter", ""),
    "create_bd_cell": ("type vlnv", ""),
    "apply_bd_automation": ("rule config", ""),
    "get_bd_pins": ("", ""),
    "get_bd_intf_pins": ("", ""),
    "get_bd_addr_spaces": ("", ""),
    "get_bd_addr_segs": ("", ""),
    "connect_bd_net": ("", ""),
    "connect_bd_intf_net": ("", ""),
    "assign_bd_address": ("offset range target_address_space", ""),
    "validate_bd_design": ("", ""),
    "save_bd_design": ("", ""),
    "generate_target": ("", ""),
    "make_wrapper": ("files", "top"),
    "close_project": ("", ""),
    "get_runs": ("", ""),
    "current_run": ("", ""),
    "reset_runs": ("", ""),
    "launch_runs": ("to_step", ""),
    "wait_on_run": ("", ""),
    "package_xo": ("xo_path kernel_name ip_directory kernel_xml", "force"),
    "ipx::package_project": ("root_dir vendor library taxonomy", "import_files"),
    "ipx::current_core": ("", ""),
    "ipx::infer_bus_interface": ("", ""),
    "ipx::associate_bus_interfaces": ("busif clock reset", ""),
    "ipx::add_bus_parameter": ("", ""),
    "ipx::add_memory_map": ("", "quiet"),
    "ipx::add_address_block": ("", "quiet"),
    "ipx::add_register": ("", ""),
    "ipx::add_register_parameter": ("", ""),
    "ipx::get_bus_interfaces": ("of_objects", ""),
    "ipx::create_xgui_files": ("", ""),
    "ipx::update_checksums": ("", ""),
    "ipx::check_integrity": ("", "kernel"),
    "ipx::save_core": ("", ""),
}
_PS = {"processing_system7": "5.5", "zynq_ultra_ps_e": "3.5"}
_IPS = _PS | {"proc_sys_reset": "5.0", "smartconnect": "1.0"}


class VivadoError(Exception):
    """What the real tool would stop at."""


def interfaces(top: Path) -> dict[str, dict[str, int]]:
    """AXI interfaces and single pins of a Verilog module: signal -> width."""
    found: dict[str, dict[str, int]] = {}
    for _, high, name in _PORT.findall(top.read_text()):
        match = _AXI.match(name)
        bus, signal = (match[1], name[match.end() :]) if match else (name, "")
        found.setdefault(bus, {})[signal] = int(high) + 1 if high else 1
    return found


class Vivado:
    """One session in a folder. ``done``: names of the commands that ran, in order."""

    def __init__(self, folder: Path) -> None:
        from tkinter import Tcl

        self.folder, self.done, self.fault = folder, [], ""
        self.tcl = Tcl()
        self.tcl.eval(f"cd {{{folder}}}\nnamespace eval ipx {{}}")
        for name in OPTIONS:
            method = getattr(self, "do_" + name.replace("::", "_"))
            self.tcl.createcommand(name, self._command(name, method))
        self.project = self.top = self.part = ""
        self.files: list[str] = []
        self.properties: dict[str, dict[str, str]] = {}
        self.cells: dict[str, str] = {}
        self.links: list[tuple[str, str]] = []
        self.driven: dict[str, str] = {}
        self.assigned: dict[str, tuple[int, int]] = {}
        self.progress = {"synth_1": "0%", "impl_1": "0%"}

    def source(self, name: str) -> None:
        """Run a file of the folder. Raises VivadoError with what is wrong."""
        from tkinter import TclError

        try:
            self.tcl.eval(f"source {{{name}}}")
        except TclError as error:
            raise VivadoError(self.fault or str(error)) from None

    def _command(self, name: str, method: Callable[..., str]) -> Callable[..., str]:
        valued, flags = (set(text.split()) for text in OPTIONS[name])

        def run(*words: str) -> str:
            options: dict[str, str] = {}
            rest: list[str] = []
            left = [str(word) for word in words]
            while left:
                word = left.pop(0)
                if re.fullmatch(r"-[a-z_]+", word):
                    option = word[1:]
                    if option not in valued | flags:
                        raise VivadoError(f"{name} has no option -{option}")
                    options[option] = left.pop(0) if option in valued else "1"
                else:
                    rest.append(word)
            self.done.append(name)
            return method(*rest, **options) or ""

        def shown(*words: str) -> str:
            try:
                return run(*words)
            except Exception as error:  # Tcl does not pass a message on
                self.fault = self.fault or f"{name}: {error}"
                raise

        return shown

    def path(self, name: str) -> Path:
        found = self.folder / name
        if not found.exists():
            raise VivadoError(f"the file {name} does not exist")
        return found

    # ---- projects and files ----
    def do_create_project(
        self, name: str, folder: str = ".", part: str = "", force: str = ""
    ) -> str:
        self.project, self.part, self.files, self.top = name, part, [], ""
        return name

    def do_current_project(self) -> str:
        return self.project

    def do_close_project(self) -> str:
        self.project = ""
        return ""

    def do_set_property(self, *words: str, dict: str = "") -> str:  # noqa: A002
        if dict:
            pairs, target = self.tcl.splitlist(words[0]), words[1]
            values = zip(pairs[::2], pairs[1::2], strict=True)
        else:
            key, value, target = words
            values = iter([(key, value)])
        for key, value in values:
            self._property(target, str(key), str(value))
        return ""

    def _property(self, target: str, key: str, value: str) -> None:
        if target in self.cells:
            self._known_parameter(target, key, value)
        if target == self.project and key == "part":
            self.part = value
        if target == "sources_1" and key == "top":
            self.top = value
        if key == "ip_repo_paths":
            self.path(value)
        self.properties.setdefault(target, {})[key] = value

    def _known_parameter(self, cell: str, key: str, value: str) -> None:
        ip = self.cells[cell].split(":")[2]
        known = {
            "processing_system7": r"PCW_(USE_(S_AXI_HP[0-3]|M_AXI_GP[01]|FABRIC_INTERRUPT)|"
            r"S_AXI_HP[0-3]_DATA_WIDTH|FPGA0_PERIPHERAL_FREQMHZ|IRQ_F2P_INTR)",
            "zynq_ultra_ps_e": r"PSU__(USE__(S_AXI_GP[0-6]|M_AXI_GP[0-2]|IRQ0)|FPGA_PL0_ENABLE|"
            r"SAXIGP[0-6]__DATA_WIDTH|MAXIGP[0-2]__DATA_WIDTH|CRL_APB__PL0_REF_CTRL__FREQMHZ)",
            "smartconnect": r"NUM_(SI|MI)",
        }.get(ip, "none")
        if not re.fullmatch(f"CONFIG\\.({known})", key):
            raise VivadoError(f"{ip} has no parameter {key}")
        widths = {"processing_system7": ("32", "64"), "zynq_ultra_ps_e": ("32", "64", "128")}
        if key.endswith("DATA_WIDTH") and value not in widths[ip]:
            raise VivadoError(f"{key} cannot be {value}")

    def do_get_property(self, key: str, target: str) -> str:
        if target in self.progress:
            told = {"PROGRESS": self.progress[target], "NEEDS_REFRESH": "0"}
            return (told | {"DIRECTORY": f"{self.project}.runs/{target}"})[key]
        return self.top if key == "top" else self.properties[target][key]

    def do_list_property(self, target: str, name: str) -> str:
        return name

    def do_add_files(self, names: str, fileset: str = "sources_1", norecurse: str = "") -> str:
        for name in self.tcl.splitlist(names):
            self.path(str(name))
            self.files.append(str(name))
        return names

    def do_current_fileset(self) -> str:
        return "sources_1"

    def do_get_filesets(self, name: str) -> str:
        return name

    def do_get_files(self, name: str) -> str:
        self.path(f"{self.project}.srcs/{name}")
        return name

    def do_update_compile_order(self, fileset: str) -> str:
        names = [name for name in self.files if Path(name).stem == self.top]
        if self.top and not names:
            raise VivadoError(f"no file holds the top {self.top}")
        return ""

    # ---- the IP packager ----
    def do_ipx_package_project(
        self, root_dir: str, vendor: str, library: str, taxonomy: str, import_files: str = ""
    ) -> str:
        texts = {Path(n).stem: self.path(n).read_text() for n in self.files}
        for name, text in texts.items():  # every module that a file names is there
            missing = set(re.findall(r"^\s+(rf_\w+) #\(|^\s+(rf_\w+) u_\w+ \(", text, re.M))
            for found in {a or b for a, b in missing} - set(texts):
                raise VivadoError(f"{name} names the module {found}, which no file holds")
        (top,) = (name for name in self.files if Path(name).stem == self.top)
        self.core = {
            "vlnv": f"{vendor}:{library}:{self.top}:1.0",
            "interfaces": interfaces(self.path(top)),
            "clocked": [],
            "registers": {},
        }
        self.root = root_dir
        (self.folder / root_dir).mkdir(exist_ok=True)
        return "core"

    def do_ipx_current_core(self) -> str:
        return "core"

    def do_ipx_infer_bus_interface(self, port: str, kind: str, core: str) -> str:
        return self._interface(port)

    def _interface(self, name: str) -> str:
        if name not in self.core["interfaces"]:
            raise VivadoError(f"the core has no interface {name}")
        return name

    def do_ipx_associate_bus_interfaces(
        self, core: str, clock: str, busif: str = "", reset: str = ""
    ) -> str:
        self._interface(clock)
        self.core["clocked"].append(self._interface(busif or reset))
        return ""

    def do_ipx_add_bus_parameter(self, name: str, bus: str) -> str:
        return f"{self._interface(bus)} {name}"

    def do_ipx_add_memory_map(self, name: str, core: str, quiet: str = "") -> str:
        return self._interface(name)

    def do_ipx_add_address_block(self, name: str, memory_map: str, quiet: str = "") -> str:
        return name

    def do_ipx_add_register(self, name: str, block: str) -> str:
        if name in self.core["registers"]:
            raise VivadoError(f"there are two registers {name}")
        self.core["registers"][name] = self.properties.setdefault(f"register {name}", {})
        return f"register {name}"

    def do_ipx_add_register_parameter(self, name: str, register: str) -> str:
        return f"{register} {name}"

    def do_ipx_get_bus_interfaces(self, name: str, of_objects: str) -> str:
        return self._interface(name)

    def do_ipx_create_xgui_files(self, core: str) -> str:
        return ""

    def do_ipx_update_checksums(self, core: str) -> str:
        return ""

    def do_ipx_check_integrity(self, core: str, kernel: str = "") -> str:
        axi = {name for name, signals in self.core["interfaces"].items() if len(signals) > 1}
        missing = (axi | {"ap_rst_n"}) - set(self.core["clocked"])
        if missing:
            raise VivadoError(f"no clock for {sorted(missing)}")
        for name in axi:
            told = self.properties.get(f"{name} READ_WRITE_MODE", {}).get("value", "READ_WRITE")
            have = "READ_WRITE" if "awaddr" in self.core["interfaces"][name] else "READ_ONLY"
            if told != have:
                raise VivadoError(f"{name} is {have} but is told to be {told}")
        ends = [(int(r["address_offset"], 16), int(r["size"]) // 8) for r in self._registers()]
        for (low, size), (high, _) in zip(sorted(ends), sorted(ends)[1:], strict=False):
            if low + size > high:
                raise VivadoError(f"registers overlap at 0x{high:X}")
        return ""

    def _registers(self) -> list[dict[str, str]]:
        return list(self.core["registers"].values())

    def do_ipx_save_core(self, core: str) -> str:
        parameters = {}
        for name in self.core["registers"]:
            told = self.properties.get(f"register {name} ASSOCIATED_BUSIF", {})
            if told:
                parameters[name] = self._interface(told["value"])
        about = self.core | {"ports": parameters}
        (self.folder / COMPONENT).write_text(json.dumps(about, indent=1))
        return ""

    def do_package_xo(
        self, xo_path: str, kernel_name: str, ip_directory: str, kernel_xml: str, force: str = ""
    ) -> str:
        core = json.loads(self.path(COMPONENT).read_text())
        check_kernel_xml(self.path(kernel_xml), core, kernel_name)
        (self.folder / xo_path).write_bytes(NOTE)
        return ""


def check_kernel_xml(path: Path, core: dict[str, dict], kernel: str) -> None:
    """kernel.xml against the packaged core: names, ports, widths, offsets, order."""
    from xml.etree import ElementTree

    told = ElementTree.parse(path).getroot().find("kernel")
    assert told is not None
    if (told.get("name"), told.get("vlnv")) != (kernel, core["vlnv"]):
        raise VivadoError("kernel.xml is of another kernel")
    ports = {p.get("name"): int(p.get("dataWidth", 0)) for p in told.iter("port")}
    axi = {n: s["rdata"] for n, s in core["interfaces"].items() if "rdata" in s}
    if ports != axi:
        raise VivadoError(f"kernel.xml has ports {ports}, the core {axi}")
    arguments = list(told.iter("arg"))
    if [int(a.get("id", -1)) for a in arguments] != list(range(len(arguments))):
        raise VivadoError("kernel.xml's arguments are not numbered in order")
    for argument in arguments:
        name = str(argument.get("name"))
        register = core["registers"].get(name)
        if register is None:
            raise VivadoError(f"the core has no register {name}")
        same = int(argument.get("offset", ""), 16) == int(register["address_offset"], 16)
        if not same or int(argument.get("size", ""), 16) * 8 != int(register["size"]):
            raise VivadoError(f"kernel.xml puts {name} elsewhere than the core")
        if argument.get("port") != core["ports"].get(name, "s_axi_control"):
            raise VivadoError(f"kernel.xml gives {name} another port than the core")
