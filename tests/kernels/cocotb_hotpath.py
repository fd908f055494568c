# SPDX-License-Identifier: Apache-2.0
"""rf_hotpath through its registers and its memory: requests against the integer model."""

import json
import os
from dataclasses import asdict
from itertools import count
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, RisingEdge
from cocotbext.axi import AxiBus, AxiLiteBus, AxiLiteMaster, AxiRam

from recfabric.kernels.hotpath._registers import OFFSETS
from recfabric.kernels.hotpath.batch import DESCRIPTOR, NOT_WRITTEN, RECORD, result_stride
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.kernels.hotpath.image import memory_image
from recfabric.kernels.hotpath.model import HotPath
from recfabric.kernels.stimulus import random_contract
from recfabric.sim.streams import reset, stalls, start

CONFIG = HotPathConfig(**json.loads(os.environ["CONFIG"]))
ITEMS = int(os.environ["ITEMS"])
BITS = int(os.environ["BITS"])
EDGES = max(CONFIG.edges - 3, 0)  # of an item: some slots of its row stay empty
SCRATCH = {"history": 0, "seen": 1 << 14, "result": 1 << 15}
BATCH = 3 << 20  # from here on: descriptors, records, results, lists, a page or more each
BATCH_SCRATCH = {"descriptor": BATCH, "record": BATCH + (1 << 14)}
RESULTS, LISTS = BATCH + (1 << 15), BATCH + (1 << 17)
STALLS = (0.0, 0.3)


