# SPDX-License-Identifier: Apache-2.0
"""One rank's training under DeepSpeed: the same batches on any number of ranks, resumable."""

from __future__ import annotations

import json
import resource
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from recfabric.builds import write_whole
from recfabric.errors import ConfigError, DataError
from recfabric.quant.llm import models
from recfabric.quant.llm.align import AlignConfig, Target
from recfabric.quant.llm.frozen import read_states
from recfabric.quant.llm.layers import Network
from recfabric.quant.llm.objectives import Aligner, ClosedForm
from recfabric.quant.progress import Progress

STATES, CURVE, ADAPTERS = "states", "curve.jsonl", "adapters"
TOGETHER = 16  # texts of like length that go through the model at once


def default_settings(config: AlignConfig, *, zero: int = 1, ranks: int = 1) -> dict[str, Any]:
    """DeepSpeed's configuration where none is given: ZeRO ``zero``, bfloat16 where the CPU has it.

    A rank's share of a batch is cut into equal parts of at most ``TOGETHER`` texts.
    """
    if zero not in (0, 1, 2, 3):
        raise ConfigError(f"A ZeRO stage of {zero} is not 0, 1, 2 or 3.")
    share, rest = divmod(config.batch, ranks)
    if rest:
        raise ConfigError(f"A batch of {config.batch} cannot be shared by {ranks} ranks alike.")
    micro = next(n for n in range(min(TOGETHER, share), 0, -1) if share % n == 0)
    return {
        "train_batch_size": config.batch,
        "train_micro_batch_size_per_gpu": micro,
        "bf16": {"enabled": models.has_bfloat16()},
        "zero_optimization": {"stage": zero},
        "gradient_clipping": 1.0,
    }


def precision(settings: Mapping[str, Any]) -> torch.dtype:
    """What DeepSpeed's configuration has the weights kept in."""
    half = bool(settings.get("bf16", {}).get("enabled"))
    return torch.bfloat16 if half else torch.float32


def read_settings(path: Path) -> dict[str, Any]:
    """A DeepSpeed JSON file, unchanged."""
    try:
        found = json.loads(path.read_text())
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); check the file.") from None
    except ValueError as error:
        raise DataError(
            f"{path} is no JSON ({error}); see deepspeed.ai/docs/config-json."
        ) from None
    if not isinstance(found, dict):
        raise DataError(f"{path} holds no JSON object; see deepspeed.ai/docs/config-json.")
    return found


def _completed(settings: Mapping[str, Any], config: AlignConfig) -> dict[str, Any]:
    """What the engine needs beside what the user wrote; ``auto`` counts as not written.

    ``zero_force_ds_cpu_optimizer``: off, for PyTorch's own optimiser is good enough and needs no
    compiler.
    """
    found = {k: v for k, v in settings.items() if v != "auto"}
    sizes = ("train_batch_size", "train_micro_batch_size_per_gpu")
    if not any(name in found for name in sizes):
        found["train_batch_size"] = config.batch
    extra = {"zero_allow_untested_optimizer": True, "zero_force_ds_cpu_optimizer": False}
    return extra | {"steps_per_print": 1 << 30} | found


def train(folder: Path, progress: Progress) -> None:
    """Train as ``job.json`` in ``folder`` says, from its last state if there is one."""
    job = json.loads((folder / "job.json").read_text())
    config = AlignConfig(**job["config"] | {"targets": tuple(job["config"]["targets"])})
    with np.load(folder / "target.npz") as arrays:
        target = Target(tuple(job["texts"]), **{name: arrays[name] for name in arrays.files})
    torch.manual_seed(config.seed)
    states = read_states(Path(job["states"])) if job["states"] else None
    run = _Run.start(config, target, _completed(job["deepspeed"], config), states)
    done = run.resume(folder, job["key"])
    with progress.task("adapt", config.steps) as advance:
        advance(done)
        for step, batch in run.batches(done):
            run.step(step, batch, folder)
            if (step + 1) % config.save == 0 or step + 1 == config.steps:
                run.save(folder, step + 1, job["key"])
            advance(1)


