# SPDX-License-Identifier: Apache-2.0
"""The contract of integers: the one artefact between training and silicon.

A number is an integer and a :class:`FixedPoint`; its value is ``integer * 2**-frac``. Every scale
is therefore a power of two, and every requantisation is a shift with one rounding rule (half to
even, ``RND_CONV``) and one overflow rule (saturate, ``SAT``). The shifts are not stored: they
follow from the formats (:class:`Shifts`).

On disk a contract is a folder: ``contract.json`` (schema ``recfabric.contract``, version 2, see
``schema/contract-v2.json``), ``tensors.npz``, and beside them what does not change the integers:
``fuse.onnx`` (QONNX of the dense part) and ``requests.npz`` (requests to verify with).
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from recfabric._formats import (
    EXP2_FRAC,
    EXP2_MAX,
    MESSAGE_BITS,
    NORM,
    RECIPROCAL_FRAC,
    SHIFT_LIMITS,
    FixedPoint,
    Formats,
    IntArray,
    Shape,
    Shifts,
    exp2_table,
    norm_table,
)
from recfabric.errors import ContractError

SCHEMA = "recfabric.contract"
VERSION = 2
ROUNDING = "RND_CONV"
OVERFLOW = "SAT"

__all__ = [
    "EXP2_FRAC",
    "EXP2_MAX",
    "MESSAGE_BITS",
    "NORM",
    "OVERFLOW",
    "RECIPROCAL_FRAC",
    "ROUNDING",
    "SCHEMA",
    "SHIFT_LIMITS",
    "VERSION",
    "Contract",
    "FixedPoint",
    "Formats",
    "IntArray",
    "Shape",
    "Shifts",
    "Tensors",
    "exp2_table",
    "json_schema",
    "norm_table",
]


@dataclass(frozen=True)
class Tensors:
    """The integers. N items, D dimensions, L the longest history, E edge slots an item.

    ``message``, ``key``, ``value``, ``item``: int8 (N, D), also where the format is narrower;
    ``bias``: int16 (N,); ``norm``: uint16 (L + 1,), the multiplier of a history of n items;
    ``fuse_weight``: int8 (D, 2 D), columns [user vector, attention]; ``fuse_bias``: int32 (D,);
    ``popularity``: uint32 (N,), interactions in training, the answer to an empty history;
    ``edge_item``: int32 (N, E), the rows that an item's edges lead to; ``edge_weight``: int8
    (N, E), 0 in a slot without an edge (whose item is 0 by convention).
    """

    message: npt.NDArray[np.int8]
    key: npt.NDArray[np.int8]
    value: npt.NDArray[np.int8]
    item: npt.NDArray[np.int8]
    bias: npt.NDArray[np.int16]
    norm: npt.NDArray[np.uint16]
    fuse_weight: npt.NDArray[np.int8]
    fuse_bias: npt.NDArray[np.int32]
    popularity: npt.NDArray[np.uint32]
    edge_item: npt.NDArray[np.int32]
    edge_weight: npt.NDArray[np.int8]

    def __post_init__(self) -> None:
        for f in fields(self):
            array = np.ascontiguousarray(getattr(self, f.name)).view()
            array.flags.writeable = False
            object.__setattr__(self, f.name, array)


@dataclass(frozen=True)
class Contract:
    """A complete integer model. Immutable; checked when made; named by :attr:`sha256`.

    ``tokens`` are the items' outside names, in the order of the tables' rows. ``provenance`` says
    what produced the contract (data, protocol, seed, versions) and is not part of the hash.
    """

    shape: Shape
    formats: Formats
    tensors: Tensors
    tokens: tuple[str, ...]
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_tensors(self)
        _check_edges(self)
        _check_bounds(self)

    @cached_property
    def shifts(self) -> Shifts:
        """The requantisation shifts of this contract."""
        return Shifts.of(self.formats)

    @cached_property
    def sha256(self) -> str:
        """The contract's name: SHA-256 over everything that decides an answer."""
        canonical = json.dumps(_identity(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def save(self, folder: Path) -> None:
        """Write the contract to ``folder``; an existing contract there is replaced whole."""
        folder.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
        try:
            np.savez(staging / "tensors.npz", **_arrays(self.tensors))
            document = {**_identity(self), "sha256": self.sha256}
            document |= {"shifts": asdict(self.shifts), "provenance": dict(self.provenance)}
            (staging / "contract.json").write_text(json.dumps(document, indent=1) + "\n")
            for name in ("tensors.npz", "contract.json"):
                (staging / name).replace(folder / name)
        finally:
            shutil.rmtree(staging)

    @classmethod
    def load(cls, folder: Path) -> Contract:
        """Read and check a contract folder.

        Raises ContractError when a file is missing or damaged, the schema version is another
        one, or the hash does not fit the tensors.
        """
        document = _read_document(folder)
        contract = cls(
            shape=Shape(**document["shape"]),
            formats=Formats(**{k: FixedPoint(**v) for k, v in document["formats"].items()}),
            tensors=_read_tensors(folder / "tensors.npz"),
            tokens=tuple(document["tokens"]),
            provenance=document["provenance"],
        )
        if contract.sha256 != document["sha256"]:
            raise ContractError(
                f"The contract in {folder} is named {document['sha256'][:12]} but its content "
                f"hashes to {contract.sha256[:12]}; export it again."
            )
        if asdict(contract.shifts) != document["shifts"]:
            raise ContractError(
                f"The shifts in {folder} are not those of its formats; export again."
            )
        return contract


def json_schema() -> dict[str, Any]:
    """The published JSON schema of ``contract.json``."""
    path = resources.files("recfabric") / "schema" / "contract-v2.json"
    return dict(json.loads(path.read_text()))


def _arrays(tensors: Tensors) -> dict[str, Any]:
    return {f.name: getattr(tensors, f.name) for f in fields(tensors)}


def _identity(contract: Contract) -> dict[str, Any]:
    tensors = {
        name: {"dtype": str(array.dtype), "shape": list(array.shape), "sha256": _bytes_hash(array)}
        for name, array in _arrays(contract.tensors).items()
    }
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "rounding": ROUNDING,
        "overflow": OVERFLOW,
        "shape": asdict(contract.shape),
        "formats": asdict(contract.formats),
        "softmax": {"base": 2, "table": exp2_table().tolist(), "reciprocal_frac": RECIPROCAL_FRAC},
        "tensors": tensors,
        "tokens": list(contract.tokens),
    }


def _bytes_hash(array: IntArray) -> str:
    return hashlib.sha256(array.astype(array.dtype.newbyteorder("<")).tobytes()).hexdigest()


def _read_document(folder: Path) -> dict[str, Any]:
    import jsonschema

    path = folder / "contract.json"
    try:
        document: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        raise ContractError(
            f"{folder} holds no contract.json; export a model with `recfabric export`."
        ) from None
    except (ValueError, OSError) as error:
        raise ContractError(f"{path} cannot be read as JSON ({error}); export it again.") from None
    version = document.get("version") if isinstance(document, dict) else None
    if version != VERSION:
        raise ContractError(
            f"{path} has schema version {version!r} but this RecFabric reads version {VERSION}; "
            "export the model again."
        )
    try:
        jsonschema.validate(document, json_schema())
    except jsonschema.ValidationError as error:
        where = "/".join(str(part) for part in error.absolute_path) or "the top"
        raise ContractError(
            f"{path} does not fit its schema at {where} ({error.message}); export it again."
        ) from None
    return document


def _read_tensors(path: Path) -> Tensors:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return Tensors(**{name: archive[name] for name in archive.files})
    except FileNotFoundError:
        raise ContractError(f"{path} is missing; export the model again.") from None
    except Exception as error:
        raise ContractError(
            f"{path} cannot be read as the contract's tensors ({error}); export the model again."
        ) from None


def _check_tensors(contract: Contract) -> None:
    n, d, length = contract.shape.items, contract.shape.dim, contract.shape.max_history
    table = ("int8", (n, d))
    expected = {
        "message": table,
        "key": table,
        "value": table,
        "item": table,
        "bias": ("int16", (n,)),
        "norm": ("uint16", (length + 1,)),
        "fuse_weight": ("int8", (d, 2 * d)),
        "fuse_bias": ("int32", (d,)),
        "popularity": ("uint32", (n,)),
        "edge_item": ("int32", (n, contract.shape.edges)),
        "edge_weight": ("int8", (n, contract.shape.edges)),
    }
    for name, (dtype, shape) in expected.items():
        array = getattr(contract.tensors, name)
        if str(array.dtype) != dtype or array.shape != shape:
            raise ContractError(
                f"The tensor '{name}' is {array.dtype}{array.shape}, expected {dtype}{shape}."
            )
        limits = getattr(contract.formats, "edge" if name == "edge_weight" else name, None)
        if limits is not None and not limits.holds(array):
            raise ContractError(
                f"The tensor '{name}' holds {array.min()}..{array.max()}, outside its format's "
                f"{limits.min}..{limits.max}."
            )
    if len(contract.tokens) != n or len(set(contract.tokens)) != n:
        raise ContractError(
            f"The contract has {len(set(contract.tokens))} distinct item tokens for {n} items."
        )


def _check_edges(contract: Contract) -> None:
    """Edges lead to items of the catalogue, each of a row's to another one."""
    n, form, t = contract.shape.items, contract.formats.edge, contract.tensors
    if not (form.signed and 2 <= form.width <= 8):
        raise ContractError(
            f"The format 'edge' is {form}; the kernels take a signed one of 2 to 8 bits."
        )
    used = t.edge_weight != 0
    targets = np.where(used, t.edge_item, 0)
    if targets.size and not (targets.min() >= 0 and targets.max() < n):
        raise ContractError(
            f"The edges lead to items {targets.min()}..{targets.max()}, outside the catalogue's "
            f"0..{n - 1}."
        )
    # Unused slots become numbers below 0, another one each, so that only edges can be equal.
    sorted_rows = np.sort(np.where(used, targets, ~np.arange(contract.shape.edges)), axis=1)
    double = np.flatnonzero((np.diff(sorted_rows, axis=1) == 0).any(axis=1))
    if len(double):
        raise ContractError(
            f"The item {double[0]} has two edges to one item; add their weights to one edge."
        )


def _check_bounds(contract: Contract) -> None:
    """No accumulator of the hardware may wrap: 32 bits in the fuse layer and in the scores."""
    f, t = contract.formats, contract.tensors
    for name, width in {"state": 8, "fused": 8, "logit": 16, "norm": 16}.items():
        if getattr(f, name).width != width:
            have = getattr(f, name).width
            raise ContractError(f"The format '{name}' has {have} bits; the kernels take {width}.")
    if f.logit.frac != EXP2_FRAC:
        raise ContractError(f"The logit's frac is {f.logit.frac}; the softmax takes {EXP2_FRAC}.")
    if f.fuse_bias.frac != f.state.frac + f.fuse_weight.frac:
        raise ContractError("The fuse bias must have the frac of the fuse layer's products.")
    weight = np.abs(t.fuse_weight.astype(np.int64)).sum(axis=1)
    fuse = int((weight * -f.state.min + np.abs(t.fuse_bias.astype(np.int64))).max())
    item = np.abs(t.item.astype(np.int64)).sum(axis=1)
    bias = np.abs(t.bias.astype(np.int64)) << contract.shifts.term
    message = 1 << (MESSAGE_BITS - 1) if contract.shape.edges else 0
    score = int((item * -f.fused.min + bias).max()) + message
    for name, bound in {"fuse layer": fuse, "score": score}.items():
        if bound >= 1 << 31:
            raise ContractError(
                f"The {name}'s sum can reach {bound}, beyond 32 bits; use smaller weights."
            )
