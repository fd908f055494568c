# SPDX-License-Identifier: Apache-2.0
"""rf_attention_matrix against its integer model, through its ports alone."""

from dataclasses import dataclass, replace
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles
from rows import Array, Handshakes, random_rows, rounding, row_beats
from weighing import DIGITS, Weighing, deciding, digits, dots_apart, full_scale, random_weighings

from recfabric.contract import exp2_table
from recfabric.kernels.attention.model import (
    attend,
    attend_matrix,
    logits,
    reciprocals,
    weighted_sums,
    weights,
)
from recfabric.sim.streams import pack, reset, send, sink, source, start, unpack


@dataclass(frozen=True)
class Head:
    queries: Array
    keys: Array
    values: Array
    logit_shift: int
    out_shift: int

    @property
    def command(self) -> int:
        return (
            len(self.queries) << 32 | len(self.keys) << 16 | self.logit_shift << 8 | self.out_shift
        )

    @property
    def answers(self) -> Array:
        return attend_matrix(
            self.queries,
            self.keys,
            self.values,
            logit_shift=self.logit_shift,
            out_shift=self.out_shift,
        )

    @property
    def logits(self) -> Array:
        """int16 (n, q)."""
        columns = [logits(q, self.keys, heads=1, shift=self.logit_shift) for q in self.queries]
        return np.concatenate(columns, axis=1)

    @property
    def sums(self) -> Array:
        """What the output's requantisation reads: (q, D)."""
        p = weights(self.logits)
        return weighted_sums(p.T, self.values) * reciprocals(p)[:, None]


