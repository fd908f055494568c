# SPDX-License-Identifier: Apache-2.0
"""How an item's place is asked for: through the closed form, by a linear head, by contrast."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear, normalize

from recfabric.errors import ConfigError
from recfabric.quant.llm.align import AlignConfig, Target
from recfabric.quant.llm.cold import RidgeConfig
from recfabric.quant.llm.vectors import pooled


class Aligner(nn.Module):
    """The trained layers and an objective; gives the mean loss of a batch."""

    def __init__(self, upper: nn.Module, target: Target, config: AlignConfig) -> None:
        super().__init__()
        self.upper = upper
        kind = ClosedForm if config.objective == "ridge" else Head
        self.objective = kind(target, config)

    def forward(self, inputs: dict[str, Tensor], lengths: Tensor, items: Tensor) -> Tensor:
        """The loss of items (B,) whose padded texts or lower states are ``inputs``."""
        longest = next(iter(inputs.values())).shape[1]
        mask = torch.arange(longest) < lengths[:, None]
        state = self.upper(**inputs, attention_mask=mask.long()).last_hidden_state
        found: Tensor = self.objective(pooled(state, lengths, causal=True), items)
        return found


class Head(nn.Module):
    """A linear map from vectors to places, which starts from the ridge map of the frozen vectors.

    It multiplies in float32, whatever its weights are kept in.
    """

    def __init__(self, target: Target, config: AlignConfig) -> None:
        super().__init__()
        vectors, place = target.vectors.astype(np.float64), target.place.astype(np.float64)
        mean, middle = vectors.mean(0), place.mean(0)
        scale = np.sqrt(np.square(vectors - mean).sum(1).mean())
        unit = (vectors - mean) / scale
        gram = unit.T @ unit + np.eye(len(mean)) * len(unit) / len(mean)
        weight = np.linalg.solve(gram, unit.T @ (place - middle)).T
        self.weight = nn.Parameter(torch.tensor(weight).float().contiguous())
        self.bias = nn.Parameter(torch.tensor(middle).float())
        # No buffers: these stay float32 when an engine casts the module.
        self._mean, self._scale = torch.tensor(mean).float(), float(scale)
        self._place, self._config = torch.from_numpy(target.place), config

    def forward(self, vectors: Tensor, items: Tensor) -> Tensor:
        """The loss of vectors (B, E) of items (B,)."""
        unit = (vectors - self._mean) / self._scale
        found = linear(unit, self.weight.float(), self.bias.float())
        if self._config.objective == "regression":
            return (found - self._place[items]).square().sum(1).mean()
        likeness = normalize(found, dim=1) @ normalize(self._place, dim=1).T
        return cross_entropy(likeness / self._config.temperature, items)


class ClosedForm(nn.Module):
    """Kernel ridge regression of places, solved anew for each batch from all items outside it.

    The vectors of the others are those of their last visit (before: the frozen ones), so that a
    step runs the model on its batch alone. Kernel and penalty are those that edges are made with.
    """

    def __init__(self, target: Target, _: AlignConfig) -> None:
        super().__init__()
        self._place, self._beside = (torch.from_numpy(a) for a in (target.place, target.beside))
        self._mean = torch.from_numpy(target.vectors).mean(0)
        self.remember(self._unit(torch.from_numpy(target.vectors)))
        self._recipe = RidgeConfig()
        self._seen: dict[int, Tensor] = {}

    def remember(self, memory: Tensor) -> None:
        """Take ``memory`` (W, E) for all items' vectors."""
        self.memory = memory
        self._product = self._beside + memory @ memory.T

    def begin(self, batch: Sequence[int]) -> None:
        """Solve for the items outside the batch, which the batch's places are told from.

        Raises ConfigError when the batch is more than half of the items.
        """
        count = len(self._place)
        if 2 * len(batch) > count:
            raise ConfigError(
                f"A batch of {len(batch)} of {count} items leaves too few to tell it from; choose "
                f"at most {count // 2}, or another objective."
            )
        outside = torch.ones(count, dtype=torch.bool)
        outside[list(batch)] = False
        self._others = torch.nonzero(outside)[:, 0]
        likeness = self._product[self._others][:, self._others].mul_(self._recipe.sharpness).exp_()
        likeness.diagonal().add_(self._recipe.penalty)
        self._dual = torch.cholesky_solve(
            self._place[self._others], torch.linalg.cholesky(likeness)
        )

    def forward(self, vectors: Tensor, items: Tensor) -> Tensor:
        """The loss of vectors (B, E) of items (B,)."""
        unit = self._unit(vectors)
        self._seen.update(zip(items.tolist(), unit.detach(), strict=True))
        product = (self._beside[items] + unit @ self.memory.T)[:, self._others]
        told: Tensor = torch.exp(self._recipe.sharpness * product) @ self._dual
        return (told - self._place[items]).square().sum(1).mean()

    def end(self, batch: Sequence[int]) -> None:
        """Remember the batch's vectors, of all ranks."""
        fresh = torch.zeros(len(batch), self.memory.shape[1])
        for row in range(dist.get_rank(), len(batch), dist.get_world_size()):
            fresh[row] = self._seen[batch[row]]
        dist.all_reduce(fresh)
        rows = list(batch)
        self.memory[rows] = fresh
        self._product[rows] = self._beside[rows] + fresh @ self.memory.T
        self._product[:, rows] = self._product[rows].T
        self._seen.clear()

    def _unit(self, vectors: Tensor) -> Tensor:
        """Mean and last state centred and of length 1 each, as blocks of the kernel are."""
        halves = (vectors.float() - self._mean).chunk(2, dim=1)
        return torch.cat([normalize(half, dim=1) for half in halves], 1)
