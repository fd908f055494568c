# SPDX-License-Identifier: Apache-2.0
"""What a point is worth: its contract's quality, and its netlist's traffic, cycles and cells."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from recfabric.bitstreams.area import Area, coefficients, estimate
from recfabric.bitstreams.boards import Board, board
from recfabric.bitstreams.parts import PARTS
from recfabric.builds import locked
from recfabric.contract import Contract
from recfabric.errors import ConfigError, ContractError, RecFabricError
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.kernels.hotpath.cost import Memory, Request, back_to_back, row_cycles
from recfabric.search.space import Point

if TYPE_CHECKING:
    from recfabric.quant.datasets import Dataset
    from recfabric.quant.progress import Progress
    from recfabric.quant.splits import Split
    from recfabric.quant.train import TrainConfig
    from recfabric.quant.variants import Variants

OBJECTIVES: Mapping[str, Literal["maximize", "minimize"]] = {
    "ndcg": "maximize",
    "bytes": "minimize",
    "cycles": "minimize",
    "lut": "minimize",
    "ff": "minimize",
    "dsp": "minimize",
    "bram": "minimize",
}
SAMPLE = 12  # requests that cycles are counted for
_SCORE = "validation.json"


class UnfitError(RecFabricError):
    """A point that no netlist of the part or no contract can be made of; its words say why."""


@dataclass(frozen=True)
class Value:
    """What a point is worth.

    ``ndcg``: NDCG@10 of the integer model on validation; ``bytes``: that a request of mean history
    must read; ``cycles``: of a request back to back, by the cost model, mean over a sample of the
    training users' requests; ``area``: by the area model; ``contract``: the folder, ``sha256`` its.
    """

    ndcg: float
    bytes: float
    cycles: float
    area: Area
    hardware: HotPathConfig
    contract: Path
    sha256: str

    def objective(self, name: str) -> float:
        """One of OBJECTIVES."""
        return float(getattr(self.area if hasattr(self.area, name) else self, name))

    def record(self) -> dict[str, Any]:
        """For a trial's attributes."""
        default = asdict(HotPathConfig())
        parameters = {n: v for n, v in asdict(self.hardware).items() if v != default[n]}
        values = {name: self.objective(name) for name in OBJECTIVES}
        return values | {
            "shares": {n: round(share, 4) for n, share in self.area.shares().items()},
            "hardware": parameters,
            "contract": self.contract.name,
            "sha256": self.sha256,
        }


@dataclass(frozen=True, eq=False)
class Evaluator:
    """Evaluates points of one data set on one board; contracts are kept below ``out``.

    ``epochs``: of quantised training of every variant (0: it is only quantised); ``memory``: what
    the cost model assumes behind the ports.
    """

    config: TrainConfig
    dataset: Dataset
    out: Path
    board_name: str
    epochs: int
    memory: Memory
    progress: Progress

    @cached_property
    def board(self) -> Board:
        """The board; raises ConfigError where its part's cells are not known."""
        found = board(self.board_name)
        if found.part not in PARTS:
            raise ConfigError(f"No cells are known for {found.title}; choose kv260 or pynq-z2.")
        return found

    def check(self) -> None:
        """Raises ConfigError where no point at all could be evaluated."""
        coefficients(self.board.part)

    @cached_property
    def variants(self) -> Variants:
        """The float models and what is made of them."""
        from recfabric.quant.variants import Variants

        return Variants(self.config, self.dataset, self.out / "floats", self.progress)

    @cached_property
    def split(self) -> Split:
        """The split that everything is trained and judged on."""
        return self.variants.split

    def value(self, point: Point) -> Value:
        """What a point is worth; raises UnfitError where it is nothing.

        The netlist comes first, for it costs nothing; a contract that is there is not made again.
        """
        config, area = self.netlist(point)
        folder = self.out / "models" / point.name
        ndcg = self.make(point, folder, self.epochs)
        contract = Contract.load(folder)
        requests = self._requests(contract, config)
        lengths = np.diff(self.split.train.indptr)
        plain = replace(config, scan_ports=1)
        size = plain.bound_beats(contract.shape, 1) - plain.bound_beats(contract.shape, 0)
        beats = plain.bound_beats(contract.shape, 0) + size * float(lengths[lengths > 0].mean())
        return Value(
            ndcg=ndcg,
            bytes=round(beats * config.beat_bytes, 1),
            cycles=round(back_to_back(config, contract.shape.items, requests, self.memory), 1),
            area=area,
            hardware=config,
            contract=folder,
            sha256=contract.sha256,
        )

    def netlist(self, point: Point) -> tuple[HotPathConfig, Area]:
        """The netlist and its cells; raises UnfitError where the board cannot hold it."""
        try:
            config = point.hardware(
                self.board,
                items=self.split.items,
                longest=self.config.longest,
                max_seen=self._max_seen,
            )
        except ConfigError as error:
            raise UnfitError(str(error)) from None
        area = estimate(config, self.board.part)
        if not area.fits:
            name, share = max(area.shares().items(), key=lambda pair: pair[1])
            raise UnfitError(
                f"The {name} of {getattr(area, name):g} are {share:.0%} of the {self.board.part}'s."
            )
        return config, area

    def make(self, point: Point, folder: Path, epochs: int) -> float:
        """The contract folder of a point, made when it is not there; its NDCG@10 on validation."""
        score = folder / _SCORE
        with locked(folder.with_suffix(".lock")):
            if not score.exists():
                run = self.out / "runs" / folder.name
                try:
                    ndcg = self.variants.write(point.variant(epochs), run, folder)
                except ContractError as error:
                    raise UnfitError(str(error)) from None
                score.write_text(json.dumps({"ndcg@10": ndcg, "epochs": epochs}) + "\n")
            return float(json.loads(score.read_text())["ndcg@10"])

    @cached_property
    def _max_seen(self) -> int:
        longest = int(np.diff(self.split.seen.indptr).max(initial=2))
        return 1 << (max(longest, 2) - 1).bit_length()

    def _requests(self, contract: Contract, config: HotPathConfig) -> list[Request]:
        """A sample of the training users' requests, evenly over the lengths of their histories."""
        lists = self.split.train
        lengths = np.diff(lists.indptr)
        users = np.argsort(lengths, kind="stable")[np.sum(lengths == 0) :]
        some = users[np.linspace(0, len(users) - 1, SAMPLE).astype(int)]
        per_row = row_cycles(contract, config)
        made = []
        for user in np.random.default_rng(0).permutation(some):
            history = np.asarray(lists[int(user)])[-contract.shape.max_history :]
            seen = tuple(np.unique(lists[int(user)]).tolist())
            made.append(Request(len(history), seen, 10, int(per_row[history].sum())))
        return made
