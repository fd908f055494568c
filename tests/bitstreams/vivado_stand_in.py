# SPDX-License-Identifier: Apache-2.0
"""The stand-in's block designs and runs: cells with the pins that their parameters give them.

As a program it is called as Vivado is: ``vivado_stand_in.py -mode batch -source FILE...``.
"""

from __future__ import annotations

import json
import re
import sys
from fnmatch import fnmatchcase
from pathlib import Path

from vivado_core import _IPS, _PS, COMPONENT, NOTE, Vivado, VivadoError

_SPACES = {"processing_system7": 0xFFFF_FFFF, "zynq_ultra_ps_e": 0xFF_FFFF_FFFF}


class Design(Vivado):
    """A session that knows block designs too."""

    def open(self, name: str) -> None:
        """Open a project that an earlier session left."""
        self.project, self.top = json.loads(self.path(name).read_text())

    def do_update_ip_catalog(self) -> str:
        repository = self.properties[self.project]["ip_repo_paths"]
        self.core = json.loads((Path(repository) / Path(COMPONENT).name).read_text())
        return ""

    def do_create_bd_design(self, name: str) -> str:
        self.design = name
        return name

    def do_get_ipdefs(self, filter: str) -> str:  # noqa: A002
        key, _, pattern = filter.partition(" =~ ")
        if key != "VLNV":
            raise VivadoError(f"no filter by {key} here")
        known = [f"xilinx.com:ip:{name}:{version}" for name, version in _IPS.items()]
        found = [vlnv for vlnv in known if fnmatchcase(vlnv, pattern)]
        return " ".join(found)

    def do_create_bd_cell(self, name: str, type: str, vlnv: str) -> str:  # noqa: A002
        known = {f"xilinx.com:ip:{n}:{v}" for n, v in _IPS.items()} | {self.core["vlnv"]}
        if vlnv not in known:
            raise VivadoError(f"the catalogue has no {vlnv}")
        if name in self.cells:
            raise VivadoError(f"there are two cells {name}")
        self.cells[name] = vlnv
        return name

    def do_apply_bd_automation(self, cell: str, rule: str, config: str) -> str:
        ip = self.cells[cell].split(":")[2]
        if rule != f"xilinx.com:bd_rule:{ip}":
            raise VivadoError(f"{rule} is no rule of {ip}")
        self.tcl.splitlist(config)
        return ""

    # ---- pins ----
    def config(self, cell: str, name: str) -> str:
        return self.properties.get(cell, {}).get(f"CONFIG.{name}", "")

    def buses(self, cell: str) -> dict[str, tuple[str, int]]:
        """AXI interfaces of a cell: name -> master or slave, bits (0: whatever comes)."""
        ip = self.cells[cell].split(":")[2]
        found: dict[str, tuple[str, int]] = {}
        if ip == "smartconnect":
            found |= {f"S{n:02}_AXI": ("slave", 0) for n in range(int(self.config(cell, "NUM_SI")))}
            found |= {
                f"M{n:02}_AXI": ("master", 0) for n in range(int(self.config(cell, "NUM_MI")))
            }
        elif ip == "processing_system7":
            for n in range(4):
                if self.config(cell, f"PCW_USE_S_AXI_HP{n}") == "1":
                    bits = self.config(cell, f"PCW_S_AXI_HP{n}_DATA_WIDTH") or "64"
                    found[f"S_AXI_HP{n}"] = ("slave", int(bits))
            if self.config(cell, "PCW_USE_M_AXI_GP0") != "0":
                found["M_AXI_GP0"] = ("master", 32)
        elif ip == "zynq_ultra_ps_e":
            for n in range(4):
                if self.config(cell, f"PSU__USE__S_AXI_GP{n + 2}") == "1":
                    bits = self.config(cell, f"PSU__SAXIGP{n + 2}__DATA_WIDTH") or "128"
                    found[f"S_AXI_HP{n}_FPD"] = ("slave", int(bits))
            names = ("M_AXI_HPM0_FPD", "M_AXI_HPM1_FPD", "M_AXI_HPM0_LPD")
            for n, (name, default) in enumerate(zip(names, "110", strict=True)):
                if (self.config(cell, f"PSU__USE__M_AXI_GP{n}") or default) == "1":
                    bits = self.config(cell, f"PSU__MAXIGP{n}__DATA_WIDTH") or "128"
                    found[name] = ("master", int(bits))
        elif self.cells[cell] == self.core["vlnv"]:
            for name, signals in self.core["interfaces"].items():
                if "rdata" in signals:
                    side = "master" if name.startswith("m_") else "slave"
                    found[name] = (side, signals["rdata"])
        return found

    def wires(self, cell: str) -> dict[str, str]:
        """Single pins of a cell: name -> clock or reset, in or out; or interrupt."""
        ip, buses = self.cells[cell].split(":")[2], self.buses(cell)
        if ip == "smartconnect":
            return {"aclk": "clock in", "aresetn": "reset in"}
        if ip == "proc_sys_reset":
            pins = {"slowest_sync_clk": "clock in", "ext_reset_in": "reset in"}
            return pins | {"peripheral_aresetn": "reset out", "interconnect_aresetn": "reset out"}
        if ip == "processing_system7":
            pins = {"FCLK_CLK0": "clock out", "FCLK_RESET0_N": "reset out"}
            pins |= {f"{name}_ACLK": "clock in" for name in buses}
            irq = (
                self.config(cell, "PCW_USE_FABRIC_INTERRUPT"),
                self.config(cell, "PCW_IRQ_F2P_INTR"),
            )
            return pins | ({"IRQ_F2P": "interrupt in"} if irq == ("1", "1") else {})
        if ip == "zynq_ultra_ps_e":
            pins = {"pl_clk0": "clock out", "pl_resetn0": "reset out"}
            for name in buses:  # M_AXI_HPM0_FPD: maxihpm0_fpd_aclk
                pins[re.sub("_AXI_", "axi", name).lower() + "_aclk"] = "clock in"
            irq = self.config(cell, "PSU__USE__IRQ0") == "1"
            return pins | ({"pl_ps_irq0": "interrupt in"} if irq else {})
        return {"ap_clk": "clock in", "ap_rst_n": "reset in", "interrupt": "interrupt out"}

    def do_get_bd_pins(self, place: str) -> str:
        cell, _, pin = place.partition("/")
        if cell not in self.cells or pin not in self.wires(cell):
            raise VivadoError(f"there is no pin {place}")
        return place

    def do_get_bd_intf_pins(self, place: str) -> str:
        cell, _, pin = place.partition("/")
        if cell not in self.cells or pin not in self.buses(cell):
            raise VivadoError(f"there is no interface {place}")
        return place

    # ---- connections ----
    def do_connect_bd_net(self, source: str, target: str) -> str:
        kinds = [self.wires(c)[p] for c, _, p in (x.partition("/") for x in (source, target))]
        (kind, out), (other, into) = (k.split() for k in kinds)
        if (out, into) != ("out", "in") or kind != other:
            raise VivadoError(f"{source} ({kinds[0]}) cannot drive {target} ({kinds[1]})")
        if target in self.driven:
            raise VivadoError(f"{target} is driven twice")
        self.driven[target] = source
        return ""

    def do_connect_bd_intf_net(self, source: str, target: str) -> str:
        sides = [self.buses(c)[p][0] for c, _, p in (x.partition("/") for x in (source, target))]
        if sides != ["master", "slave"]:
            raise VivadoError(f"{source} is {sides[0]} and {target} {sides[1]}")
        if any(end in link for link in self.links for end in (source, target)):
            raise VivadoError(f"{source} or {target} is connected twice")
        self.links.append((source, target))
        return ""

    def do_get_bd_addr_spaces(self, place: str) -> str:
        cell, _, name = place.partition("/")
        if self.cells.get(cell, "").split(":")[2:3] not in ([n] for n in _PS) or name != "Data":
            raise VivadoError(f"there is no address space {place}")
        return place

    def do_get_bd_addr_segs(self, place: str) -> str:
        self.do_get_bd_intf_pins(place.removesuffix("/reg0"))
        return place

    def do_assign_bd_address(
        self,
        segment: str = "",
        offset: str = "0",
        range: str = "0",  # noqa: A002
        target_address_space: str = "",
    ) -> str:
        if segment:
            base, size = int(offset, 16), int(range, 16)
            top = max(int(r["address_offset"], 16) + 8 for r in self._registers())
            if base % max(size, 1) or size < top:
                raise VivadoError(f"{segment} cannot lie at {offset} in {range} bytes")
            ps = self.cells[target_address_space.partition("/")[0]].split(":")[2]
            if base + size - 1 > _SPACES[ps]:
                raise VivadoError(f"{offset} is beyond the address space")
            self.assigned[segment] = (base, size)
        else:
            masters = {s.partition("/")[0] for s, _ in self.links}
            self.assigned |= {f"{cell}/all": (0, 0) for cell in masters}
        return ""

    def do_validate_bd_design(self) -> str:
        for cell in self.cells:
            for pin, kind in self.wires(cell).items():
                place = f"{cell}/{pin}"
                if kind.endswith(" in") and place not in self.driven:
                    raise VivadoError(f"{place} is not connected")
            for pin in self.buses(cell):
                if not any(f"{cell}/{pin}" in link for link in self.links):
                    raise VivadoError(f"{cell}/{pin} is not connected")
        for source, target in self.through():
            widths = [
                self.buses(c)[p][1] for c, _, p in (x.partition("/") for x in (source, target))
            ]
            if widths[0] != widths[1]:
                raise VivadoError(f"{source} has {widths[0]} bits and {target} {widths[1]}")
        if not any(name.endswith("/s_axi_control/reg0") for name in self.assigned):
            raise VivadoError("the registers have no address")
        return ""

    def through(self) -> list[tuple[str, str]]:
        """Ends of each way through one SmartConnect."""
        into = {t.partition("/")[0]: s for s, t in self.links if t.endswith("/S00_AXI")}
        out = {s.partition("/")[0]: t for s, t in self.links if s.endswith("/M00_AXI")}
        return [(into[name], out[name]) for name in into]

    def do_save_bd_design(self) -> str:
        place = self.folder / f"{self.project}.srcs" / f"{self.design}.bd"
        place.parent.mkdir(exist_ok=True)
        place.write_text("a stand-in's block design\n")
        return ""

    def do_generate_target(self, what: str, design: str) -> str:
        handoff = self.folder / f"{self.project}.gen/sources_1/bd/{self.design}/hw_handoff"
        handoff.mkdir(parents=True, exist_ok=True)
        (handoff / f"{self.design}.hwh").write_bytes(NOTE)
        return ""

    def do_make_wrapper(self, files: str, top: str = "") -> str:
        name = f"{self.project}.srcs/{Path(files).stem}_wrapper.v"
        (self.folder / name).write_text("// a stand-in's wrapper\n")
        return name

    # ---- runs ----
    def do_get_runs(self, name: str) -> str:
        if name not in self.progress:
            raise VivadoError(f"there is no run {name}")
        return name

    def do_current_run(self) -> str:
        return "impl_1"

    def do_reset_runs(self, name: str) -> str:
        self.progress[self.do_get_runs(name)] = "0%"
        return ""

    def do_launch_runs(self, name: str, to_step: str = "") -> str:
        if name == "impl_1" and self.progress["synth_1"] != "100%":
            raise VivadoError("implementation before synthesis")
        self.progress[self.do_get_runs(name)] = "running"
        return ""

    def do_wait_on_run(self, name: str) -> str:
        if self.progress[self.do_get_runs(name)] != "running":
            raise VivadoError(f"{name} was not launched")
        self.progress[name] = "100%"
        if name == "impl_1":
            folder = self.folder / f"{self.project}.runs/impl_1"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{self.top}.bit").write_bytes(NOTE)
            for kind in ("utilization_placed", "timing_summary_routed"):
                (folder / f"{self.top}_{kind}.rpt").write_bytes(NOTE)
        return ""

    def source(self, name: str) -> None:
        super().source(name)
        if self.project and self.part:
            place = self.folder / f"{self.project}.xpr"
            place.write_text(json.dumps([self.project, self.top]))


def main(words: list[str]) -> int:
    """Run the files in this folder, the project among them opened first."""
    if "-version" in words:
        sys.stdout.write("Vivado stand-in: no tool\n")
        return 0
    session = Design(Path.cwd())
    names = words[words.index("-source") + 1 :]
    for name in (n for n in names if n.endswith(".xpr")):
        session.open(name)
    for name in (n for n in names if n.endswith(".tcl")):
        session.source(name)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
