# SPDX-License-Identifier: Apache-2.0
"""Milliseconds of a request, one at a time, with a text and without.

On the host they are measured, from the user's history to the list. On the board they are
simulated: cycles of the RTL over the board's declared clock, and the transfer model's time; with a
text the milliseconds that the language model takes on this host are added to them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from recfabric.bench._words import wish
from recfabric.bitstreams.boards import board
from recfabric.contract import Contract
from recfabric.deploy import memory_bytes
from recfabric.host.driver import HotPathDriver, Query
from recfabric.host.recommender import Recommender
from recfabric.host.rtl import RtlDevice
from recfabric.host.soft import SoftDevice
from recfabric.host.verify import Answers, answer_all, compare
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.quant.baselines import ease
from recfabric.quant.metrics import ndcg, recall, top_k
from recfabric.requests import Ragged, Requests
from recfabric.table._hosts import FloatHybrid, TextAlone
from recfabric.table._transfer import TRANSFERS, CountedDevice
from recfabric.table.plan import GNN, MODEL
from recfabric.table.quality import LISTED
from recfabric.words import TextEncoder

if TYPE_CHECKING:
    from recfabric.table.stages import Task

WARM = 20  # requests before the first that counts
FEW_REQUESTS = 100

Record = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Asked:
    """A request: the user's row, the history's and the seen items' rows, and a text."""

    user: int
    history: npt.NDArray[np.int64]
    seen: npt.NDArray[np.int64]
    text: str


# Answers a request, with its text or without.
Host = Callable[[Asked, bool], None]


def requests_of(task: Task) -> list[Asked]:
    """Test users evenly over their rows, each with a text at random; the same for every row."""
    parts, count = task.split, task.plan.requests + WARM
    able = np.flatnonzero((np.diff(parts.train.indptr) > 0) & (np.diff(parts.test.indptr) > 0))
    rng, seen = np.random.default_rng(1), parts.seen
    chosen = able[np.linspace(0, len(able) - 1, count).astype(np.int64)]
    return [
        Asked(int(u), parts.train[u].astype(np.int64), seen[u].astype(np.int64), wish(rng))
        for u in rng.permutation(chosen)
    ]


def ask(task: Task, *, row: str) -> Record:
    """Milliseconds of a row's requests on this host; with a text where it reads one."""
    host, words = _HOSTS[row](task)
    kinds = (False, True) if words else (False,)
    spent: dict[bool, list[float]] = {kind: [] for kind in kinds}
    for asked in requests_of(task):
        for kind in kinds:
            begin = time.perf_counter()
            host(asked, kind)
            spent[kind].append(1e3 * (time.perf_counter() - begin))
    named = {"text" if kind else "plain": quantiles(ms[WARM:]) for kind, ms in spent.items()}
    return {"ms": named, "requests": task.plan.requests, "load": os.getloadavg()[0]}


def quantiles(ms: Sequence[float]) -> dict[str, float]:
    """p50 and p99."""
    return {"p50": float(np.quantile(ms, 0.5)), "p99": float(np.quantile(ms, 0.99))}


def _listed(scores: npt.NDArray[Any], asked: Asked) -> None:
    top_k(scores[None], Ragged.of([asked.seen]), LISTED)


def _random(task: Task) -> tuple[Host, bool]:
    rng = np.random.default_rng(task.seed)
    return lambda asked, _: _listed(rng.random(task.split.items), asked), False


def _popularity(task: Task) -> tuple[Host, bool]:
    counts = task.split.popularity
    return lambda asked, _: _listed(counts, asked), False


def _ease(task: Task) -> tuple[Host, bool]:
    penalty = task.left("model")["chosen"]["penalty"]
    weights = ease(task.split.train, task.split.items, penalty).astype(np.float32)
    return lambda asked, _: _listed(weights[asked.history].sum(axis=0), asked), False


def _gnn(task: Task) -> tuple[Host, bool]:
    with np.load(task.needs["model"] / GNN) as a:
        user, item = a["user"], a["item"]
    return lambda asked, _: _listed(item @ user[asked.user], asked), False


def _llm(task: Task) -> tuple[Host, bool]:
    model = TextAlone.load(task)
    return lambda asked, text: _listed(
        model.scores(asked.history, asked.text if text else None), asked
    ), True


def _float(task: Task) -> tuple[Host, bool]:
    torch.set_num_threads(1)
    model = FloatHybrid.load(task)
    return lambda asked, text: _listed(
        model.scores(asked.history, asked.text if text else None), asked
    ), True


def _contract(task: Task, *, deepspeed: bool = False) -> tuple[Host, bool]:
    """The integer model as the host serves it: tokens in, tokens out."""
    folder = task.needs["model"] / MODEL
    contract = Contract.load(folder)
    encoder = TextEncoder.open(folder, contract, deepspeed=deepspeed)
    assert encoder is not None, "every row with a contract has a map from text"
    encoder.load()
    recommender, names = Recommender(contract, encoder=encoder), np.array(contract.tokens)

    def host(asked: Asked, text: bool) -> None:
        history, rest = (names[rows].tolist() for rows in (asked.history, asked.seen))
        before = encoder.calls
        words = asked.text if text else None
        recommender.recommend(history, LISTED, text=words, exclude=rest)
        assert encoder.calls - before == text * len(encoder.map.models), "who called the model?"

    return host, True


