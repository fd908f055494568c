# SPDX-License-Identifier: Apache-2.0
"""rf_hotpath: the composed kernel at several shapes, its register map, its memory image."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from recfabric.config import build_dir
from recfabric.errors import ConfigError
from recfabric.kernels.hotpath import registers, wrapper
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.kernels.hotpath.image import check_fit, memory_image, pack_rows, unpack_rows
from recfabric.kernels.sources import sources
from recfabric.kernels.stimulus import random_contract
from recfabric.sim import verilator
from recfabric.sim.testbench import Fault, Testbench

FOLDER = Path(__file__).parent
TESTS = FOLDER / "cocotb_hotpath.py"
MEMORY, REGISTERS, TIMES = (
    FOLDER / f"cocotb_hotpath_{part}.py" for part in ("memory", "registers", "times")
)
INT4 = {f"{table}_bits": 4 for table in ("message", "key", "value", "item")}
SHAPES = {
    "demo": (HotPathConfig(), 300, 8),
    "narrow-port-int4": (HotPathConfig(dim=32, heads=4, beat_bits=64, pe=8, **INT4), 100, 4),
    "items-packed-int4-edges": (
        HotPathConfig(
            dim=16, heads=1, beat_bits=256, pe=4, simd=8, edges=16, edge_items=512, **INT4
        ),
        300,
        4,
    ),
    "wide-rows": (
        HotPathConfig(dim=256, heads=4, beat_bits=512, k_max=128, max_rows=1024, simd=32),
        150,
        8,
    ),
}


def bench(config: HotPathConfig, fault: Fault | None = None) -> Testbench:
    generated = registers.generate(build_dir() / "generated", config.scan_ports)
    return Testbench("rf_hotpath", config.parameters(), fault, generated)


def environment(config: HotPathConfig, items: int, bits: int) -> dict[str, str]:
    return {"CONFIG": json.dumps(asdict(config)), "ITEMS": str(items), "BITS": str(bits)}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("tests", [TESTS, MEMORY, REGISTERS, TIMES], ids=lambda path: path.stem)
def test_requests(shape: str, tests: Path) -> None:
    config, items, bits = SHAPES[shape]
    bench(config).run(tests, env=environment(config, items, bits))


@pytest.mark.parametrize(
    "fault",
    [
        Fault("rf_scan_reads.sv", "left_q - GroupBits'(chunk);", "left_q - GroupBits'(chunk) - 1;"),
        Fault("rf_front.sv", "{text, kept}", "{kept, text}"),
        # the edges' terms are scaled as another sum is
        Fault("rf_edges.sv", "shift: args_i.scatter_shift[7:0]", "shift: args_i.gather_shift[7:0]"),
    ],
)
def test_a_planted_fault_is_caught(fault: Fault) -> None:
    config, items, bits = SHAPES["items-packed-int4-edges"]
    made = bench(config, fault)
    only = "answers_back_to_back/stall=0.0"
    assert made.outcome(TESTS, env=environment(config, items, bits), only=only).failed


@pytest.mark.parametrize(
    "fault",
    [
        # the user vector of the next request is fused with the attention of this one
        Fault(
            "rf_front.sv", ".s_axis_vec_tdata    ({text, kept})", ".s_axis_vec_tdata({text, user})"
        ),
        # a request's faults are those of the one before, too
        Fault(
            "rf_finish.sv",
            "row_q <= (row_q & ~(finished_o && job.run ? mine : '0))",
            "row_q <= row_q",
        ),
        # a fifth request takes the tag of one in flight
        Fault("rf_dispatch.sv", "flight_q != (TagBits + 1)'(Flight)", "flight_q != '1"),
    ],
)
def test_a_fault_between_overlapped_requests_is_caught(fault: Fault) -> None:
    config, items, bits = SHAPES["items-packed-int4-edges"]
    made = bench(config, fault)
    only = "(a_batch_overlaps|a_bad_request).*stall=0.0|a_bad_list"
    assert made.outcome(TESTS, env=environment(config, items, bits), only=only).failed


@pytest.mark.parametrize(
    ("tests", "only", "fault"),
    [
        # a request that is not computed takes a tag, of which no stage knows
        (
            TIMES,
            "ports",
            Fault("rf_dispatch.sv", "if (open && compute_o) tag_q", "if (open) tag_q"),
        ),
        (TIMES, "late", Fault("rf_finish.sv", "now_q   <= start_i ? '0 :", "now_q   <=")),
        (
            MEMORY,
            "once",
            Fault("rf_scan.sv", "SeenSumBits'((1 << IdsLog2) - 1)", "SeenSumBits'(1 << IdsLog2)"),
        ),
        (
            MEMORY,
            "bus_error",
            Fault("rf_read_ports.sv", "bus_error_o[tag[s]]", "bus_error_o[tag[Rows]]"),
        ),
        (
            MEMORY,
            "bad_beat",
            Fault("rf_dispatch.sv", "(part_q != '0 && error_q)", "1'b0"),
        ),
        (
            TESTS,
            "harm_nothing",
            Fault("rf_finish.sv", "job.run ? Answers : job.batch ?", "job.run ? Answers : 1'b1 ?"),
        ),
        (REGISTERS, "long_seen", Fault("rf_scan.sv", " && !m_axis_seen_cmd_tvalid;", ";")),
        (TESTS, "one_cycle", Fault("rf_dispatch.sv", "running_q <= 1'b0;", "")),
        (REGISTERS, "refused", Fault("rf_control.sv", "args_o.term_shift > 32'd15", "1'b0")),
        (REGISTERS, "shard", Fault("rf_row_reads.sv", ">= args_i.n_rows", "> args_i.n_rows")),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_a_fault_of_the_glue_is_caught(tests: Path, only: str, fault: Fault) -> None:
    config, items, bits = SHAPES["items-packed-int4-edges"]
    made = bench(config, fault)
    assert made.outcome(tests, env=environment(config, items, bits), only=only).failed


def test_the_hosts_constants_are_those_of_the_register_map() -> None:
    assert registers.constants() == registers.CONSTANTS.read_text()


@pytest.mark.parametrize("bits", [4, 8])
def test_rows_pack_and_unpack(bits: int) -> None:
    rng = np.random.default_rng(1)
    limit = 1 << (bits - 1)
    table = rng.integers(-limit, limit, (50, 32), dtype=np.int8)
    assert np.array_equal(unpack_rows(pack_rows(table, bits, 64), bits, 32), table)


def test_an_image_has_its_regions_on_pages_and_its_rows_in_whole_beats() -> None:
    contract = random_contract(items=100, dim=16, bits=4)
    config = HotPathConfig.for_contract(contract, pe=4, simd=8)
    image = memory_image(contract, config)
    assert all(len(region) % 4096 == 0 for region in image.values())
    assert len(image["key"]) == 2 * 4096  # 100 rows of one 64-byte beat
    assert len(image["item"]) == 4096  # 100 rows of 8 bytes


@pytest.mark.parametrize(
    "config",
    [HotPathConfig(dim=32), HotPathConfig(heads=4), HotPathConfig(key_bits=4)],
    ids=["dim", "heads", "key width"],
)
def test_a_netlist_of_another_shape_is_refused(config: HotPathConfig) -> None:
    with pytest.raises(ConfigError, match="contract's"):
        check_fit(random_contract(items=10), config)


def test_a_catalogue_above_the_limit_is_refused() -> None:
    contract = random_contract(items=10)
    check_fit(contract, HotPathConfig(max_items=10))
    with pytest.raises(ConfigError, match="at most 9; build"):
        check_fit(contract, HotPathConfig(max_items=9))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dim", 48),
        ("heads", 3),
        ("beat_bits", 96),
        ("k_max", 129),
        ("max_rows", 2000),
        ("pe", 7),
        ("max_seen", 3000),
        ("fifo_depth", 100),
        ("fifo_depth", 8),
        ("requant_lanes", 128),
        ("max_items", (1 << 24) + 1),
        ("max_requests", 0),
        ("time_bits", 33),
    ],
)
def test_a_bad_parameter_is_named(name: str, value: int) -> None:
    with pytest.raises(ConfigError, match=f"{name} of {value}"):
        HotPathConfig(**{name: value})


@pytest.mark.parametrize("ports", [1, 4])
def test_the_wrapper_with_named_ports_elaborates(ports: int, tmp_path: Path) -> None:
    config = HotPathConfig(dim=16, pe=8, scan_ports=ports)
    path = tmp_path / f"{wrapper.NAME}.sv"
    path.write_text(wrapper.wrapper(config))
    generated = registers.generate(build_dir() / "generated", ports)
    files = (verilator.WAIVERS, *sources(wrapper.NAME, (*generated, path)))
    assert verilator.lint(files, wrapper.NAME, {}) == ""
    assert set(wrapper.arguments(config).values()) == set(range(wrapper.axi_ports(config)))
