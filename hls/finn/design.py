# SPDX-License-Identifier: Apache-2.0
"""What FINN's process answers, typed: layers, streams, files and estimates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from recfabric.errors import RequestError

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Stream:
    """One stream of a layer: ``lanes`` elements of ``bits`` bits a beat, element 0 in the low bits.

    ``tensor``: its name in the graph; ``port``: in the layer's module; ``width``: of TDATA, whole
    bytes; ``folded``: the tensor's shape as beats, lanes last; ``shape``: of one frame.
    """

    tensor: str
    port: str
    bits: int
    signed: bool
    lanes: int
    width: int
    folded: tuple[int, ...]
    shape: tuple[int, ...]

    @property
    def beats(self) -> int:
        """Beats of one frame."""
        return int(np.prod(self.folded[:-1]))

    def pack(self, frames: Integers) -> npt.NDArray[np.uint8]:
        """Integers (n, ...) as beats, uint8 (n * beats, width / 8). Raises RequestError."""
        if int(np.prod(frames.shape[1:])) != self.beats * self.lanes:
            raise RequestError(
                f"A frame of {self.tensor} is {list(self.shape)} integers, not "
                f"{list(frames.shape[1:])}."
            )
        low, high = self._range()
        if frames.size and (frames.min() < low or frames.max() > high):
            raise RequestError(f"{self.tensor} takes integers of {low}..{high} only.")
        lanes = frames.reshape(-1, self.lanes, 1).astype(np.int64)
        planes = (lanes >> np.arange(self.bits)) & 1
        flat = np.zeros((len(lanes), self.width), np.uint8)
        flat[:, : self.lanes * self.bits] = planes.reshape(len(lanes), -1)
        packed: npt.NDArray[np.uint8] = np.packbits(flat, axis=1, bitorder="little")
        return packed

    def unpack(self, beats: npt.NDArray[np.uint8]) -> Integers:
        """The inverse of :meth:`pack`: int64 (n, *shape)."""
        planes = np.unpackbits(beats, axis=1, bitorder="little")[:, : self.lanes * self.bits]
        shaped = planes.reshape(len(beats), self.lanes, self.bits).astype(np.int64)
        values: Integers = (shaped << np.arange(self.bits)).sum(axis=-1)
        if self.signed:
            values -= (values >> (self.bits - 1)) << self.bits
        return values.reshape(-1, *self.shape)

    def _range(self) -> tuple[int, int]:
        top = 1 << (self.bits - int(self.signed))
        return (-top if self.signed else 0), top - 1


@dataclass(frozen=True)
class Layer:
    """One layer: its module and files, or no module where ours stands for it.

    ``weights``: the module that streams an MVAU's weights (empty for other layers); ``cycles``:
    FINN's estimate for one frame.
    """

    name: str
    kind: str
    module: str
    files: tuple[Path, ...]
    parameters: Mapping[str, str]
    weights: Mapping[str, Any]
    folding: Mapping[str, int]
    cycles: int
    inputs: tuple[Stream, ...]
    outputs: tuple[Stream, ...]


@dataclass(frozen=True)
class Design:
    """A graph of layers in topological order.

    ``interval``: FINN's estimate of the cycles from one frame to the next, that of the slowest
    layer; ``latency``: its estimate of the critical path, in which nothing overlaps.
    """

    layers: tuple[Layer, ...]
    inputs: tuple[Stream, ...]
    outputs: tuple[Stream, ...]
    interval: int
    latency: int

    @classmethod
    def read(cls, answer: Mapping[str, Any]) -> Design:
        """The design of a worker's answer."""
        return cls(
            layers=tuple(_layer(layer) for layer in answer["layers"]),
            inputs=tuple(_stream(s) for s in answer["inputs"]),
            outputs=tuple(_stream(s) for s in answer["outputs"]),
            interval=int(answer["estimate"]["max_cycles"]),
            latency=int(answer["estimate"]["critical_path_cycles"]),
        )

    @property
    def slowest(self) -> Layer:
        """The layer that sets the rate."""
        return max(self.layers, key=lambda layer: layer.cycles)


def _stream(found: Mapping[str, Any]) -> Stream:
    shapes = {name: tuple(found[name]) for name in ("folded", "shape")}
    return Stream(**{**found, **shapes})


def _layer(found: Mapping[str, Any]) -> Layer:
    return Layer(
        **{
            **found,
            "files": tuple(Path(f) for f in found["files"]),
            "inputs": tuple(_stream(s) for s in found["inputs"]),
            "outputs": tuple(_stream(s) for s in found["outputs"]),
        }
    )
