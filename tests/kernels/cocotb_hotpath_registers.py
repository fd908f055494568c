# SPDX-License-Identifier: Apache-2.0
"""rf_hotpath's registers: every limit of every argument, read-back, interrupts, table rows."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles
from hotpath_bench import BITS, CONFIG, ITEMS, bench, lists, mixture

from recfabric.kernels.hotpath._registers import OFFSETS
from recfabric.kernels.hotpath.image import pack_rows, share_names
from recfabric.sim.streams import reset

SHIFTS = {"gather": 47, "logit": 31, "attention": 47, "fuse": 31, "term": 15}
SHIFTS |= {"scatter": 47} if CONFIG.edges else {}
MOST_ITEMS, MOST_REQUESTS = CONFIG.most_items, CONFIG.max_requests
BEAT_BIASES = CONFIG.beat_bytes // 2
OK, BAD_ROW, BAD_ARGUMENT = 0, 2, 8


def beyond(limit: int) -> Iterator[int]:
    """Numbers of 32 bits above a limit: by each bit below its own; each bit that is too high."""
    for bit in range(limit.bit_length()):
        yield limit + (1 << bit)
    for bit in range(limit.bit_length(), 32):
        yield 1 << bit
        yield 1 << bit | limit >> 1
    yield (1 << 32) - 1


@cocotb.test(timeout_time=8, timeout_unit="ms")
async def arguments_beyond_their_limits_are_refused(dut: Any) -> None:
    """Those of all requests; nothing is read for them, and the next run is right."""
    b = await bench(dut)
    requests = mixture(2, 1)
    arguments = b.put_batch(requests)
    good = {f"{n}_shift": getattr(b.contract.shifts, n) for n in SHIFTS} | {"n_items": ITEMS}
    limits = {f"{name}_shift": limit for name, limit in SHIFTS.items()} | {"n_items": MOST_ITEMS}
    read = len(b.memory.reads)
    for name, limit in limits.items():
        for i, value in enumerate((*beyond(limit), *([0] if name == "n_items" else []))):
            for mode in (0, 2) if i == 0 else (2 * (i % 2),):
                said = await b.run(arguments | {"mode": mode, name: value})
                assert said == BAD_ARGUMENT, (name, value, mode)
        await b.set(name, good[name])
    for count in (0, *beyond(MOST_REQUESTS)):
        assert await b.run(arguments | {"count": count}) == BAD_ARGUMENT, count
    for mode in (3, *(1 << bit for bit in range(2, 32))):
        for more in (0, 1, 2):
            assert await b.run({"mode": mode | more}) == BAD_ARGUMENT, mode
    assert len(b.memory.reads) == read
    assert await b.run(arguments) == OK
    b.compare_batch(requests, {})


@cocotb.test(timeout_time=8, timeout_unit="ms")
async def requests_beyond_their_limits_are_refused(dut: Any) -> None:
    """Those of one request of a batch; nothing is read for them but their descriptors."""
    b = await bench(dut)
    limits = {"k": CONFIG.k_max, "n_history": CONFIG.max_rows, "n_seen": CONFIG.max_seen}
    bad = [(name, v) for name, limit in (limits | {"norm": 0xFFFF}).items() for v in beyond(limit)]
    bad.append(("k", 0))
    none = np.zeros(0, np.int32)
    requests = [(none, none, 1)] * len(bad)
    arguments = b.put_batch(requests)
    for i, (name, value) in enumerate(bad):
        b.change(i, **{name: value})
    read = len(b.memory.reads)
    assert await b.run(arguments) == BAD_ARGUMENT
    assert len(b.memory.reads) - read == len(bad) * -(-64 // CONFIG.beat_bytes)
    b.compare_batch(requests, dict.fromkeys(range(len(bad)), BAD_ARGUMENT))


@cocotb.test(timeout_time=8, timeout_unit="ms")
async def arguments_at_their_limits_are_taken(dut: Any) -> None:
    """The longest lists, the largest k, the largest shifts and norms: exact as all others."""
    b = await bench(dut)
    rng = np.random.default_rng(4)
    history, _ = lists(rng, CONFIG.max_rows, 0)
    # Rows beyond the catalogue may stand in a seen list.
    seen = np.concatenate([np.arange(0, ITEMS, 2), ITEMS + np.arange(CONFIG.max_seen)])
    await b.check(history, seen[: CONFIG.max_seen].astype(np.int32), CONFIG.k_max)
    for norm, shifts in ((0xFFFF, SHIFTS), (1 << 15, dict.fromkeys(SHIFTS, 0))):
        b.model = replace(b.model, shifts=replace(b.model.shifts, **shifts))
        for name, shift in shifts.items():
            await b.set(f"{name}_shift", shift)
        small = history[:3]
        assert await b.run(b.put(small, seen[:5]) | {"norm": norm}) == OK
        rows, scores = b.model.answer(small, norm, seen[:5], CONFIG.k_max)
        raw = b.memory.get(b.addresses["result"], 8 * CONFIG.k_max)
        answer = np.frombuffer(raw, "<i4").reshape(-1, 2)
        assert answer[:, 0].tolist() == rows.tolist()
        assert answer[:, 1].tolist() == scores.tolist()


@cocotb.test(timeout_time=8, timeout_unit="ms")
async def every_bit_of_a_shift_matters(dut: Any) -> None:
    """The contract's shifts with one bit of one of them changed; few items are scanned."""
    b = await bench(dut)
    items = 2 * CONFIG.lanes + 1
    model = replace(b.model, item=b.model.item[:items], bias=b.model.bias[:items])
    history, none = np.arange(5), np.zeros(0, np.int32)
    await b.set("n_items", items)
    await b.set("n_rows", ITEMS)
    for name, limit in SHIFTS.items():
        shift = getattr(model.shifts, name)
        for bit in range(limit.bit_length()):
            if shift ^ 1 << bit > limit:
                continue
            await b.set(f"{name}_shift", shift ^ 1 << bit)
            b.model = replace(model, shifts=replace(model.shifts, **{name: shift ^ 1 << bit}))
            await b.check(history, none, 10)
        await b.set(f"{name}_shift", shift)


