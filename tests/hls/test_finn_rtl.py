# SPDX-License-Identifier: Apache-2.0
"""Our modules that stand for FINN's: each against its arithmetic, each with a planted fault."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from recfabric.errors import DeviceError
from recfabric.hls.finn import environment
from recfabric.hls.finn.stitch import OURS
from recfabric.kernels.attention.model import reciprocals, weights
from recfabric.kernels.fixed import requantise
from recfabric.kernels.sources import sources
from recfabric.sim import verilator
from recfabric.sim.bench import Bench
from recfabric.sim.faults import Fault, plant

STALLS = (0.0, 0.4)
FAULTS = (
    Fault("add_multi.sv", "gen_level[l-1].node[2*i+1];", "gen_level[l-1].node[2*i];"),
    Fault(
        "rf_finn_duplicate.sv", "{Outputs{s_axis_tvalid}} & ~taken_q", "{Outputs{s_axis_tvalid}}"
    ),
    Fault("rf_finn_add.sv", "ASigned && a[ABits-1]", "1'b0"),
    Fault("rf_finn_pace.sv", "- CreditBits'(Cycles) + CreditBits'(Beats)", "- CreditBits'(Cycles)"),
    Fault("rf_finn_softmax.sv", "StFill && beat_q == '0", "StFill && 1'b0"),
    Fault("rf_finn_scale.sv", "$signed({1'b0, scale})", "$signed({2'b0, scale[ScaleBits-1:1]})"),
)


def _bench(folder: Path, faults: tuple[Fault, ...] = ()) -> Bench:
    """All cells in one build; FINN's package of functions and add_multi have no name of ours."""
    files = sorted(OURS.glob("*.sv"))
    for fault in faults:
        files = plant(fault, files, folder / "planted")
    named = {path.name: path for path in files}
    parts = [environment.rtllib() / "mvu" / "mvu_pkg.sv", named.pop("add_multi.sv")]
    parts += [Path(__file__).parent / "rf_finn_cells.sv"]
    top = folder / "rf_finn_cells.sv"
    top.write_text("\n".join(part.read_text() for part in parts))
    scalars = {"logit_shift_i": 4, "out_shift_i": 30}
    return Bench("rf_finn_cells", generated=(top, *named.values()), scalars=scalars)


