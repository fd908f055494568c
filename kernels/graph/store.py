# SPDX-License-Identifier: Apache-2.0
"""A graph network on disk, as a contract is: ``graph.json`` and ``graph.npz`` in a folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from recfabric.contract import FixedPoint
from recfabric.errors import ContractError
from recfabric.kernels.graph.csr import Csr
from recfabric.kernels.graph.model import DensePart, GraphLayer

FILE = "graph.json"
TENSORS = "graph.npz"
SCHEMA = "recfabric.graph"
VERSION = 1

Int8 = npt.NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class GraphModel:
    """Integer layers over one graph, and the rows they were made for.

    ``layers``: run one after another; ``table``: int8 (C, D), what the first one reads, in the
    format ``source``; ``result``: the format of what the last one gives.
    """

    layers: tuple[GraphLayer, ...]
    table: Int8
    source: FixedPoint
    result: FixedPoint

    def __call__(self) -> Int8:
        """What the last layer gives for ``table``: int8 (N, R)."""
        rows = self.table
        for layer in self.layers:
            rows = layer(rows)
        return rows

    @cached_property
    def sha256(self) -> str:
        """The model's name: SHA-256 over everything that decides its integers."""
        digest = hashlib.sha256(json.dumps(_described(self), sort_keys=True).encode())
        for name, array in sorted(_arrays(self).items()):
            digest.update(f"{name} {array.dtype.str} {array.shape}".encode() + array.tobytes())
        return digest.hexdigest()

    def save(self, folder: Path) -> None:
        """Write the model into ``folder``."""
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(folder / TENSORS, **_arrays(self))
        document = {**_described(self), "sha256": self.sha256}
        (folder / FILE).write_text(json.dumps(document, indent=1) + "\n")

    @classmethod
    def load(cls, folder: Path) -> GraphModel:
        """Read a model's folder; raises ContractError where it is missing, damaged or changed."""
        try:
            document = json.loads((folder / FILE).read_text())
            with np.load(folder / TENSORS, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
            if (document["schema"], document["version"]) != (SCHEMA, VERSION):
                raise ValueError(f"schema {document['schema']} version {document['version']}")
            model = _restored(document, arrays)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ContractError(
                f"{folder} holds no graph model that can be read ({error}); save it again."
            ) from None
        if model.sha256 != document["sha256"]:
            raise ContractError(
                f"The graph model in {folder} is not what was saved; its hash is another one."
            )
        return model


def _described(model: GraphModel) -> dict[str, Any]:
    layers = [
        {
            "columns": layer.graph.columns,
            "relu": layer.relu,
            "weighted": layer.graph.weight is not None,
            "dense_shift": None if layer.dense is None else layer.dense.shift,
        }
        for layer in model.layers
    ]
    formats = {"source": asdict(model.source), "result": asdict(model.result)}
    return {"schema": SCHEMA, "version": VERSION, "layers": layers, **formats}


def _arrays(model: GraphModel) -> dict[str, Any]:
    arrays: dict[str, Any] = {"table": model.table}
    for i, layer in enumerate(model.layers):
        arrays |= {f"{i}.row_ptr": layer.graph.row_ptr, f"{i}.col": layer.graph.col}
        arrays[f"{i}.scale"] = layer.scale
        if layer.graph.weight is not None:
            arrays[f"{i}.weight"] = layer.graph.weight
        if layer.dense is not None:
            arrays |= {f"{i}.matrix": layer.dense.weight, f"{i}.bias": layer.dense.bias}
    return arrays


def _restored(document: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> GraphModel:
    layers = []
    for i, said in enumerate(document["layers"]):
        weight = arrays[f"{i}.weight"] if said["weighted"] else None
        graph = Csr(arrays[f"{i}.row_ptr"], arrays[f"{i}.col"], said["columns"], weight)
        shift = said["dense_shift"]
        dense = (
            None if shift is None else DensePart(arrays[f"{i}.matrix"], arrays[f"{i}.bias"], shift)
        )
        layers.append(GraphLayer(graph, arrays[f"{i}.scale"], dense, said["relu"]))
    formats = [FixedPoint(**document[name]) for name in ("source", "result")]
    return GraphModel(tuple(layers), arrays["table"], *formats)
