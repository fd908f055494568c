# SPDX-License-Identifier: Apache-2.0
"""The parameters of ``rf_hotpath``: what a netlist is built for, and what it costs to feed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from recfabric.contract import Contract, Shape
from recfabric.errors import ConfigError

MAX_ITEMS = 1 << 24
MAX_EDGE_ITEMS = 1 << 20

_CHOICES: dict[str, tuple[int, ...]] = {
    "dim": (16, 32, 64, 128, 256),
    "heads": (1, 2, 4),
    "message_bits": (4, 8),
    "key_bits": (4, 8),
    "value_bits": (4, 8),
    "item_bits": (4, 8),
    "beat_bits": (64, 128, 256, 512),
    "scan_ports": (1, 2, 4, 8, 16),
}
_RANGES: dict[str, tuple[int, int]] = {
    "max_rows": (2, 1024),
    "max_seen": (2, 32768),
    "k_max": (1, 128),
    "max_burst": (1, 256),
    "edges": (0, 128),
    "edge_items": (0, MAX_EDGE_ITEMS),
    "max_items": (1, MAX_ITEMS),
    "max_requests": (64, 1 << 24),  # as many as the host sends at least
    "time_bits": (8, 32),
}
_EDGE_BITS = 32
_MIN_BANKS = 16  # of the array that edges are added into


@dataclass(frozen=True)
class HotPathConfig:
    """Parameters of the netlist; the same names in CamelCase in ``rf_hotpath.sv``.

    ``dim``, ``heads``: as in the contract; ``*_bits``: of a table's element in memory (4 or 8);
    ``beat_bits``: of the AXI4 port; ``max_rows``: longest history; ``max_seen``: longest seen
    list; ``k_max``: most answers; ``pe``, ``simd``: folding of the fuse layer;
    ``requant_lanes``: elements requantised a cycle; ``fifo_depth``: beats asked for ahead;
    ``max_burst``: beats of an AXI burst; ``scan_ports``: AXI4 ports that the items come through,
    beside the first one where there are several; ``edges``: slots for item-item edges an item,
    whole beats of them (0: no rf_scatter in the netlist); ``edge_items``: entries of its array of
    scores on the chip, the largest catalogue; ``max_items``: largest catalogue without edges;
    ``max_requests``: of a batch; ``time_bits``: of the counts of cycles and beats since the start
    of a run, which begin anew behind their last value.
    """

    dim: int = 64
    heads: int = 2
    message_bits: int = 8
    key_bits: int = 8
    value_bits: int = 8
    item_bits: int = 8
    beat_bits: int = 512
    max_rows: int = 1024
    max_seen: int = 2048
    k_max: int = 32
    pe: int = 16
    simd: int = 16
    requant_lanes: int = 8
    fifo_depth: int = 256
    max_burst: int = 16
    scan_ports: int = 1
    edges: int = 0
    edge_items: int = 0
    max_items: int = MAX_ITEMS
    max_requests: int = 1 << 24
    time_bits: int = 32

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ConfigError(
                    f"The hardware's {name} of {getattr(self, name)} is not one of {choices}."
                )
        for name, (low, high) in _RANGES.items():
            if not low <= getattr(self, name) <= high:
                raise ConfigError(
                    f"The hardware's {name} of {getattr(self, name)} is outside {low}..{high}."
                )
        for name, low in {"max_seen": 2, "fifo_depth": max(2, self.max_burst)}.items():
            value = getattr(self, name)
            if value < low or value & (value - 1):
                raise ConfigError(
                    f"The hardware's {name} of {value} is no power of two of at least {low}."
                )
        lanes = min(self.dim, self.beat_bits // max(self.message_bits, self.value_bits))
        if self.requant_lanes > lanes:
            raise ConfigError(
                f"The hardware's requant_lanes of {self.requant_lanes} is above the {lanes} "
                "elements of a beat."
            )
        if self.lanes * 16 > self.beat_bits:
            raise ConfigError(
                f"The hardware's scan_ports of {self.scan_ports} scan {self.lanes} items at a time "
                f"but a beat of {self.beat_bits} bits holds {self.beat_bits // 16} biases."
            )
        for name, whole in {
            "pe": self.dim,
            "simd": 2 * self.dim,
            "requant_lanes": self.dim,
        }.items():
            if getattr(self, name) < 1 or whole % getattr(self, name):
                raise ConfigError(
                    f"The hardware's {name} of {getattr(self, name)} does not divide {whole}."
                )
        self._check_edges()

    def _check_edges(self) -> None:
        if (self.edges == 0) != (self.edge_items == 0):
            raise ConfigError(
                f"The hardware's edges of {self.edges} and edge_items of {self.edge_items} must "
                "both be 0 or both not."
            )
        lows = {"edges": self.beat_bits // _EDGE_BITS, "edge_items": 2 * self.edge_banks}
        for name, low in lows.items() if self.edges else ():
            value = getattr(self, name)
            if value < low or value & (value - 1):
                raise ConfigError(
                    f"The hardware's {name} of {value} is no power of two of at least {low}."
                )

    @classmethod
    def for_contract(cls, contract: Contract, *, room: int = 0, **parameters: int) -> HotPathConfig:
        """A netlist that fits a contract: element widths rounded up to what memory holds.

        Where the contract has edges, their slots are rounded up to whole beats and the array to a
        power of two; it has ``room`` for so many more items, as far as the limit allows. Raises
        ConfigError for a catalogue that is too large for it.
        """
        f = contract.formats
        widths = {
            f"{name}_bits": 4 if getattr(f, name).width <= 4 else 8
            for name in ("message", "key", "value", "item")
        }
        items = contract.shape.items
        largest = max(items, min(items + room, MAX_EDGE_ITEMS))
        return cls.for_shape(replace(contract.shape, items=largest), **(widths | parameters))

    @classmethod
    def for_shape(cls, shape: Shape, **parameters: int) -> HotPathConfig:
        """A netlist for contracts of a shape, with their edges; raises as :meth:`for_contract`."""
        sizes = {"dim": shape.dim, "heads": shape.heads, **parameters}
        if shape.edges or sizes.get("edges"):
            plain = {n: v for n, v in sizes.items() if n not in ("edges", "edge_items")}
            sizes = _edge_sizes(shape, cls(**plain)) | sizes
        return cls(**sizes)

    @classmethod
    def read(cls, pairs: Sequence[str]) -> dict[str, int]:
        """Parameters from texts like ``beat_bits=128``; raises ConfigError for any other."""
        known = [f.name for f in fields(cls)]
        given = {}
        for pair in pairs:
            name, _, value = pair.partition("=")
            if name not in known or not value.strip().isdecimal():
                raise ConfigError(
                    f"'{pair}' is no hardware parameter; give NAME=NUMBER with a name of "
                    f"{', '.join(known)}."
                )
            given[name] = int(value)
        return given

    def parameters(self) -> dict[str, int]:
        """The module's parameters by their SystemVerilog names."""
        return {
            "".join(part.capitalize() for part in name.split("_")): value
            for name, value in asdict(self).items()
        }

    @property
    def beat_bytes(self) -> int:
        """Bytes of one beat of the memory port."""
        return self.beat_bits // 8

    @property
    def port_lanes(self) -> int:
        """Items of a beat of the item table, or 1 where an item takes several beats."""
        return max(1, self.beat_bits // (self.dim * self.item_bits))

    @property
    def lanes(self) -> int:
        """Items that the scan takes at a time."""
        return self.scan_ports * self.port_lanes

    @property
    def most_items(self) -> int:
        """Items of the largest catalogue."""
        return min(self.max_items, self.edge_items or self.max_items)

    @property
    def edge_banks(self) -> int:
        """Banks of the array that edges are added into: an item's is its row modulo these."""
        return max(_MIN_BANKS, self.lanes)

    @property
    def edge_row_bytes(self) -> int:
        """Bytes from one row of edges to the next: whole beats."""
        return self.edges * _EDGE_BITS // 8

    def row_bytes(self, table: str) -> int:
        """Bytes from one row of a gathered table to the next: whole beats."""
        bits = self.dim * int(getattr(self, f"{table}_bits"))
        return max(bits // 8, self.beat_bytes)

    def bound_beats(self, shape: Shape, history: int) -> float:
        """The memory bound of one request, in beats of a port and therefore in cycles.

        The bytes that must be read, whatever the design: history x (the three tables' rows, the
        row of edges and a 4-byte id) + items x a row of the item table, over the ports that share
        them; biases and the seen list are not counted.
        """
        rows = sum(getattr(self, f"{t}_bits") for t in ("message", "key", "value")) * self.dim / 8
        item = self.dim * self.item_bits / 8
        total = history * (rows + self.edge_row_bytes + 4) + shape.items * item / self.scan_ports
        return float(total / self.beat_bytes)

    def scan_beats(self, items: int) -> int:
        """Beats of one scan on the port with most of it: items, and with one port their biases."""
        beats = max(1, self.dim * self.item_bits // self.beat_bits)
        biases = -(-16 * items // self.beat_bits) if self.scan_ports == 1 else 0
        return -(-items // self.lanes) * beats + biases

    def front_beats(self, history: int, seen: int) -> int:
        """Beats of a request's descriptor, lists and rows: all that is no scan."""
        rows = sum(self.row_bytes(table) for table in ("message", "key", "value"))
        rows += self.edge_row_bytes
        lists = sum(-(-4 * length // self.beat_bytes) for length in (history, seen))
        return history * rows // self.beat_bytes + lists + max(1, 512 // self.beat_bits)

    def describe(self) -> dict[str, Any]:
        """For a result's record."""
        return asdict(self)


def _edge_sizes(shape: Shape, config: HotPathConfig) -> dict[str, int]:
    """The parameters that a contract's edges need, where its netlist has no edges yet."""
    if shape.items > MAX_EDGE_ITEMS:
        raise ConfigError(
            f"The contract has edges among {shape.items} items but the hardware's array holds "
            f"{MAX_EDGE_ITEMS}; train without edges, or with fewer items."
        )
    return {
        "edges": max(config.beat_bits // _EDGE_BITS, _power_of_two(max(shape.edges, 1))),
        "edge_items": max(2 * config.edge_banks, _power_of_two(shape.items)),
    }


def _power_of_two(number: int) -> int:
    """The least power of two that is not below a number of at least 1."""
    return 1 << (number - 1).bit_length()
