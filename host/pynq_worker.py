# SPDX-License-Identifier: Apache-2.0
"""In pynq's environment: a contract's requests through the ``pynq`` device on simulated hardware.

``python -m recfabric.host.pynq_worker FOLDER`` reads ``request.json`` there and leaves
``answers.npz``; see :mod:`recfabric.host.pynq_process` for what they hold.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from recfabric.contract import Contract
from recfabric.errors import ContractError, RecFabricError
from recfabric.host.pynq_device import PynqDevice
from recfabric.host.simulated_pynq import SimulatedDevice
from recfabric.host.verify import Answers, answer_all
from recfabric.kernels.hotpath.manifest import Manifest
from recfabric.requests import Requests
from recfabric.sim.verilated import MemoryModel


def run(folder: Path, asked: dict[str, Any]) -> tuple[Answers, SimulatedDevice]:
    """Load the overlay, write the tables, answer the requests."""
    contract, requests = Contract.load(folder / "model"), Requests.load(folder / "model")
    if requests is None:
        raise ContractError(f"{folder} holds no requests.")
    board = SimulatedDevice(
        Path(asked["library"]),
        Manifest.load(folder / "build").config,
        memory_bytes=asked["memory_bytes"],
        memory=MemoryModel(**asked["memory"]),
    )
    device = PynqDevice(folder / "build", contract, device=board)
    answers = answer_all(device, contract, requests, k=asked["k"])
    device.close()
    return answers, board


def main(folder: Path) -> int:
    """Answer one request; a refusal is one sentence in ``refused.txt``."""
    try:
        answers, board = run(folder, json.loads((folder / "request.json").read_text()))
    except RecFabricError as error:
        (folder / "refused.txt").write_text(f"{type(error).__name__}: {error}")
        return 2
    about = {"pynq": version("pynq"), "numpy": np.__version__, "cycles": board.kernel.cycles}
    about |= {"downloads": board.downloads, "clock_mhz": board.clocks.asked.get(0)}
    np.savez(
        folder / "answers.npz",
        rows=answers.rows,
        scores=answers.scores,
        about=np.array(json.dumps(about)),
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
