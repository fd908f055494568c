# SPDX-License-Identifier: Apache-2.0
"""Cases of ``rf_hotpath``: whole requests through its registers and its memory ports.

Back to back: the mean distance of two requests' ends within one batch, against the stage that
reads most, which is the scan. One request: the cycles from its start until its answers are in
memory, against the sum of what its stages read. The rows of a history are random one-beat reads,
which a memory with 64 in flight for 100 cycles serves at 0.64 a cycle; a burst is not limited so.
With edges the request is not the first one after a reset: that one waits for a sweep of the arrays.
"""

from __future__ import annotations

import time
from functools import cache, partial

import numpy as np

from recfabric.bench._case import MEMORY, SEED, Case, Measure, little
from recfabric.contract import Contract
from recfabric.host.driver import Answer, HotPathDriver, Query
from recfabric.host.rtl import RtlDevice
from recfabric.host.soft import SoftDevice
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.kernels.stimulus import random_contract

ITEMS = 20_000
HISTORY, SEEN, K = 100, 150, 10
EDGES = 32  # slots an item, where there are edges
REQUESTS = 24


def cases() -> tuple[Case, ...]:
    """One port at int8 and int4, and four scan ports beside the first; all tables D 64.

    The int8 ones also with messages along edges.
    """
    made = []
    for bits, ports, edges in ((8, 1, 0), (4, 1, 0), (8, 4, 0), (8, 1, EDGES), (8, 4, EDGES)):
        tables = {f"{table}_bits": bits for table in ("message", "key", "value", "item")}
        entries = 1 << (ITEMS - 1).bit_length() if edges else 0
        config = HotPathConfig(scan_ports=ports, edges=edges, edge_items=entries, **tables)
        made += [_back_to_back(config, bits), _alone(config, bits)]
    return tuple(made)


def _name(config: HotPathConfig, bits: int, what: str) -> str:
    ports = "1 port" if config.scan_ports == 1 else f"1 + {config.scan_ports} ports"
    edges = f"{config.edges} edges an item, " if config.edges else ""
    return (
        f"{ITEMS:,} items, D {config.dim} int{bits}, {edges}history {HISTORY}, seen {SEEN}, k {K}, "
        f"{ports}: {what}"
    )


def _back_to_back(config: HotPathConfig, bits: int) -> Case:
    scan, front = config.scan_beats(ITEMS), config.front_beats(HISTORY, SEEN)
    note = f"all beats of a request through the one port: {scan + front}"
    if config.scan_ports > 1:
        biases = -(-2 * ITEMS // config.beat_bytes)
        note = f"beats of a request through the first port: {front + biases}"
    return Case(
        kernel="rf_hotpath",
        config=_name(config, bits, "cycles a request back to back"),
        parameters=config.parameters(),
        bound=scan,
        formula="beats of a scan port = items * (D * bits [+ 16 for a bias, with 1 port]) / 512",
        limit=1.03 * scan,
        limit_formula="1.03 * beats",
        run=partial(_run, config, bits, REQUESTS),
        note=note,
        cells=config.scan_ports == 1,
    )


def _alone(config: HotPathConfig, bits: int) -> Case:
    # A request of the registers has no descriptor.
    front = config.front_beats(HISTORY, SEEN) - 512 // config.beat_bits
    bound = config.scan_beats(ITEMS) + front
    return Case(
        kernel="rf_hotpath",
        config=_name(config, bits, "cycles of one request"),
        parameters=config.parameters(),
        bound=bound,
        formula="beats of a scan port + 3 * history * row / 512 + (history + seen) * 32 / 512"
        + (" + history * edges * 32 / 512" if config.edges else ""),
        limit=1.1 * bound + 400,
        limit_formula="1.1 * beats + 400",
        run=partial(_run, config, bits, 1),
        note=f"Little, the tables' rows alone: {little(3 * HISTORY):.0f} cycles",
        cells=False,
    )


@cache
def _contract(bits: int, edges: int) -> Contract:
    return random_contract(items=ITEMS, bits=bits, edges=edges, seed=SEED)


def _queries(count: int) -> list[Query]:
    rng = np.random.default_rng(SEED)
    return [
        Query(rng.integers(0, ITEMS, HISTORY), np.sort(rng.permutation(ITEMS)[:SEEN]), K)
        for _ in range(count)
    ]


def _run(config: HotPathConfig, bits: int, count: int) -> Measure:
    contract, queries = _contract(bits, config.edges), _queries(count)
    expected = HotPathDriver(SoftDevice(config), contract).request_many(queries)
    device = RtlDevice(config, memory_bytes=1 << 24, memory=MEMORY)
    driver = HotPathDriver(device, contract)
    if config.edges:  # not the first request after a reset, which clears the arrays of scores
        driver.request([], [], 1)
    before, begin = device.kernel.cycles, time.process_time()
    one = count == 1
    got = (
        [driver.request(q.history, q.seen, q.k) for q in queries]
        if one
        else driver.request_many(queries)
    )
    seconds, simulated = time.process_time() - begin, device.kernel.cycles - before
    device.close()
    wrong = sum(_wrong(a, b) for a, b in zip(expected, got, strict=True))
    ends = [a.cycles.end for a in got if isinstance(a, Answer) and a.cycles]
    cycles = ends[0] if one else (ends[-1] - ends[0]) / (len(ends) - 1)
    return Measure(cycles, 2 * K * count, wrong, simulated, seconds)


def _wrong(expected: object, got: object) -> int:
    """Integers that differ; all of them where there is no answer."""
    if not (isinstance(expected, Answer) and isinstance(got, Answer)):
        return 2 * K
    pairs = ((expected.rows, got.rows), (expected.scores, got.scores))
    return sum(int((a != b).sum()) for a, b in pairs)
