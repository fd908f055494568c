# SPDX-License-Identifier: Apache-2.0
"""The integer model of ``rf_graph``: a layer over a whole graph. It is the specification."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from recfabric.errors import ConfigError
from recfabric.kernels.dense.model import dense
from recfabric.kernels.fixed import round_shift, saturate
from recfabric.kernels.gather.model import Op
from recfabric.kernels.graph.csr import Csr
from recfabric.kernels.graph.scale import Words, split

Int8 = npt.NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class DensePart:
    """What follows the gather: ``weight`` int8 (R, C), ``bias`` int32 (R,), a right shift."""

    weight: Int8
    bias: npt.NDArray[np.int32]
    shift: int


@dataclass(frozen=True, eq=False)
class GraphLayer:
    """One layer: gather over ``graph`` with a scale word a node, then perhaps a dense part, a ReLU.

    ``scale``: uint32 (N,) of :func:`recfabric.kernels.graph.scale.scale_words`. A dense part of
    C = j * D inputs takes j gathered vectors one behind the other: the layer then has N / j
    outputs. Raises ConfigError where the parts do not fit.
    """

    graph: Csr
    scale: Words
    dense: DensePart | None = None
    relu: bool = False

    def __post_init__(self) -> None:
        if self.scale.shape != (len(self.graph),):
            raise ConfigError(
                f"{len(self.scale)} scale words do not fit {len(self.graph)} nodes; give one each."
            )

    def __call__(self, table: Int8) -> Int8:
        """int8 (N / j, R), or (N, D) without a dense part, from the table int8 (columns, D).

        Raises ConfigError where the table or the dense part does not fit the graph.
        """
        if len(table) != self.graph.columns:
            raise ConfigError(
                f"The graph reads a table of {self.graph.columns} rows, not of {len(table)}."
            )
        out = propagate(self.graph, table, self.scale)
        if self.dense is not None:
            inputs = self.dense.weight.shape[1]
            if inputs % table.shape[1] or out.size % inputs:
                raise ConfigError(
                    f"A dense part of {inputs} inputs does not take {len(out)} vectors of "
                    f"{table.shape[1]} elements; choose a multiple that divides them."
                )
            joined = out.reshape(-1, inputs)
            out = dense(joined, self.dense.weight, self.dense.bias, self.dense.shift)
        return np.maximum(out, 0) if self.relu else out


def propagate(graph: Csr, table: Int8, scale: Words) -> Int8:
    """Each node's :func:`recfabric.kernels.gather.model.gather`, all at once: int8 (N, D)."""
    norm, shift, ops = split(scale)
    messages: npt.NDArray[Any] = table[graph.col]
    if graph.weight is not None:
        messages = messages.astype(np.int16) * graph.weight[:, None]
    totals = np.zeros((len(graph), table.shape[1]), np.int64)
    maximal = np.array([op is Op.MAX for op in ops])
    # reduceat reads one row even where a node has none: those nodes are left out.
    for chosen, reduce in ((~maximal, np.add), (maximal, np.maximum)):
        nodes = np.flatnonzero(graph.degree > 0)
        if np.any(chosen) and len(nodes):
            starts = graph.row_ptr[nodes].astype(np.int64)
            reduced = reduce.reduceat(messages, starts, axis=0, dtype=np.int64)
            totals[nodes] = np.where(chosen[nodes][:, None], reduced, totals[nodes])
    return saturate(round_shift(totals * norm[:, None], shift[:, None]), 8).astype(np.int8)
