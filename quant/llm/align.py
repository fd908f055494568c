# SPDX-License-Identifier: Apache-2.0
"""What adapting a language model asks of it: an item's place among the others, from its text.

The places are factors of the users' interactions with warm items (a truncated SVD, as EASE's
matrix has the same singular vectors): no cold item has a part in them. How they are asked for
stands in ``objectives.py``.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from recfabric.errors import check_limits
from recfabric.quant.llm import models
from recfabric.quant.llm.vectors import EncoderConfig
from recfabric.requests import Ragged

OBJECTIVES = ("ridge", "regression", "contrastive")
ATTENTION = ("q_proj", "v_proj")

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True)
class AlignConfig:
    """Everything that decides an adapted model, besides data and DeepSpeed's own configuration.

    ``model``, ``depth``, ``longest``: of the encoder; ``tuned``: the share of its layers, from the
    top, that get LoRA of ``rank`` in the projections ``targets`` (the frozen ones below run once an
    item) and forgets a share ``dropout`` of what it reads; ``full``: fine-tune every weight
    instead; ``strength``: the share of what was learned that adapters keep, 0.5 for weights halfway
    between frozen and trained (WiSE-FT, Wortsman et al., 2022); ``objective``: ``ridge`` (squared
    error of the closed form that makes edges, each batch from all other items), ``regression``
    (squared error of a linear head) or ``contrastive`` (which warm item is it, by the head's cosine
    over ``temperature``);
    ``factors``: dimensions of an item's place; ``rate``: peak, warmed up and decayed linearly;
    ``batch``: items a step, over all ranks; ``save``: steps between checkpoints.
    """

    model: str = models.DEFAULT
    depth: float = 0.533
    longest: int = 128
    tuned: float = 0.33
    rank: int = 8
    dropout: float = 0.0
    targets: tuple[str, ...] = ATTENTION
    full: bool = False
    strength: float = 1.0
    objective: str = "ridge"
    temperature: float = 0.1
    factors: int = 64
    rate: float = 6e-3
    steps: int = 42
    batch: int = 64
    save: int = 14
    seed: int = 42

    def __post_init__(self) -> None:
        limits = {
            "tuned": (0 < self.tuned <= 1, "above 0 and at most 1"),
            "rank": (1 <= self.rank <= 256, "1 to 256"),
            "dropout": (0 <= self.dropout < 1, "0 to below 1"),
            "strength": (0 < self.strength <= 1, "above 0 and at most 1"),
            "objective": (self.objective in OBJECTIVES, f"one of {', '.join(OBJECTIVES)}"),
            "temperature": (0 < self.temperature <= 1, "above 0 and at most 1"),
            "factors": (1 <= self.factors <= 1024, "1 to 1024"),
            "rate": (0 < self.rate <= 0.1, "above 0 and at most 0.1"),
            "steps": (self.steps >= 1, "1 or more"),
            "batch": (self.batch >= 1, "1 or more"),
            "save": (self.save >= 1, "1 or more"),
            "seed": (0 <= self.seed < 1 << 32, "0 to 2**32 - 1"),
        }
        check_limits(self, limits)

    @property
    def encoder(self) -> EncoderConfig:
        """The encoder before it is adapted."""
        return EncoderConfig(self.model, depth=self.depth, longest=self.longest)


@dataclass(frozen=True, eq=False)
class Target:
    """What the model learns from: texts of W warm items and their places.

    ``place``: float32 (W, F); ``vectors``: float32 (W, E), of the frozen model; ``beside``: float32
    (W, W), inner products of all features that stand beside the model's in the closed form.
    """

    texts: tuple[str, ...]
    place: Matrix
    vectors: Matrix
    beside: Matrix

    def arrays(self) -> dict[str, Any]:
        """All but the texts, by name."""
        return {n: getattr(self, n) for n in ("place", "vectors", "beside")}

    def key(self, config: AlignConfig) -> str:
        """A hash of all that training continues from; another number of steps goes on."""
        recipe = asdict(config) | {"steps": None, "save": None}
        digest = hashlib.sha256(json.dumps([recipe, list(self.texts)]).encode())
        digest.update(models.identity(config.model).encode())
        digest.update(self.place.tobytes() + self.beside.tobytes())
        return digest.hexdigest()[:32]


def item_factors(history: Ragged, items: int, count: int) -> Matrix:
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
    texts: tuple[str, ...], vectors: Matrix, place: Matrix, beside: Matrix | None = None
) -> Target:
    """Join texts, frozen vectors (W, E), places (W, F) and products (W, W; None: the model alone).

    Items without text are left out.
    """
    kept = np.flatnonzero([bool(text.strip()) for text in texts])
    products = np.zeros((len(texts),) * 2, np.float32) if beside is None else beside
    chosen = tuple(texts[i] for i in kept)
    return Target(chosen, place[kept], vectors[kept], products[np.ix_(kept, kept)])
