# SPDX-License-Identifier: Apache-2.0
"""The cost model: against the RTL on netlists that other tests build, and by itself."""

from dataclasses import replace

import numpy as np
import pytest

from recfabric.bench._cost import LIMIT, Drawn, check, cost_requests, draw, record
from recfabric.errors import ConfigError
from recfabric.kernels.hotpath import cost
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.kernels.hotpath.cost import Memory, Request, alone, back_to_back, spread
from recfabric.kernels.scatter.model import bank_cycles, pack_edges
from recfabric.quant.progress import Silent

SLOW = Memory(latency=90, outstanding=24)
PORTS = HotPathConfig(
    dim=16, heads=1, item_bits=8, scan_ports=4, beat_bits=64, pe=4, simd=4
)  # the netlist of test_devices.test_several_scan_ports
LENGTHS = tuple((1 + 17 * i % 110, 13 * i % 180, 1 + i % 20) for i in range(8))


@pytest.mark.parametrize(
    ("config", "items", "memory"),
    [
        (HotPathConfig(), 400, Memory()),
        (HotPathConfig(), 1500, SLOW),
        (PORTS, 1001, SLOW),
    ],
)
def test_cycles_are_the_rtls(config: HotPathConfig, items: int, memory: Memory) -> None:
    drawn = Drawn(config, items, 3, 0, LENGTHS, memory)
    (row,) = check([drawn], Silent().task, quick=False)
    assert row.met, row.errors
    assert record([row], 3)["met"]
    # The check sees a wrong latency.
    wrong = replace(memory, latency=memory.latency + 60)
    requests = cost_requests(drawn.contract, config, drawn.queries())
    assert abs(alone(config, items, requests[0], wrong) / row.alone_rtl - 1) > LIMIT


def test_what_is_drawn_is_drawn_again() -> None:
    first, again = list(draw(5, 4)), list(draw(5, 4))
    assert first == again
    assert len({one.config for one in first}) == 4
    assert first != list(draw(6, 4))


def test_the_scan_is_the_bound_of_a_large_catalogue() -> None:
    config, memory = HotPathConfig(), Memory(100, 64)
    requests = [Request(50, spread(100, 8000))] * 4
    each = back_to_back(config, 8000, requests, memory)
    beats = config.scan_beats(8000) + config.front_beats(50, 100)
    assert config.scan_beats(8000) < each <= 1.01 * beats


def test_a_long_scan_goes_on_at_its_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    config, memory = HotPathConfig(edges=32, edge_items=1 << 14), Memory()
    requests = [Request(n, spread(40, 9000), edge_cycles=5 * n) for n in (20, 70, 1, 120)]
    whole = back_to_back(config, 9000, requests, memory), alone(config, 9000, requests[1], memory)
    monkeypatch.setattr(cost, "WHOLE_SCAN", 2048)
    parts = back_to_back(config, 9000, requests, memory), alone(config, 9000, requests[1], memory)
    for left, right in zip(whole, parts, strict=True):
        assert right == pytest.approx(left, rel=0.005)


def test_edges_in_one_bank_cost_their_number() -> None:
    config, memory = HotPathConfig(edges=32, edge_items=1024), Memory()
    free, stuck = (Request(100, edge_cycles=n) for n in (200, 3200))
    assert alone(config, 1000, stuck, memory) >= alone(config, 1000, free, memory) + 2700
    targets = np.array([[0, 16, 32, 1], [0, 1, 2, 3], [0, 0, 0, 0]])
    weights = np.array([[1, 1, 1, 1], [1, 1, 1, 0], [0, 0, 0, 0]], np.int8)
    words = pack_edges(targets, weights)
    assert bank_cycles(words, banks=16, beats=1).tolist() == [3, 1, 1]
    assert bank_cycles(words, banks=16, beats=2).tolist() == [3, 2, 2]


def test_one_request_has_no_neighbour() -> None:
    with pytest.raises(ConfigError, match="1 requests have no neighbours"):
        back_to_back(HotPathConfig(), 100, [Request(1)], Memory())


def test_an_empty_history_ends() -> None:
    config = HotPathConfig(edges=16, edge_items=1024)
    requests = [Request(0), Request(5), Request(0)]
    assert alone(config, 1000, requests[0], Memory()) > 0
    assert back_to_back(config, 1000, requests, Memory()) > config.scan_beats(1000)
