# SPDX-License-Identifier: Apache-2.0
"""The processing systems that a block design stands on: names of their pins and parameters.

From AMD's product guides of the two blocks (PG082 for ``processing_system7``, PG201 for
``zynq_ultra_ps_e``). Written, read by a Tcl interpreter in the tests, never run in Vivado by us.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from recfabric.bitstreams.boards import Board
from recfabric.errors import ConfigError

CLOCK = {"processing_system7": "FCLK_CLK0", "zynq_ultra_ps_e": "pl_clk0"}
RESET = {"processing_system7": "FCLK_RESET0_N", "zynq_ultra_ps_e": "pl_resetn0"}
INTERRUPT = {"processing_system7": "IRQ_F2P", "zynq_ultra_ps_e": "pl_ps_irq0"}
# What the block's automation is told: the board's own pins on Zynq-7000, nothing on MPSoC.
AUTOMATION = {
    "processing_system7": 'make_external "FIXED_IO, DDR" apply_board_preset "0"',
    "zynq_ultra_ps_e": 'apply_board_preset "0"',
}


@dataclass(frozen=True)
class Interface:
    """An AXI interface of a PS: its pin, its clock's pin, its parameters in use."""

    pin: str
    clock: str
    parameters: tuple[tuple[str, str], ...]


def memory_interface(board: Board, port: int) -> Interface:
    """Where the kernel's AXI4 port of a number goes. Raises ConfigError for an unknown name."""
    pin = board.memory_ports[port]
    if board.ps == "processing_system7" and pin.startswith("S_AXI_HP"):
        use = ((f"PCW_USE_{pin}", "1"), (f"PCW_{pin}_DATA_WIDTH", str(board.port_bits)))
        return Interface(pin, f"{pin}_ACLK", use)
    if board.ps == "zynq_ultra_ps_e" and pin.startswith("S_AXI_HP"):
        number = 2 + int(pin.removeprefix("S_AXI_HP")[0])  # HP0 is the PS' slave port 2
        width = (f"PSU__SAXIGP{number}__DATA_WIDTH", str(board.port_bits))
        clock = f"{pin.removeprefix('S_AXI_').lower()}"
        return Interface(pin, f"saxi{clock}_aclk", ((f"PSU__USE__S_AXI_GP{number}", "1"), width))
    raise ConfigError(f"The board '{board.name}' names an unknown memory port '{pin}'.")


def control_interface(board: Board) -> Interface:
    """Where the kernel's registers are reached from. Raises ConfigError for an unknown name."""
    if board.ps == "processing_system7" and board.control == "M_AXI_GP0":
        return Interface(board.control, "M_AXI_GP0_ACLK", (("PCW_USE_M_AXI_GP0", "1"),))
    if board.ps == "zynq_ultra_ps_e" and board.control == "M_AXI_HPM0_FPD":
        others = tuple((f"PSU__USE__M_AXI_GP{n}", "0") for n in (1, 2))
        use = (("PSU__USE__M_AXI_GP0", "1"), ("PSU__MAXIGP0__DATA_WIDTH", "32"))
        return Interface(board.control, "maxihpm0_fpd_aclk", (*use, *others))
    raise ConfigError(f"The board '{board.name}' names an unknown control port '{board.control}'.")


def parameters(board: Board, ports: int) -> Iterator[tuple[str, str]]:
    """The PS' parameters in a design with so many memory ports."""
    if board.ps == "processing_system7":
        yield "PCW_FPGA0_PERIPHERAL_FREQMHZ", str(board.clock_mhz)
        yield "PCW_USE_FABRIC_INTERRUPT", "1"
        yield "PCW_IRQ_F2P_INTR", "1"
    else:
        yield "PSU__FPGA_PL0_ENABLE", "1"
        yield "PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ", str(board.clock_mhz)
        yield "PSU__USE__IRQ0", "1"
    yield from control_interface(board).parameters
    for port in range(ports):
        yield from memory_interface(board, port).parameters