_HOSTS: dict[str, Callable[[Task], tuple[Host, bool]]] = {
    "random": _random,
    "popularity": _popularity,
    "ease": _ease,
    "gnn": _gnn,
    "llm": _llm,
    "hybrid": _float,
    "quantised": _contract,
    "lora": _contract,
    "distilled": _contract,
    "deepspeed": lambda task: _contract(task, deepspeed=True),
}


def fpga(task: Task, *, deepspeed: bool = False) -> Record:
    """A contract on the board's netlist: lists of the RTL, its cycles, and what they are in time.

    Raises ConfigError where the board cannot hold the netlist's ports.
    """
    model = task.left("model")
    folder, target = task.needs["model"] / MODEL, board(task.plan.board)
    contract, requests = Contract.load(folder), Requests.load(folder)
    assert requests is not None, "an exported contract has requests"
    longest = int(np.diff(requests.seen.indptr).max(initial=2))
    room = {"max_seen": max(HotPathConfig.max_seen, 1 << (longest - 1).bit_length())}
    config = target.hotpath(contract, **{**room, **task.plan.hardware})
    quick = len(requests) < FEW_REQUESTS  # the compiler would take longer than they do
    rtl = RtlDevice(config, memory_bytes=memory_bytes(contract, config), quick=quick)
    device = CountedDevice(rtl)
    driver = HotPathDriver(device, contract)
    transfer = TRANSFERS[target.flow]

    def timed(query: Query) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], int, float]:
        device.take()
        answer = driver.ask(query)
        assert answer.cycles is not None, "the RTL has a clock"
        spent = answer.cycles.total / (1e3 * target.clock_mhz) + transfer.ms(device.take())
        return answer.rows, answer.scores, answer.cycles.total, spent

    pairs = zip(requests.history, requests.seen, strict=True)
    found = [timed(Query(history, seen, LISTED)) for history, seen in pairs]
    lists = Answers("rtl", np.stack([f[0] for f in found]), np.stack([f[1] for f in found]), ())
    soft = answer_all(SoftDevice(config), contract, requests, k=LISTED)
    proof = compare(soft, lists)
    words = _with_texts(task, contract, folder, driver, timed, deepspeed=deepspeed)
    rtl.close()
    quality = model["quality"] | {
        "ndcg@10": ndcg(lists.rows, requests.targets),
        "recall@20": recall(lists.rows, requests.targets, LISTED),
    }
    cycles = [f[2] for f in found]
    return {
        "contract": contract.sha256,
        "board": {"name": target.title, "clock_mhz": target.clock_mhz, "fmax": "not known"},
        "netlist": config.describe(),
        "transfer": transfer.record(),
        "ms": {"plain": quantiles([f[3] for f in found]), **words["ms"]},
        "per_request": {"cycles": cycles, "ms": [round(f[3], 6) for f in found]},
        "cycles": {"plain": quantiles(cycles), "text": words["cycles"]},
        "language_model_ms": words["language_model_ms"],
        "equivalence": {
            "requests": proof.requests + words["requests"],
            "integers": proof.values + words["integers"],
            "mismatches": proof.mismatches + words["mismatches"],
        },
        "requests": len(requests),
        "load": os.getloadavg()[0],
        "quality": quality,
    }


def _with_texts(
    task: Task,
    contract: Contract,
    folder: Path,
    driver: HotPathDriver,
    timed: Callable[[Query], tuple[Any, Any, int, float]],
    *,
    deepspeed: bool,
) -> Record:
    """Requests with a text: the host reads it, the kernel takes its rows with the history's."""
    encoder = TextEncoder.open(folder, contract, deepspeed=deepspeed)
    assert encoder is not None, "every row with a contract has a map from text"
    encoder.load()
    soft = HotPathDriver(SoftDevice(driver.device.config), contract)
    longest = contract.shape.max_history // 2
    read, whole, cycles, wrong, values = [], [], [], 0, 0
    for asked in requests_of(task):
        begin = time.perf_counter()
        rows = encoder.rows([asked.text], contract)
        read.append(1e3 * (time.perf_counter() - begin))
        history = asked.history[-longest:]
        query = Query(history, asked.seen, LISTED, rows, weight=max(1, len(history)))
        ids, scores, spent, ms = timed(query)
        right = soft.ask(query)
        wrong += int((ids != right.rows).sum() + (scores != right.scores).sum())
        values += 2 * LISTED
        cycles.append(spent)
        whole.append(read[-1] + ms)
    return {
        "ms": {"text": quantiles(whole[WARM:])},
        "cycles": quantiles(cycles),
        "language_model_ms": quantiles(read[WARM:]),
        "requests": len(whole),
        "integers": values,
        "mismatches": wrong,
    }