class Bench:
    """The kernel, its registers' master and its memory with a contract in it."""

    def __init__(self, dut: Any, stall: float) -> None:
        self.dut = dut
        self.contract = random_contract(
            items=ITEMS, dim=CONFIG.dim, heads=CONFIG.heads, bits=BITS, edges=EDGES, seed=7
        )
        self.model = HotPath.of(self.contract)
        control = AxiLiteBus.from_prefix(dut, "s_axi_control")
        self.master = AxiLiteMaster(control, dut.clk_i, dut.rst_ni, reset_active_level=False)
        memory = AxiBus.from_prefix(dut, "m_axi_gmem")
        self.ram = AxiRam(memory, dut.clk_i, dut.rst_ni, reset_active_level=False, size=1 << 22)
        if stall:
            seeds = count(1)
            for channel in (
                self.ram.read_if.ar_channel,
                self.ram.read_if.r_channel,
                self.ram.write_if.aw_channel,
                self.ram.write_if.w_channel,
                self.ram.write_if.b_channel,
            ):
                channel.set_pause_generator(stalls(next(seeds), stall))
        self.addresses = dict(SCRATCH)
        place = 1 << 16
        for name, region in memory_image(self.contract, CONFIG).items():
            self.addresses[name] = place
            self.ram.write(place, region.tobytes())
            place += len(region)
        assert place <= BATCH
        self.addresses |= BATCH_SCRATCH

    async def set(self, name: str, value: int) -> None:
        if name in OFFSETS:
            await self.master.write_dword(OFFSETS[name], value)
        else:
            await self.master.write_dword(OFFSETS[f"{name}_lo"], value & 0xFFFF_FFFF)
            await self.master.write_dword(OFFSETS[f"{name}_hi"], value >> 32)

    async def prepare(self) -> None:
        """All arguments that stay, then the load of the fuse layer's weights."""
        for name, address in self.addresses.items():
            await self.set(name, address)
        for name, shift in asdict(self.contract.shifts).items():
            await self.set(f"{name}_shift", shift)
        await self.set("n_items", ITEMS)
        await self.set("gie", 1)
        await self.set("ier", 1)
        await self.run({"mode": 1})
        await self.set("mode", 0)

    async def go(self, arguments: dict[str, int]) -> None:
        for name, value in arguments.items():
            await self.set(name, value)
        await self.set("ctrl", 1)

    async def run(self, arguments: dict[str, int]) -> int:
        """Start, wait for the interrupt, and give the status register."""
        await self.go(arguments)
        if not self.dut.interrupt_o.value:
            await RisingEdge(self.dut.interrupt_o)
        await self.set("isr", 1)
        return int(await self.master.read_dword(OFFSETS["status"]))

    def put(self, history: np.ndarray, seen: np.ndarray) -> dict[str, int]:
        """Write a request's lists; gives its arguments."""
        self.ram.write(SCRATCH["history"], history.astype("<u4").tobytes())
        self.ram.write(SCRATCH["seen"], seen.astype("<u4").tobytes())
        norm = int(self.contract.tensors.norm[len(history)])
        return {"n_history": len(history), "n_seen": len(seen), "norm": norm}

    async def check(self, history: np.ndarray, seen: np.ndarray, k: int) -> None:
        status = await self.run(self.put(history, seen) | {"k": k})
        assert status == 0
        self.compare(history, seen, k)

    def compare(self, history: np.ndarray, seen: np.ndarray, k: int) -> None:
        norm = int(self.contract.tensors.norm[len(history)])
        rows, scores = self.model.answer(history, norm, seen, k)
        answer = np.frombuffer(self.ram.read(SCRATCH["result"], 8 * k), "<i4").reshape(k, 2)
        assert answer[:, 0].tolist() == rows.tolist()
        assert answer[:, 1].tolist() == scores.tolist()

    def put_batch(self, requests: list[tuple[np.ndarray, np.ndarray, int]]) -> dict[str, int]:
        """Write a batch's lists and descriptors, and records that say nothing yet."""
        entries, place = np.zeros(len(requests), DESCRIPTOR), LISTS
        stride = result_stride(CONFIG.k_max)
        for i, (history, seen, k) in enumerate(requests):
            entry = entries[i]
            entry["n_history"], entry["n_seen"], entry["k"] = len(history), len(seen), k
            entry["norm"] = int(self.contract.tensors.norm[len(history)])
            entry["result"] = RESULTS + i * stride
            for name, rows in {"history": history, "seen": seen}.items():
                entry[name] = place
                self.ram.write(place, rows.astype("<u4").tobytes())
                place += -(-4 * len(rows) // 64) * 64
        self.ram.write(BATCH_SCRATCH["descriptor"], entries.tobytes())
        self.ram.write(BATCH_SCRATCH["record"], b"\xff" * (64 * len(requests)))
        self.ram.write(RESULTS, b"\xee" * (stride * len(requests)))
        return {"mode": 2, "count": len(requests)}

    def change(self, number: int, **fields: int) -> None:
        """Change a descriptor in memory."""
        place = BATCH_SCRATCH["descriptor"] + 64 * number
        entry = np.frombuffer(self.ram.read(place, 64), DESCRIPTOR).copy()
        for name, value in fields.items():
            entry[name] = value
        self.ram.write(place, entry.tobytes())

    def records(self, count: int) -> np.ndarray:
        return np.frombuffer(self.ram.read(BATCH_SCRATCH["record"], 64 * count), RECORD)

    def compare_batch(
        self, requests: list[tuple[np.ndarray, np.ndarray, int]], failed: dict[int, int]
    ) -> None:
        """Every answer against the model, but those that must have failed and their status."""
        stride = result_stride(CONFIG.k_max)
        records = self.records(len(requests))
        for i, (history, seen, k) in enumerate(requests):
            assert int(records[i]["status"]) == failed.get(i, 0), i
            if i in failed:
                continue
            norm = int(self.contract.tensors.norm[len(history)])
            rows, scores = self.model.answer(history, norm, seen, k)
            raw = self.ram.read(RESULTS + i * stride, 8 * k)
            answer = np.frombuffer(raw, "<i4").reshape(k, 2)
            assert answer[:, 0].tolist() == rows.tolist(), i
            assert answer[:, 1].tolist() == scores.tolist(), i
        ends = records["end"].tolist()
        assert ends == sorted(ends)


def mixture(count: int, seed: int) -> list[tuple[np.ndarray, np.ndarray, int]]:
    """Requests with histories and seen lists of all lengths, empty ones too, and any k."""
    rng = np.random.default_rng(seed)
    sizes = [0, 1, 2, 40, 17, 3, 64, 0]
    return [
        (*lists(rng, sizes[i % 8], int(rng.integers(0, ITEMS // 2 + 1))), 1 + i % CONFIG.k_max)
        for i in range(count)
    ]


class Cover:
    """Counts the cycles of situations that a test must have met; none in a netlist's wrapper."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.seen = dict.fromkeys(("full", "overlap", "ahead", "turn", "waits"), 0)
        self.watched = not hasattr(dut, "mutsel")  # a netlist has no such signals
        if self.watched:
            cocotb.start_soon(self.watch())

    async def watch(self) -> None:
        d, seen = self.dut, self.seen
        while True:
            await RisingEdge(d.clk_i)
            if not d.rst_ni.value:
                continue
            scanning = bool(d.u_scan.scanned_o.value)
            rows = int(d.data_valid.value) & int(d.data_ready.value) & 0b100
            flight = int(d.u_dispatch.flight_q.value)
            seen["full"] += flight == 4 and bool(d.u_dispatch.valid_q.value)
            seen["overlap"] += scanning and bool(rows)
            stalled = int(d.data_valid.value) & ~int(d.data_ready.value)
            seen["ahead"] += bool(stalled & 0b1000)
            seen["waits"] += bool(d.fused_valid.value) and not d.fused_ready.value
            seen["turn"] += int(d.u_ports.u_merge.turns_q.value) == 8


async def bench(dut: Any, stall: float) -> Bench:
    made = Bench(dut, stall)
    await start(dut)
    await made.prepare()
    return made


def lists(rng: np.random.Generator, rows: int, seen: int) -> tuple[np.ndarray, np.ndarray]:
    """A history with repeats and a strictly ascending seen list."""
    history = rng.integers(0, ITEMS, rows)
    return history, np.sort(rng.permutation(ITEMS)[:seen]).astype(np.int32)


@cocotb.test(timeout_time=2, timeout_unit="ms")
@cocotb.parametrize(stall=STALLS)
async def answers_back_to_back(dut: Any, stall: float) -> None:
    """Empty, short and longer histories, few and many seen items, small and largest k."""
    b = await bench(dut, stall)
    rng = np.random.default_rng(5)
    cases = [(0, 0, 1), (1, 1, CONFIG.k_max), (17, 40, 10), (33, ITEMS // 2, 3), (2, 0, 10)]
    for rows, seen, k in cases:
        await b.check(*lists(rng, rows, seen), k)


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def answers_a_full_history_and_an_exhausted_catalogue(dut: Any) -> None:
    b = await bench(dut, 0.0)
    rng = np.random.default_rng(6)
    await b.check(*lists(rng, CONFIG.max_rows, 5), 10)
    await b.check(np.zeros(3, int), np.arange(ITEMS - 4, dtype=np.int32), 10)


@cocotb.test(timeout_time=4, timeout_unit="ms")
@cocotb.parametrize(stall=STALLS)
async def a_batch_overlaps_and_is_exact(dut: Any, stall: float) -> None:
    """More requests than fit into flight; then a second batch, then a request of the registers."""
    b = await bench(dut, stall)
    cover = Cover(dut)
    for many, seed in ((13, 3), (1, 4)):
        requests = mixture(many, seed)
        assert await b.run(b.put_batch(requests)) == 0
        b.compare_batch(requests, {})
    if stall == 0.0 and cover.watched:
        assert all(cover.seen[name] for name in ("full", "overlap", "ahead", "waits")), cover.seen
    await b.set("mode", 0)
    await b.check(*lists(np.random.default_rng(5), 7, 9), 5)


@cocotb.test(timeout_time=4, timeout_unit="ms")
@cocotb.parametrize(stall=STALLS)
async def a_bad_request_fails_alone(dut: Any, stall: float) -> None:
    """In the middle of a batch, one after the other, and first and last."""
    b = await bench(dut, stall)
    requests = mixture(12, 8)
    history, seen = lists(np.random.default_rng(1), 9, 12)
    for i in (4, 5):
        requests[i] = (history, seen, 3)
    arguments = b.put_batch(requests)
    entries = np.frombuffer(b.ram.read(BATCH, 64 * 12), DESCRIPTOR)
    b.ram.write(int(entries[4]["seen"]), seen[::-1].astype("<u4").tobytes())
    b.ram.write(int(entries[5]["history"]), (history + ITEMS).astype("<u4").tobytes())
    for i, change in {
        0: {"k": 0},
        1: {"k": CONFIG.k_max + 1},
        7: {"n_history": CONFIG.max_rows + 1},
        8: {"n_seen": CONFIG.max_seen + 1},
        11: {"norm": 1 << 16},
    }.items():
        b.change(i, **change)
    failed = {0: 8, 1: 8, 4: 4, 5: 2, 7: 8, 8: 8, 11: 8}
    assert await b.run(arguments) == 0b1110
    b.compare_batch(requests, failed)
    for many in (0, (1 << 24) + 1):
        b.put_batch(requests)
        assert await b.run({"count": many}) == 0b1000
        assert (b.records(12)["status"] == NOT_WRITTEN).all()


@cocotb.test(timeout_time=4, timeout_unit="ms")
@cocotb.parametrize(cycles=[150, 900, 2000])
async def reset_in_mid_batch(dut: Any, cycles: int) -> None:
    b = await bench(dut, 0.0)
    requests = mixture(8, cycles)
    await b.go(b.put_batch(requests))
    await ClockCycles(dut.clk_i, cycles)
    await reset(dut)
    await b.prepare()
    assert await b.run(b.put_batch(requests)) == 0
    b.compare_batch(requests, {})


@cocotb.test(timeout_time=2, timeout_unit="ms")
@cocotb.parametrize(cycles=[120, 300, 700])
async def reset_in_mid_request(dut: Any, cycles: int) -> None:
    """Whatever the request was doing, the next one after a reset is right."""
    b = await bench(dut, 0.0)
    rng = np.random.default_rng(cycles)
    history, seen = lists(rng, 60, 20)
    await b.go(b.put(history, seen) | {"k": 10})
    await ClockCycles(dut.clk_i, cycles)
    await reset(dut)
    await b.prepare()
    await b.check(history[::-1].copy(), seen, 10)


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def a_start_in_mid_request_waits_its_turn(dut: Any) -> None:
    """ap_ctrl_hs: the second start is taken when the first request is done; done clears on read."""
    b = await bench(dut, 0.0)
    history, seen = lists(np.random.default_rng(9), 20, 10)
    control = OFFSETS["ctrl"]
    start_bit, done, idle, ready = 1, 2, 4, 8
    assert await b.master.read_dword(control) & (done | idle | ready) == done | idle | ready
    assert await b.master.read_dword(control) == idle
    for round_ in range(2):
        b.ram.write(SCRATCH["result"], bytes(80))
        if round_ == 0:
            await b.go(b.put(history, seen) | {"k": 10})
            assert await b.master.read_dword(control) == 0
            await b.set("ctrl", 1)
            assert await b.master.read_dword(control) == start_bit
        while not await b.master.read_dword(control) & done:
            pass
        await b.set("isr", 1)
        b.compare(history, seen, 10)
    assert await b.master.read_dword(control) == idle


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def bad_requests_are_reported_and_harm_nothing(dut: Any) -> None:
    b = await bench(dut, 0.0)
    rng = np.random.default_rng(8)
    history, seen = lists(rng, 9, 12)
    good = b.put(history, seen) | {"k": 10}
    if CONFIG.edges:
        for name, value in (("n_items", CONFIG.edge_items + 1), ("scatter_shift", 48)):
            assert await b.run(good | {name: value}) == 0b1000, name
        await b.set("scatter_shift", b.contract.shifts.scatter)
    for name, value in (
        ("k", 0),
        ("k", CONFIG.k_max + 1),
        ("n_history", CONFIG.max_rows + 1),
        ("n_seen", CONFIG.max_seen + 1),
        ("n_items", 0),
        ("n_items", (1 << 24) + 1),
        ("mode", 3),
    ):
        assert await b.run(good | {"n_items": ITEMS, "mode": 0} | {name: value}) == 0b1000, name
    good |= {"n_items": ITEMS, "mode": 0}
    b.ram.write(SCRATCH["seen"], seen[::-1].astype("<u4").tobytes())
    assert await b.run(good) == 0b0100
    b.ram.write(SCRATCH["seen"], seen.astype("<u4").tobytes())
    b.ram.write(SCRATCH["history"], (history + ITEMS).astype("<u4").tobytes())
    assert await b.run(good) == 0b0010
    b.put(history, seen)
    assert await b.run(good) == 0
    b.compare(history, seen, 10)


@cocotb.test(timeout_time=4, timeout_unit="ms")
@cocotb.parametrize(stall=STALLS)
async def edges_of_a_request_are_its_own(dut: Any, stall: float) -> None:
    """Histories of one row over and over: entries in successive cycles, saturation, then nothing.

    What is left in an array after its scan would show in the request after the next one.
    """
    b = await bench(dut, stall)
    none = np.zeros(0, np.int32)
    repeated = [(np.full(60, row), none, 1 + row % CONFIG.k_max) for row in (0, 1, 64, 65)]
    requests = [*repeated, (none, none, 9), (none, none, 9), *repeated[::-1], (none, none, 9)]
    assert await b.run(b.put_batch(requests)) == 0
    b.compare_batch(requests, {})
