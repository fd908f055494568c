# SPDX-License-Identifier: Apache-2.0
"""What adapting a language model asks of it: an item's place among the others, from its text.

The places are factors of the users' interactions with warm items (a truncated SVD, as EASE's
matrix has the same singular vectors): no cold item has a part in them.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear, normalize

from recfabric.errors import ConfigError
from recfabric.quant.llm import models
from recfabric.quant.llm.vectors import EncoderConfig, pooled
from recfabric.requests import Ragged

OBJECTIVES = ("contrastive", "regression")
ATTENTION = ("q_proj", "v_proj")


@dataclass(frozen=True)
class AlignConfig:
    """Everything that decides an adapted model, besides data and DeepSpeed's own configuration.

    ``model``, ``depth``, ``longest``: of the encoder; ``tuned``: the share of its layers, from the
    top, that get LoRA of ``rank`` in the projections ``targets`` (the frozen ones below run once an
    item); ``full``: fine-tune every weight instead; ``objective``: ``contrastive`` (which warm
    item is it, by the cosine over ``temperature``) or ``regression`` (squared error);
    ``factors``: dimensions of an item's place; ``rate``: peak, warmed up and decayed linearly;
    ``batch``: items a step, over all ranks; ``save``: steps between checkpoints.
    """

    model: str = models.DEFAULT
    depth: float = 0.8
    longest: int = 128
    tuned: float = 0.4
    rank: int = 8
    targets: tuple[str, ...] = ATTENTION
    full: bool = False
    objective: str = "regression"
    temperature: float = 0.1
    factors: int = 64
    rate: float = 5e-4
    steps: int = 66
    batch: int = 64
    save: int = 22
    seed: int = 42

    def __post_init__(self) -> None:
        limits = {
            "tuned": (0 < self.tuned <= 1, "above 0 and at most 1"),
            "rank": (1 <= self.rank <= 256, "1 to 256"),
            "objective": (self.objective in OBJECTIVES, f"one of {', '.join(OBJECTIVES)}"),
            "temperature": (0 < self.temperature <= 1, "above 0 and at most 1"),
            "factors": (1 <= self.factors <= 1024, "1 to 1024"),
            "rate": (0 < self.rate <= 0.1, "above 0 and at most 0.1"),
            "steps": (self.steps >= 1, "1 or more"),
            "batch": (self.batch >= 1, "1 or more"),
            "save": (self.save >= 1, "1 or more"),
            "seed": (0 <= self.seed < 1 << 32, "0 to 2**32 - 1"),
        }
        for name, (good, limit) in limits.items():
            if not good:
                raise ConfigError(f"A {name} of {getattr(self, name)!r} is not {limit}.")

    @property
    def encoder(self) -> EncoderConfig:
        """The encoder before it is adapted."""
        return EncoderConfig(self.model, depth=self.depth, longest=self.longest)


@dataclass(frozen=True, eq=False)
class Target:
    """What the model learns from: texts of warm items and their places.

    ``texts``: W; ``place``: float32 (W, F); ``mean``, ``scale``: float32 (E,), of the frozen
    vectors; ``weight`` (F, E), ``bias`` (F,): the ridge map from them to ``place`` that the head
    starts from.
    """

    texts: tuple[str, ...]
    place: npt.NDArray[np.float32]
    mean: npt.NDArray[np.float32]
    scale: npt.NDArray[np.float32]
    weight: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]

    def arrays(self) -> dict[str, Any]:
        """All but the texts, by name."""
        return {n: getattr(self, n) for n in ("place", "mean", "scale", "weight", "bias")}

    def key(self, config: AlignConfig) -> str:
        """A hash of all that training continues from; another number of steps goes on."""
        recipe = asdict(config) | {"steps": None, "save": None}
        digest = hashlib.sha256(json.dumps([recipe, list(self.texts)]).encode())
        digest.update(models.identity(config.model).encode() + self.place.tobytes())
        return digest.hexdigest()[:32]


def item_factors(history: Ragged, items: int, count: int) -> npt.NDArray[np.float32]:
    """float32 (W, F): right singular vectors times values of the interactions, mean length 1."""
    from scipy.sparse import csr_array
    from scipy.sparse.linalg import svds

    ones = np.ones(len(history.values))
    matrix = csr_array((ones, history.values, history.indptr), (len(history), items))
    count = min(count, min(matrix.shape) - 1)
    _, values, right = svds(matrix, k=count, v0=np.ones(min(matrix.shape)))
    place = right.T * values
    return np.asarray(place / np.sqrt(np.square(place).sum(1).mean()), np.float32)


def target_of(
    texts: tuple[str, ...], vectors: npt.NDArray[np.float32], place: npt.NDArray[np.float32]
) -> Target:
    """Join texts, frozen vectors (W, E) and places (W, F); items without text are left out."""
    kept = np.flatnonzero([bool(text.strip()) for text in texts])
    vectors, place = vectors[kept].astype(np.float64), place[kept]
    mean = vectors.mean(0)
    scale = np.full(len(mean), np.sqrt(np.square(vectors - mean).sum(1).mean()))
    unit, middle = (vectors - mean) / scale, place.mean(0)
    gram = unit.T @ unit + np.eye(len(mean)) * len(kept) / len(mean)
    weight = np.linalg.solve(gram, unit.T @ (place - middle)).T
    arrays = (place, mean, scale, weight, middle)
    return Target(tuple(texts[i] for i in kept), *(np.asarray(a, np.float32) for a in arrays))


class _Head(nn.Linear):
    """A linear map that multiplies in float32, whatever its weights are kept in."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, F) from (B, E)."""
        return linear(x, self.weight.float(), self.bias.float())


class Aligner(nn.Module):
    """The trained layers and a linear head; gives the mean loss of a batch."""

    def __init__(self, upper: nn.Module, target: Target, config: AlignConfig) -> None:
        super().__init__()
        self.upper = upper
        self.head = _Head(*target.weight.T.shape)
        with torch.no_grad():
            self.head.weight.copy_(torch.from_numpy(target.weight))
            self.head.bias.copy_(torch.from_numpy(target.bias))
        # No buffers: these stay float32 when an engine casts the module.
        self._mean, self._scale, self._place = (
            torch.from_numpy(a) for a in (target.mean, target.scale, target.place)
        )
        self._config = config

    def forward(self, inputs: dict[str, Tensor], lengths: Tensor, items: Tensor) -> Tensor:
        """The loss of items (B,) whose padded texts or lower states are ``inputs``."""
        longest = next(iter(inputs.values())).shape[1]
        mask = torch.arange(longest) < lengths[:, None]
        state = self.upper(**inputs, attention_mask=mask.long()).last_hidden_state
        vector = (pooled(state, lengths, causal=True) - self._mean) / self._scale
        found: Tensor = self.head(vector)
        if self._config.objective == "regression":
            return (found - self._place[items]).square().sum(1).mean()
        likeness = normalize(found, dim=1) @ normalize(self._place, dim=1).T
        return cross_entropy(likeness / self._config.temperature, items)