@cocotb.test(timeout_time=8, timeout_unit="ms")
@cocotb.parametrize(argument=["n_items", "count"], more=[False, True])
async def large_runs_begin(dut: Any, argument: str, more: bool) -> None:
    """Of each size of one bit, up to the largest: under way when a reset ends them.

    ``more``: with a few beats beside, so that the bit is still there when these are done.
    """
    b = await bench(dut)
    none = np.zeros(0, np.int32)
    requests = [(none, none, 1)] * 2
    most = {"n_items": MOST_ITEMS, "count": MOST_REQUESTS}[argument]
    least = {"n_items": 400 * CONFIG.lanes, "count": 64}[argument].bit_length()
    beside = {"n_items": BEAT_BIASES, "count": 4}[argument] if more else 0
    for bit in range(least, most.bit_length() - more):
        arguments = b.put_batch(requests)
        read = len(b.memory.reads)
        await b.get("ctrl")  # what the last run has left there
        await b.go(arguments | {argument: (1 << bit) + beside})
        await ClockCycles(dut.clk_i, 200)
        assert not dut.interrupt_o.value
        assert len(b.memory.reads) > read + 30
        assert await b.get("ctrl") == 0  # neither done nor idle
        await reset(dut)
        await b.prepare()
    assert await b.run(b.put_batch(requests)) == OK
    b.compare_batch(requests, {})


