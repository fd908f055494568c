# SPDX-License-Identifier: Apache-2.0
"""Cells by Yosys: the counts, what is refused, what is kept."""

from pathlib import Path

import pytest

from recfabric.bitstreams import _yosys, cells
from recfabric.bitstreams.cells import kernel_utilisation, register_memories, utilisation
from recfabric.bitstreams.parts import PARTS
from recfabric.errors import ConfigError
from recfabric.kernels.hotpath.config import HotPathConfig

ARRAY = """
module rf_array (
    input logic clk_i, input logic rst_ni, input logic we_i, input logic [5:0] a_i,
    input logic [31:0] d_i, output logic [31:0] q_o
);
  logic [31:0] memory[64];
  always_ff @(posedge clk_i) begin
    if (!rst_ni) for (int i = 0; i < 64; i++) memory[i] <= '0;
    else if (we_i) memory[a_i] <= d_i;
    q_o <= memory[a_i];
  end
endmodule
"""


@pytest.mark.parametrize("part", PARTS)
def test_a_deep_fifo_is_block_ram(part: str) -> None:
    row = utilisation("rf_fifo", {"Depth": 512, "Width": 64}, part)
    assert row.bram36 == 1 and row.dsp == 0 and row.lutram == 0
    assert row.ff < 40  # two counters and a flag: not the memory, not its output
    assert row.register_memories == ()
    assert "without place and route" in row.tool and "nothing was run in Vivado" in row.tool


def test_a_combinational_cell_has_no_register() -> None:
    row = utilisation("rf_requant", {}, "xc7z020")
    assert row.ff == 0 and row.bram36 == 0 and row.lut > 50


def test_the_result_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    first = utilisation("rf_requant", {}, "xc7z020")
    monkeypatch.setattr(cells, "_run", lambda job: pytest.fail("Yosys ran again"))
    assert utilisation("rf_requant", {}, "xc7z020") == first


@pytest.mark.parametrize(
    ("module", "parameters", "part", "message"),
    [
        ("rf_nothing", {}, "xc7z020", "no module 'rf_nothing'"),
        ("rf_fifo", {"Deep": 4}, "xc7z020", "no parameter 'Deep'; it has Width, Depth"),
        ("rf_fifo", {}, "xc7z010", "'xc7z010' is not known; choose one of xc7z020, xczu5ev"),
    ],
)
def test_refused(module: str, parameters: dict[str, int], part: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        utilisation(module, parameters, part)


def test_a_bad_value_gives_the_modules_own_sentence() -> None:
    with pytest.raises(cells.SynthesisError) as caught:
        utilisation("rf_fifo", {"Depth": 3}, "xc7z020")
    assert "Depth must be a power of two, at least 2" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_crash_is_one_sentence() -> None:
    assert cells._reason("1. Executing\n\n2. Mapping\n", -11) == (
        "it ended with signal 11 after '2. Mapping'."
    )


def test_a_memory_in_flip_flops_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "rf_array.sv"
    source.write_text(ARRAY)
    monkeypatch.setenv("RECFABRIC_BUILD", str(tmp_path))
    monkeypatch.setattr(cells, "sources", lambda module, slots: (source,))
    row = utilisation("rf_array", {}, "xc7z020")
    assert row.register_memories == ("rf_array.memory (64 x 32 bits)",)
    assert row.ff >= 64 * 32


def test_a_rom_is_no_register() -> None:
    log = (
        "Mapping memory \\table in module \\rf_x:\n"
        "  created 32 $dff cells and 0 static cells of width 8.\n"
        "  read interface: 1 $dff and 31 $mux cells.\n"
        "  write interface: {} write mux blocks.\n"
    )
    assert _yosys.registers(log.format(0)) == []
    assert _yosys.registers(log.format(0) + log.format(32))[0]["words"] == 32


def test_no_memory_of_the_hot_path_is_in_flip_flops() -> None:
    found = register_memories("rf_hotpath", HotPathConfig().parameters(), "xc7z020")
    assert [r for r in found if r.words * r.width > cells.REGISTER_BITS] == []


def test_kernels_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    glue = {"LUT6": 5, "FDRE": 2, "RAMB18E1": 1, "INV": 3}
    below = {f"{kernel}$rf_hotpath.u": 1 for kernel in cells.KERNELS}
    inside = {"LUT2": 10, "DSP48E1": 4, "RAM32M": 2, "CARRY4": 1, "RAMB36E1": 1}
    modules = {"rf_hotpath": glue | below, **{name: dict(inside) for name in below}}
    result = {"modules": modules, "registers": []}
    monkeypatch.setattr(cells, "_results", lambda jobs, advance: [result for _ in jobs])
    *kernels, total = kernel_utilisation(HotPathConfig(), ["xc7z020"])
    assert [row.module for row in kernels] == list(cells.KERNELS)
    assert total.lut == 5 + 3 + sum(row.lut for row in kernels)
    assert total.lutram == sum(row.lutram for row in kernels) == 8 * len(kernels)
    assert total.bram36 == 0.5 + len(kernels) and total.dsp == 4 * len(kernels)


def test_latches_are_not_passed_over() -> None:
    with pytest.raises(cells.SynthesisError, match="rf_x that are not counted: LDCE"):
        cells._check("rf_x", {"LUT2": 1, "LDCE": 4})
