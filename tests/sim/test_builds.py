# SPDX-License-Identifier: Apache-2.0
"""Builds are kept by content; linters find what they should; waves come when asked for."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from time import sleep

import pytest

from recfabric.builds import build_lock, content_key
from recfabric.kernels.sources import ROOT, sources
from recfabric.sim import lint, verilator
from recfabric.sim.testbench import Fault, Testbench

FIFO = Path(__file__).parents[1] / "kernels" / "cocotb_fifo.py"


def test_sources_come_in_the_order_of_use() -> None:
    names = [path.stem for path in sources("rf_axi_read")]
    assert names == ["rf_pkg", "rf_fifo", "rf_axi_read"]
    with pytest.raises(KeyError):
        sources("rf_nothing")


def test_every_module_lies_in_a_file_of_its_name() -> None:
    for path in ROOT.rglob("rf_*.sv"):
        kind = "package" if path.stem.endswith("_pkg") else "module"
        assert f"{kind} {path.stem}" in path.read_text(), path


def test_a_key_follows_names_bytes_and_options(tmp_path: Path) -> None:
    one, other = tmp_path / "a.sv", tmp_path / "b.sv"
    one.write_text("module a; endmodule")
    other.write_text("module a; endmodule")
    keys = {content_key([one]), content_key([other]), content_key([one], "option")}
    one.write_text("module a;  endmodule")
    keys.add(content_key([one]))
    assert len(keys) == 4


def test_a_build_is_made_once() -> None:
    bench = Testbench("rf_fifo", {"Width": 8, "Depth": 16})
    built = bench.build() / "built"
    made = built.stat().st_mtime_ns
    assert Testbench("rf_fifo", {"Width": 8, "Depth": 16}).build() == built.parent
    assert built.stat().st_mtime_ns == made


def test_as_many_builds_run_at_a_time_as_there_are_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECFABRIC_BUILD", str(tmp_path))
    monkeypatch.setattr("recfabric.builds.os.cpu_count", lambda: 2)
    running, most = [0], [0]
    lock = Lock()

    def build(key: str) -> None:
        with build_lock(key):
            with lock:
                running[0] += 1
                most[0] = max(most[0], running[0])
            sleep(0.05)
            with lock:
                running[0] -= 1

    for keys, limit in ((["same"] * 4, 1), (list("abcd"), 2)):
        most[0] = 0
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(build, keys))
        assert most[0] == limit


def test_waves_are_written_when_asked_for() -> None:
    bench = Testbench("rf_fifo", {"Width": 8, "Depth": 2}, waves=True)
    bench.run(FIFO)
    assert (bench.build() / "dump.vcd").stat().st_size > 1000


def test_a_fault_that_is_not_in_the_source_is_refused() -> None:
    fault = Fault("rf_fifo.sv", "no such text", "")
    with pytest.raises(AssertionError, match=r"not once in rf_fifo\.sv"):
        Testbench("rf_fifo", {"Width": 8, "Depth": 16}, fault=fault).build()


def test_verilators_lint_finds_a_width(tmp_path: Path) -> None:
    bad = tmp_path / "rf_bad.sv"
    bad.write_text(
        "module rf_bad(input logic [3:0] a_i, output logic b_o);\nassign b_o = a_i;\nendmodule\n"
    )
    assert "WIDTHTRUNC" in verilator.lint([bad], "rf_bad", {})


def test_veribles_lint_finds_a_port_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = tmp_path / "rf_bad.sv"
    bad.write_text("module rf_bad (\n    input logic a\n);\nendmodule\n")
    monkeypatch.setattr(lint, "ROOT", tmp_path)
    monkeypatch.setattr(lint, "TOPS", ())
    assert any("port-name-suffix" in text for text in lint.findings())
