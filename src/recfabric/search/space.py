# SPDX-License-Identifier: Apache-2.0
"""What a search chooses from, and one choice: a variant of a model and a netlist for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

from recfabric.bitstreams.boards import Board
from recfabric.contract import Shape
from recfabric.errors import ConfigError
from recfabric.kernels.hotpath.config import HotPathConfig

if TYPE_CHECKING:
    from recfabric.quant.variants import Variant

TABLES = ("message", "key", "value", "item")
_NETLIST = ("scan_ports", "pe", "simd", "requant_lanes")


@dataclass(frozen=True)
class Point:
    """One choice.

    ``dim``, ``heads``, ``edges`` and the bits of each table are the contract's; ``scan_ports``,
    ``pe``, ``simd`` and ``requant_lanes`` the netlist's (see
    :class:`recfabric.kernels.hotpath.config.HotPathConfig`).
    """

    dim: int
    heads: int
    edges: int
    message: int
    key: int
    value: int
    item: int
    scan_ports: int
    pe: int
    simd: int
    requant_lanes: int

    @property
    def name(self) -> str:
        """Of the contract: points of one name differ in the netlist alone."""
        bits = "".join(f"{table[0]}{getattr(self, table)}" for table in TABLES)
        return f"d{self.dim}-h{self.heads}-e{self.edges}-{bits}"

    def variant(self, epochs: int) -> Variant:
        """What training makes."""
        from recfabric.quant.qat import Bits
        from recfabric.quant.variants import Variant

        bits = Bits(**{table: getattr(self, table) for table in TABLES})
        return Variant(self.dim, self.heads, self.edges, bits, epochs)

    def hardware(self, board: Board, *, items: int, longest: int, max_seen: int) -> HotPathConfig:
        """The netlist, with the board's ports; raises ConfigError where there is none."""
        ports = 1 if self.scan_ports == 1 else 1 + self.scan_ports
        if ports > board.ports:
            raise ConfigError(
                f"The scan_ports of {self.scan_ports} need {ports} ports but {board.title} has "
                f"{board.ports}."
            )
        shape = Shape(items, self.dim, self.heads, longest, self.edges)
        widths = {f"{t}_bits": 4 if getattr(self, t) <= 4 else 8 for t in TABLES}
        lists = {"max_rows": max(2, longest), "max_seen": max_seen}
        return HotPathConfig.for_shape(
            shape,
            beat_bits=board.port_bits,
            scan_ports=self.scan_ports,
            pe=self.pe,
            simd=self.simd,
            requant_lanes=self.requant_lanes,
            **widths,
            **lists,
        )


@dataclass(frozen=True)
class Space:
    """The choices of each parameter of :class:`Point`; ``bits`` are those of each table."""

    dim: tuple[int, ...] = (32, 64)
    heads: tuple[int, ...] = (1, 2)
    edges: tuple[int, ...] = (0, 8, 16, 32)
    bits: tuple[int, ...] = (8, 6, 4, 3, 2)
    scan_ports: tuple[int, ...] = (1, 2, 4, 8)
    pe: tuple[int, ...] = (2, 4, 8, 16)
    simd: tuple[int, ...] = (8, 16, 32)
    requant_lanes: tuple[int, ...] = (2, 4, 8)

    def __post_init__(self) -> None:
        for name, choices in vars(self).items():
            if not choices:
                raise ConfigError(f"The search space has no {name}; give one number at least.")

    @classmethod
    def read(cls, pairs: Sequence[str]) -> Space:
        """From texts like ``dim=32,64``; raises ConfigError for any other."""
        known = [f.name for f in fields(cls)]
        given = {}
        for pair in pairs:
            name, _, numbers = pair.partition("=")
            parts = numbers.split(",")
            if name not in known or not all(part.strip().isdecimal() for part in parts):
                raise ConfigError(
                    f"'{pair}' is no part of the search space; give NAME=NUMBER,NUMBER with a "
                    f"name of {', '.join(known)}."
                )
            given[name] = tuple(int(part) for part in parts)
        return cls(**given)

    def choose(self, suggest: Callable[[str, Sequence[int]], int]) -> Point:
        """A point; ``suggest`` gives one of the choices of a name."""
        names = {f.name: f.name if hasattr(self, f.name) else "bits" for f in fields(Point)}
        return Point(**{name: suggest(name, getattr(self, of)) for name, of in names.items()})

    def corners(self) -> list[Point]:
        """The largest model and the smallest, both with the smallest netlist: tried first."""
        made = []
        for best in (max, min):
            model = {n: best(getattr(self, n)) for n in ("dim", "heads", "edges")}
            bits = dict.fromkeys(TABLES, best(self.bits))
            netlist = {n: min(getattr(self, n)) for n in _NETLIST}
            made.append(Point(**model, **bits, **netlist))
        return made

    def record(self) -> dict[str, list[int]]:
        """For a JSON file."""
        return {name: list(choices) for name, choices in asdict(self).items()}
