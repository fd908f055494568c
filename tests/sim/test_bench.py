# SPDX-License-Identifier: Apache-2.0
"""The volume harness: exact under stalls, its memory as it says, planted faults caught."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from recfabric.errors import DeviceError, DeviceTimeoutError, RequestError
from recfabric.sim.bench import Bench, BenchRun
from recfabric.sim.faults import Fault
from recfabric.sim.verilated import MemoryModel

SIZE = 1 << 16
LANES = Path(__file__).parent / "rf_lanes.sv"
FIFO = {"Width": 12, "Depth": 16}
AXI = {"BeatBits": 512, "FifoDepth": 64, "MaxBurst": 4}


def commands(places: npt.NDArray[np.int64], beats: int, dest: int) -> npt.NDArray[np.uint8]:
    """rf_pkg::read_cmd_t of 99 bits: addr, beats, dest."""
    words = [(int(place) * 64 << 35) | (beats << 3) | dest for place in places]
    return np.array([list(word.to_bytes(13, "little")) for word in words], np.uint8)


def read(memory: MemoryModel, stall: float = 0.0, fault: Fault | None = None) -> BenchRun:
    rng = np.random.default_rng(1)
    places = rng.integers(0, SIZE // 64 - 8, 300)
    with Bench("rf_axi_read", AXI, memory_bytes=SIZE, memory=memory, fault=fault) as bench:
        bench.memory[:] = rng.integers(0, 256, SIZE, dtype=np.uint8)
        run = bench.run(
            {"s_axis_cmd": commands(places, 3, 5)},
            {"m_axis_data": 900},
            max_cycles=100_000,
            stall=stall,
        )
        rows = bench.memory.reshape(-1, 64)
        want = rows[(places[:, None] + np.arange(3)).ravel()]
        assert np.array_equal(run.outputs["m_axis_data"], want)
        assert (run.outputs["m_axis_data_tdest"] == 5).all()
        assert bench.get("error_o") == 0
    return run


@pytest.mark.parametrize("stall", [0.0, 0.4])
def test_a_fifo_gives_what_it_took(stall: float) -> None:
    numbers = np.random.default_rng(1).integers(0, 1 << 12, 1000).astype("<u2")
    beats = numbers.view(np.uint8).reshape(-1, 2)
    with Bench("rf_fifo", FIFO) as bench:
        run = bench.run({"s_axis": beats}, {"m_axis": 1000}, max_cycles=10_000, stall=stall, seed=3)
        assert bench.get("level_o") == 0
    assert np.array_equal(run.outputs["m_axis"], beats)
    latency = run.stamps["m_axis"] - run.stamps["s_axis"]
    assert latency.min() == 2  # as rf_fifo.sv says
    if stall:
        assert run.cycles > 1600
    else:
        assert (latency == 2).all()
        assert run.cycles == 1002


@pytest.mark.parametrize(("outstanding", "stall"), [(64, 0.0), (7, 0.3), (1, 0.0)])
def test_the_memory_keeps_its_latency_and_its_limit(outstanding: int, stall: float) -> None:
    run = read(MemoryModel(latency=50, outstanding=outstanding, stall=stall, seed=5), stall)
    traffic = run.traffic["read m_axi_gmem[0]"]
    assert traffic.beats == 900
    assert 300 <= traffic.bursts < 400  # some cross a page
    # the FIFO's 64 credits allow 21 bursts of 3 beats and more where a page cuts them
    assert 21 <= traffic.peak <= 30 if outstanding == 64 else traffic.peak == outstanding
    assert run.stamps["m_axis_data"][0] >= 50
    if outstanding == 1:
        assert run.cycles >= traffic.bursts * 50


def test_a_run_without_reset_goes_on() -> None:
    beats = np.arange(16, dtype=np.uint8).reshape(-1, 2) & 15
    with Bench("rf_fifo", FIFO) as bench:
        bench.run({"s_axis": beats}, {}, max_cycles=100)
        rest = bench.run({}, {"m_axis": 8}, max_cycles=100, reset=False)
        assert np.array_equal(rest.outputs["m_axis"], beats)
        with pytest.raises(DeviceTimeoutError):
            bench.run({}, {"m_axis": 1}, max_cycles=100)


def test_what_does_not_fit_is_refused() -> None:
    with Bench("rf_fifo", FIFO) as bench:
        beats = np.zeros((3, 2), np.uint8)
        with pytest.raises(RequestError, match=r"no such stream as 's_axis_x'; it has s_axis\."):
            bench.run({"s_axis_x": beats}, {}, max_cycles=10)
        with pytest.raises(RequestError, match=r"shape \(3, 2\), not uint8 of \(3, 1\)"):
            bench.run({"s_axis": beats[:, :1]}, {}, max_cycles=10)
        with pytest.raises(RequestError, match="no port 'shift_i'"):
            bench.set("shift_i", 1)
        with pytest.raises(DeviceTimeoutError, match=r"s_axis 3 of 3, m_axis 3 of 4 beats"):
            bench.run({"s_axis": beats}, {"m_axis": 4}, max_cycles=50)
        with pytest.raises(DeviceError, match="more beats than"):
            bench.run({"s_axis": beats}, {"m_axis": 2}, max_cycles=50)


def test_a_burst_across_a_page_is_caught() -> None:
    fault = Fault("rf_axi_read.sv", "if (page_left < 32'(burst))", "if (1'b0)")
    with pytest.raises(DeviceError, match="bursts cross 4 KiB"):
        read(MemoryModel(latency=5), fault=fault)


def test_a_lost_beat_is_caught() -> None:
    fault = Fault("rf_fifo.sv", "if (push) tail_q <=", "if (push && tail_q != 3) tail_q <=")
    beats = np.zeros((16, 2), np.uint8)
    with (
        Bench("rf_fifo", FIFO, fault=fault) as bench,
        pytest.raises(DeviceTimeoutError),
    ):
        bench.run({"s_axis": beats}, {"m_axis": 16}, max_cycles=100)


@pytest.mark.parametrize("stall", [0.0, 0.3])
def test_packed_arrays_are_ports_of_their_own(stall: float) -> None:
    rng = np.random.default_rng(7)
    places = [rng.integers(0, 512, 200 + 50 * port) for port in range(4)]
    inputs = {
        f"s_axis_addr[{port}]": (8 * where).astype("<u8").view(np.uint8).reshape(-1, 8)
        for port, where in enumerate(places)
    }
    wanted = {f"m_axis_data[{port}]": len(where) for port, where in enumerate(places)}
    memory = MemoryModel(latency=100, outstanding=64, stall=stall)
    with Bench("rf_lanes", generated=(LANES,), memory_bytes=4096, memory=memory) as bench:
        bench.memory[:] = rng.integers(0, 256, 4096, dtype=np.uint8)
        run = bench.run(inputs, wanted, max_cycles=5000, stall=stall)
        rows = bench.memory.reshape(-1, 8)
        for port, where in enumerate(places):
            assert np.array_equal(run.outputs[f"m_axis_data[{port}]"], rows[where])
            traffic = run.traffic[f"read m_axi_gmem[{port}]"]
            assert (traffic.bursts, traffic.beats) == (len(where), len(where))
            assert traffic.peak == 64 or stall
    if not stall:  # 64 reads in flight; each is free again the cycle after its beat
        stamps = run.stamps["m_axis_data[3]"]
        assert stamps[0] == 100
        assert stamps[320] - stamps[0] == 5 * 101
