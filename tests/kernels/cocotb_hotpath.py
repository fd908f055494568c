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
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.kernels.hotpath.image import memory_image
from recfabric.kernels.hotpath.model import HotPath
from recfabric.kernels.stimulus import random_contract
from recfabric.sim.streams import reset, stalls, start

CONFIG = HotPathConfig(**json.loads(os.environ["CONFIG"]))
ITEMS = int(os.environ["ITEMS"])
BITS = int(os.environ["BITS"])
SCRATCH = {"history": 0, "seen": 1 << 14, "result": 1 << 15}
STALLS = (0.0, 0.3)


class Bench:
    """The kernel, its registers' master and its memory with a contract in it."""

    def __init__(self, dut: Any, stall: float) -> None:
        self.dut = dut
        self.contract = random_contract(
            items=ITEMS, dim=CONFIG.dim, heads=CONFIG.heads, bits=BITS, seed=7
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
    for name, value in (
        ("k", 0),
        ("k", CONFIG.k_max + 1),
        ("n_history", CONFIG.max_rows + 1),
        ("n_seen", CONFIG.max_seen + 1),
        ("n_items", 0),
        ("n_items", (1 << 24) + 1),
        ("mode", 2),
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