class Bench:
    """The device under test with its streams."""

    def __init__(self, dut: Any, share_in: float = 0.0, share_out: float = 0.0) -> None:
        self.dut = dut
        names = ("Dim", "MaxRows", "Pe", "Depth", "RequantLanes")
        self.dim, self.max_rows, self.pe, self.depth, lanes = (
            int(getattr(dut, name).value) for name in names
        )
        self.chunks = self.dim // lanes
        streams = ("s_axis_cmd", "s_axis_query", "s_axis_key", "s_axis_value")
        self.inputs = [source(dut, s, share=share_in, seed=i) for i, s in enumerate(streams)]
        self.cmd, self.query, self.key, self.value = self.inputs
        self.out = sink(dut, "m_axis_vec", share=share_out, seed=9)

    async def put(self, head: Head) -> None:
        await send(self.cmd, [head.command])
        await send(self.query, [pack(q, 8) for q in head.queries.tolist()])
        await send(self.key, row_beats(head.keys, 8, 8 * self.depth))
        await send(self.value, row_beats(head.values, 8, 8 * self.depth))

    async def answers(self, heads: list[Head]) -> None:
        for i, head in enumerate(heads):
            for j, want in enumerate(head.answers.tolist()):
                got = unpack((await self.out.recv(compact=False)).tdata[0], 8, self.dim)
                assert got == want, f"head {i}, query {j}"
        await ClockCycles(self.dut.clk_i, 100)
        assert self.out.empty()

    async def check(self, heads: list[Head]) -> None:
        """Queue all heads at once, then compare all answers."""
        for head in heads:
            await self.put(head)
        await self.answers(heads)

    def random(self, rng: np.random.Generator, q: int, n: int, out_shift: int = 29) -> Head:
        # Logits of some hundreds: weights of every size.
        shift = (self.dim.bit_length() - 1) // 2 + 4
        rows = [random_rows(rng, count, self.dim, 8) for count in (q, n, n)]
        return Head(*rows, shift, out_shift)

    def steps(self, q: int, n: int) -> int:
        """Cycles that the array needs for a head."""
        blocks, steps = -(-n // self.pe), -(-n // self.depth)
        return q * (blocks * self.dim // self.depth + self.dim // self.pe * steps)


@cocotb.test(timeout_time=2000, timeout_unit="us")
@cocotb.parametrize(share_in=[0.0, 0.5], share_out=[0.0, 0.7])
async def random_heads(dut: Any, share_in: float, share_out: float) -> None:
    """Back to back: no keys, one, a part of a block, the most; few queries and many; ties."""
    bench = Bench(dut, share_in, share_out)
    await start(dut)
    rng = np.random.default_rng(4)
    most, pe, depth = bench.max_rows, bench.pe, bench.depth
    heads = []
    for q, n in ((1, 1), (2, 0), (5, most), (1, 0), (20, 1), (3, pe), (1, most - 1), (12, pe + 1),
                 (9, depth - 1), (1, 2), (1, most), (2, min(depth + 1, most)), (4, 0)):  # fmt: skip
        head = bench.random(rng, q, n)
        if n == most:
            head.keys[n // 2 :] = head.keys[0]
            head.values[n // 2 :] = head.values[0]
        heads.append(head)
    await bench.check(heads)


@cocotb.test(timeout_time=400, timeout_unit="us")
async def one_query_is_the_one_query_form(dut: Any) -> None:
    """A query alone gives what rf_attention's model gives, whatever its neighbours were."""
    bench = Bench(dut)
    await start(dut)
    rng = np.random.default_rng(5)
    many = bench.random(rng, 3, min(11, bench.max_rows))
    heads = [Head(many.queries[i : i + 1], many.keys, many.values, many.logit_shift, 29)
             for i in range(3)]  # fmt: skip
    for i, head in enumerate(heads):
        alone = attend(head.queries[0], head.keys, head.values, heads=1,
                       logit_shift=head.logit_shift, out_shift=29)  # fmt: skip
        assert head.answers[0].tolist() == many.answers[i].tolist() == alone.tolist()
    await bench.check([many, *heads])


@cocotb.test(timeout_time=800, timeout_unit="us")
async def widest_sums(dut: Any) -> None:
    """All rows alike and at an end of their range: the widest sums there are."""
    bench = Bench(dut)
    await start(dut)
    n, dim = bench.max_rows, bench.dim
    low, high = (np.full((n, dim), x, np.int8) for x in (-128, 127))
    heads = [
        Head(low[:2], low, low, 0, 30),
        Head(low[:2], high, high, 0, 30),
        Head(high[:2], low, low, 14 + dim.bit_length() - 11, 30),
    ]
    assert heads[0].answers.tolist() == [[-128] * dim] * 2
    await bench.check(heads)


@cocotb.test(timeout_time=400, timeout_unit="us")
async def logits_round_and_saturate(dut: Any) -> None:
    """Ties both ways and both ends of 16 bits, asserted from the model to be hit."""
    bench = Bench(dut)
    await start(dut)
    rng = np.random.default_rng(7)
    n, dim = min(8, bench.max_rows), bench.dim
    steps = np.linspace(-128, 127, n).astype(np.int8)
    ramp = np.repeat(steps[:, None], dim, axis=1)
    values = random_rows(rng, n, dim, 8)
    query = np.full((2, dim), -128, np.int8)
    heads = [Head(query, ramp, values, shift, 29) for shift in (0, 1, 6, 31)]
    seen = np.concatenate([head.logits.ravel() for head in heads])
    assert seen.max() == 2**15 - 1
    assert seen.min() == -(2**15)
    ties = [bench.random(rng, 3, n) for _ in range(3)]
    heads += [Head(h.queries // 16, h.keys, h.values, shift, 29) for h in ties for shift in (1, 4)]
    hit = set[str]()
    for head in heads[4:]:
        dots = head.keys.astype(np.int64) @ head.queries.T.astype(np.int64)
        hit |= rounding(dots[np.abs(dots) < 100 << head.logit_shift], head.logit_shift)
    assert hit == {"tie up", "tie down"}
    await bench.check(heads)


@cocotb.test(timeout_time=1500, timeout_unit="us")
async def every_weight(dut: Any) -> None:
    """Each exponent from 0 to beyond the last weight that is not 0, seen alone in one output."""
    bench = Bench(dut)
    await start(dut)
    exponents = np.arange(300)
    n = min(bench.dim, bench.max_rows - 1)
    heads, seen = [], set[int]()
    # Row i is the array's element i % Pe's: each exponent comes to each of them, if they are few.
    turned = np.concatenate([np.roll(exponents, i) for i in range(min(bench.pe, 4))])
    for first in range(0, len(turned), n):
        head = weight_head(bench, np.resize(turned[first : first + n], n))
        p = weights(head.logits)[1:, 0].astype(int)
        if p.any():  # to the last bit
            head = replace(head, out_shift=full_scale(p, 127))
        x = head.logits.astype(int)
        seen |= set((x.max(axis=0) - x)[1:].ravel().tolist())
        heads.append(head)
    assert seen >= set(exponents.tolist())
    table = exp2_table().astype(int)
    ties = {int(table[e & 31] >> (e >> 5)) & 1 for e in range(32, 288)
            if table[e & 31] % (1 << (e >> 5)) == 1 << ((e >> 5) - 1)}  # fmt: skip
    assert ties == {0, 1}  # rounded down to even, and up to even
    await bench.check(heads)


def weight_head(bench: Bench, below: Array) -> Head:
    """A head of one query whose key 1 + i has the logit max - below[i] and alone feeds output i."""
    n = len(below)
    query, keys = np.zeros((1, bench.dim)), np.zeros((1 + n, bench.dim))
    query[0, :3] = (-1, -16, -64)
    keys[1:, 0] = (below + 8) % 16 - 8
    keys[1:, 1] = (below + 8) // 16 % 4
    keys[1:, 2] = (below + 8) // 64
    values = np.zeros((1 + n, bench.dim))
    values[1:, :n] = 127 * np.eye(n)
    arrays = [a.astype(np.int8) for a in (query, keys, values)]
    return Head(*arrays, 0, 30 - max(0, n.bit_length() - 4))


@cocotb.test(timeout_time=400, timeout_unit="us")
async def outputs_round_and_saturate(dut: Any) -> None:
    """Every branch of the output's RND_CONV and SAT, asserted from the model to be hit."""
    bench = Bench(dut)
    await start(dut)
    rng = np.random.default_rng(8)
    heads = [bench.random(rng, 2, 3, shift) for shift in (0, 20, 26, 47)]
    # Weights 255 and 1 sum to 256, whose reciprocal is exact: an odd value gives a tie.
    queries, keys = np.zeros((1, bench.dim)), np.zeros((2, bench.dim))
    queries[0, 0], keys[0, 0] = 127, 2
    values = np.zeros((2, bench.dim))
    values[1] = np.resize((1, 3, -1, -3, 5, -5, 2, 7), bench.dim)
    heads.append(Head(*[a.astype(np.int8) for a in (queries, keys, values)], 0, 23))
    assert weights(heads[-1].logits).tolist() == [[255], [1]]
    hit = set[str]()
    for head in heads:
        hit |= rounding(head.sums, head.out_shift)
    assert hit == {"above", "below", "tie up", "tie down"}
    await bench.check(heads)


LEVEL = 11  # 2^11 is a sum of 9 weights


def weighed(bench: Bench, weighing: Weighing, values: Array | None, shift: int) -> list[Head]:
    """A head of one query with these values, twice: both banks."""
    if values is None or weighing.full >= bench.max_rows:
        return []
    one = weight_head(bench, np.array([weighing.exponent]))
    keys = np.repeat(one.keys, [weighing.full, 1], axis=0)
    return [Head(one.queries, keys, values, 0, shift)] * 2


@cocotb.test(timeout_time=1500, timeout_unit="us")
async def every_bit_decides(dut: Any) -> None:
    """Each bit of a product and each of a reciprocal, in every lane and in both banks."""
    bench = Bench(dut)
    await start(dut)
    rng, heads = np.random.default_rng(11), list[Head]()
    for full, weight, shift, value in deciding(LEVEL):
        weighing = Weighing(full, weight, 127)
        values = weighing.exactly(np.full(bench.dim, value))
        heads += weighed(bench, weighing, values, shift)
    weighing = Weighing(1 << LEVEL - 8, 1 << LEVEL - 8, 127)
    for extra in range(LEVEL):  # sums of every size, to their last bit
        sums = rng.integers(-127 << extra, 127 << extra, bench.dim)
        heads += weighed(bench, weighing, weighing.exactly(sums), 30 - LEVEL + extra)
    assert len(heads) >= 160
    for weighing in random_weighings(rng, bench.max_rows, 127):
        for shift in (30, 31):
            heads += weighed(bench, weighing, weighing.beside_a_half(shift, bench.dim), shift)
    await bench.check(heads)


@cocotb.test(timeout_time=800, timeout_unit="us")
async def every_bit_of_a_dot_product_decides(dut: Any) -> None:
    """In each element of the array, as far as it is below a logit's binary point."""
    bench = Bench(dut)
    await start(dut)
    n, heads = min(bench.dim, bench.max_rows - 1), []
    for shift, dots in dots_apart(8):
        # Row i is element i % Pe's: each product comes to each of them, if they are a few.
        turned = np.concatenate([np.roll(dots, i) for i in range(min(bench.pe, 4))])
        for first in range(0, len(turned), n):
            head = weight_head(bench, np.zeros(n, int))
            keys, query = np.zeros_like(head.keys), np.zeros_like(head.queries)
            query[0, :3] = [-digit for digit in DIGITS]
            for i, part in enumerate(digits(np.resize(turned[first : first + n], n))):
                keys[1:, i] = part
            heads.append(Head(query, keys, head.values, shift, head.out_shift - 2))
            assert heads[-1].logits.min() >= -50 and heads[-1].logits.max() == 0
    await bench.check(heads)


@cocotb.test(timeout_time=400, timeout_unit="us")
async def one_at_a_time(dut: Any) -> None:
    """Alone in the kernel, in either bank, with every shift that leaves something."""
    bench = Bench(dut)
    await start(dut)
    rng = np.random.default_rng(13)
    for shift in range(22, 35):
        for _ in range(2):
            await bench.check([bench.random(rng, 1, 2, shift)])


@cocotb.test(timeout_time=200, timeout_unit="us")
async def late_queries(dut: Any) -> None:
    """The queries come long after all else of their head, which waits for them, one by one."""
    bench = Bench(dut)
    await start(dut)
    rng = np.random.default_rng(12)
    for head in [bench.random(rng, q, n) for q, n in ((3, 4), (1, 0), (2, bench.max_rows))]:
        await send(bench.cmd, [head.command])
        await send(bench.key, row_beats(head.keys, 8, 8 * bench.depth))
        await send(bench.value, row_beats(head.values, 8, 8 * bench.depth))
        for query in head.queries.tolist():
            await ClockCycles(dut.clk_i, 60)
            await send(bench.query, [pack(query, 8)])
        await bench.answers([head])


@cocotb.test(timeout_time=200, timeout_unit="us")
@cocotb.parametrize(late=["key", "value"])
async def late_operands(dut: Any, late: str) -> None:
    """Keys or values come once the head before is answered and the command behind is taken."""
    bench = Bench(dut)
    await start(dut)
    rng = np.random.default_rng(13)
    sizes = (5, bench.max_rows - 1, 7, bench.max_rows)
    heads = [bench.random(rng, 2, n) for n in sizes]
    for head in heads:
        await send(bench.cmd, [head.command])
        await send(bench.query, [pack(q, 8) for q in head.queries.tolist()])
    for operand in ("value", "key") if late == "key" else ("key", "value"):
        stream = bench.key if operand == "key" else bench.value
        for head in heads:
            rows = head.keys if operand == "key" else head.values
            await send(stream, row_beats(rows, 8, 8 * bench.depth))
            if operand == late:
                await bench.answers([head])


@cocotb.test(timeout_time=1500, timeout_unit="us")
async def no_bubble(dut: Any) -> None:
    """Whole heads back to back: the array has a step in every cycle from head to head."""
    bench = Bench(dut)
    await start(dut)
    rng = np.random.default_rng(9)
    n, count = bench.max_rows, 8
    for _ in range(count):
        await bench.put(bench.random(rng, n, n))
    watch = Handshakes(dut, "s_axis_cmd", "m_axis_vec")
    await watch.until("m_axis_vec", count * n)
    ends = watch.at["m_axis_vec"][n - 1 :: n]
    first, total = (ends[i] - watch.at["s_axis_cmd"][0] for i in (0, -1))
    steps, load = bench.steps(n, n), n * bench.dim // bench.depth
    dut._log.info("one head %d cycles, %d heads %d, steps %d", first, count, total, steps)
    # The first head's keys, then a step a cycle; the last row passes the softmax and the way out.
    assert first <= load + steps + bench.chunks + 80
    assert total <= load + count * steps + bench.chunks + 60
    # Which rows of the next head the array does before a head's last one differs: a few of them.
    assert ends[-1] - ends[0] <= (count - 1) * steps + steps // n


@cocotb.test(timeout_time=400, timeout_unit="us")
@cocotb.parametrize(moment=range(2, 80, 6))
async def reset_in_mid_head(dut: Any, moment: int) -> None:
    """After a reset the kernel is idle, and the next heads are right."""
    bench = Bench(dut)
    await start(dut)
    rng = np.random.default_rng(moment)
    for _ in range(3):
        await bench.put(bench.random(rng, 6, 5))
    await ClockCycles(dut.clk_i, moment)
    for driver in bench.inputs:
        driver.clear()
    await reset(dut)
    assert not dut.m_axis_vec_tvalid.value
    bench.out.clear()
    await bench.check([bench.random(rng, q, n) for q, n in ((4, 3), (1, 0), (3, 8))])
