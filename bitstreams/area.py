# SPDX-License-Identifier: Apache-2.0
"""Cells of a hot path that was never synthesised: a linear model of each kernel's cells.

``area.json`` holds the coefficients, the Yosys runs that they were fitted to and those that were
held back; ``recfabric bench area`` writes it anew. What is predicted is Yosys' count after
synthesis, without place and route, and no vendor's figure.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from recfabric.bitstreams.parts import PARTS
from recfabric.errors import ConfigError
from recfabric.kernels.hotpath.config import HotPathConfig

FILE = Path(__file__).with_name("area.json")
RESOURCES = ("lut", "ff", "dsp", "bram")
GLUE = "glue"  # of rf_hotpath: what is in no kernel
_SUM_BITS = 16  # of a norm or a logit, about

Features = Mapping[str, float]


@dataclass(frozen=True)
class Area:
    """Cells of a netlist by the model, of one part: ``lut`` with LUTs used as memory, ``bram`` in
    blocks of 36 Kibit."""

    part: str
    lut: int
    ff: int
    dsp: int
    bram: float

    def shares(self) -> dict[str, float]:
        """The share of the part that each resource takes."""
        part = PARTS[self.part]
        whole = {"lut": part.lut, "ff": part.ff, "dsp": part.dsp, "bram": part.bram36}
        return {name: getattr(self, name) / whole[name] for name in RESOURCES}

    @property
    def fits(self) -> bool:
        """Whether the part holds it, by this count; a router needs some room on top."""
        return max(self.shares().values()) <= 1.0


def estimate(config: HotPathConfig, part: str) -> Area:
    """Cells of ``rf_hotpath`` on a part; raises ConfigError for a part that was not fitted."""
    counts = {name: sum(kernels.values()) for name, kernels in by_kernel(config, part).items()}
    whole = {name: round(counts[name]) for name in ("lut", "ff", "dsp")}
    return Area(part=part, bram=round(2 * counts["bram"]) / 2, **whole)


def by_kernel(
    config: HotPathConfig, part: str, fitted: Mapping[str, Any] | None = None
) -> dict[str, dict[str, float]]:
    """Cells of each resource by kernel, all instances of it together.

    ``fitted``: other coefficients than the file's.
    """
    weights = fitted or coefficients(part)
    given: dict[str, dict[str, float]] = {name: {} for name in RESOURCES}
    for kernel, features in FEATURES.items():
        if kernel == "rf_scatter" and not config.edges:
            continue
        found = features(config, PARTS[part].port_bits, True)
        for name in RESOURCES:
            own = weights[kernel][name]
            given[name][kernel] = sum(own[f] * found[f] for f in own)
    return given


def reader_depths(config: HotPathConfig) -> tuple[int, ...]:
    """The FIFOs of rf_read_ports: descriptors, seen lists, rows, biases or the scan, its ports."""
    ports = 0 if config.scan_ports == 1 else config.scan_ports
    wanted = (32, 32, 128, *(config.fifo_depth,) * (1 + ports))
    return tuple(min(depth, config.fifo_depth) for depth in wanted)


def parameters(kernel: str, config: HotPathConfig) -> dict[str, int]:
    """A kernel's parameters as ``rf_hotpath`` of this configuration sets them."""
    c = config
    beat = {"BeatBits": c.beat_bits}
    row = beat | {"Dim": c.dim, "MaxRows": c.max_rows, "RequantLanes": c.requant_lanes}
    fold = {"Rows": c.dim, "Cols": 2 * c.dim, "Pe": c.pe, "Simd": c.simd}
    made: dict[str, dict[str, int]] = {
        "rf_gather": row | {"ElemBits": c.message_bits},
        "rf_attention": row | {"Heads": c.heads, "KeyBits": c.key_bits, "ValueBits": c.value_bits},
        "rf_dense": beat | fold,
        "rf_topk": beat
        | {"Dim": c.dim, "ElemBits": c.item_bits, "KMax": c.k_max, "MaxSeen": c.max_seen}
        | {"Ports": c.scan_ports, "WithEdges": int(c.edges > 0)},
        "rf_axi_read": beat | {"FifoDepth": c.fifo_depth, "MaxBurst": c.max_burst},
        "rf_axi_write": beat,
        "rf_scatter": beat
        | {"Items": c.edge_items, "Edges": c.edges, "Lanes": c.lanes, "Banks": c.edge_banks}
        | {"MaxRows": c.max_rows},
    }
    return made[kernel]


def _log2(number: int) -> int:
    return (number - 1).bit_length()


