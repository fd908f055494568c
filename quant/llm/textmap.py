# SPDX-License-Identifier: Apache-2.0
"""The closed-form map from what a language model reads in a text to rows of a contract's tables.

Kernel ridge regression on the items of the catalogue: a text's features give a weight for each
known item, ``s = (K + penalty)^-1 k`` with ``K = exp(sharpness * likeness)``, and each of its rows
is that weighted sum of the known items' rows. It needs nothing that a new item does not have.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from recfabric.contract import Contract, FixedPoint
from recfabric.errors import ConfigError, ContractError, DataError
from recfabric.quant.fetch import write_whole
from recfabric.quant.llm.cold import RidgeConfig, unit
from recfabric.quant.llm.prompts import attributes, columns

FILE = "text.npz"  # beside the contract
VERSION = 1
ANCHORS = 4096  # known items that are compared with, the most popular ones
TABLES = ("message", "key", "value", "item", "bias")

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True)
class TextModel:
    """One language model of a map: its name, its weights' hash, and how it is asked.

    ``blocks``: of its vectors; a causal model's are the tokens' mean and the last one's state.
    """

    name: str
    identity: str
    blocks: int = 1
    noun: str = ""
    longest: int = 128
    adapter: str | None = None
    adapter_identity: str | None = None


@dataclass(frozen=True)
class MapConfig:
    """How text becomes rows; the first two as in ``recfabric cold``.

    ``direct``: how much the known items that are like the text are themselves recommended, as
    edges, in units of the linear model's scores; ``gain``: of a new item's ``item`` and ``bias``,
    which a ridge makes too small: chosen on items held out of training.
    """

    penalty: float = RidgeConfig.penalty
    sharpness: float = RidgeConfig.sharpness
    direct: float = RidgeConfig.direct
    gain: float = 1.0

    def __post_init__(self) -> None:
        for name in ("penalty", "sharpness", "direct", "gain"):
            value = getattr(self, name)
            if not np.isfinite(value) or value < 0 or (name == "penalty" and not value):
                raise ConfigError(f"A text map's {name} of {value} is not a number above 0.")


@dataclass(frozen=True, eq=False)
class TextMap:
    """A fitted map. A known items are its anchors, F the features' length.

    ``contract``: SHA-256 of the contract it was fitted for; ``models``: what reads the texts, a
    block of features each; ``labels``, ``years``: columns of the block that needs no model;
    ``anchors``: int64 (A,), their rows; ``features``: float32 (A, F), all blocks side by side;
    ``means``: float32 (F - attributes,), what a model's vectors are centred by;
    ``solved``: float32 (A, A), ``(K + penalty)^-1``; ``unit``: of an edge of weight 1 in a linear
    model, in the contract's edge format.
    """

    contract: str
    models: tuple[TextModel, ...]
    config: MapConfig
    labels: tuple[str, ...]
    years: tuple[str, ...]
    anchors: npt.NDArray[np.int64]
    features: Matrix
    means: Matrix
    solved: Matrix
    unit: float = 0.0
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def featurise(self, texts: Sequence[str], vectors: Sequence[Matrix]) -> Matrix:
        """float32 (M, F) of texts and each model's vectors (M, E) of them."""
        blocks = [attributes(texts, (self.labels, self.years))]
        ends = np.cumsum([v.shape[1] for v in vectors], dtype=np.int64)
        centres = np.split(self.means, ends)[:-1]
        for model, one, centre in zip(self.models, vectors, centres, strict=True):
            pieces = np.split(one, model.blocks, axis=1), np.split(centre, model.blocks)
            blocks += [unit(v, middle) for v, middle in zip(*pieces, strict=True)]
        return np.hstack(blocks).astype(np.float32)

    def weights(self, features: Matrix) -> Matrix:
        """float32 (M, A): what each known item counts for each text."""
        likeness = np.exp(np.float32(self.config.sharpness) * (features @ self.features.T))
        return np.asarray(likeness @ self.solved, np.float32)

    def rows(self, weights: Matrix, contract: Contract) -> dict[str, npt.NDArray[np.int64]]:
        """Rows of M texts in the contract's formats: the tables', ``popularity`` and edges.

        ``contract``: the one the map was fitted for. Rounded half to even, saturated.
        """
        t, f = contract.tensors, contract.formats
        found = {}
        for name in TABLES:
            known = getattr(t, name)[self.anchors].astype(np.float32)
            gain = self.config.gain if name in ("item", "bias") else 1.0
            found[name] = _rounded(gain * (weights @ known), getattr(f, name))
        found["popularity"] = np.zeros(len(weights), np.int64)
        edges = [self._edges(one, contract) for one in weights]
        found["edge_item"] = np.stack([target for target, _ in edges])
        found["edge_weight"] = np.stack([weight for _, weight in edges])
        return found

    def _edges(
        self, weights: Matrix, contract: Contract
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """A text's strongest edges: to what the items like it lead to, and to these themselves."""
        t, slots = contract.tensors, contract.shape.edges
        total = np.zeros(contract.shape.items, np.float32)
        known = weights[:, None] * t.edge_weight[self.anchors]
        np.add.at(total, t.edge_item[self.anchors], known)
        total[self.anchors] += np.float32(self.config.direct * self.unit) * weights
        target = np.argsort(-np.abs(total), kind="stable")[:slots].astype(np.int64)
        weight = _rounded(total[target], contract.formats.edge)
        short = slots - len(target)
        target, weight = np.pad(target, (0, short)), np.pad(weight, (0, short))
        return np.where(weight != 0, target, 0), weight

    @property
    def sha256(self) -> str:
        """The map's name: SHA-256 over everything that decides a row."""
        digest = hashlib.sha256(json.dumps(self._about(), sort_keys=True).encode())
        for name in ("anchors", "features", "means", "solved"):
            digest.update(np.ascontiguousarray(getattr(self, name)).tobytes())
        return digest.hexdigest()

    def save(self, folder: Path) -> None:
        """Write ``text.npz`` beside a contract, whole or not at all."""
        buffer = BytesIO()
        about = self._about() | {"sha256": self.sha256, "provenance": dict(self.provenance)}
        arrays = {n: getattr(self, n) for n in ("anchors", "features", "means", "solved")}
        np.savez(buffer, about=np.array(json.dumps(about)), **arrays)
        write_whole(folder / FILE, buffer.getvalue())

    @classmethod
    def load(cls, folder: Path) -> TextMap | None:
        """Read a contract folder's map; None where it has none.

        Raises ContractError for one that is damaged or of another version.
        """
        path = folder / FILE
        if not path.exists():
            return None
        try:
            with np.load(path, allow_pickle=False) as archive:
                about = json.loads(str(archive["about"]))
                version, digest = about.pop("version"), about.pop("sha256")
                arrays = {n: archive[n] for n in archive.files if n != "about"}
            if version != VERSION:
                raise ValueError(f"version {version}, not {VERSION}")
            models = tuple(TextModel(**one) for one in about.pop("models"))
            about |= {n: tuple(about[n]) for n in ("labels", "years")}
            config = MapConfig(**about.pop("config"))
            found = cls(models=models, config=config, **about, **arrays)
            if found.sha256 != digest:
                raise ValueError("its hash does not fit its content")
        except Exception as error:
            raise ContractError(
                f"{path} cannot be read as a map from text ({error}); export the model again."
            ) from None
        return found

    def _about(self) -> dict[str, Any]:
        arrays = ("anchors", "features", "means", "solved", "models", "config", "provenance")
        plain = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in arrays}
        models = [asdict(model) for model in self.models]
        return {**plain, "version": VERSION, "models": models, "config": asdict(self.config)}


