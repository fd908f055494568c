# SPDX-License-Identifier: Apache-2.0
"""The proof stage: a contract's requests through a device, every integer compared and counted."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from recfabric.config import tool_versions
from recfabric.contract import Contract
from recfabric.errors import ConfigError, ContractError
from recfabric.hls import qonnx
from recfabric.host.device import Cycles
from recfabric.host.rtl import RtlDevice
from recfabric.host.soft import SoftDevice
from recfabric.host.verify import Answers, Equivalence, answer_all, compare, count
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.kernels.hotpath.model import HotPath
from recfabric.kernels.stimulus import random_requests
from recfabric.requests import Requests
from recfabric.sim.verilated import MemoryModel, build

BACKENDS = ("rtl", "soft", "qonnx", "hls4ml")
FUSE_LAYERS = ("rf_dense", "alkaid", "finn")
RANDOM_REQUESTS = 64
_STAGES = ("gather", "attention", "fuse", "scan", "total")

Task = Callable[[str, int], Any]  # recfabric.quant.progress.Progress.task


@dataclass(frozen=True)
class Proof:
    """What ``verify`` found.

    ``equivalence``: counted comparisons; ``left``, ``right``: the answers to the contract's own
    requests; ``cycles``, ``simulation``: of the rtl backend, else empty; ``notes``: where a
    difference lies.
    """

    contract: Contract
    requests: Requests
    backend: str
    equivalence: tuple[Equivalence, ...]
    soft: Answers
    rtl: Answers | None = None
    cycles: dict[str, Any] = field(default_factory=dict)
    simulation: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def mismatches(self) -> int:
        """Integers that differ, over all comparisons."""
        return sum(row.mismatches for row in self.equivalence)

    def record(self) -> dict[str, Any]:
        """For a JSON file."""
        return {
            "contract": self.contract.sha256,
            "backend": self.backend,
            "protocol": self.requests.protocol,
            "equivalence": [asdict(row) for row in self.equivalence],
            "cycles": self.cycles,
            "simulation": self.simulation,
            "notes": list(self.notes),
            "versions": tool_versions(),
        }


def prove(
    folder: Path,
    backend: str,
    task: Task,
    *,
    k: int = 20,
    memory: MemoryModel | None = None,
    hardware: Mapping[str, int] | None = None,
    random: int = RANDOM_REQUESTS,
    fuse: str = "rf_dense",
) -> Proof:
    """Run a contract folder's requests through a backend and compare.

    Always: the integer model against the QAT model's own answers, where the folder has them.
    ``rtl``: every id and score of the Verilated kernel, for the contract's requests and for
    random ones with corner cases, and the fuse layer's QONNX. ``qonnx``: that graph alone.
    ``hls4ml``: the same requests through the C simulation of the contract's hls4ml project.
    ``random``: how many random requests there are; ``fuse``: what stands in the slot of the fuse
    layer of the rtl backend, one of FUSE_LAYERS.
    ``hardware``: parameters of the netlist that differ from HotPathConfig's defaults.
    Raises ConfigError for an unknown backend or a k outside the catalogue or the hardware.
    """
    contract = Contract.load(folder)
    requests = Requests.load(folder) or random_requests(contract, 4 * RANDOM_REQUESTS)
    longest = int(np.diff(requests.seen.indptr).max(initial=0))
    room = {"max_seen": max(HotPathConfig.max_seen, 1 << (longest - 1).bit_length())}
    config = _config(contract, backend, k, room | dict(hardware or {}))
    with task("soft", len(requests)) as advance:
        soft = answer_all(SoftDevice(config), contract, requests, k=k, advance=advance)
    rows = [*_against_training(requests, soft)]
    if backend != "soft":
        rows += _against_qonnx(folder, contract, requests)
    if backend == "qonnx" and not (folder / qonnx.FILE).exists():
        raise ContractError(f"{folder} holds no {qonnx.FILE}; export the model again.")
    if backend == "hls4ml":
        found, notes = _against_hls4ml(contract, requests, soft, random, task)
        return Proof(contract, requests, backend, (*rows, *found), soft, notes=notes)
    if backend != "rtl" and not rows:
        raise ContractError(
            f"{folder} holds no answers of a trained model to compare with; use --backend rtl."
        )
    if backend != "rtl":
        return Proof(contract, requests, backend, tuple(rows), soft)
    slots = fuse_slot(contract, fuse, config)
    with task("Verilator build", 1) as advance:
        build(config, slots)
        advance(1)
    size = _memory_bytes(contract, config)
    device = RtlDevice(config, memory_bytes=size, memory=memory, slots=slots)
    rtl, seconds = _timed(device, contract, requests, k, task)
    simulation = _simulation(device, seconds, memory or MemoryModel())
    with task("rtl, one at a time", len(requests)) as advance:
        alone = answer_all(device, contract, requests, k=k, batch=1, advance=advance)
    device.close()
    single = count(
        "soft", "rtl (one at a time)", (soft.rows, soft.scores), (alone.rows, alone.scores)
    )
    rows += [compare(soft, rtl), single, _random(config, contract, k, memory, random, slots)]
    cycles = _cycles(contract, config, requests, alone.cycles)
    cycles["back_to_back"] = _back_to_back(contract, config, requests, rtl.cycles)
    return Proof(contract, requests, backend, tuple(rows), soft, rtl, cycles, simulation)


def fuse_slot(contract: Contract, fuse: str, config: HotPathConfig) -> tuple[Path, ...]:
    """The files that stand in the slot of the fuse layer of a netlist; none for ``rf_dense``.

    Raises ConfigError for a layer not in FUSE_LAYERS or one that cannot hold this contract's.
    """
    if fuse not in FUSE_LAYERS:
        raise ConfigError(f"The fuse layer '{fuse}' is not one of {', '.join(FUSE_LAYERS)}.")
    if fuse == "rf_dense":
        return ()
    if fuse == "finn":
        from recfabric.hls.finn import fuse as layers

        return layers.fuse_slot(contract, pe=config.pe, simd=config.simd)
    from recfabric.hls import alkaid

    return alkaid.fuse_slot(contract)


def _config(contract: Contract, backend: str, k: int, hardware: Mapping[str, int]) -> HotPathConfig:
    if backend not in BACKENDS:
        raise ConfigError(f"The backend '{backend}' is not one of {', '.join(BACKENDS)}.")
    config = HotPathConfig.for_contract(contract, **hardware)
    if not 1 <= k <= config.k_max:
        raise ConfigError(f"k is {k} but must be 1 to {config.k_max}.")
    return config


def _memory_bytes(contract: Contract, config: HotPathConfig) -> int:
    rows = sum(config.row_bytes(t) for t in ("message", "key", "value")) + config.edge_row_bytes
    tables = contract.shape.items * (rows + config.dim * config.item_bits // 8 + 2)
    return int(tables) + (1 << 22)


def _timed(
    device: RtlDevice, contract: Contract, requests: Requests, k: int, task: Task
) -> tuple[Answers, float]:
    with task("rtl", len(requests)) as advance:
        begin = time.process_time()
        answers = answer_all(device, contract, requests, k=k, advance=advance)
        return answers, time.process_time() - begin


def _against_training(requests: Requests, soft: Answers) -> list[Equivalence]:
    k = min(requests.ids.shape[1], soft.rows.shape[1])
    if k == 0:
        return []
    found = soft.rows[:, :k] >= 0  # past the end of a list the two write different fillers
    ids, scores = requests.ids[:, :k], requests.scores[:, :k]
    left = (np.where(found, ids, ids.clip(max=-1)), np.where(found, scores, 0))
    right = (soft.rows[:, :k], np.where(found, soft.scores[:, :k], 0))
    return [count("qat", "soft", left, right)]


def _against_qonnx(folder: Path, contract: Contract, requests: Requests) -> list[Equivalence]:
    if not (folder / qonnx.FILE).exists():
        return []
    model = HotPath.of(contract)
    norm = contract.tensors.norm
    traces = [model.trace(h, int(norm[len(h)])) for h in requests.history]
    states = np.stack([np.concatenate([t.user, t.attention]) for t in traces])
    fused: npt.NDArray[np.int32] = np.stack([t.fused for t in traces]).astype(np.int32)
    graph = qonnx.fuse(folder, contract, states)
    return [count("qonnx (fuse layer)", "soft (fuse layer)", (graph,), (fused,))]


def _against_hls4ml(
    contract: Contract, requests: Requests, soft: Answers, count_random: int, task: Task
) -> tuple[list[Equivalence], tuple[str, ...]]:
    """The C simulation's ids and scores; where one differs, the layer in which that begins."""
    from recfabric.hls.hls4ml.csim import CSimulation, import_project

    k = soft.rows.shape[1]
    at_random = random_requests(contract, count_random, seed=1)
    longest = max(int(np.diff(r.seen.indptr).max(initial=1)) for r in (requests, at_random))
    settings = import_project().HlsConfig(k=k, max_seen=1 << (longest - 1).bit_length())
    with task("hls4ml build", 1) as advance:
        simulation = CSimulation(contract, settings)
        advance(1)
    rows, notes = [], []
    config = HotPathConfig.for_contract(contract, max_seen=max(2, settings.max_seen))
    for name, asked, expected in (
        ("", requests, soft),
        (" (random requests)", at_random, answer_all(SoftDevice(config), contract, at_random, k=k)),
    ):
        with task(f"hls4ml{name}", len(asked)) as advance:
            got = simulation.answer_all(asked, advance=lambda: advance(1))
        found = np.stack([expected.rows, expected.scores]), np.stack(got)
        rows.append(count(f"soft{name}", f"hls4ml{name}", (expected.rows, expected.scores), got))
        wrong = np.flatnonzero((found[0] != found[1]).any(axis=(0, 2)))
        if len(wrong):
            where = simulation.first_difference(asked.history[wrong[0]], asked.seen[wrong[0]])
            notes.append(f"hls4ml{name}, request {wrong[0]}: {where}")
    return rows, tuple(notes)