@dataclass
class _Run:
    """The engine and what it is fed from."""

    config: AlignConfig
    target: Target
    network: Network
    engine: Any
    scheduled: bool  # whether DeepSpeed's configuration has a schedule or optimiser of its own

    @classmethod
    def start(
        cls,
        config: AlignConfig,
        target: Target,
        settings: dict[str, Any],
        states: torch.Tensor | None,
    ) -> _Run:
        import deepspeed

        network = Network(config, target.texts, precision(settings), states)
        aligner = Aligner(network.upper, target, config)
        tuned = [p for p in aligner.parameters() if p.requires_grad]
        own = "optimizer" in settings
        optimizer = None if own else torch.optim.AdamW(tuned, config.rate, weight_decay=0.01)
        try:
            engine, *_ = deepspeed.initialize(
                model=aligner, model_parameters=tuned, optimizer=optimizer, config=settings
            )
        except (AssertionError, ValueError, TypeError, KeyError) as error:
            raise ConfigError(
                f"DeepSpeed refuses its configuration ({str(error).splitlines()[0]}); correct the "
                "JSON, see deepspeed.ai/docs/config-json."
            ) from None
        return cls(config, target, network, engine, own or "scheduler" in settings)

    @property
    def _rank(self) -> int:
        return dist.get_rank()

    @property
    def closed_form(self) -> ClosedForm | None:
        """The objective, when it remembers the items' vectors."""
        found = self.engine.module.objective
        return found if isinstance(found, ClosedForm) else None

    def batches(self, done: int) -> Iterator[tuple[int, list[int]]]:
        """(step, items of the whole batch) from ``done`` on; the same for any number of ranks."""
        size, count = int(self.engine.train_batch_size()), len(self.target.texts)
        rng = np.random.default_rng(self.config.seed)
        order = np.zeros(0, np.int64)
        for step in range(self.config.steps):
            while len(order) < size:
                order = np.concatenate([order, rng.permutation(count)])
            batch, order = order[:size], order[size:]
            if step >= done:
                yield step, sorted(batch.tolist(), key=lambda i: len(self.network.tokens[i]))

    def step(self, step: int, batch: list[int], folder: Path) -> None:
        """One update; rank 0 notes the loss over all ranks, its seconds and memory.

        ``seconds``: by the clock; ``cpu``: of this process, all threads.
        """
        begin, cpu = time.perf_counter(), time.process_time()
        if not self.scheduled:
            self._set_rate(step)
        micro, ranks = int(self.engine.train_micro_batch_size_per_gpu()), dist.get_world_size()
        own = batch[self._rank :: ranks]
        closed = self.closed_form
        if closed:
            closed.begin(batch)
        total = torch.zeros(1)
        for low in range(0, len(own), micro):
            items = own[low : low + micro]
            inputs, lengths = self.network.inputs(items)
            loss = self.engine(inputs, lengths, torch.tensor(items))
            self.engine.backward(loss)
            self.engine.step()
            total += loss.detach().float() * len(items) / len(batch)
        dist.all_reduce(total)
        if closed:
            closed.end(batch)
        if self._rank == 0:
            note = {"step": step, "loss": round(float(total), 6), "ranks": ranks}
            note |= {"seconds": round(time.perf_counter() - begin, 4)}
            note |= {"cpu": round(time.process_time() - cpu, 4), "peak_mb": _peak_mb()}
            with (folder / CURVE).open("a") as file:
                file.write(json.dumps(note) + "\n")

    def _set_rate(self, step: int) -> None:
        warm = max(1, self.config.steps // 10)
        share = min(1.0, (step + 1) / warm) * max(0.05, 1 - step / self.config.steps)
        for group in self.engine.optimizer.param_groups:
            group["lr"] = self.config.rate * share

    def save(self, folder: Path, done: int, key: str) -> None:
        """A state to resume from, then the adapter; ``latest`` names the last whole state.

        Earlier states go, of which full fine-tuning's weigh a gigabyte.
        """
        self.engine.save_checkpoint(
            str(folder / STATES),
            tag=f"step{done}",
            client_state={"done": done, "key": key} | self._memory(),
            save_latest=False,  # it would be named before every rank has written its part
            exclude_frozen_parameters=True,
        )
        import deepspeed

        dist.barrier()
        tuned = [p for p in self.network.upper.parameters() if p.requires_grad]
        with deepspeed.zero.GatheredParameters(tuned, modifier_rank=None):
            if self._rank == 0:
                _name_latest(folder / STATES, f"step{done}")
                _write_adapter(folder / ADAPTERS / f"step{done}", self.network, self.config)
        dist.barrier()

    def _memory(self) -> dict[str, Any]:
        return {"memory": self.closed_form.memory} if self.closed_form else {}

    def resume(self, folder: Path, key: str) -> int:
        """Steps that are done already; raises ConfigError for the state of another training."""
        if not (folder / STATES / "latest").exists():
            return 0
        try:
            _, state = self.engine.load_checkpoint(str(folder / STATES), load_module_strict=False)
        except Exception as error:
            raise DataError(
                f"The state in {folder / STATES} cannot be read ({str(error).splitlines()[0]}); "
                "remove the folder to begin anew, or use as many ranks as wrote it."
            ) from None
        if not state or state.get("key") != key:
            raise ConfigError(
                f"{folder} holds the state of another training; choose another place."
            )
        if self.closed_form:
            self.closed_form.remember(state["memory"])
        return int(state["done"])


def _name_latest(states: Path, tag: str) -> None:
    """Make a whole state the one to resume from, at once; those before it go."""
    write_whole(states / "latest", tag)
    for old in states.glob("step*"):
        if old.name != tag:
            shutil.rmtree(old)


def _write_adapter(folder: Path, network: Network, config: AlignConfig) -> None:
    """What was learned, and what it belongs to."""
    folder.mkdir(parents=True, exist_ok=True)
    network.save(folder)
    about: dict[str, Any] = {"model": config.model, "identity": models.identity(config.model)}
    about |= {"depth": config.depth, "lora": not config.full}
    (folder / "adapter.json").write_text(json.dumps(about, indent=1) + "\n")


def _peak_mb() -> int:
    """The largest resident memory this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
