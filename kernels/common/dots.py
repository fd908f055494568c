# SPDX-License-Identifier: Apache-2.0
"""How ``rf_dots`` packs products, as ``rf_dots_pkg.sv`` says it in SystemVerilog."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Packing:
    """Products of ``a_bits`` x ``b_bits`` signed integers that share the ``b``.

    ``rows``: dot products at once; ``lanes``: products of each; ``port_bits``: of the multiplier's
    wide port (DSP48E1 25, DSP48E2 27); ``fields``: products of one multiplication, 0 for as many
    as ``rf_dots`` takes by itself.
    """

    rows: int
    lanes: int
    a_bits: int
    b_bits: int = 8
    port_bits: int = 25
    fields: int = 0

    @property
    def most(self) -> int:
        """Products of one multiplication."""
        if self.fields or self.rows < 2:
            return self.fields or 1
        return 4 if self.a_bits <= 4 and self.rows >= 4 else 2

    @property
    def multipliers(self) -> int:
        """DSPs: one for ``most`` products."""
        return -(-self.rows // self.most) * self.lanes

    @property
    def gap(self) -> int:
        """Bits from the lowest field to the next one."""
        full = self.a_bits + self.b_bits
        return (
            full if self.most < 2 else min(full, (self.port_bits - self.a_bits) // (self.most - 1))
        )

    @property
    def stages(self) -> int:
        """Registers from the factors to the dot products."""
        deep = self.a_bits + self.b_bits - self.gap > 1
        return 1 + ((self.lanes - 1).bit_length() + 1) // 2 + (self.most > 1) + deep
