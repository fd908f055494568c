# SPDX-License-Identifier: Apache-2.0
"""The training loop that the float and the quantised hybrid share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from recfabric.quant.hybrid import Edges
from recfabric.quant.lists import take
from recfabric.quant.progress import Progress
from recfabric.requests import Ragged

Teacher = Callable[[Edges], Tensor]
HIDDEN = -1e4  # score of the items a history already holds


@dataclass(frozen=True)
class FitConfig:
    """How a hybrid is trained, by Adam at ``rate``.

    An epoch is one pass over the users or ``steps`` steps, whichever is shorter. Each step takes
    ``batch`` users, keeps a random share of their histories (``keep_low`` to ``keep_high``) and
    asks for the rest: the multinomial likelihood of the items left out, mixed with the divergence
    from the teacher's answer to the same share (weight ``distil``). The epoch with the best
    NDCG@10 on at most ``judges`` validation users is kept; ``patience`` epochs without a better
    one end the training.
    """

    epochs: int = 40
    batch: int = 128
    steps: int = 32
    rate: float = 1e-3
    keep_low: float = 0.5
    keep_high: float = 0.9
    distil: float = 0.8
    patience: int = 20
    judges: int = 4096


def fit(
    model: nn.Module,
    history: Ragged,
    *,
    name: str,
    config: FitConfig,
    teacher: Teacher,
    judge: Callable[[], float],
    seed: int,
    progress: Progress,
) -> list[float]:
    """Train ``model`` (scores (R, I) of :class:`Edges`) in place; the judged value by epoch.

    The model ends with the weights of the best epoch; epoch 0 is the start.
    """
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], config.rate)
    values, best = [judge()], _copy(model)
    with progress.task(name, config.epochs) as advance:
        for epoch in range(1, config.epochs + 1):
            model.train()
            order = torch.randperm(len(history), generator=generator)
            for users in torch.split(order, config.batch)[: config.steps]:
                edges = Edges.of(take(history, users.numpy()))
                loss = _loss(model, edges, config, teacher, generator)
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
            values.append(judge())
            advance(1)
            if values[-1] > max(values[:-1]):
                best = _copy(model)
            if epoch - int(np.argmax(values)) >= config.patience:
                break
    model.load_state_dict(best)
    return values


def _loss(
    model: nn.Module, edges: Edges, config: FitConfig, teacher: Teacher, generator: torch.Generator
) -> Tensor:
    low, high = config.keep_low, config.keep_high
    share = low + (high - low) * torch.rand(len(edges.length), generator=generator)
    kept = torch.rand(len(edges.item), generator=generator) < share[edges.row]
    known, wanted = edges.keep(kept), edges.keep(~kept)
    scores = model(known)
    hidden = torch.zeros(scores.shape, dtype=torch.bool)
    hidden[known.row, known.item] = True
    log_p = scores.masked_fill(hidden, HIDDEN).log_softmax(1)
    asked = log_p.view(-1).index_select(0, wanted.row * scores.shape[1] + wanted.item)
    each = asked / wanted.length[wanted.row]
    likelihood = -each.sum() / len(edges.length)
    with torch.no_grad():
        target = teacher(known).masked_fill(hidden, HIDDEN).log_softmax(1)
    gap = (target.exp() * (target - log_p)).sum(1).mean()
    loss: Tensor = (1 - config.distil) * likelihood + config.distil * gap
    return loss


def _copy(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}
