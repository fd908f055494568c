# SPDX-License-Identifier: Apache-2.0
"""The devices that cells are counted for, and what each of them holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Part:
    """A device: its Yosys family and the cells it holds.

    ``bram36``: blocks of 36 Kibit; ``port_bits``: of the wide port of its DSPs' multipliers.
    """

    name: str
    family: str
    boards: str
    lut: int
    ff: int
    dsp: int
    bram36: int
    port_bits: int


# From AMD's data sheets: DS190 (Zynq-7000 overview), DS891 (Zynq UltraScale+ overview), DS965
# (U50), DS978 (U55C), DS962 (U250); of a card, what its shell takes is not taken off.
# These are the parts that every kernel is counted for and that the area model knows,
PARTS: Mapping[str, Part] = MappingProxyType(
    {
        part.name: part
        for part in (
            Part("xc7z020", "xc7", "PYNQ-Z1, PYNQ-Z2", 53_200, 106_400, 220, 140, 25),
            Part("xczu5ev", "xcup", "Kria KV260", 117_120, 234_240, 1_248, 144, 27),
        )
    }
)
# and these the boards' others, for which a netlist is counted when somebody asks.
ALL_PARTS: Mapping[str, Part] = MappingProxyType(
    {
        **PARTS,
        **{
            part.name: part
            for part in (
                Part("xczu7ev", "xcup", "ZCU104", 230_400, 460_800, 1_728, 312, 27),
                Part("xcu50", "xcup", "Alveo U50", 871_680, 1_743_360, 5_952, 1_344, 27),
                Part("xcu55c", "xcup", "Alveo U55C", 1_303_680, 2_607_360, 9_024, 2_016, 27),
                Part("xcu250", "xcup", "Alveo U250", 1_728_000, 3_456_000, 12_288, 2_688, 27),
            )
        },
    }
)
