# SPDX-License-Identifier: Apache-2.0
"""The integer model of the whole hot path: its specification, and the ``soft`` device's engine."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from recfabric.contract import Contract, Shifts
from recfabric.kernels.attention.model import attend
from recfabric.kernels.dense.model import dense
from recfabric.kernels.gather.model import gather
from recfabric.kernels.scatter.model import scatter
from recfabric.kernels.topk.model import topk

Int8 = npt.NDArray[np.int8]
Int32 = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Trace:
    """What each stage of one request computes: int8 (D,) each."""

    user: Int8
    attention: Int8
    fused: Int8


@dataclass(frozen=True)
class HotPath:
    """The tables as the kernel sees them. N items, D dimensions, E edge slots an item.

    ``message``, ``key``, ``value``, ``item``: int8 (N, D); ``bias``: int16 (N,);
    ``fuse_weight``: int8 (D, 2 D); ``fuse_bias``: int32 (D,); ``shifts``: of the contract;
    ``edge_item``: integers (N, E), the rows that an item's edges lead to, those from N on without
    effect; ``edge_weight``: int8 (N, E), 0 in a slot without an edge. E = 0: no edges.
    """

    message: Int8
    key: Int8
    value: Int8
    item: Int8
    bias: npt.NDArray[np.int16]
    fuse_weight: Int8
    fuse_bias: Int32
    shifts: Shifts
    heads: int
    edge_item: Int32
    edge_weight: Int8

    @classmethod
    def of(cls, contract: Contract) -> HotPath:
        """The model of a contract, straight from its tensors."""
        t = contract.tensors
        return cls(
            message=t.message,
            key=t.key,
            value=t.value,
            item=t.item,
            bias=t.bias,
            fuse_weight=t.fuse_weight,
            fuse_bias=t.fuse_bias,
            shifts=contract.shifts,
            heads=contract.shape.heads,
            edge_item=t.edge_item,
            edge_weight=t.edge_weight,
        )

    @cached_property
    def _item_float(self) -> npt.NDArray[np.float32]:
        # |dot product| < 256 * 128 * 128 = 2**22: a float32 product of these integers is exact.
        return self.item.astype(np.float32)

    def trace(self, history: npt.NDArray[np.integer[Any]], norm: int) -> Trace:
        """The vectors of a request. ``history``: (n,) rows, n may be 0; ``norm``: uint16."""
        s = self.shifts
        user = gather(self.message[history], norm, s.gather)
        attention = attend(
            user,
            self.key[history],
            self.value[history],
            heads=self.heads,
            logit_shift=s.logit,
            out_shift=s.attention,
        )
        both = np.concatenate([user, attention])
        return Trace(user, attention, dense(both, self.fuse_weight, self.fuse_bias, s.fuse))

    def messages(self, history: npt.NDArray[np.integer[Any]], norm: int) -> Int32 | None:
        """What the history's edges add to the scores: int32 (N,); None in a model without edges."""
        if not self.edge_item.shape[1]:
            return None
        targets, weights = self.edge_item[history], self.edge_weight[history]
        return scatter(targets, weights, norm, self.shifts.scatter, items=len(self.item))

    def answer(
        self, history: npt.NDArray[np.integer[Any]], norm: int, seen: Int32, k: int
    ) -> tuple[Int32, Int32]:
        """The k best rows and their scores: higher score first, then lower row.

        ``seen``: strictly ascending rows to leave out. Places with no item left hold row -1.
        """
        fused = self.trace(history, norm).fused
        return topk(
            fused,
            self._item_float,
            self.bias,
            term_shift=self.shifts.term,
            seen=seen,
            k=k,
            messages=self.messages(history, norm),
        )
