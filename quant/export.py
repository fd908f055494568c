# SPDX-License-Identifier: Apache-2.0
"""From a run folder to a contract folder: integers, the QONNX of the dense part, requests."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from recfabric.contract import Contract, FixedPoint, Shape, Tensors
from recfabric.quant.checkpoint import Checkpoint
from recfabric.quant.inference import integer_scorer
from recfabric.quant.lists import latest, take
from recfabric.quant.metrics import Scorer, rank
from recfabric.quant.qat import Fuse, QuantHybrid, exact
from recfabric.requests import FILE, Requests

LISTED = 10  # length of the QAT model's lists in requests.npz
FUSE_FILE = "fuse.onnx"


def export(run: Path, model: Path) -> Contract:
    """Write the contract folder ``model`` from the run folder ``run``.

    Beside the contract lie ``fuse.onnx`` (QONNX of the fuse layer between its two quantizers,
    (1, 2 D) to (1, D)) and ``requests.npz``: for every user with a training and a test part the
    history in time order, the seen items, the targets and the QAT model's top 10 in integers.
    Raises DataError for a damaged run folder, ContractError when a scale leads outside the
    hardware's limits.
    """
    checkpoint = Checkpoint.load(run)
    contract = to_contract(checkpoint)
    requests = to_requests(checkpoint)
    model.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(dir=model.parent, prefix=f".{model.name}-"))
    try:
        export_fuse(checkpoint.model.fuse, checkpoint.model.sizes.dim, staging / FUSE_FILE)
        requests.save(staging)
        contract.save(model)
        for name in (FUSE_FILE, FILE):
            (staging / name).replace(model / name)
    finally:
        shutil.rmtree(staging)
    return contract


def to_contract(checkpoint: Checkpoint) -> Contract:
    """The contract of a trained model."""
    model = checkpoint.model
    formats = model.formats
    values = _values(model) | {"popularity": checkpoint.split.popularity}
    types = {"bias": np.int16, "norm": np.uint16, "fuse_bias": np.int32, "popularity": np.uint32}
    types |= {"edge_item": np.int32}
    weight = _integers(values["edge"], formats.edge)
    values |= {"edge_item": np.where(weight != 0, model.target.numpy(), 0)}
    tensors = {"edge_weight": weight.astype(np.int8)} | {
        f.name: _integers(values[f.name], getattr(formats, f.name, None)).astype(
            types.get(f.name, np.int8)
        )
        for f in fields(Tensors)
        if f.name != "edge_weight"
    }
    record = checkpoint.record
    kept = ("data", "protocol", "seed", "config", "encoder", "versions")
    return Contract(
        shape=Shape(
            items=model.sizes.items,
            dim=model.sizes.dim,
            heads=model.sizes.heads,
            max_history=len(model.norm) - 1,
            edges=model.sizes.edges,
        ),
        formats=formats,
        tensors=Tensors(**tensors),
        tokens=checkpoint.items,
        provenance={name: record[name] for name in kept},
    )


def to_requests(checkpoint: Checkpoint) -> Requests:
    """The test users' requests and the QAT model's answers to them."""
    split, model = checkpoint.split, checkpoint.model
    asked = (np.diff(split.train.indptr) > 0) & (np.diff(split.test.indptr) > 0)
    users = np.flatnonzero(asked)
    history = take(latest(split.train, len(model.norm) - 1), users)
    seen = take(split.seen, users)
    scores = integer_scorer(model, history, split.popularity)
    listed = min(LISTED, split.items)
    ids = rank(scores, seen, k=listed)
    return Requests(
        protocol=split.protocol,
        history=history,
        seen=seen,
        targets=take(split.test, users),
        ids=ids,
        scores=_of_ids(scores, ids),
        users=tuple(checkpoint.users[user] for user in users) if checkpoint.users else (),
    )


def export_fuse(fuse: Fuse, dim: int, path: Path) -> None:
    """Write the fuse layer as QONNX; exact in float32, its sums stay below 2**24."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from brevitas.export import export_qonnx  # warns of a package it does not need

        export_qonnx(
            fuse.float().eval(), args=torch.zeros(1, 2 * dim), export_path=str(path), dynamo=False
        )


def _values(model: QuantHybrid) -> dict[str, npt.NDArray[np.float64]]:
    """Every tensor of the model as a value on its grid, float64."""
    with exact(model):
        tables = model.tables()
        linear = model.fuse.linear
        state = model.fuse.state(torch.zeros(1, linear.in_features, dtype=torch.float64))
        weight = linear.quant_weight()
        bias = linear.bias_quant(linear.bias, state, weight)
        tensors = tables._asdict() | {"norm": model.norm, "fuse_weight": weight.value}
        tensors["fuse_bias"] = bias.value
        return {name: tensor.detach().numpy().copy() for name, tensor in tensors.items()}


def _integers(values: npt.NDArray[Any], form: FixedPoint | None) -> npt.NDArray[np.int64]:
    scaled = values * 2.0 ** (form.frac if form else 0)
    integers = np.rint(scaled).astype(np.int64)
    assert np.array_equal(integers, scaled), "a tensor lies off its grid"
    return integers


def _of_ids(scores: Scorer, ids: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """The scores (R, K) of listed items; 0 where a list has run out."""
    parts = [np.zeros((0, ids.shape[1]), np.int32)]
    for low in range(0, len(ids), 512):
        some = ids[low : low + 512]
        found = np.take_along_axis(scores(low, low + len(some)), np.maximum(some, 0), 1)
        parts.append(np.where(some < 0, 0, found).astype(np.int32))
    return np.concatenate(parts)