def fit_map(
    contract: Contract,
    texts: Sequence[str],
    vectors: Sequence[tuple[TextModel, Matrix]],
    *,
    config: MapConfig | None = None,
    sharpness: float = 0.0,
    known: npt.NDArray[np.int64] | None = None,
) -> TextMap:
    """Fit a map on a contract's items with a text, at most ``ANCHORS`` of them.

    ``texts``: of every item; ``vectors``: each model's (N, E), zeros where a text is empty;
    ``sharpness``: of the linear model's scores as the contract's edges hold them; ``known``: rows
    to fit on (None: those with an interaction in training). Raises DataError without such an item.
    """
    config = config or MapConfig()
    rows = np.flatnonzero(contract.tensors.popularity) if known is None else known
    rows = np.array([row for row in rows if texts[row].strip()], np.int64)
    if not len(rows):
        raise DataError("No item with a text was met in training; there is no map to fit.")
    order = np.argsort(-contract.tensors.popularity[rows].astype(np.int64), kind="stable")
    anchors = np.sort(rows[order[:ANCHORS]])
    labels, years = columns([texts[row] for row in anchors])
    means = [v[anchors].mean(axis=0) for _, v in vectors]
    made = TextMap(
        contract=contract.sha256,
        models=tuple(model for model, _ in vectors),
        config=config,
        labels=labels,
        years=years,
        anchors=anchors,
        features=np.zeros((0, 0), np.float32),
        means=np.concatenate(means).astype(np.float32) if means else np.zeros(0, np.float32),
        solved=np.zeros((0, 0), np.float32),
        unit=float(sharpness * 2.0**contract.formats.edge.frac),
    )
    features = made.featurise([texts[row] for row in anchors], [v[anchors] for _, v in vectors])
    likeness = np.exp(np.float32(config.sharpness) * (features @ features.T)).astype(np.float64)
    likeness[np.diag_indices(len(anchors))] += config.penalty
    solved = np.linalg.inv(likeness).astype(np.float32)
    given = {f.name: getattr(made, f.name) for f in fields(made)}
    return TextMap(**(given | {"features": features, "solved": solved}))


def _rounded(values: npt.NDArray[Any], form: FixedPoint) -> npt.NDArray[np.int64]:
    return np.asarray(np.clip(np.rint(values), form.min, form.max), np.int64)
