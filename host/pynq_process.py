# SPDX-License-Identifier: Apache-2.0
"""The ``pynq`` device in its own environment, as a process: requests in, answers out, by files.

pynq's pins exclude this environment's numpy, and Verilator is not in pynq's: the kernel is built
here into a shared library, which pynq's Python loads.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recfabric.contract import Contract
from recfabric.environments import PYNQ
from recfabric.errors import BitstreamError, DeviceError
from recfabric.host.verify import Answers
from recfabric.kernels.hotpath.manifest import Manifest
from recfabric.requests import Requests
from recfabric.sim import verilated
from recfabric.sim.verilated import MemoryModel

WORKER = "recfabric.host.pynq_worker"
_TIMEOUT_S = 1800


@dataclass(frozen=True)
class PynqRun:
    """``answers``: of all requests; ``about``: pynq's and numpy's version, cycles, the clock."""

    answers: Answers
    about: Mapping[str, Any]


def answer_simulated(
    folder: Path,
    contract: Contract,
    requests: Requests,
    *,
    k: int = 10,
    memory: MemoryModel | None = None,
    memory_bytes: int = 1 << 26,
) -> PynqRun:
    """Send requests through pynq to the RTL; ``folder/build`` holds the simulated build.

    Raises ToolMissingError without the environment, BitstreamError where the device refuses the
    build, DeviceError where the process fails.
    """
    contract.save(folder / "model")
    requests.save(folder / "model")
    library = verilated.build(Manifest.load(folder / "build").config)
    asked = {"library": str(library), "k": k, "memory_bytes": memory_bytes}
    asked |= {"memory": asdict(memory or MemoryModel())}
    (folder / "request.json").write_text(json.dumps(asked))
    (folder / "refused.txt").unlink(missing_ok=True)
    _call(folder)
    with np.load(folder / "answers.npz") as found:
        rows, scores, about = found["rows"], found["scores"], json.loads(str(found["about"]))
    return PynqRun(Answers("pynq (simulated hardware)", rows, scores, ()), about)


def _call(folder: Path) -> None:
    command, environment = PYNQ.command(["-m", WORKER, str(folder.absolute())])
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
    )
    if (folder / "refused.txt").exists():
        raise BitstreamError((folder / "refused.txt").read_text())
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["it said nothing"]
        raise DeviceError(f"pynq's process failed: {lines[-1].strip().rstrip('.')}.")
