# SPDX-License-Identifier: Apache-2.0
"""The common cells."""

from pathlib import Path

import pytest

from recfabric.kernels.sources import sources
from recfabric.sim.coverage import assert_every_point_hit
from recfabric.sim.testbench import Fault, Testbench
from recfabric.sim.verilator import lint

FIFO = Path(__file__).parent / "cocotb_fifo.py"


@pytest.mark.parametrize(("width", "depth"), [(8, 16), (512, 2)])
def test_fifo(width: int, depth: int) -> None:
    Testbench("rf_fifo", {"Width": width, "Depth": depth}).run(FIFO)


def test_fifo_catches_a_planted_fault() -> None:
    fault = Fault("rf_fifo.sv", "level_o != (AddrBits + 1)'(Depth)", "1'b1")
    bench = Testbench("rf_fifo", {"Width": 8, "Depth": 16}, fault=fault)
    assert bench.outcome(FIFO).failed


REQUANT = Path(__file__).parent / "cocotb_requant.py"


@pytest.mark.parametrize(("in_bits", "out_bits"), [(12, 4), (48, 8)])
def test_requant(in_bits: int, out_bits: int) -> None:
    Testbench("rf_requant", {"InBits": in_bits, "OutBits": out_bits}).run(REQUANT)


def test_requant_catches_rounding_half_up() -> None:
    fault = Fault("rf_requant.sv", "(rest | halves[1])", "1'b1")
    bench = Testbench("rf_requant", {"InBits": 12, "OutBits": 4}, fault=fault)
    assert bench.outcome(REQUANT).failed


WIDTHS = Path(__file__).parent / "cocotb_widths.py"


@pytest.mark.parametrize("top", ["rf_unpack", "rf_pack"])
@pytest.mark.parametrize("wide", [64, 512])
def test_width_converters(top: str, wide: int) -> None:
    narrow, other = ("OutBits", "InBits") if top == "rf_unpack" else ("InBits", "OutBits")
    Testbench(top, {narrow: 64, other: wide}).run(WIDTHS)


@pytest.mark.parametrize(
    ("top", "parameters", "says"),
    [
        ("rf_fifo", {"Depth": 3}, "Depth must be a power of two"),
        ("rf_requant", {"InBits": 4, "OutBits": 8}, "OutBits must be 2 to InBits"),
        ("rf_unpack", {"InBits": 100, "OutBits": 32}, "OutBits must divide InBits"),
        ("rf_pack", {"InBits": 48, "OutBits": 100}, "InBits must divide OutBits"),
        ("rf_axi_read", {"BeatBits": 96}, "BeatBits must be 64, 128, 256 or 512"),
        ("rf_axi_read", {"MaxBurst": 512, "FifoDepth": 64}, "MaxBurst must be 1 to 256"),
        ("rf_axi_write", {"BeatBits": 32}, "BeatBits must be 64, 128, 256 or 512"),
        ("rf_history", {"MaxRows": 2000}, "MaxRows must be 2 to 1024"),
    ],
)
def test_a_bad_parameter_stops_elaboration(top: str, parameters: dict[str, int], says: str) -> None:
    assert says in lint(sources(top), top, parameters)


AXI_READ = Path(__file__).parent / "cocotb_axi_read.py"


@pytest.mark.parametrize(("beat_bits", "depth", "burst"), [(512, 64, 16), (64, 32, 32)])
def test_axi_read(beat_bits: int, depth: int, burst: int) -> None:
    parameters = {"BeatBits": beat_bits, "FifoDepth": depth, "MaxBurst": burst}
    Testbench("rf_axi_read", parameters).run(AXI_READ)


def test_axi_read_catches_bursts_across_a_page() -> None:
    fault = Fault("rf_axi_read.sv", "if (page_left < 32'(burst))", "if (1'b0)")
    parameters = {"BeatBits": 64, "FifoDepth": 32, "MaxBurst": 32}
    assert Testbench("rf_axi_read", parameters, fault=fault).outcome(AXI_READ).failed


AXI_WRITE = Path(__file__).parent / "cocotb_axi_write.py"


@pytest.mark.parametrize("beat_bits", [64, 512])
def test_axi_write(beat_bits: int) -> None:
    Testbench("rf_axi_write", {"BeatBits": beat_bits}).run(AXI_WRITE)


def test_axi_write_catches_stale_strobes() -> None:
    fault = Fault("rf_axi_write.sv", "m_axi_gmem_wstrb <= (BeatBits / 8)'(8'hFF);", "")
    assert Testbench("rf_axi_write", {"BeatBits": 512}, fault=fault).outcome(AXI_WRITE).failed


READ_512 = {"BeatBits": 512, "FifoDepth": 64, "MaxBurst": 16}
READ_64 = {"BeatBits": 64, "FifoDepth": 32, "MaxBurst": 32}
COVERED: list[tuple[Path, list[Testbench], dict[str, str]]] = [
    (FIFO, [Testbench("rf_fifo", {"Width": w, "Depth": d}) for w, d in ((8, 16), (512, 2))], {}),
    (
        REQUANT,
        [Testbench("rf_requant", {"InBits": i, "OutBits": o}) for i, o in ((12, 4), (48, 8))],
        {},
    ),
    (WIDTHS, [Testbench("rf_unpack", {"OutBits": 64, "InBits": w}) for w in (64, 512)], {}),
    (WIDTHS, [Testbench("rf_pack", {"InBits": 64, "OutBits": w}) for w in (64, 512)], {}),
    (
        AXI_READ,
        [Testbench("rf_axi_read", READ_512), Testbench("rf_axi_read", READ_64)],
        {"rf_fifo.full": "reads are asked for only while there is room: room_for_what_comes"},
    ),
    (AXI_WRITE, [Testbench("rf_axi_write", {"BeatBits": w}) for w in (64, 512)], {}),
]


@pytest.mark.parametrize(("tests", "benches", "unreachable"), COVERED, ids=lambda v: None)
def test_every_cover_point_is_hit(
    tests: Path, benches: list[Testbench], unreachable: dict[str, str]
) -> None:
    assert_every_point_hit((b.hits(tests) for b in benches), unreachable=unreachable)


def test_a_missing_stimulus_is_named() -> None:
    bench = Testbench("rf_fifo", {"Width": 8, "Depth": 16})
    hits = bench.hits(FIFO, only="input_stall=0.5/output_stall=0.0")
    with pytest.raises(AssertionError, match=r"not hit: rf_fifo\.full, rf_fifo\.waits_for_its"):
        assert_every_point_hit([hits])
