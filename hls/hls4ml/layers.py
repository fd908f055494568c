# SPDX-License-Identifier: Apache-2.0
"""RecFabric's layers in hls4ml's intermediate representation.

:func:`recfabric.hls.hls4ml.backend.register` makes them known to hls4ml. All take and give integers
as fixed-point numbers; widths and fractions come from the types, shifts are attributes. Layers
(inputs; attributes):

``RfGather`` (ids (L,), count (1,)): ``message_data`` int (N, D), ``norm_data`` (L + 1,), ``shift``
``RfAttention`` (query (D,), ids (L,), count (1,)): ``key_data``, ``value_data`` int (N, D),
  ``heads``, ``logit_shift``, ``out_shift``
``RfAttentionMatrix`` (query (Sq, D), key (Sk, D), value (Sk, D)): ``heads``, ``logit_shift``,
  ``out_shift``
``RfRequantise`` (any shape): ``shift``, ``relu``
``RfScatter`` (ids (L,), count (1,)): ``edge_data`` uint32 (N, E), E a multiple of 16 (see
  :func:`recfabric.kernels.scatter.model.pack_edges`), ``norm_data`` (L + 1,), ``shift``; gives (N,)
``RfTopK`` (query (D,), seen (S,), count (1,), and messages (N,) of an RfScatter or not):
  ``item_data`` int (N, D), ``bias_data`` (N,), ``k``, ``term_shift``; gives k rows and k scores
``RfGraph`` (x (C, D)): ``row_ptr_data`` (N + 1,), ``col_data`` (E,), ``weight_data`` (E,),
  ``norm_data``, ``shift_data``, ``op_data`` (N,); gives (N, D)
``RfRowsDense`` (x, flat V * C): ``matrix_data`` int8 (R, C), ``bias_data`` int32 (R,), ``shift``,
  ``relu``; gives (V, R)
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from hls4ml.model.attributes import Attribute
from hls4ml.model.layers import Layer
from hls4ml.model.types import IntegerPrecisionType

BEAT_BITS = 512  # of a memory port


def _integer(width: int, *, signed: bool = True) -> IntegerPrecisionType:
    return IntegerPrecisionType(width=width, signed=signed)


class RfLayer(Layer):  # type: ignore[misc]
    """A layer with tables: arrays of integers that stand in memory when they are large.

    ``header``, ``call``: of its C++ function; ``tables``: its weights in the order of the call;
    ``constants``: attributes that its C++ configuration names.
    """

    header: ClassVar[str]
    call: ClassVar[str]
    tables: ClassVar[tuple[str, ...]] = ()
    constants: ClassVar[tuple[str, ...]] = ()

    def _add_table(self, name: str, width: int, *, signed: bool = True) -> None:
        precision = _integer(width, signed=signed)
        self.add_weights_variable(name, f"{name}{{index}}", precision=precision)

    def _add_output(self, shape: list[int]) -> None:
        # In a stream a packet is the last axis.
        self.add_output_variable(shape, type_name="layer{index}_t")

    def _beats(self, dim: int, width: int) -> int:
        return -(-dim * width // BEAT_BITS)


class RfGather(RfLayer):
    """Sum of a table's rows over a history, times a factor of its length, requantised."""

    header, call, tables = "rf_gather.h", "rf_gather", ("message", "norm")
    constants = ("rows", "dim", "max_rows", "beats", "shift")
    _expected_attributes: ClassVar = [Attribute("shift"), Attribute("bits", default=8)]

    def initialize(self) -> None:
        """Table, factors and output (D,)."""
        rows, dim = self.get_attr("message_data").shape
        bits = self.get_attr("bits", 8)
        self.attributes.update(rows=rows, dim=dim, beats=self._beats(dim, bits))
        self.set_attr("max_rows", self.get_attr("norm_data").size - 1)
        self._add_table("message", bits)
        self._add_table("norm", 16, signed=False)
        self._add_output([dim])


class RfAttention(RfLayer):
    """Attention of one query over a history's key and value rows."""

    header, call, tables = "rf_attention.h", "rf_attention", ("key", "value")
    constants = ("rows", "dim", "heads", "max_rows", "beats", "logit_shift", "out_shift")
    _expected_attributes: ClassVar = [
        Attribute("heads"),
        Attribute("logit_shift"),
        Attribute("out_shift"),
        Attribute("key_bits", default=8),
        Attribute("value_bits", default=8),
    ]

    def initialize(self) -> None:
        """Tables and output (D,)."""
        rows, dim = self.get_attr("key_data").shape
        bits = self.get_attr("key_bits", 8), self.get_attr("value_bits", 8)
        self.attributes.update(rows=rows, dim=dim, beats=self._beats(dim, max(bits)))
        ids = self.get_input_variable(self.inputs[1])
        self.set_attr("max_rows", int(np.prod(ids.shape)))
        self._add_table("key", bits[0])
        self._add_table("value", bits[1])
        self._add_output([dim])


