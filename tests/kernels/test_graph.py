# SPDX-License-Identifier: Apache-2.0
"""rf_graph: the integer model against big integers, the RTL against the integer model."""

from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recfabric.errors import ConfigError, DeviceError
from recfabric.kernels.gather.model import Op, gather
from recfabric.kernels.graph.csr import Csr
from recfabric.kernels.graph.layer import GraphConfig, graph_image
from recfabric.kernels.graph.model import DensePart, GraphLayer, propagate
from recfabric.kernels.graph.scale import scale_words, split
from recfabric.kernels.sources import sources
from recfabric.sim.bench import Bench, BenchRun
from recfabric.sim.faults import Fault
from recfabric.sim.mutants import targets
from recfabric.sim.testbench import Testbench
from recfabric.sim.verilated import MemoryModel
from recfabric.sim.verilator import lint

Array = np.ndarray[Any, Any]
PLAIN = GraphConfig(dim=16, beat_bits=128, max_rows=1000, requant_lanes=16, list_depth=128)
FULL = GraphConfig(
    dim=32, beat_bits=128, max_rows=1000, requant_lanes=16, weighted=True, with_max=True,
    rows=16, cols=64, pe=4, simd=8, row_ports=3,
)  # fmt: skip
# Half the table's bits: rows of two beats that are written as rows of one, or of four.
NIBBLES = replace(FULL, dim=64, elem_bits=4)
WIDER = replace(PLAIN, dim=64, elem_bits=4)
# Lists that must not take each other's places: a hub's columns come while pointers wait.
SHALLOW = replace(PLAIN, list_depth=4)
EARLY_DONE = Fault("rf_row_write.sv", "&& left_q == '0 && answers_q == '0", "&& left_q == '0")
LOST_ROW = Fault("rf_gather_rows.sv", "= message_ready && weight_there", "= message_ready")
NODES = 150
FAULTS = [
    (PLAIN, Fault("rf_row_read.sv", "if (given && m_axis_row_tlast) give_q", "if (asked) give_q")),
    (PLAIN, Fault("rf_row_write.sv", "ask_q > MaxBurst ? ask_q - MaxBurst : '0", "'0")),
    (PLAIN, Fault("rf_graph_nodes.sv", "if (start_i) open_q", "if (!rst_ni) open_q")),
    (PLAIN, Fault("rf_graph.sv", "cmd_q.relu[0] && ", "")),
    (SHALLOW, Fault("rf_list_read.sv", "- (mine ? RoomBits'(burst) : '0)", "- RoomBits'(mine)")),
    (WIDER, Fault("rf_gather_rows.sv", "RowBits = Dim * ElemBits", "RowBits = Dim * 8")),
    (FULL, Fault("rf_graph_dense.sv", "load_q == '0 && (left_q", "(left_q")),
    (FULL, Fault("rf_gather_rows.sv", "message_ready && row_last", "message_ready")),
]


def layers(config: GraphConfig, seed: int, count: int = 2) -> list[GraphLayer]:
    """Layers over random graphs with hubs, nodes of degree 0 and 1, saturation and ties."""
    rng = np.random.default_rng(seed)
    join = config.cols // config.dim if config.rows else 1
    made: list[GraphLayer] = []
    for i in range(count):
        nodes, edges = NODES * join, 900 + 37 * i
        target = (rng.random(edges) ** 4 * nodes).astype(int)
        if config.rows:  # hubs last: the first vectors are there before the dense weights
            target = nodes - 1 - target
        weight = rng.integers(-128, 128, edges) if config.weighted else None
        source = rng.integers(0, NODES, edges)
        graph = Csr.of_edges(source, target, nodes=nodes, columns=NODES, weight=weight)
        scale = scale_words(2.0 ** -rng.integers(1, 11 if config.weighted else 5, nodes))
        if config.with_max:
            scale |= rng.integers(0, 2, nodes).astype(np.uint32) << 24
        made.append(GraphLayer(graph, scale, _dense(config, rng), relu=bool(i % 2)))
    return made


