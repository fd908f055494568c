# SPDX-License-Identifier: Apache-2.0
"""rf_requant against the Python rule: all ties, both signs, both ends of the range."""

import random
from typing import Any

import cocotb
from cocotb.triggers import Timer

from recfabric.kernels.fixed import requantise, round_shift


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def rounds_half_to_even_and_saturates(dut: Any) -> None:
    in_bits, out_bits = len(dut.data_i), len(dut.data_o)
    rng = random.Random(1)
    limit = 1 << (in_bits - 1)
    ties = saturated = 0
    for _ in range(6000):
        shift = rng.choice([rng.randrange(in_bits), rng.randrange(in_bits + 1), rng.randrange(62)])
        value = rng.choice(
            [rng.randrange(-limit, limit), rng.randrange(-64, 64), -limit, limit - 1]
        )
        if rng.random() < 0.5 and shift:  # a tie
            value = (value >> shift << shift) | (1 << (shift - 1))
            ties += 1
            if rng.random() < 0.5 and shift > 1:  # just above it, or just below: by any one bit
                value += rng.choice([1, -1]) << rng.randrange(shift - 1)
            value = max(-limit, min(limit - 1, value))
        dut.data_i.value, dut.shift_i.value = value, shift
        await Timer(1, "ns")
        expected = int(requantise(value, shift, out_bits))
        saturated += int(round_shift(value, shift)) != expected
        assert dut.data_o.value.to_signed() == expected, (value, shift)
    assert ties > 1000
    assert saturated > 1000
