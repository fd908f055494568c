# SPDX-License-Identifier: Apache-2.0
"""Layers in device memory and the commands that run them; ``rf_graph_pkg.sv`` says the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from recfabric.errors import ConfigError
from recfabric.kernels.dense.model import weight_beats
from recfabric.kernels.graph.model import GraphLayer
from recfabric.kernels.hotpath.image import PAGE, pack_rows, unpack_rows

Bytes = npt.NDArray[np.uint8]
# Fields of layer_cmd_t from the low bits up, and their bytes.
_FIELDS = (
    *(("dense_shift", 1), ("relu", 1), ("nodes", 4), ("edges", 4), ("row_ptr", 8), ("scale", 8)),
    *(("col", 8), ("weight", 8), ("table", 8), ("out", 8), ("dense", 8)),
)


@dataclass(frozen=True)
class GraphConfig:
    """Parameters of an ``rf_graph``; the names are those of the module in snake case.

    ``elem_bits``: 4 or 8, of an element of the table read; rows are written in int8.
    ``rows``: outputs of the dense part, 0 without one; ``cols``: its inputs.
    """

    dim: int = 64
    elem_bits: int = 8
    beat_bits: int = 512
    max_rows: int = 1 << 20
    requant_lanes: int = 64
    weighted: bool = False
    with_max: bool = False
    rows: int = 0
    cols: int = 64
    pe: int = 16
    simd: int = 16
    row_ports: int = 2
    list_depth: int = 32

    def parameters(self) -> dict[str, int]:
        """The module's parameters by their SystemVerilog names."""
        return {
            "Dim": self.dim,
            "ElemBits": self.elem_bits,
            "BeatBits": self.beat_bits,
            "MaxRows": self.max_rows,
            "RequantLanes": self.requant_lanes,
            "WeightBits": 8 * self.weighted,
            "WithMax": int(self.with_max),
            "Rows": self.rows,
            "Cols": self.cols,
            "Pe": self.pe,
            "Simd": self.simd,
            "RowPorts": self.row_ports,
            "ListDepth": self.list_depth,
        }

    def row_bytes(self, dim: int, bits: int = 8) -> int:
        """Bytes of a row of so many elements of ``bits`` in memory: whole beats."""
        return -(-dim * bits // self.beat_bits) * self.beat_bits // 8

    @property
    def out_dim(self) -> int:
        """Elements of a row written."""
        return self.rows or self.dim


@dataclass(frozen=True, eq=False)
class GraphImage:
    """Bytes for the device's memory, the commands to run, and where each layer's rows will lie."""

    memory: Bytes
    commands: Bytes
    outputs: tuple[tuple[int, int], ...]  # address, rows
    config: GraphConfig

    def output(self, memory: Bytes, layer: int) -> npt.NDArray[np.int8]:
        """The rows a layer has written, out of the device's memory: int8 (n, D)."""
        address, rows = self.outputs[layer]
        row_bytes = self.config.row_bytes(self.config.out_dim)
        raw = memory[address : address + rows * row_bytes].reshape(rows, row_bytes)
        return unpack_rows(raw, 8, self.config.out_dim).copy()  # the memory may go


def graph_image(
    layers: Sequence[GraphLayer], table: npt.NDArray[np.int8], config: GraphConfig
) -> GraphImage:
    """Layers that run one after another, each over the rows the one before has written.

    ``table``: int8 (columns, D), what the first layer reads, within -8 to 7 for hardware of 4-bit
    elements, which takes one layer: rows are written in int8. Equal graphs, scales and weights
    lie in memory once. Raises ConfigError where a layer or the table does not fit the hardware.
    """
    bits = config.elem_bits
    _check_table(table, bits, len(layers))
    store = _Store()
    packed = pack_rows(table, bits, config.row_bytes(config.dim, bits))
    rows = store.put("table", packed.reshape(-1))
    commands, outputs = [], []
    for layer in layers:
        _check(layer, config)
        count = len(layer.graph) * config.dim // (config.cols if config.rows else config.dim)
        out = store.reserve(count * config.row_bytes(config.out_dim))
        fields = _regions(store, layer, config) | {"table": rows, "out": out}
        commands.append(command(fields))
        outputs.append((out, count))
        rows = out
    return GraphImage(store.image(), np.stack(commands), tuple(outputs), config)


def command(fields: Mapping[str, int]) -> Bytes:
    """A ``layer_cmd_t`` as little-endian bytes; a field not named is 0."""
    parts = [int(fields.get(name, 0)).to_bytes(size, "little") for name, size in _FIELDS]
    return np.frombuffer(b"".join(parts), np.uint8)


def _regions(store: _Store, layer: GraphLayer, config: GraphConfig) -> dict[str, int]:
    graph = layer.graph
    fields = {
        "nodes": len(graph),
        "edges": graph.edges,
        "relu": int(layer.relu),
        "row_ptr": store.put(graph.row_ptr, graph.row_ptr.astype("<u4")),
        "col": store.put(graph.col, graph.col.astype("<u4")),
        "scale": store.put(layer.scale, layer.scale.astype("<u4")),
    }
    if config.weighted:
        weight = np.ones(graph.edges, np.int8) if graph.weight is None else graph.weight
        fields["weight"] = store.put(graph.col if graph.weight is None else weight, weight)
    if layer.dense is not None:
        load = weight_beats(
            layer.dense.weight,
            layer.dense.bias,
            pe=config.pe,
            simd=config.simd,
            beat_bits=config.beat_bits,
        )
        fields |= {"dense": store.put(layer.dense, load), "dense_shift": layer.dense.shift}
    return fields


def _check_table(table: npt.NDArray[np.int8], bits: int, layers: int) -> None:
    if bits == 8:
        return
    if layers > 1:
        raise ConfigError(
            f"The hardware reads rows of {bits} bits but a layer writes 8; run one layer at a time."
        )
    if table.size and (table.min() < -(1 << bits - 1) or table.max() >= 1 << bits - 1):
        raise ConfigError(f"The table does not fit {bits} bits; quantise it so.")


def _check(layer: GraphLayer, config: GraphConfig) -> None:
    most = int(layer.graph.degree.max())
    shape = None if layer.dense is None else layer.dense.weight.shape
    built = (config.rows, config.cols) if config.rows else None
    if most > config.max_rows:
        raise ConfigError(f"A node has {most} edges but the hardware takes {config.max_rows}.")
    if layer.graph.weight is not None and not config.weighted:
        raise ConfigError("The graph has weights but the hardware has none; build it so.")
    if shape != built:
        raise ConfigError(f"The layer's dense part is {shape} but the hardware's {built}.")
    if np.any(layer.scale >> 24) and not config.with_max:
        raise ConfigError(
            "The layer asks for maxima but the hardware has none; build it with them."
        )


class _Store:
    """Regions of memory, each on a page of its own; the same object is stored once."""

    def __init__(self) -> None:
        self._parts: list[tuple[int, Bytes]] = []
        self._known: dict[tuple[int, str], int] = {}
        self._end = 0

    def put(self, owner: object, content: npt.NDArray[Any]) -> int:
        key = (id(owner), str(content.dtype))
        if key not in self._known:
            raw = np.ascontiguousarray(content).reshape(-1).view(np.uint8)
            self._known[key] = self.reserve(len(raw))
            self._parts.append((self._known[key], raw))
        return self._known[key]

    def reserve(self, size: int) -> int:
        address = self._end
        self._end += -(-max(size, 1) // PAGE) * PAGE
        return address

    def image(self) -> Bytes:
        memory = np.zeros(self._end, np.uint8)
        for address, raw in self._parts:
            memory[address : address + len(raw)] = raw
        return memory