def _dense(config: GraphConfig, rng: np.random.Generator) -> DensePart | None:
    if not config.rows:
        return None
    weight = rng.integers(-128, 128, (config.rows, config.cols)).astype(np.int8)
    return DensePart(weight, rng.integers(-9999, 9999, config.rows).astype(np.int32), 9)


def table(config: GraphConfig) -> Array:
    least = -(1 << config.elem_bits - 1)
    return np.random.default_rng(7).integers(least, -least, (NODES, config.dim)).astype(np.int8)


def wrong_rows(
    config: GraphConfig,
    todo: list[GraphLayer],
    *,
    fault: Fault | None = None,
    stall: float = 0.0,
    latency: int = 100,
) -> tuple[int, BenchRun]:
    """Integers in memory that are not the model's, over all layers, and the run."""
    image = graph_image(todo, table(config), config)
    memory = MemoryModel(latency=latency, outstanding=64, stall=stall)
    with Bench(
        "rf_graph", config.parameters(), memory_bytes=len(image.memory), memory=memory, fault=fault
    ) as bench:
        bench.memory[:] = image.memory
        run = bench.run(
            {"s_axis_cmd": image.commands},
            {"m_axis_done": len(todo)},
            max_cycles=50_000 * len(todo),
            stall=stall,
        )
        got = [image.output(bench.memory, i) for i in range(len(todo))]
    x, wrong = table(config), 0
    for layer, rows in zip(todo, got, strict=True):
        x = layer(x)
        wrong += int((x != rows).sum())
    assert not run.outputs["m_axis_done"].any()
    return wrong, run


def chain(config: GraphConfig, seed: int) -> list[GraphLayer]:
    """Layers that read what the one before wrote: only where rows in and out are alike."""
    alike = config.out_dim == config.dim and config.elem_bits == 8
    return layers(config, seed, count=3 if alike else 1)


@given(
    edges=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5)), max_size=30),
    data=st.data(),
    weighted=st.booleans(),
)
def test_model_is_gather_node_by_node(
    edges: list[tuple[int, int]], data: st.DataObject, weighted: bool
) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    source, target = np.array(edges, int).reshape(-1, 2).T
    weight = rng.integers(-128, 128, len(edges)) if weighted else None
    graph = Csr.of_edges(source, target, nodes=6, columns=5, weight=weight)
    scale = scale_words(rng.random(6)) | rng.integers(0, 2, 6).astype(np.uint32) << 24
    rows = rng.integers(-128, 128, (5, 3)).astype(np.int8)
    norms, shifts, ops = split(scale)
    got = propagate(graph, rows, scale)
    for i in range(6):
        mine = slice(graph.row_ptr[i], graph.row_ptr[i + 1])
        own = None if graph.weight is None else graph.weight[mine]
        norm, shift = int(norms[i]), int(shifts[i])
        want = gather(rows[graph.col[mine]], norm, shift, weights=own, op=ops[i])
        assert np.array_equal(got[i], want)


@given(st.floats(2.0**-31, 2.0**15) | st.integers(1, 1 << 20).map(lambda n: 1 / n))
def test_a_scale_word_is_the_nearest(factor: float) -> None:
    norm, shift, ops = split(scale_words(np.array([factor]), Op.MAX))
    value = Fraction(int(norm[0]), 1 << int(shift[0]))
    assert ops == [Op.MAX]
    assert int(norm[0]) >= 1 << 15
    assert abs(value / Fraction(factor) - 1) <= Fraction(1, 1 << 16)


@pytest.mark.parametrize("factor", [2.0**-33, 2.0**16, -1.0])
def test_a_factor_out_of_range_is_refused(factor: float) -> None:
    with pytest.raises(ConfigError, match="outside what 16 bits"):
        scale_words(np.array([0.5, factor]))


