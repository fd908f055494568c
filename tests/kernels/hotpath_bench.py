# SPDX-License-Identifier: Apache-2.0
"""rf_hotpath with its registers' master and a memory of 64-bit addresses with a contract in it."""

import json
import os
import random
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
from cocotb.triggers import RisingEdge
from cocotbext.axi import AxiBus, AxiLiteBus, AxiLiteMaster, AxiSlave

from recfabric.kernels.hotpath._registers import OFFSETS
from recfabric.kernels.hotpath.batch import DESCRIPTOR, RECORD, result_stride
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.kernels.hotpath.image import memory_image
from recfabric.kernels.hotpath.model import HotPath
from recfabric.kernels.stimulus import random_contract
from recfabric.sim.streams import stalls, start

CONFIG = HotPathConfig(**json.loads(os.environ["CONFIG"]))
ITEMS = int(os.environ["ITEMS"])
BITS = int(os.environ["BITS"])
EDGES = max(CONFIG.edges - 3, 0)  # of an item: some slots of its row stay empty
GATHERED = ("message", "key", "value", *(("edge",) if CONFIG.edges else ()))
SCRATCH = ("history", "seen", "result", "descriptor", "record")  # regions beside the contract's
PAGE = 4096
ALL = (1 << 64) - 1
STALLS = (0.0, 0.3)

Request = tuple[np.ndarray, np.ndarray, int]  # history, seen list, k


class Memory:
    """Pages anywhere in 64 bits of address. A beat that lies in none, or at an address that is
    ``bad``, is answered SLVERR; what was read and written is noted, beat by beat.
    """

    def __init__(self) -> None:
        self.pages: dict[int, bytearray] = {}
        self.bad: Callable[[int], bool] = lambda address: False
        self.reads: list[int] = []
        self.writes: list[tuple[int, int]] = []  # address and bytes, strobed bytes alone

    def put(self, address: int, data: bytes) -> None:
        """Write, with pages where there are none."""
        done = 0
        while done < len(data):
            page, offset = divmod((address + done) & ALL, PAGE)
            piece = data[done : done + PAGE - offset]
            self.pages.setdefault(page, bytearray(PAGE))[offset : offset + len(piece)] = piece
            done += len(piece)

    def get(self, address: int, size: int) -> bytes:
        """What lies there; KeyError where no page is."""
        got = b""
        while len(got) < size:
            page, offset = divmod((address + len(got)) & ALL, PAGE)
            got += self.pages[page][offset : offset + size - len(got)]
        return got

    async def read(self, address: int, size: int) -> bytes:
        self.reads.append(address)
        if self.bad(address):
            raise ValueError(address)
        return self.get(address, size)

    async def write(self, address: int, data: bytes) -> None:
        self.writes.append((address, len(data)))
        if self.bad(address) or address // PAGE not in self.pages:
            raise ValueError(address)
        self.put(address, data)


