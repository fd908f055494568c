# SPDX-License-Identifier: Apache-2.0
"""What the tests of rf_gather and rf_attention share: rows as beats, moments of handshakes."""

import random
from fractions import Fraction
from typing import Any

import numpy as np
from cocotb.triggers import FallingEdge

Array = np.ndarray[Any, Any]


def row_beats(rows: Array, bits: int, beat_bits: int) -> list[int]:
    """The beats of int8 rows (n, D) in ``bits`` bits; what lies beyond a short row is noise."""
    nibbles = rows.view(np.uint8) & ((1 << bits) - 1)
    octets = nibbles if bits == 8 else nibbles[:, ::2] | nibbles[:, 1::2] << 4
    row_bytes, beat_bytes = octets.shape[1], beat_bits // 8
    rng = random.Random(len(rows))
    if row_bytes < beat_bytes:
        tails = [rng.randbytes(beat_bytes - row_bytes) for _ in rows]
        return [
            int.from_bytes(row.tobytes() + tail, "little")
            for row, tail in zip(octets, tails, strict=True)
        ]
    chunks = octets.reshape(-1, beat_bytes)
    return [int.from_bytes(chunk.tobytes(), "little") for chunk in chunks]


def random_rows(rng: np.random.Generator, n: int, dim: int, bits: int) -> Array:
    limit = 1 << (bits - 1)
    return rng.integers(-limit, limit, (n, dim)).astype(np.int8)


class Handshakes:
    """Numbers the cycles and notes those in which streams hand over a beat."""

    def __init__(self, dut: Any, *streams: str) -> None:
        self.dut = dut
        self.at: dict[str, list[int]] = {name: [] for name in streams}

    async def until(self, stream: str, count: int) -> None:
        cycle = 0
        while len(self.at[stream]) < count:
            await FallingEdge(self.dut.clk_i)
            for name, seen in self.at.items():
                valid = getattr(self.dut, f"{name}_tvalid").value
                if valid and getattr(self.dut, f"{name}_tready").value:
                    seen.append(cycle)
            cycle += 1


def rounding(values: Array, shift: int) -> set[str]:
    """Which branches of RND_CONV and SAT (8 bits) these integers take."""
    hit = set()
    for value in values.ravel().tolist():
        exact = Fraction(value, 1 << shift)
        rounded = round(exact)
        if rounded > 127 or rounded < -128:
            hit.add("above" if rounded > 127 else "below")
        elif (exact - rounded).denominator == 2:
            hit.add("tie up" if rounded > exact else "tie down")
    return hit