class RfAttentionMatrix(RfLayer):
    """Attention of Sq queries over Sk keys that are tensors of the graph."""

    header, call = "rf_attention.h", "rf_attention_matrix"
    constants = ("queries", "keys", "dim", "heads", "logit_shift", "out_shift")
    _expected_attributes: ClassVar = [
        Attribute("heads"),
        Attribute("logit_shift"),
        Attribute("out_shift"),
    ]

    def initialize(self) -> None:
        """Sizes from the inputs and output (Sq, D)."""
        queries, dim = self.get_input_variable(self.inputs[0]).shape
        keys, _ = self.get_input_variable(self.inputs[1]).shape
        self.attributes.update(queries=queries, keys=keys, dim=dim)
        self._add_output([queries, dim])


class RfRequantise(RfLayer):
    """Half-even rounding by a shift and saturation, with or without ReLU."""

    header, call = "rf_requantise.h", "rf_requantise_layer"
    constants = ("size", "shift", "relu")
    _expected_attributes: ClassVar = [Attribute("shift"), Attribute("relu", value_type=bool)]

    def initialize(self) -> None:
        """Output of the input's shape."""
        shape = list(self.get_input_variable().shape)
        self.set_attr("size", int(np.prod(shape)))
        self._add_output(shape)


class RfScatter(RfLayer):
    """Weights of a history's edges, added up for every item, times a factor, requantised."""

    header, call, tables = "rf_scatter.h", "rf_scatter", ("edge", "norm")
    constants = ("rows", "edges", "max_rows", "shift")
    _expected_attributes: ClassVar = [Attribute("shift")]

    def initialize(self) -> None:
        """Edges, factors and output (N,), in a stream an item a packet."""
        rows, edges = self.get_attr("edge_data").shape
        self.attributes.update(rows=rows, edges=edges)
        self.set_attr("max_rows", self.get_attr("norm_data").size - 1)
        self._add_table("edge", 32, signed=False)
        self._add_table("norm", 16, signed=False)
        stream = self.model.config.get_config_value("IOType") == "io_stream"
        self._add_output([rows, 1] if stream else [rows])


class RfTopK(RfLayer):
    """Scores of a catalogue and the k best rows, seen ones left out."""

    header, call, tables = "rf_topk.h", "rf_topk", ("item", "bias")
    constants = ("rows", "dim", "max_seen", "k", "beats", "term_shift")
    _expected_attributes: ClassVar = [
        Attribute("k"),
        Attribute("term_shift"),
        Attribute("bits", default=8),
    ]

    def initialize(self) -> None:
        """Tables and output (2 k,): rows, then scores."""
        rows, dim = self.get_attr("item_data").shape
        bits = self.get_attr("bits", 8)
        self.attributes.update(rows=rows, dim=dim, beats=self._beats(dim, bits))
        seen = self.get_input_variable(self.inputs[1])
        self.set_attr("max_seen", int(np.prod(seen.shape)))
        self._add_table("item", bits)
        self._add_table("bias", 16)
        self._add_output([2 * self.get_attr("k")])


class RfGraph(RfLayer):
    """Message passing over a graph in CSR that is part of the design."""

    header, call = "rf_graph.h", "rf_graph"
    tables = ("row_ptr", "col", "weight", "norm", "shift", "op")
    constants = ("columns", "nodes", "edges", "dim", "beats")

    def initialize(self) -> None:
        """The graph's arrays and output (N, D)."""
        columns, dim = self.get_input_variable().shape
        nodes, edges = self.get_attr("norm_data").size, self.get_attr("col_data").size
        self.attributes.update(columns=columns, dim=dim, nodes=nodes, edges=edges)
        self.set_attr("beats", self._beats(dim, 8))
        for name, width in {"row_ptr": 32, "col": 32, "norm": 16, "shift": 6, "op": 2}.items():
            self._add_table(name, width, signed=False)
        self._add_table("weight", 8)
        self._add_output([nodes, dim])


class RfRowsDense(RfLayer):
    """A matrix for every row of a tensor, requantised; n_in elements are a row."""

    header, call, tables = "rf_graph.h", "rf_rows_dense", ("matrix", "bias")
    constants = ("vectors", "n_in", "n_out", "shift", "relu")
    _expected_attributes: ClassVar = [Attribute("shift"), Attribute("relu", value_type=bool)]

    def initialize(self) -> None:
        """Weights and output (V, R)."""
        n_out, n_in = self.get_attr("matrix_data").shape
        vectors = int(np.prod(self.get_input_variable().shape)) // n_in
        self.attributes.update(vectors=vectors, n_in=n_in, n_out=n_out)
        self._add_table("matrix", 8)
        self._add_table("bias", 32)
        self._add_output([vectors, n_out])


LAYERS: tuple[type[RfLayer], ...] = (
    RfGraph,
    RfRowsDense,
    RfGather,
    RfAttention,
    RfAttentionMatrix,
    RfRequantise,
    RfScatter,
    RfTopK,
)
