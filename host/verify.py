# SPDX-License-Identifier: Apache-2.0
"""Equality of two devices, counted: every id and every score of every request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recfabric.contract import Contract
from recfabric.errors import DeviceError
from recfabric.host.device import Cycles, Device
from recfabric.host.driver import BATCH, Answer, Failed, HotPathDriver, Query
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
    batch: int = BATCH,
    advance: Callable[[int], None] = lambda count: None,
) -> Answers:
    """Send every request to a device, ``batch`` in one run; with 1, each in a run of its own.

    ``advance`` is called with the number of requests after each run. Raises DeviceError for a
    request that the device does not answer.
    """
    driver = HotPathDriver(device, contract)
    rows, scores = np.zeros((2, len(requests), k), np.int32)
    cycles = []
    for begin in range(0, len(requests), batch):
        numbers = range(begin, min(begin + batch, len(requests)))
        queries = [Query(requests.history[i], requests.seen[i], k) for i in numbers]
        answers = _one_by_one(driver, queries) if batch == 1 else driver.request_many(queries)
        for i, answer in zip(numbers, answers, strict=True):
            if isinstance(answer, Failed):
                raise DeviceError(f"Request {i}: '{device.name}' says {answer.status.faults()}.")
            rows[i], scores[i] = answer.rows, answer.scores
            cycles += [answer.cycles] if answer.cycles else []
        advance(len(numbers))
    return Answers(device.name, rows, scores, tuple(cycles))


def _one_by_one(driver: HotPathDriver, queries: Sequence[Query]) -> list[Answer | Failed]:
    return [driver.request(query.history, query.seen, query.k) for query in queries]


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
