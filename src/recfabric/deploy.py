# SPDX-License-Identifier: Apache-2.0
"""``recfabric deploy``: a contract's project for a board, and the board's host code on the RTL."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recfabric.bitstreams import boards, project
from recfabric.bitstreams.boards import Board
from recfabric.bitstreams.cells import Utilisation, kernel_utilisation
from recfabric.bitstreams.hwh import write_simulated
from recfabric.bitstreams.parts import ALL_PARTS, Part
from recfabric.contract import Contract
from recfabric.errors import ConfigError
from recfabric.host.pynq_process import answer_simulated
from recfabric.host.soft import SoftDevice
from recfabric.host.verify import Answers, Equivalence, answer_all, compare
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.kernels.hotpath.image import memory_image
from recfabric.kernels.stimulus import random_requests
from recfabric.proof import fuse_slot
from recfabric.requests import Ragged, Requests

BUILDS = Path("build/bitstreams")


@dataclass(frozen=True)
class Simulated:
    """The board's host code on the Verilated netlist: what was compared, and by what."""

    equivalence: Equivalence
    about: str


def deploy(
    model: Path,
    board: str,
    out: Path,
    *,
    hardware: Mapping[str, int] | None = None,
    fuse: str = "rf_dense",
) -> project.Project:
    """Write the board's whole project for a contract folder.

    ``hardware``: netlist parameters that differ from the board's; ``fuse``: what computes the fuse
    layer. Raises as :func:`recfabric.bitstreams.project.write_project`.
    """
    contract = Contract.load(model)
    config = boards.board(board).hotpath(contract, **(hardware or {}))
    slots = fuse_slot(contract, fuse, config)
    bound = fuse != "rf_dense"  # the others hold the layer's weights as logic
    return project.write_project(contract, board, out, hardware=hardware, slots=slots, bound=bound)


def simulate(
    model: Path, board: str, count: int, *, hardware: Mapping[str, int] | None = None, k: int = 10
) -> Simulated:
    """The contract's first requests through the board's device code and its netlist's RTL.

    A Zynq board: pynq in its own environment; an Alveo card: a stand-in for pyxrt. The left side
    is the ``soft`` device. Raises ToolMissingError without what is needed.
    """
    contract, target = Contract.load(model), boards.board(board)
    config = target.hotpath(contract, **(hardware or {}))
    requests = _first(Requests.load(model) or random_requests(contract, count), count)
    soft = answer_all(SoftDevice(config), contract, requests, k=k)
    with tempfile.TemporaryDirectory() as name:
        run = _pynq if target.flow == "vivado" else _xrt
        answers, about = run(Path(name), contract, target, config, requests, k)
    return Simulated(compare(soft, answers), about)


def cells(
    model: Path, board: str, *, hardware: Mapping[str, int] | None = None
) -> tuple[Utilisation, Part]:
    """Cells of the board's whole netlist by Yosys, and what its part holds; nothing is placed.

    Raises ConfigError for a board whose part's cells cannot be counted.
    """
    target = boards.board(board)
    if not target.part:
        raise ConfigError(
            f"The cells of {target.device} are not counted here; let its file name one of "
            f"{', '.join(ALL_PARTS)}."
        )
    config = target.hotpath(Contract.load(model), **(hardware or {}))
    return kernel_utilisation(config, [target.part])[-1], ALL_PARTS[target.part]


def memory_bytes(contract: Contract, config: HotPathConfig) -> int:
    """What a simulated board needs for a contract's tables and the lists of its batches."""
    return sum(len(region) for region in memory_image(contract, config).values()) + (1 << 23)


def _pynq(
    folder: Path,
    contract: Contract,
    board: Board,
    config: HotPathConfig,
    requests: Requests,
    k: int,
) -> tuple[Answers, str]:
    write_simulated(contract, board, config, folder / "build")
    size = memory_bytes(contract, config)
    run = answer_simulated(folder, contract, requests, k=k, memory_bytes=size)
    about = run.about
    return run.answers, f"pynq {about['pynq']}, numpy {about['numpy']}, {about['cycles']} cycles"


def _xrt(
    folder: Path,
    contract: Contract,
    board: Board,
    config: HotPathConfig,
    requests: Requests,
    k: int,
) -> tuple[Answers, str]:
    from recfabric.host import simulated_pyxrt
    from recfabric.host.xrt_device import XrtDevice

    write_simulated(contract, board, config, folder / "build")
    simulated_pyxrt.install()
    simulated_pyxrt.device.memory_bytes = memory_bytes(contract, config)
    device = XrtDevice(folder / "build", contract)
    answers = answer_all(device, contract, requests, k=k)
    device.close()
    return answers, "a stand-in for pyxrt"


def _first(requests: Requests, count: int) -> Requests:
    """The first of the requests. Raises ConfigError for a count below 1."""
    if count < 1:
        raise ConfigError(f"{count} requests cannot be sent; ask for at least 1.")
    count = min(count, len(requests))
    some: dict[str, Any] = {
        n: Ragged.of(list(getattr(requests, n))[:count]) for n in ("history", "seen", "targets")
    }
    return Requests(
        requests.protocol,
        **some,
        ids=requests.ids[:count],
        scores=requests.scores[:count],
        users=requests.users[:count],
    )
