# SPDX-License-Identifier: Apache-2.0
"""Processes for DeepSpeed: one without a launcher, several through it, none that hangs."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recfabric.errors import MissingExtraError, RecFabricError, ToolMissingError

WORKER = "recfabric.quant.llm.worker"
HOST = "127.0.0.1"
SHARED = Path("/dev/shm")  # where DeepSpeed's ranks meet
RANK_VARIABLES = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_SIZE", "MASTER_ADDR", "MASTER_PORT")


class RankError(RecFabricError):
    """A process of a distributed job that died; names it and what it said last."""


class OpBuildLockError(ToolMissingError):
    """A lock that a killed build of a PyTorch extension left: every later run would wait for it."""


@contextmanager
def alone() -> Iterator[None]:
    """One process as a world of its own, without a launcher.

    ZeRO 3 puts its own ``torch.nn.functional.linear`` in place for the whole process, which breaks
    what dispatches by function, such as Brevitas: it is put back.
    """
    need_deepspeed()
    check_locks()
    from torch.nn import functional

    linear = functional.linear
    before = {name: os.environ.get(name) for name in RANK_VARIABLES}
    port = _free_port()
    values = ("0", "0", "1", "1", HOST, str(port))
    os.environ.update(dict(zip(RANK_VARIABLES, values, strict=True)))
    try:
        yield
    finally:
        _leave()
        _free_buffers(port)
        functional.linear = linear
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def launch(job: Path, ranks: int) -> None:
    """Run the worker on a job file in ``ranks`` processes through the ``deepspeed`` launcher.

    Raises RankError with the last line of the first process that failed; the launcher ends the
    others. What they had written stays.
    """
    need_deepspeed()
    check_locks()
    port = _free_port()
    command = [sys.executable, "-m", "deepspeed.launcher.runner", "--num_gpus", str(ranks)]
    command += ["--master_addr", HOST, "--master_port", str(port)]
    command += ["--no_local_rank", "--module", WORKER, str(job)]
    threads = os.environ.get("OMP_NUM_THREADS", "1")
    environment = os.environ | {"LOCAL_SIZE": str(ranks), "OMP_NUM_THREADS": threads}
    log = job.with_name("ranks.log")
    try:
        with log.open("wb") as out:
            done = subprocess.run(command, env=environment, stdout=out, stderr=subprocess.STDOUT)
    finally:
        _free_buffers(port)
    if done.returncode:
        raise RankError(_why(log, job.parent, ranks))


def _why(log: Path, folder: Path, ranks: int) -> str:
    """One sentence: the first rank's own words, else the last line of the log."""
    for rank in range(ranks):
        said = folder / f"rank{rank}.error"
        if said.exists():
            return said.read_text().strip()
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    killed = next((line for line in lines if "exits with return code" in line), None)
    about = (killed or (lines[-1] if lines else "no word")).split("] ")[-1]
    return (
        f"A process of {ranks} died ({about[:120]}); what was saved is whole, run the same command "
        f"again to go on from it (log: {log})."
    )


def need_deepspeed() -> None:
    """Raises MissingExtraError where a package of the extra ``llm`` is missing."""
    import importlib.util

    for package in ("deepspeed", "peft", "ninja"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(package, "llm")


def check_locks() -> None:
    """Raises OpBuildLockError for a lock of PyTorch's extension cache that no process holds.

    ``torch.utils.file_baton`` waits for such a lock forever and in silence.
    """
    for lock in sorted(extensions().glob("**/lock")):
        if not _is_held(lock):
            raise OpBuildLockError(
                f"{lock} was left by a build that died and DeepSpeed would wait for it forever; "
                "remove that file and run again."
            )


def extensions() -> Path:
    """The folder of PyTorch's compiled extensions."""
    from torch.utils.cpp_extension import get_default_build_root

    return Path(os.environ.get("TORCH_EXTENSIONS_DIR") or get_default_build_root())


def _is_held(lock: Path) -> bool:
    """Whether a running process has the file open, as a builder has for as long as it builds."""
    wanted = lock.stat()
    for entry in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            found = entry.stat()
        except OSError:
            continue
        if (found.st_ino, found.st_dev) == (wanted.st_ino, wanted.st_dev):
            return True
    return not Path("/proc").is_dir()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind((HOST, 0))
        return int(one.getsockname()[1])


def _free_buffers(port: int) -> None:
    """Take back the shared memory, 66 MB a rank, that DeepSpeed leaves for as long as the machine
    runs. Its files are named by user, host, port and rank."""
    for buffer in SHARED.glob(f"deepspeed_allreduce_buffer_*_{HOST}_{port}_*"):
        buffer.unlink(missing_ok=True)


def _leave() -> None:
    """End the process group, so that the next job may form another."""
    import deepspeed.comm
    import torch.distributed

    if torch.distributed.is_initialized():
        deepspeed.comm.destroy_process_group()
        deepspeed.comm.comm.cdb = None
