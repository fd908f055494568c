# SPDX-License-Identifier: Apache-2.0
"""The register map, from its one source ``rf_regs.rdl`` (SystemRDL 2.0, through PeakRDL).

:func:`generate` writes the register block in SystemVerilog for simulators and synthesisers;
``_registers.py`` beside this file holds the same map for hosts, which need no PeakRDL.
``python -m recfabric.kernels.hotpath.registers`` writes that file anew; a test compares the two.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recfabric.errors import MissingExtraError

SOURCE = Path(__file__).parent / "rf_regs.rdl"
MAX_PORTS = 16  # the offsets do not depend on how many of the ports there are
FIRST_ARGUMENT = 0x10  # below lie control and interrupts, as ap_ctrl_hs has them
CONSTANTS = Path(__file__).parent / "_registers.py"


def generate(folder: Path, ports: int = 1) -> tuple[Path, Path]:
    """The register block's package and module, written below ``folder`` once per content.

    ``ports``: shares of the item table. Raises MissingExtraError where PeakRDL is not installed.
    """
    out = folder / f"registers-{ports}-{hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:12]}"
    files = (out / "rf_regs_pkg.sv", out / "rf_regs.sv")
    if not all(path.exists() for path in files):
        _export(out, ports)
    return files


def _compile(ports: int) -> Any:  # noqa: ANN401  (systemrdl has no types)
    try:
        from peakrdl_regblock.udps import ALL_UDPS
        from systemrdl import RDLCompiler
    except ImportError:
        raise MissingExtraError("peakrdl", "sim") from None
    compiler = RDLCompiler()
    for property_definition in ALL_UDPS:
        compiler.register_udp(property_definition)
    compiler.compile_file(str(SOURCE))
    return compiler.elaborate(
        top_def_name="rf_regs", inst_name="rf_regs", parameters={"PORTS": ports}
    )


def _export(out: Path, ports: int) -> None:
    root = _compile(ports)
    from peakrdl_regblock import RegblockExporter
    from peakrdl_regblock.cpuif.axi4lite import AXI4Lite_Cpuif_flattened

    out.mkdir(parents=True, exist_ok=True)
    RegblockExporter().export(
        root,
        str(out),
        cpuif_cls=AXI4Lite_Cpuif_flattened,
        module_name="rf_regs",
        package_name="rf_regs_pkg",
        default_reset_activelow=True,
    )


def constants() -> str:
    """The text of ``_registers.py``: every register's offset and every field's place."""
    lines = [
        "# SPDX-License-Identifier: Apache-2.0",
        '"""Offsets and fields of the register block. Generated from rf_regs.rdl: do not edit."""',
        "",
        "# name: byte offset",
        "OFFSETS = {",
    ]
    registers = list(_registers(_compile(MAX_PORTS).top))
    lines += [f'    "{name}": 0x{offset:02X},' for name, offset, _, _ in registers]
    lines += ["}", "", "# name: what it holds", "DESCRIPTIONS = {"]
    lines += [f'    "{name}": "{text}",' for name, _, text, _ in registers]
    lines += ["}", "", "# register: field: (lowest bit, width)", "FIELDS = {"]
    for name, _, _, fields in registers:
        if set(fields) != {"value"}:
            lines += [f'    "{name}": {{']
            lines += [f'        "{f}": ({low}, {width}),' for f, (low, width) in fields.items()]
            lines += ["    },"]
    lines += ["}", "", "# argument: (byte offset, bits)", "ARGUMENTS = {"]
    lines += [f'    "{name}": (0x{offset:02X}, {bits}),' for name, offset, bits in _arguments()]
    return "\n".join([*lines, "}", ""])


def _arguments() -> Iterator[tuple[str, int, int]]:
    """What a host may write beyond the control registers: 64-bit addresses and 32-bit scalars."""
    from systemrdl.node import RegNode

    for node in _compile(MAX_PORTS).top.descendants(unroll=True):
        if not isinstance(node, RegNode) or not node.has_sw_writable:
            continue
        name = _name(node)
        if name.endswith("_lo"):
            yield name.removesuffix("_lo"), node.absolute_address, 64
        elif not name.endswith("_hi") and node.absolute_address >= FIRST_ARGUMENT:
            yield name, node.absolute_address, 32


def _name(node: Any) -> str:  # noqa: ANN401
    """A register's name: its own, or with its place in a file of registers."""
    parent, own = node.parent, str(node.get_path_segment())
    if parent is node.owning_addrmap:
        return own
    number = parent.current_idx[0] if parent.current_idx else 0
    return f"{parent.inst_name}{number or ''}_{own}"


def _registers(top: Any) -> Iterator[tuple[str, int, str, dict[str, tuple[int, int]]]]:  # noqa: ANN401
    from systemrdl.node import RegNode

    for node in top.descendants(unroll=True):
        if isinstance(node, RegNode):
            text = node.get_property("desc") or node.get_property("name")
            if node.parent is not top:
                text = node.parent.get_property("desc")
            fields = {f.inst_name: (f.low, f.width) for f in node.fields()}
            yield _name(node), node.absolute_address, text, fields


if __name__ == "__main__":
    CONSTANTS.write_text(constants())
