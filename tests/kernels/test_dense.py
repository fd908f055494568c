# SPDX-License-Identifier: Apache-2.0
"""rf_dense: the integer model against big integers, the RTL against the integer model."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recfabric.errors import ContractError
from recfabric.kernels.dense.model import dense, weight_beats
from recfabric.kernels.sources import sources
from recfabric.sim.testbench import Fault, Testbench
from recfabric.sim.verilator import lint

DENSE = Path(__file__).parent / "cocotb_dense.py"
CONFIGURATIONS: list[dict[str, object]] = [
    {},
    {"Rows": 16, "Cols": 32, "Pe": 4, "Simd": 4, "WeightBits": 4, "BeatBits": 64},
    {"Rows": 64, "Cols": 12, "Pe": 32, "Simd": 12, "BeatBits": 512},
]
FAULTS = [
    Fault("rf_dense_replay.sv", "level_q > LevelBits'(beat_q)", "1'b1"),
    Fault("rf_dots_group.sv", "Gap) -", "Gap) +"),
    Fault("rf_requant.sv", "half & (rest | halves[1])", "half"),
]


def int8s(low: int = -128, high: int = 127) -> st.SearchStrategy[int]:
    return st.integers(low, high) | st.sampled_from([low, high])


@given(st.data())
def test_model_is_exact(data: st.DataObject) -> None:
    rows, cols = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 9))
    draw = lambda n, s: data.draw(st.lists(s, min_size=n, max_size=n))  # noqa: E731
    x, weight = draw(cols, int8s()), [draw(cols, int8s()) for _ in range(rows)]
    bias, shift = (
        draw(rows, st.integers(-(2**31) + 2**18, 2**31 - 2**18)),
        data.draw(st.integers(0, 40)),
    )
    want = [
        max(-128, min(127, round_half_even(sum(map(int.__mul__, w, x)) + b, shift)))
        for w, b in zip(weight, bias, strict=True)
    ]
    got = dense(np.array(x, np.int8), np.array(weight, np.int8), np.array(bias, np.int32), shift)
    assert got.tolist() == want


def round_half_even(value: int, shift: int) -> int:
    from fractions import Fraction

    return round(Fraction(value, 1 << shift))


def test_model_is_exact_at_its_widest() -> None:
    x = np.full(1024, -128, np.int8)
    weight = np.full((2, 1024), -128, np.int8)
    assert dense(x, weight, np.array([0, -(2**24)], np.int32), 18).tolist() == [64, 0]


@given(st.sampled_from([2, 4, 8]), st.sampled_from([64, 512]), st.integers(0, 2**32))
def test_weight_beats_can_be_read_back(bits: int, beat_bits: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    pe, simd, folds, steps = (int(rng.integers(1, 5)) for _ in range(4))
    limit = 1 << (bits - 1)
    weight = rng.integers(-limit, limit, (folds * pe, steps * simd)).astype(np.int8)
    bias = rng.integers(-(2**31), 2**31, folds * pe).astype(np.int32)
    image = weight_beats(weight, bias, pe=pe, simd=simd, beat_bits=beat_bits, bits=bits)
    stream = int.from_bytes(image.tobytes(), "little")
    word_bits = -(-pe * simd * bits // beat_bits) * beat_bits
    for row, col in np.ndindex(*weight.shape):
        word = row // pe * steps + col // simd
        at = word * word_bits + (row % pe * simd + col % simd) * bits
        assert (stream >> at & (2 * limit - 1)) == int(weight[row, col]) & (2 * limit - 1)
    tail = stream >> folds * steps * word_bits
    assert [tail >> 32 * r & 0xFFFFFFFF for r in range(len(bias))] == bias.view(np.uint32).tolist()
    assert image.size * 8 % beat_bits == 0


@pytest.mark.parametrize(
    ("weight", "fold", "word"), [(np.zeros((6, 8)), 4, "folded"), (np.full((8, 8), 9), 4, "4 bits")]
)
def test_weight_beats_refuses(weight: Any, fold: int, word: str) -> None:
    with pytest.raises(ContractError, match=word):
        weight_beats(weight, np.zeros(len(weight)), pe=fold, simd=4, beat_bits=64, bits=4)


@pytest.mark.parametrize("parameters", CONFIGURATIONS)
def test_rtl(parameters: dict[str, object]) -> None:
    Testbench("rf_dense", parameters).run(DENSE)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.new)
def test_a_planted_fault_is_caught(fault: Fault) -> None:
    assert Testbench("rf_dense", CONFIGURATIONS[1], fault=fault).outcome(DENSE).failed


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"Pe": 64, "Simd": 128},
        {"Pe": 1, "Simd": 1},
        {"Pe": 4, "Simd": 64, "BeatBits": 64, "WeightBits": 4},
        {"Pe": 16, "WeightBits": 4, "PortBits": 27, "Fields": 3, "AccBits": 24},
        {"Rows": 256, "Cols": 512, "Pe": 32, "Simd": 8, "BeatBits": 256},
    ],
)
def test_lint(parameters: dict[str, object]) -> None:
    assert lint(sources("rf_dense"), "rf_dense", parameters) == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [("Pe", 3), ("Pe", 128), ("Simd", 24), ("InBits", 9), ("WeightBits", 1), ("BeatBits", 96),
     ("OutBits", 17), ("AccBits", 22), ("AccBits", 33), ("PortBits", 18), ("Fields", 3)],
)  # fmt: skip
def test_a_bad_parameter_stops_elaboration(name: str, value: int) -> None:
    text = lint(sources("rf_dense"), "rf_dense", {name: value})
    assert f"rf_dense: {name}" in text or f"{name} must be" in text
