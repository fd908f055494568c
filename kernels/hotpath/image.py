# SPDX-License-Identifier: Apache-2.0
"""A contract as bytes in device memory, in the layout ``rf_hotpath`` reads.

All numbers are little-endian; element 0 of a row lies in the low bits. Gathered tables have rows
of whole beats, the item table has rows without gaps; every region starts on a 4 KiB page. With
several scan ports the item table lies in as many shares, which take its beats in turn. A netlist
with edges has a region ``edge``: a row of 32-bit slots for each item, in whole beats.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from recfabric.contract import Contract
from recfabric.errors import ConfigError
from recfabric.kernels.dense.model import weight_beats
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.kernels.scatter.model import pack_edges, spread, unpack_edges
from recfabric.kernels.topk.model import port_rows

Bytes = npt.NDArray[np.uint8]
PAGE = 4096
_SOME_ROWS = 1 << 16  # whose edges are put in order at a time


def pack_rows(table: npt.NDArray[np.int8], bits: int, row_bytes: int) -> Bytes:
    """Rows of ``bits``-wide elements (4 or 8): int8 (N, D) to bytes (N, row_bytes)."""
    raw = np.ascontiguousarray(table).view(np.uint8)
    if bits == 4:
        raw = (raw[:, 0::2] & np.uint8(0xF)) | (raw[:, 1::2] << np.uint8(4))
    rows: Bytes = np.zeros((len(raw), row_bytes), np.uint8)
    rows[:, : raw.shape[1]] = raw
    return rows


def unpack_rows(rows: Bytes, bits: int, dim: int) -> npt.NDArray[np.int8]:
    """The inverse of :func:`pack_rows`: bytes (N, row_bytes) to int8 (N, dim)."""
    raw = rows[:, : dim * bits // 8]
    if bits == 8:
        return raw.view(np.int8)
    both = np.stack([raw << 4, raw & 0xF0], axis=2).view(np.int8) >> 4
    return np.ascontiguousarray(both.reshape(len(raw), dim))


def memory_image(
    contract: Contract, config: HotPathConfig, scanned: range | None = None
) -> dict[str, Bytes]:
    """The regions of a contract by the names of the kernel's address arguments.

    ``scanned``: the item rows that a shard of the catalogue scores, consecutive; all of them where
    it is None. Gathered tables are whole in every shard. Raises ConfigError where the netlist's
    shape is not the contract's.
    """
    check_fit(contract, config)
    t = contract.tensors
    tables = {name: getattr(t, name) for name in ("message", "key", "value")}
    image = gathered_rows(tables, (t.edge_item, t.edge_weight), config, scanned)
    item_bytes = config.dim * config.item_bits // 8
    part = slice(scanned.start, scanned.stop) if scanned else slice(None)
    items = pack_rows(t.item[part], config.item_bits, item_bytes)
    shares = port_rows(len(items), ports=config.scan_ports, lanes=config.port_lanes)
    for name, rows in zip(share_names(config), shares, strict=True):
        image[name] = items[rows].reshape(-1)
    image["bias"] = t.bias[part].astype("<i2").view(np.uint8)
    image["weight"] = np.asarray(
        weight_beats(
            t.fuse_weight, t.fuse_bias, pe=config.pe, simd=config.simd, beat_bits=config.beat_bits
        )
    ).reshape(-1)
    return {name: _whole_pages(region) for name, region in image.items()}


def gathered_rows(
    tables: Mapping[str, npt.NDArray[np.int8]],
    edges: tuple[npt.NDArray[np.int32], npt.NDArray[np.int8]],
    config: HotPathConfig,
    scanned: range | None = None,
) -> dict[str, Bytes]:
    """Rows of the tables that a history is gathered from, without padding behind the last one.

    ``tables``: ``message``, ``key``, ``value``, (M, D) each; ``edges``: targets and weights,
    (M, E) each; the result's ``edge`` is there where the netlist has edges.
    """
    image = {
        name: pack_rows(table, getattr(config, f"{name}_bits"), config.row_bytes(name)).reshape(-1)
        for name, table in tables.items()
    }
    if config.edges:
        part = _of_part(*edges, scanned)
        image["edge"] = edge_rows(*part, config).reshape(-1).view(np.uint8)
    return image


def _of_part(
    targets: npt.NDArray[np.int32], weights: npt.NDArray[np.int8], scanned: range | None
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int8]]:
    """Edges whose targets a shard scores, in its own rows; the slots of others are unused."""
    if scanned is None:
        return targets, weights
    inside = (targets >= scanned.start) & (targets < scanned.stop) & (weights != 0)
    return (
        np.where(inside, targets - scanned.start, 0).astype(np.int32),
        np.where(inside, weights, 0).astype(np.int8),
    )


def edge_rows(
    targets: npt.NDArray[np.int32], weights: npt.NDArray[np.int8], config: HotPathConfig
) -> npt.NDArray[np.uint32]:
    """Rows of edges in memory: (N, E) each to little-endian words (N, config.edges).

    A row's slots are in the order in which those of a beat fall into different banks as far as
    possible; its sum does not depend on the order. Unused slots are 0.
    """
    n, e = targets.shape
    words: npt.NDArray[np.uint32] = np.zeros((n, config.edges), "<u4")
    words[:, :e] = pack_edges(targets, weights)
    beats = config.edge_row_bytes // config.beat_bytes
    for begin in range(0, n, _SOME_ROWS):
        some = words[begin : begin + _SOME_ROWS]
        order = spread(*unpack_edges(some), banks=config.edge_banks, beats=beats)
        words[begin : begin + _SOME_ROWS] = np.take_along_axis(some, order, axis=1)
    return words


def share_names(config: HotPathConfig) -> list[str]:
    """The regions and address arguments of the item table's shares: item, item1, item2 ..."""
    return [f"item{port or ''}" for port in range(config.scan_ports)]


def check_fit(contract: Contract, config: HotPathConfig) -> None:
    """Raises ConfigError where a netlist cannot run a contract."""
    for name, have, want in (
        ("dimension", config.dim, contract.shape.dim),
        ("head count", config.heads, contract.shape.heads),
    ):
        if have != want:
            raise ConfigError(f"The hardware's {name} is {have} but the contract's is {want}.")
    for table in ("message", "key", "value", "item"):
        width, bits = getattr(contract.formats, table).width, getattr(config, f"{table}_bits")
        if width > bits:
            raise ConfigError(
                f"The contract's {table} table is {width} bits wide but the hardware's {bits}."
            )
    if contract.shape.edges > config.edges:
        raise ConfigError(
            f"The contract has {contract.shape.edges} edges an item but the hardware's rows hold "
            f"{config.edges}; build the hardware with more edges."
        )
    if config.edges and contract.shape.items > config.edge_items:
        raise ConfigError(
            f"The contract has {contract.shape.items} items but the hardware adds edges into "
            f"{config.edge_items}; build the hardware with more edge_items."
        )
    if contract.shape.items > config.max_items:
        raise ConfigError(
            f"The contract has {contract.shape.items} items but the hardware scans at most "
            f"{config.max_items}; build the hardware with more max_items."
        )
    if contract.shape.max_history > config.max_rows:
        raise ConfigError(
            f"The contract's histories reach {contract.shape.max_history} items but the "
            f"hardware's {config.max_rows}."
        )


def _whole_pages(region: Bytes) -> Bytes:
    padded = np.zeros(-(-max(len(region), 1) // PAGE) * PAGE, np.uint8)
    padded[: len(region)] = region
    return padded