def _random(
    config: HotPathConfig,
    contract: Contract,
    k: int,
    memory: MemoryModel | None,
    asked: int,
    slots: tuple[Path, ...],
) -> Equivalence:
    """Corner cases the test users do not have: empty and full histories, repeats, stalls."""
    requests = random_requests(contract, asked, seed=1)
    latency = (memory or MemoryModel()).latency
    stalled = MemoryModel(latency=latency, stall=0.2, seed=1)
    size = _memory_bytes(contract, config)
    device = RtlDevice(config, memory_bytes=size, memory=stalled, slots=slots)
    rtl = answer_all(device, contract, requests, k=k)
    device.close()
    soft = answer_all(SoftDevice(config), contract, requests, k=k)
    left, right = "soft (random requests)", "rtl (random requests, stalling memory)"
    return count(left, right, (soft.rows, soft.scores), (rtl.rows, rtl.scores))


def _simulation(device: RtlDevice, seconds: float, memory: MemoryModel) -> dict[str, Any]:
    return {
        "cycles": device.kernel.cycles,
        "cpu_seconds": round(seconds, 3),
        "cycles_per_cpu_second": round(device.kernel.cycles / seconds),
        "memory": asdict(memory),
        "config": device.config.describe(),
    }


def _back_to_back(
    contract: Contract, config: HotPathConfig, requests: Requests, cycles: tuple[Cycles, ...]
) -> dict[str, float]:
    """Cycles a request costs in a batch: from one request's end to the next one's.

    ``scan``: the bytes of items and biases, ``port``: all bytes of a request's lists and rows too,
    in beats of a port; the mean over the requests timed. Empty where no two followed each other.
    """
    ends = np.array([c.end for c in cycles])
    period = np.diff(ends)
    timed = period > 0  # the first request of a run has none
    if not timed.any():
        return {}
    lengths = np.diff(requests.history.indptr)[1:][timed]
    seen = np.diff(requests.seen.indptr)[1:][timed]
    rest = [config.front_beats(int(n), int(s)) for n, s in zip(lengths, seen, strict=True)]
    scan = config.scan_beats(contract.shape.items)
    return {
        "mean": float(period[timed].mean()),
        "p50": float(np.percentile(period[timed], 50)),
        "p99": float(np.percentile(period[timed], 99)),
        "scan": float(scan),
        "port": float(scan + np.mean(rest)),
        "requests": int(timed.sum()),
    }


def _cycles(
    contract: Contract, config: HotPathConfig, requests: Requests, cycles: tuple[Cycles, ...]
) -> dict[str, Any]:
    lengths = np.diff(requests.history.indptr)
    total = np.array([c.total for c in cycles])
    bound = np.array([config.bound_beats(contract.shape, int(n)) for n in lengths])
    ends = np.array([[getattr(c, stage) for stage in _STAGES] for c in cycles])
    spent = np.diff(ends, axis=1, prepend=0)
    return {
        "p50": int(np.percentile(total, 50)),
        "p99": int(np.percentile(total, 99)),
        "bound_p50": float(np.percentile(bound, 50)),
        "bound_p99": float(np.percentile(bound, 99)),
        "stages": {
            name: float(np.median(spent[:, i]))
            for i, name in enumerate(("gather", "attention", "fuse", "scan", "drain"))
        },
        "per_request": {
            "history": lengths.tolist(),
            "cycles": total.tolist(),
            "bound": bound.tolist(),
        },
    }
