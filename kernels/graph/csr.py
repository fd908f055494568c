# SPDX-License-Identifier: Apache-2.0
"""A graph as the kernels read it: compressed sparse rows, one row of edges for each node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from recfabric.errors import ConfigError

Array = npt.NDArray[Any]
MAX_DEGREE = 1 << 20


@dataclass(frozen=True, eq=False)
class Csr:
    """N nodes and the E edges into them; node i's are ``row_ptr[i]`` up to ``row_ptr[i + 1]``.

    ``row_ptr``: uint32 (N + 1,), from 0, ascending; ``col``: uint32 (E,), the table's row that an
    edge comes from; ``weight``: int8 (E,), or None where every edge weighs 1; ``columns``: rows of
    the table. Raises ConfigError where these do not hold together or a degree exceeds 2**20.
    """

    row_ptr: npt.NDArray[np.uint32]
    col: npt.NDArray[np.uint32]
    columns: int
    weight: npt.NDArray[np.int8] | None = None

    def __post_init__(self) -> None:
        ptr = self.row_ptr.astype(np.int64)
        if len(ptr) < 2 or ptr[0] != 0 or ptr[-1] != len(self.col) or np.any(np.diff(ptr) < 0):
            raise ConfigError(
                f"A row_ptr of {len(ptr)} entries must ascend from 0 to the {len(self.col)} edges."
            )
        if len(self.col) and int(self.col.max()) >= self.columns:
            raise ConfigError(
                f"An edge comes from row {self.col.max()} of a table of {self.columns} rows."
            )
        if self.weight is not None and self.weight.shape != self.col.shape:
            raise ConfigError(f"{len(self.weight)} weights do not fit {len(self.col)} edges.")
        if int(np.diff(ptr).max()) > MAX_DEGREE:
            raise ConfigError(f"A node has {np.diff(ptr).max()} edges; at most {MAX_DEGREE} fit.")

    def __len__(self) -> int:
        return len(self.row_ptr) - 1

    @property
    def edges(self) -> int:
        """The number of edges."""
        return len(self.col)

    @property
    def degree(self) -> npt.NDArray[np.int64]:
        """Edges into each node: int64 (N,)."""
        ptr = self.row_ptr.astype(np.int64)
        return ptr[1:] - ptr[:-1]

    @classmethod
    def of_edges(
        cls,
        source: Array,
        target: Array,
        *,
        nodes: int,
        columns: int | None = None,
        weight: Array | None = None,
    ) -> Csr:
        """Edges grouped by target; those of one target stay in the order given.

        ``source``, ``target``: integers (E,); ``nodes``: targets; ``columns``: sources, as many by
        default; ``weight``: int8 (E,). Raises ConfigError as the class does.
        """
        target = np.asarray(target)
        if len(target) and not 0 <= int(target.min()) <= int(target.max()) < nodes:
            raise ConfigError(f"An edge goes to a node outside 0..{nodes - 1}.")
        order = np.argsort(target, kind="stable")
        count = np.bincount(target, minlength=nodes)
        return cls(
            np.concatenate([[0], np.cumsum(count)]).astype(np.uint32),
            np.asarray(source)[order].astype(np.uint32),
            nodes if columns is None else columns,
            None if weight is None else np.asarray(weight)[order].astype(np.int8),
        )

    @classmethod
    def identity(cls, nodes: int) -> Csr:
        """Every node reads its own row."""
        ids = np.arange(nodes + 1, dtype=np.uint32)
        return cls(ids, ids[:-1], nodes)

    def with_own_row(self) -> Csr:
        """2 N nodes over the same table: node 2 i is this one's i, node 2 i + 1 reads row i alone.

        What GraphSAGE needs: the neighbours' vector and the node's own, one behind the other.
        Raises ConfigError with weights or where the table has fewer rows than there are nodes.
        """
        if self.weight is not None or self.columns < len(self):
            raise ConfigError("A node's own row needs a graph without weights and a row a node.")
        count = np.ones((len(self), 2), np.int64)
        count[:, 0] = self.degree
        row_ptr = np.concatenate([[0], np.cumsum(count.ravel())])
        own = row_ptr[2::2] - 1
        col = np.zeros(row_ptr[-1], np.uint32)
        col[own] = np.arange(len(self))
        col[np.setdiff1d(np.arange(len(col)), own, assume_unique=True)] = self.col
        return Csr(row_ptr.astype(np.uint32), col, self.columns)