def scattered(seed: int) -> Callable[[], int]:
    """Page addresses at random; with an odd seed the complements of those of the seed before."""
    rng, flip = random.Random(seed // 2), ALL // PAGE if seed % 2 else 0
    return lambda: (rng.getrandbits(52) ^ flip) * PAGE


class Bench:
    """The kernel, its registers' master and its memory with a contract in it.

    ``places``: seed of all addresses; ``rows``: where each row of the gathered tables lies, in
    rows, by default one behind the other.
    """

    def __init__(
        self, dut: Any, stall: float = 0.0, *, places: int = 0, rows: np.ndarray | None = None
    ) -> None:
        self.dut, self.new_page = dut, scattered(places)
        self.rows = np.arange(ITEMS) if rows is None else rows
        self.contract = random_contract(
            items=ITEMS,
            dim=CONFIG.dim,
            heads=CONFIG.heads,
            bits=BITS,
            history=CONFIG.max_rows,
            edges=EDGES,
            seed=7,
        )
        self.model = HotPath.of(self.contract)
        control = AxiLiteBus.from_prefix(dut, "s_axi_control")
        self.master = AxiLiteMaster(control, dut.clk_i, dut.rst_ni, reset_active_level=False)
        self.memory = Memory()
        self.slave = AxiSlave(
            AxiBus.from_prefix(dut, "m_axi_gmem"),
            dut.clk_i,
            dut.rst_ni,
            target=self.memory,
            reset_active_level=False,
        )
        self.channels = (
            self.slave.read_if.ar_channel,
            self.slave.read_if.r_channel,
            self.slave.write_if.aw_channel,
            self.slave.write_if.w_channel,
            self.slave.write_if.b_channel,
        )
        for part in (self.master.write_if, self.master.read_if, self.slave.read_if):
            part.log.setLevel("ERROR")
        self.slave.write_if.log.setLevel("ERROR")
        for seed, channel in enumerate(self.channels if stall else (), 1):
            channel.set_pause_generator(stalls(seed, stall))
        self.addresses: dict[str, int] = {}
        self.lists: list[tuple[int, int]] = []  # of the last batch: addresses of history and seen
        self.image = memory_image(self.contract, CONFIG)
        self.place()

    def place(self) -> None:
        """All regions at new addresses, the tables' rows where ``rows`` says."""
        for name, region in self.image.items():
            base = self.addresses[name] = self.new_page()
            if name not in GATHERED:
                self.memory.put(base, region.tobytes())
                continue
            size = CONFIG.edge_row_bytes if name == "edge" else CONFIG.row_bytes(name)
            for row in range(ITEMS):
                at = base + int(self.rows[row]) * size
                self.memory.put(at & ALL, region[row * size : (row + 1) * size].tobytes())
        for name in SCRATCH:
            self.addresses[name] = self.new_page()
            self.memory.put(self.addresses[name], bytes(4 * PAGE))

    async def set(self, name: str, value: int) -> None:
        if name in OFFSETS:
            await self.master.write_dword(OFFSETS[name], value)
        else:
            await self.master.write_dword(OFFSETS[f"{name}_lo"], value & 0xFFFF_FFFF)
            await self.master.write_dword(OFFSETS[f"{name}_hi"], value >> 32)

    async def get(self, name: str) -> int:
        return int(await self.master.read_dword(OFFSETS[name]))

    async def prepare(self) -> None:
        """All arguments that stay, then the load of the fuse layer's weights."""
        for name, address in self.addresses.items():
            await self.set(name, address)
        for name, shift in asdict(self.contract.shifts).items():
            await self.set(f"{name}_shift", shift)
        await self.set("n_items", ITEMS)
        await self.set("gie", 1)
        await self.set("ier", 1)
        assert await self.run({"mode": 1}) == 0
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
        return await self.get("status")

    def _listed(self, rows: np.ndarray) -> bytes:
        return rows.astype("<u4").tobytes()

    def put(self, history: np.ndarray, seen: np.ndarray) -> dict[str, int]:
        """Write a request's lists; gives its arguments."""
        self.memory.put(self.addresses["history"], self._listed(self.rows[history]))
        self.memory.put(self.addresses["seen"], self._listed(seen))
        norm = int(self.contract.tensors.norm[len(history)])
        return {"n_history": len(history), "n_seen": len(seen), "norm": norm}

    async def check(self, history: np.ndarray, seen: np.ndarray, k: int) -> None:
        status = await self.run(self.put(history, seen) | {"k": k})
        assert status == 0
        self.compare((history, seen, k), self.addresses["result"])

    def compare(self, request: Request, result: int) -> None:
        """The answers in memory against the model."""
        history, seen, k = request
        norm = int(self.contract.tensors.norm[len(history)])
        rows, scores = self.model.answer(history, norm, seen, k)
        answer = np.frombuffer(self.memory.get(result, 8 * k), "<i4").reshape(k, 2)
        assert answer[:, 0].tolist() == rows.tolist()
        assert answer[:, 1].tolist() == scores.tolist()

    def put_batch(self, requests: list[Request]) -> dict[str, int]:
        """Write a batch's lists and descriptors, and records that say nothing yet.

        Lists and answers lie on any beat, those of every second request on pages at the complements
        of the addresses of the one before.
        """
        entries, flip = np.zeros(len(requests), DESCRIPTOR), 0
        self.lists = []
        for i, (history, seen, k) in enumerate(requests):
            entry = entries[i]
            entry["n_history"], entry["n_seen"], entry["k"] = len(history), len(seen), k
            entry["norm"] = int(self.contract.tensors.norm[len(history)])
            entry["reserved"] = ALL
            if not flip:
                pages = [self.new_page() for _ in range(3)]
            for name, page, words in zip(
                ("history", "seen", "result"), pages, (self.rows[history], seen, None), strict=True
            ):
                place = page ^ flip
                if words is None:
                    size = -(-8 * k // CONFIG.beat_bytes) * CONFIG.beat_bytes
                    place += i * result_stride(k) % PAGE
                    place += (result_stride(k) - size) * (i // 2 % 2)  # an odd beat among them
                    self.memory.put(place, b"\xee" * size)
                else:
                    place += i * 37 * CONFIG.beat_bytes % PAGE
                    self.memory.put(place, self._listed(words) + bytes(CONFIG.beat_bytes))
                entry[name] = place
            self.lists.append((int(entry["history"]), int(entry["seen"])))
            flip ^= ALL // PAGE * PAGE
        self.memory.put(self.addresses["descriptor"], entries.tobytes())
        self.memory.put(self.addresses["record"], b"\xff" * (64 * len(requests)))
        return {"mode": 2, "count": len(requests)}

    def descriptor(self, number: int) -> Any:
        """A descriptor as it lies in memory."""
        place = self.addresses["descriptor"] + 64 * number
        return np.frombuffer(self.memory.get(place, 64), DESCRIPTOR).copy()[0]

    def change(self, number: int, **fields: int) -> None:
        """Change a descriptor in memory."""
        entry = self.descriptor(number)
        for name, value in fields.items():
            entry[name] = value
        self.memory.put(self.addresses["descriptor"] + 64 * number, entry.tobytes())

    def records(self, count: int) -> np.ndarray:
        return np.frombuffer(self.memory.get(self.addresses["record"], 64 * count), RECORD)

    def compare_batch(self, requests: list[Request], failed: dict[int, int]) -> None:
        """Every answer against the model, but those that must have failed and their status."""
        records = self.records(len(requests))
        for i, request in enumerate(requests):
            assert int(records[i]["status"]) == failed.get(i, 0), i
            assert (records[i]["reserved"] == ALL).all(), i
            if i not in failed:
                self.compare(request, int(self.descriptor(i)["result"]))
        ends = records["end"].tolist()
        assert ends == sorted(ends)


def mixture(count: int, seed: int) -> list[Request]:
    """Requests with histories and seen lists of all lengths, empty ones too, and any k."""
    rng = np.random.default_rng(seed)
    sizes = [0, 1, 2, 40, 17, 3, 64, 0]
    return [
        (*lists(rng, sizes[i % 8], int(rng.integers(0, ITEMS // 2 + 1))), 1 + i % CONFIG.k_max)
        for i in range(count)
    ]


def lists(rng: np.random.Generator, rows: int, seen: int) -> tuple[np.ndarray, np.ndarray]:
    """A history with repeats and a strictly ascending seen list."""
    history = rng.integers(0, ITEMS, rows)
    return history, np.sort(rng.permutation(ITEMS)[:seen]).astype(np.int32)


async def bench(dut: Any, stall: float = 0.0, **where: Any) -> Bench:
    made = Bench(dut, stall, **where)
    await start(dut)
    await made.prepare()
    return made
