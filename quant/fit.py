# SPDX-License-Identifier: Apache-2.0
"""The training loop that the float and the quantised hybrid share."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from recfabric.quant.hybrid import Edges, Hybrid
from recfabric.quant.lists import take
from recfabric.quant.progress import Progress
from recfabric.quant.qat import QuantHybrid
from recfabric.requests import Ragged

# The logits (R, C) a teacher gives the items ``some`` (C,), or (R, I), for R histories.
Teacher = Callable[[Edges, Tensor | None], Tensor]
HIDDEN = -1e4  # score of the items a history already holds
EPSILON = 1e-5  # Adam's: rows that hardly get a gradient do not drift by its noise


@dataclass(frozen=True)
class FitConfig:
    """How a hybrid is trained, by Adam at ``rate``.

    An epoch is one pass over the users or ``steps`` steps, whichever is shorter. Each step takes
    ``batch`` users, keeps a random share of their histories (``keep_low`` to ``keep_high``) and
    asks for the rest: the multinomial likelihood of the items left out, mixed with the divergence
    from the teacher's answer to the same share (weight ``distil``). Catalogues larger than
    ``sample`` are sampled: all items asked for in a step and as many others, drawn evenly and
    weighted to stand for the rest, as fill up to ``sample``. What is judged and kept is the
    running mean of the weights (``average`` of it stays at each step). The epoch with the best
    NDCG@10 on at most ``judges`` validation users is kept; ``patience`` epochs without a better
    one end the training.
    """

    epochs: int = 30
    batch: int = 128
    steps: int = 32
    rate: float = 1e-3
    keep_low: float = 0.5
    keep_high: float = 0.9
    distil: float = 0.8
    sample: int = 8192
    average: float = 0.98
    patience: int = 10
    judges: int = 2048


def fit(
    model: Hybrid | QuantHybrid,
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
    learned = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.Adam(learned, config.rate, eps=EPSILON)
    mean, best = _copy(model), _copy(model)
    values = [judge()]
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
                _average(mean, model, config.average)
            values.append(_judged_at(mean, model, judge))
            advance(1)
            if values[-1] > max(values[:-1]):
                best = {name: value.clone() for name, value in mean.items()}
            if epoch - int(np.argmax(values)) >= config.patience:
                break
    model.load_state_dict(best)
    return values


def _average(mean: dict[str, Tensor], model: nn.Module, keep: float) -> None:
    """Move the running mean of the parameters towards the model's."""
    for name, value in model.named_parameters():
        mean[name].lerp_(value.detach(), 1 - keep)


def _judged_at(mean: dict[str, Tensor], model: nn.Module, judge: Callable[[], float]) -> float:
    """The judged value of the model with the mean's weights."""
    now = _copy(model)
    model.load_state_dict(mean)
    value = judge()
    model.load_state_dict(now)
    return value


def _loss(
    model: Hybrid | QuantHybrid,
    edges: Edges,
    config: FitConfig,
    teacher: Teacher,
    generator: torch.Generator,
) -> Tensor:
    low, high = config.keep_low, config.keep_high
    share = low + (high - low) * torch.rand(len(edges.length), generator=generator)
    kept = torch.rand(len(edges.item), generator=generator) < share[edges.row]
    known, wanted = edges.keep(kept), edges.keep(~kept)
    some = sampled(wanted.item, model.sizes.items, config.sample, generator)
    scores, taught = model(known, None, some.items), teacher(known, some.items)
    hidden = torch.zeros(scores.shape, dtype=torch.bool)
    there = some.column[known.item] >= 0
    hidden[known.row[there], some.column[known.item[there]]] = True
    log_p = (scores + some.stands_for).masked_fill(hidden, HIDDEN).log_softmax(1)
    asked = log_p[wanted.row, some.column[wanted.item]]
    each = asked / wanted.length[wanted.row]
    likelihood = -each.sum() / len(edges.length)
    target = (taught + some.stands_for).masked_fill(hidden, HIDDEN).log_softmax(1)
    gap = (target.exp() * (target - log_p)).sum(1).mean()
    loss: Tensor = (1 - config.distil) * likelihood + config.distil * gap
    return loss


class Sample(NamedTuple):
    """The items a step ranks: ``items`` (C,) or None for all; ``column`` (I,), where each stands,
    -1 for none; ``stands_for`` (C,), the logarithm of how many items each one stands for."""

    items: Tensor | None
    column: Tensor
    stands_for: Tensor


def sampled(asked: Tensor, items: int, size: int, generator: torch.Generator) -> Sample:
    """Every item asked for and others drawn evenly, ``size`` of ``items`` in all."""
    if items <= size:
        return Sample(None, torch.arange(items), torch.zeros(items))
    others = torch.ones(items, dtype=torch.bool)
    others[asked] = False
    pool = others.nonzero()[:, 0]
    count = max(size - (items - len(pool)), 1)
    drawn = pool[torch.randperm(len(pool), generator=generator)[:count]]
    always = (~others).nonzero()[:, 0]
    chosen = torch.cat([always, drawn])
    column = torch.full((items,), -1).index_copy(0, chosen, torch.arange(len(chosen)))
    stands_for = torch.zeros(len(chosen))
    stands_for[len(always) :] = math.log(len(pool) / len(drawn))
    return Sample(chosen, column, stands_for)


def _copy(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}