@pytest.fixture(scope="module")
def cells(finn: str, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return _bench(tmp_path_factory.mktemp("cells"))


@pytest.fixture(scope="module")
def broken(finn: str, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return _bench(tmp_path_factory.mktemp("broken"), FAULTS)


def _beats(lanes: np.ndarray, bits: int) -> np.ndarray:
    planes = (lanes[..., None] >> np.arange(bits)) & 1
    return np.packbits(planes.reshape(len(lanes), -1).astype(np.uint8), axis=1, bitorder="little")


def _rng() -> np.random.Generator:
    return np.random.default_rng(1)


def add_multi_signed(bench: Bench) -> bool:
    args = _rng().integers(-128, 128, (200, 5))
    args[0], args[1] = -128, 127
    run = bench.run({"s_axis_args": _beats(args, 8)}, {"m_axis_signed": 200}, max_cycles=999)
    late = run.stamps["m_axis_signed"] - run.stamps["s_axis_args"]
    found = run.outputs["m_axis_signed"].view("<i2").reshape(-1)
    return bool((found == args.sum(axis=1)).all() and (late == 2).all())


def add_multi_unsigned(bench: Bench) -> bool:
    args = _rng().integers(0, 256, (200, 5))
    args[0], args[1] = 0, 255
    run = bench.run({"s_axis_args": _beats(args, 8)}, {"m_axis_unsigned": 200}, max_cycles=999)
    late = run.stamps["m_axis_unsigned"] - run.stamps["s_axis_args"]
    found = run.outputs["m_axis_unsigned"].view("<u2").reshape(-1)
    return bool((found == args.sum(axis=1)).all() and (late == 5).all())


def duplicate(bench: Bench) -> bool:
    beats = _rng().integers(0, 256, (300, 2), dtype=np.uint8)
    same = True
    for stall in STALLS:
        wanted = {f"m_axis_copy[{i}]": len(beats) for i in range(3)}
        run = bench.run({"s_axis_copy": beats}, wanted, max_cycles=5000, stall=stall)
        same &= all((run.outputs[name] == beats).all() for name in wanted)
        same &= stall > 0 or run.cycles == len(beats)
    return same


def add(bench: Bench) -> bool:
    a, b = _rng().integers(-32, 32, (200, 3)), _rng().integers(0, 16, (200, 3))
    a[:2], b[:2] = [[-32] * 3, [31] * 3], [[0] * 3, [15] * 3]
    feed = {"s_axis_a": _beats(a, 6), "s_axis_b": _beats(b, 4)}
    same = True
    for stall in STALLS:
        run = bench.run(feed, {"m_axis_add": len(a)}, max_cycles=5000, stall=stall)
        same &= bool((run.outputs["m_axis_add"] == _beats(a + b, 7)).all())
        same &= stall > 0 or run.cycles == len(a) + 1
    return same


def pace(bench: Bench) -> bool:
    beats = _rng().integers(0, 256, (61, 1), dtype=np.uint8)
    run = bench.run({"s_axis_pace": beats}, {"m_axis_pace": len(beats)}, max_cycles=1000)
    stamps = run.stamps["m_axis_pace"]
    same = (run.outputs["m_axis_pace"] == beats).all()
    return bool(same and abs(int(stamps[60] - stamps[0]) - 200) <= 4)


def softmax(bench: Bench) -> bool:
    rows = _rng().integers(-(1 << 19), 1 << 19, (24, 16))
    rows[0], rows[1], rows[2, 1:] = -(1 << 19), (1 << 19) - 1, -(1 << 19)
    rows[3:] //= 16
    expected = weights(requantise(rows, 4, 16).T).T
    same = True
    for stall in STALLS:
        wanted = {"m_axis_weight": 4 * len(rows), "m_axis_total": len(rows)}
        feed = {"s_axis_logit": _beats(rows.reshape(-1, 4), 20)}
        run = bench.run(feed, wanted, max_cycles=5000, stall=stall)
        totals = run.outputs["m_axis_total"].view("<u2").reshape(-1)
        same &= bool((run.outputs["m_axis_weight"].reshape(-1, 16) == expected).all())
        same &= bool((totals == expected.sum(axis=1, dtype=np.int64)).all())
    return same


def scale(bench: Bench) -> bool:
    weight, sums = _rng().integers(1, 256, (16, 20)), _rng().integers(-(1 << 18), 1 << 18, (20, 8))
    weight[0] = 255
    totals = weight.sum(axis=0)
    expected = requantise(sums * reciprocals(weight.astype(np.uint8))[:, None], 30)
    feed = {
        "s_axis_mix": _beats(sums.reshape(-1, 2), 24),
        "s_axis_divisor": totals.astype("<u2").view(np.uint8).reshape(-1, 2),
    }
    same = True
    for stall in STALLS:
        run = bench.run(feed, {"m_axis_scaled": 80}, max_cycles=9000, stall=stall)
        same &= bool((run.outputs["m_axis_scaled"].view(np.int8).reshape(20, 8) == expected).all())
    return same


CHECKS = (add_multi_signed, add_multi_unsigned, duplicate, add, pace, softmax, scale)


@pytest.mark.parametrize("check", CHECKS)
def test_cell(cells: Bench, check: Callable[[Bench], bool]) -> None:
    assert check(cells)


@pytest.mark.parametrize("check", CHECKS)
def test_a_planted_fault_is_caught(broken: Bench, check: Callable[[Bench], bool]) -> None:
    try:
        assert not check(broken)
    except DeviceError:
        assert check in (duplicate, scale)  # beats too many, or none


@pytest.mark.parametrize("name", sorted(path.stem for path in OURS.glob("rf_*.sv")))
def test_verilator_has_nothing_to_say(name: str) -> None:
    assert verilator.lint(sources(name, (OURS / f"{name}.sv",)), name, {}) == ""
