# SPDX-License-Identifier: Apache-2.0
"""Equality of two devices, counted: every id and every score of every request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recfabric.contract import Contract
from recfabric.host.device import Cycles, Device
from recfabric.host.driver import HotPathDriver
from recfabric.requests import Requests

Int32 = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Equivalence:
    """One row of proof: ``values`` integers of ``requests`` requests compared with ``==``."""

    left: str
    right: str
    requests: int
    values: int
    mismatches: int


@dataclass(frozen=True)
class Answers:
    """``rows``, ``scores``: int32 (R, k); ``cycles``: one entry a request, or empty."""

    device: str
    rows: Int32
    scores: Int32
    cycles: tuple[Cycles, ...]


def answer_all(
    device: Device,
    contract: Contract,
    requests: Requests,
    *,
    k: int = 10,
    advance: Callable[[], None] = lambda: None,
) -> Answers:
    """Send every request to a device; ``advance`` is called after each."""
    driver = HotPathDriver(device, contract)
    rows, scores = np.zeros((2, len(requests), k), np.int32)
    cycles = []
    for i in range(len(requests)):
        answer = driver.request(requests.history[i], requests.seen[i], k)
        rows[i], scores[i] = answer.rows, answer.scores
        cycles += [answer.cycles] if answer.cycles else []
        advance()
    return Answers(device.name, rows, scores, tuple(cycles))


def compare(left: Answers, right: Answers) -> Equivalence:
    """Count the integers that differ, ids and scores alike."""
    return count(left.device, right.device, (left.rows, left.scores), (right.rows, right.scores))


def count(
    left: str, right: str, of_left: tuple[Int32, ...], of_right: tuple[Int32, ...]
) -> Equivalence:
    """Count the integers that differ between arrays of the same shapes, requests first."""
    for a, b in zip(of_left, of_right, strict=True):
        if a.shape != b.shape:
            raise ValueError(f"{left} gave {a.shape} but {right} {b.shape}")
    values = sum(a.size for a in of_left)
    wrong = sum(int((a != b).sum()) for a, b in zip(of_left, of_right, strict=True))
    return Equivalence(left, right, len(of_left[0]), values, wrong)