def test_csr_keeps_the_order_of_a_node_s_edges() -> None:
    graph = Csr.of_edges([3, 1, 2, 0], [1, 0, 1, 3], nodes=4, weight=[5, 6, 7, 8])
    assert graph.row_ptr.tolist() == [0, 1, 3, 3, 4]
    assert graph.col.tolist() == [1, 3, 2, 0]
    assert graph.weight is not None
    assert graph.weight.tolist() == [6, 5, 7, 8]
    own = Csr.of_edges([3, 1, 2, 0], [1, 0, 1, 3], nodes=4).with_own_row()
    assert own.row_ptr.tolist() == [0, 1, 2, 4, 5, 5, 6, 7, 8]
    assert own.col.tolist() == [1, 0, 3, 2, 1, 2, 0, 3]
    assert Csr.identity(3).col.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("row_ptr", "col", "message"),
    [([0, 2, 1], [0], "ascend"), ([0, 1], [9], "row 9 of a table of 2"), ([1, 1], [], "ascend")],
)
def test_a_bad_graph_is_refused(row_ptr: list[int], col: list[int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Csr(np.array(row_ptr, np.uint32), np.array(col, np.uint32), 2)


def test_a_layer_that_does_not_fit_is_refused() -> None:
    todo = layers(FULL, 1, 1)
    for config, message in ((PLAIN, "weights"), (FULL, "edges but")):
        small = GraphConfig(**(vars(config) | {"max_rows": 1 if config is FULL else 1000}))
        with pytest.raises(ConfigError, match=message):
            graph_image(todo, table(config), small)


def test_a_table_of_other_bits_is_refused() -> None:
    todo, rows = layers(WIDER, 1, 2), table(WIDER)
    with pytest.raises(ConfigError, match="one layer at a time"):
        graph_image(todo, rows, WIDER)
    for value in (-9, 8):
        rows[3, 2] = value
        with pytest.raises(ConfigError, match="does not fit 4 bits"):
            graph_image(todo[:1], rows, WIDER)


@pytest.mark.parametrize(
    "config",
    [PLAIN, SHALLOW, FULL, NIBBLES, WIDER],
    ids=["plain", "shallow", "full", "int4, full", "int4, plain"],
)
@pytest.mark.parametrize("stall", [0.0, 0.3])
def test_rtl_writes_the_model_s_rows(config: GraphConfig, stall: float) -> None:
    wrong, _ = wrong_rows(config, chain(config, 3), stall=stall, latency=100 if not stall else 9)
    assert wrong == 0


def test_an_edge_a_cycle() -> None:
    """Nodes of one edge, the shortest there are: a node a cycle beside a layer's latency."""
    ring = np.arange(NODES)
    graph = Csr.of_edges(np.roll(ring, 7).repeat(10), np.arange(10 * NODES), nodes=10 * NODES,
                         columns=NODES)  # fmt: skip
    _, run = wrong_rows(PLAIN, [GraphLayer(graph, scale_words(np.full(len(graph), 0.5)))])
    assert run.cycles <= 1.05 * graph.edges + 400


def test_layers_are_exact_at_the_ports() -> None:
    """With the parameters that its mutants have, which must notice them."""
    target = targets()["graph"]
    (tests,) = target.tests
    Testbench(target.top, target.parameters).run(tests)
    fault = Fault("rf_graph.sv", "done_q && m_axis_done_tready", "done_q")
    assert Testbench(target.top, target.parameters, fault).outcome(tests).failed


def bus_error(field: int, fault: Fault | None = None) -> int:
    """What a layer says when the address from this byte of its command on leads nowhere."""
    few = Csr(np.arange(9, dtype=np.uint32), np.arange(8, dtype=np.uint32), NODES)  # one burst
    image = graph_image([GraphLayer(few, scale_words(np.ones(8)))], table(PLAIN), PLAIN)
    with Bench(
        "rf_graph", PLAIN.parameters(), memory_bytes=len(image.memory), fault=fault
    ) as bench:
        bench.memory[:] = image.memory
        bad = image.commands.copy()
        bad[:, field : field + 8] = 0xF0
        run = bench.run({"s_axis_cmd": bad}, {"m_axis_done": 1}, max_cycles=9000)
    return int(run.outputs["m_axis_done"][0, 0])


@pytest.mark.parametrize("field", [42, 50], ids=["rows read", "rows written"])
def test_a_bus_error_is_reported(field: int) -> None:
    assert bus_error(field) == 1


def test_done_waits_for_the_last_response() -> None:
    """A done before it would say that a single bad burst went well: seen on a planted fault."""
    assert bus_error(50, EARLY_DONE) == 0


def wrong_vectors(fault: Fault | None = None) -> int:
    """Integers of rf_gather_rows, weights late at random, that are not the model's."""
    rng = np.random.default_rng(4)
    degree = rng.integers(0, 9, NODES)
    rows, ids = table(PLAIN), rng.integers(0, NODES, degree.sum())
    weights = rng.integers(-128, 128, len(ids)).astype(np.int8)
    parameters = {"Dim": 16, "BeatBits": 128, "RequantLanes": 16, "WeightBits": 8}
    words = (degree.astype(np.int64) << 32 | 22 << 16 | 40_000).astype("<u8")
    inputs = {
        "s_axis_cmd": words.view(np.uint8).reshape(-1, 8)[:, :7],
        "s_axis_id": ids.astype("<u4").view(np.uint8).reshape(-1, 4),
        "s_axis_weight": weights.view(np.uint8).reshape(-1, 1),
    }
    image = rows.view(np.uint8).reshape(-1)
    with Bench("rf_gather_rows", parameters, memory_bytes=len(image), fault=fault) as bench:
        bench.memory[:] = image
        run = bench.run(inputs, {"m_axis_vec": NODES}, max_cycles=20_000, stall=0.5)
    row_ptr = np.concatenate([[0], np.cumsum(degree)]).astype(np.uint32)
    graph = Csr(row_ptr, ids.astype(np.uint32), NODES, weights)
    want = propagate(graph, rows, (words & 0xFFFF_FFFF).astype(np.uint32))
    return int((run.outputs["m_axis_vec"].view(np.int8) != want).sum())


def test_rows_wait_for_their_weights() -> None:
    assert wrong_vectors() == 0
    with suppress(DeviceError):  # a lost row is one that never comes
        assert wrong_vectors(LOST_ROW) > 0


@pytest.mark.parametrize(("config", "fault"), FAULTS, ids=lambda v: getattr(v, "old", ""))
def test_a_planted_fault_is_caught(config: GraphConfig, fault: Fault) -> None:
    with suppress(DeviceError):  # it stands still, or breaks a rule of AXI: caught as well
        assert wrong_rows(config, chain(config, 3), fault=fault, stall=0.3, latency=9)[0] > 0


@pytest.mark.parametrize(
    "parameters",
    [{}, {"WeightBits": 8, "WithMax": 1, "Rows": 64}, PLAIN.parameters(), FULL.parameters(),
     NIBBLES.parameters(), WIDER.parameters(),
     {"Dim": 128, "Rows": 128, "Cols": 256, "RowPorts": 1, "RequantLanes": 64}],
)  # fmt: skip
def test_lint(parameters: dict[str, int]) -> None:
    assert lint(sources("rf_graph"), "rf_graph", parameters) == ""


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"ElemBits": 2}, "rf_gather: ElemBits must be 4 or 8"),
        ({"WeightBits": 4}, "rf_graph: WeightBits must be 0 or 8"),
        ({"Rows": 16, "Cols": 96}, "rf_graph: Cols must be a multiple of Dim"),
        ({"Rows": 96, "Pe": 16}, "rf_graph: Rows must fill whole beats or less than one"),
        ({"RowPorts": 17}, "rf_row_read: Ports must be 1 to 16"),
        ({"ListDepth": 24}, "rf_list_read: ListDepth must be a power of two"),
        ({"MaxRows": 0}, "rf_gather: MaxRows must be 1 to 1048576"),
    ],
)
def test_a_bad_parameter_stops_elaboration(parameters: dict[str, int], message: str) -> None:
    assert message in lint(sources("rf_graph"), "rf_graph", parameters)