@cocotb.test(timeout_time=4, timeout_unit="ms", skip=MOST_ITEMS > 4096 or CONFIG.edges)
async def catalogues_of_every_bit_up_to_the_largest(dut: Any) -> None:
    """Where the largest is small; the tables' next page differs in many bits."""
    b = await bench(dut, places=8)
    rng = np.random.default_rng(12)
    limit = 1 << BITS - 1
    item = rng.integers(-limit, limit, (MOST_ITEMS, CONFIG.dim), np.int8)
    bias = rng.integers(-1000, 1000, MOST_ITEMS, np.int16)
    packed = pack_rows(item, CONFIG.item_bits, CONFIG.dim * CONFIG.item_bits // 8)
    for name, table in {"item": packed, "bias": bias}.items():
        page = (b.addresses[name] | 0xFFFF_F000) & ~(1 << 40)
        b.memory.put(page, table.tobytes() + bytes(CONFIG.beat_bytes))
        await b.set(name, page)
    model = b.model
    history, seen = lists(rng, 5, 9)
    await b.set("n_rows", ITEMS)
    for items in (*(1 << bit for bit in range(MOST_ITEMS.bit_length())), MOST_ITEMS - 1):
        b.model = replace(model, item=item[:items], bias=bias[:items])
        await b.set("n_items", items)
        await b.check(history, seen, 10)


@cocotb.test(timeout_time=4, timeout_unit="ms")
async def rows_of_a_shard_lie_anywhere(dut: Any) -> None:
    """A row is good below n_rows, at any of 32 bits; few items are scanned."""
    rng = np.random.default_rng(11)
    ends = np.unique([(1 << bit) - 1 for bit in range(32)] + [(1 << 32) - 2])
    others = rng.permutation(np.setdiff1d(rng.integers(0, 1 << 32, 2 * ITEMS), ends))
    rows = np.sort(np.concatenate([ends, others[: ITEMS - len(ends)]]))
    b = await bench(dut, places=3, rows=rows)
    items = 2 * CONFIG.lanes + 1
    b.model = replace(b.model, item=b.model.item[:items], bias=b.model.bias[:items])
    none = np.zeros(0, np.int32)
    await b.set("n_items", items)
    for last in (1, ITEMS - 1, *rng.integers(2, ITEMS, 12).tolist()):
        for n_rows, status in ((int(rows[last]) + 1, OK), (int(rows[last]), BAD_ROW)):
            history = np.array([0, last, *rng.integers(0, last + 1, 15)])  # any place in a beat
            arguments = b.put(history, none) | {"k": 3, "n_rows": n_rows}
            assert await b.run(arguments) == status, (n_rows, last)
            # A bad row is read as row 0.
            b.compare(
                (np.where(rows[history] < n_rows, history, 0), none, 3), b.addresses["result"]
            )
    assert await b.run({"n_rows": 1}) == BAD_ROW  # of one bit: its last row is good
    await b.set("n_items", 1)
    b.model = replace(b.model, item=b.model.item[:1], bias=b.model.bias[:1])
    for bit in range(32):
        await b.set("n_rows", 1 << bit)
        await b.check(np.array([0, np.searchsorted(rows, (1 << bit) - 1)]), none, 1)


@cocotb.test(timeout_time=4, timeout_unit="ms")
async def lists_of_every_bit_of_a_length(dut: Any) -> None:
    """Histories and seen lists of 1, 2, 4 ... entries, and of one more; few items are scanned."""
    b = await bench(dut, places=2)
    items = 2 * CONFIG.lanes + 1
    b.model = replace(b.model, item=b.model.item[:items], bias=b.model.bias[:items])
    await b.set("n_items", items)
    await b.set("n_rows", ITEMS)
    rng = np.random.default_rng(5)
    for bit in range(max(CONFIG.max_rows, CONFIG.max_seen).bit_length()):
        for length in (1 << bit, (1 << bit) + 1):
            history = rng.integers(0, ITEMS, min(length, CONFIG.max_rows, 257))
            seen = np.arange(items - 2, items - 2 + min(length, CONFIG.max_seen), dtype=np.int32)
            await b.check(history, seen, 3)


@cocotb.test(timeout_time=4, timeout_unit="ms")
async def long_seen_lists_wait_for_the_scan(dut: Any) -> None:
    """Of a batch over few items: the lists of requests behind stand still on their way."""
    b = await bench(dut, places=4)
    items = 2 * CONFIG.lanes + 1
    b.model = replace(b.model, item=b.model.item[:items], bias=b.model.bias[:items])
    await b.set("n_items", items)
    await b.set("n_rows", ITEMS)
    requests = []
    for i in range(8):
        seen = items + np.arange(CONFIG.max_seen, dtype=np.int32) * (i + 1)
        seen[0] = i % items
        requests.append((np.array([i]), seen, 3))
    assert await b.run(b.put_batch(requests)) == OK
    b.compare_batch(requests, {})


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def registers_read_as_written(dut: Any) -> None:
    """All arguments, each with a value of its own, then its complement; what the kernel is."""
    b = await bench(dut)
    fixed = ("ctrl", "gie", "ier", "isr", "status", "geometry", "ports", "beats_read")
    rng = np.random.default_rng(2)
    shares = [f"{name}_{half}" for name in share_names(CONFIG) for half in ("lo", "hi")]
    names = [n for n in OFFSETS if n not in fixed and not n.startswith(("cycles_", "item"))]
    names += shares
    values = dict(zip(names, rng.integers(0, 1 << 32, len(names)).tolist(), strict=True))
    for flip in (0, (1 << 32) - 1):
        for name, value in values.items():
            await b.set(name, value ^ flip)
        for name, value in values.items():
            assert await b.get(name) == value ^ flip, name
    sizes = (CONFIG.dim, 0), (CONFIG.heads, 4), (CONFIG.beat_bytes, 6)
    geometry = sum((size.bit_length() - 1) << at for size, at in sizes)
    tables = (CONFIG.message_bits, CONFIG.key_bits, CONFIG.value_bits, CONFIG.item_bits)
    geometry |= sum((bits == 4) << 10 + i for i, bits in enumerate(tables))
    assert await b.get("geometry") == geometry | CONFIG.k_max << 16 | 2 << 24
    assert await b.get("ports") == CONFIG.scan_ports
    assert CONFIG.item_bits == BITS


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def interrupts_are_those_enabled(dut: Any) -> None:
    """An event is kept where its own enable is set, and shown where the global one is."""
    b = await bench(dut)
    assert await b.get("isr") == 0
    done, idle, ready = 2, 4, 8
    await b.get("ctrl")
    await b.set("n_items", 0)
    for enabled in range(4):
        for shown in (0, 1):
            await b.set("ier", enabled)
            await b.set("gie", shown)
            await b.go({"mode": 0})  # a bad argument: it ends at once
            await ClockCycles(dut.clk_i, 5)
            assert dut.interrupt_o.value == (shown and enabled != 0)
            assert await b.get("isr") == enabled
            assert await b.get("ctrl") == done | idle | ready
            for event in (1, 2):
                await b.set("isr", event)
                enabled_still = enabled & ~(2 * event - 1) if event == 1 else 0
                assert await b.get("isr") == enabled_still
                assert dut.interrupt_o.value == (shown and enabled_still != 0)
            assert await b.get("ctrl") == idle
