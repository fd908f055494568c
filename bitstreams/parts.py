# SPDX-License-Identifier: Apache-2.0
"""The devices that utilisation is told for, and what each of them holds."""

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


# From AMD's data sheets: DS190 (Zynq-7000 overview), DS891 (Zynq UltraScale+ overview).
PARTS: Mapping[str, Part] = MappingProxyType(
    {
        part.name: part
        for part in (
            Part("xc7z020", "xc7", "PYNQ-Z1, PYNQ-Z2", 53_200, 106_400, 220, 140, 25),
            Part("xczu5ev", "xcup", "Kria KV260", 117_120, 234_240, 1_248, 144, 27),
        )
    }
)