def _lanes(config: HotPathConfig, bits: int) -> int:
    """Elements of a beat of rows."""
    return min(config.dim, config.beat_bits // bits)


def _blocks(words: int, width: int) -> float:
    """RAMB36 of a simple dual-port memory, halves counted as such; 0 where it becomes LUTs."""
    if words * width < 4096 or words < 65:
        return 0.0
    deep = -(-words // 512)
    return deep * -(-width // 36) / 2


def _gather(c: HotPathConfig, port: int, whole: bool) -> Features:
    lanes, width = _lanes(c, c.message_bits), c.message_bits + _log2(c.max_rows)
    return {
        "one": 1,
        "sums": lanes * width,
        "vector": c.dim * 8,
        "bank": c.dim * width,
        "requant": c.requant_lanes,
    }


def _attention(c: HotPathConfig, port: int, whole: bool) -> Features:
    keys, values = _lanes(c, c.key_bits), _lanes(c, c.value_bits)
    width = c.value_bits + 8 + _log2(c.max_rows)
    return {
        "one": 1,
        "heads": c.heads,
        "keys": keys,
        "values": values,
        "sums": values * width,
        "bank": c.dim * width,
        "vector": c.dim * 8,
        "requant": c.requant_lanes,
        "wide": c.requant_lanes if width > port else 0,
        "logits": _blocks(2 * c.max_rows, c.heads * _SUM_BITS),
    }


def _dense(c: HotPathConfig, port: int, whole: bool) -> Features:
    words = (c.dim // c.pe) * (2 * c.dim // c.simd)
    block = _blocks(words, c.pe * c.simd * 8)
    return {
        "one": 1,
        "products": c.pe * c.simd,
        "rows": c.pe,
        "columns": c.simd,
        "vector": 2 * c.dim * 8,
        "weights": 0.0 if block else words * c.pe * c.simd * 8 / 64,
        "block": block,
    }


def _topk(c: HotPathConfig, port: int, whole: bool) -> Features:
    elements = min(c.dim, c.beat_bits // c.item_bits)
    return {
        "one": 1,
        "products": c.lanes * elements,
        "lanes": c.lanes,
        "cells": c.lanes * c.k_max if c.k_max <= 16 else 0.0,
        "sorted": c.lanes * _log2(c.k_max) if c.k_max > 16 else 0.0,
        "vector": c.dim * 8,
        "seen": _blocks(c.max_seen, 24 + c.lanes),
    }


def _read(c: HotPathConfig, port: int, whole: bool) -> Features:
    depths = reader_depths(c) if whole else (c.fifo_depth,)
    width = c.beat_bits + 6
    blocks = [_blocks(depth, width) for depth in depths]
    memory = sum(d * width / 64 for d, block in zip(depths, blocks, strict=True) if not block)
    count = len(depths)
    return {"one": count, "beat": count * c.beat_bits, "block": sum(blocks), "memory": memory}


def _write(c: HotPathConfig, port: int, whole: bool) -> Features:
    return {"one": 1, "beat": c.beat_bits}


def _scatter(c: HotPathConfig, port: int, whole: bool) -> Features:
    edges = c.beat_bits // 32
    words, width = c.edge_items // c.edge_banks, 8 + _log2(c.max_rows)
    block = _blocks(words, width)
    return {
        "one": 1,
        "edges": edges,
        "crossbar": edges * c.edge_banks,
        "banks": c.edge_banks,
        "lanes": c.lanes,
        "block": 2 * c.edge_banks * block,
        "memory": 0.0 if block else 2 * c.edge_banks * words * width / 64,
    }


def _glue(c: HotPathConfig, port: int, whole: bool) -> Features:
    return {
        "one": 1,
        "beat": c.beat_bits,
        "vector": c.dim * 8,
        "history": _blocks(-(-c.max_rows * 32 // c.beat_bits), c.beat_bits),
    }


# Of a configuration, the bits of the wide port of a DSP, and whether all instances are meant.
FEATURES: Mapping[str, Callable[[HotPathConfig, int, bool], Features]] = {
    "rf_gather": _gather,
    "rf_attention": _attention,
    "rf_dense": _dense,
    "rf_topk": _topk,
    "rf_axi_read": _read,
    "rf_axi_write": _write,
    "rf_scatter": _scatter,
    GLUE: _glue,
}


@cache
def data() -> dict[str, Any]:
    """What ``area.json`` holds."""
    found: dict[str, Any] = json.loads(FILE.read_text())
    return found


def forget() -> None:
    """The file was written anew."""
    data.cache_clear()


def coefficients(part: str) -> dict[str, dict[str, dict[str, float]]]:
    """Weights by kernel, resource and feature; raises ConfigError for a part not fitted."""
    if part not in PARTS:
        raise ConfigError(f"The part '{part}' is not known; choose one of {', '.join(PARTS)}.")
    families = data()["families"]
    if PARTS[part].family not in families:
        known = ", ".join(p.name for p in PARTS.values() if p.family in families)
        raise ConfigError(f"The area model was not fitted for '{part}'; choose one of {known}.")
    found: dict[str, dict[str, dict[str, float]]] = families[PARTS[part].family]
    return found
