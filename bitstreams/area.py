# SPDX-License-Identifier: Apache-2.0
"""Cells of a hot path that was never synthesised: a linear model of each kernel's cells.

``area.json`` holds the coefficients, the Yosys runs that they were fitted to and those that were
held back; ``recfabric bench area`` writes it anew. What is predicted is Yosys' count after
synthesis, without place and route, and no vendor's figure. One model serves both families of
parts: their LUTs and flip-flops are alike, and of their DSPs it knows the multipliers' width.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from recfabric.bitstreams.parts import PARTS
from recfabric.errors import ConfigError
from recfabric.kernels.common.dots import Packing
from recfabric.kernels.hotpath.config import HotPathConfig

FILE = Path(__file__).with_name("area.json")
RESOURCES = ("lut", "ff", "dsp", "bram")
GLUE = "glue"  # of rf_hotpath: what is in no kernel
_LOGIT_BITS = 16
_CELLS = 16  # largest k that is kept in cells, see rf_topk
_LUT_BITS = 3072  # of a memory that a half block would hold; above, Yosys takes the block
# Which features each resource may depend on: products and blocks are counted, not guessed.
_DSP = {
    "rf_gather": ("requant",),
    "rf_attention": ("multipliers", "requant", "wide"),
    "rf_dense": ("products",),
    "rf_topk": ("multipliers",),
    "rf_scatter": ("lanes",),
}
_MULTIPLIERS = "multipliers"  # DSPs alone depend on it: of products that share a factor
_BRAM = ("block", "logits", "seen")


def counts_for(kernel: str, resource: str, feature: str) -> bool:
    """Whether the model of a kernel's resource has a weight for a feature."""
    if resource == "dsp":
        return feature in _DSP.get(kernel, ())
    return feature != _MULTIPLIERS and (feature in _BRAM) == (resource == "bram")


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
    """Cells of ``rf_hotpath`` on a part; raises ConfigError for a part that is not known."""
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


def _in_blocks(words: int, width: int) -> bool:
    """Whether Yosys takes blocks for a memory: where each half block holds enough bits of it."""
    return min(words, 512) * min(width, 36) > _LUT_BITS


def _blocks(words: int, width: int) -> float:
    """RAMB36 of a memory read and written at a time, in halves; 0 where it becomes LUTs."""
    return -(-words // 512) * -(-width // 36) / 2 if _in_blocks(words, width) else 0.0


def _lutram(words: int, width: int) -> float:
    """LUTs of such a memory, about; 0 where it becomes a block."""
    return 0.0 if _in_blocks(words, width) else width * -(-words // 32) / 1.75


def _gather(c: HotPathConfig, port: int, whole: bool) -> Features:
    lanes, width = _lanes(c, c.message_bits), c.message_bits + _log2(c.max_rows)
    return {
        "sums": lanes * width,
        "registers": c.dim * width if lanes == c.dim else 0,
        "vector": c.dim,
        "requant": c.requant_lanes,
    }


def _attention(c: HotPathConfig, port: int, whole: bool) -> Features:
    keys, values = _lanes(c, c.key_bits), _lanes(c, c.value_bits)
    width = c.value_bits + 8 + _log2(c.max_rows)
    packing = Packing(rows=values, lanes=1, a_bits=c.value_bits)  # of values with their weight
    return {
        "products": keys + values,
        _MULTIPLIERS: keys + packing.multipliers,
        "overlapping": values if packing.most > 2 else 0,
        "registers": c.dim * width if values == c.dim else 0,
        "vector": c.dim,
        "heads": c.heads,
        "requant": c.requant_lanes,
        "wide": c.requant_lanes if width > port else 0,
        "logits": _blocks(2 * c.max_rows, c.heads * _LOGIT_BITS),
    }


def _dense(c: HotPathConfig, port: int, whole: bool) -> Features:
    words, width = (c.dim // c.pe) * (2 * c.dim // c.simd), c.pe * c.simd * 8
    return {
        "products": c.pe * c.simd,
        "rows": c.pe,
        "columns": c.simd,
        "vector": c.dim,
        "memory": _lutram(words, width),
        "block": _blocks(words, width),
    }


def _topk(c: HotPathConfig, port: int, whole: bool) -> Features:
    elements = min(c.dim, c.beat_bits // c.item_bits)
    packing = Packing(rows=c.lanes, lanes=elements, a_bits=c.item_bits)  # of lanes with the query
    return {
        "one": 1,
        "products": c.lanes * elements,
        _MULTIPLIERS: packing.multipliers,
        "shared": c.lanes * elements if packing.most > 1 else 0,
        "overlapping": c.lanes * elements if packing.most > 2 else 0,
        "lanes": c.lanes,
        "cells": c.lanes * c.k_max if c.k_max <= _CELLS else 0.0,
        "sorted": c.lanes * _log2(c.k_max) if c.k_max > _CELLS else 0.0,
        "vector": c.dim,
        "seen": _blocks(c.max_seen, 24 + c.lanes),
    }


def _read(c: HotPathConfig, port: int, whole: bool) -> Features:
    depths = reader_depths(c) if whole else (c.fifo_depth,)
    width = c.beat_bits + 6
    return {
        "one": len(depths),
        "beat": len(depths) * c.beat_bits,
        "memory": sum(_lutram(depth, width) for depth in depths),
        "block": sum(_blocks(depth, width) for depth in depths),
    }


def _write(c: HotPathConfig, port: int, whole: bool) -> Features:
    return {"one": 1, "beat": c.beat_bits}


def _scatter(c: HotPathConfig, port: int, whole: bool) -> Features:
    words, width = c.edge_items // c.edge_banks, 8 + _log2(c.max_rows)
    return {
        "crossbar": c.beat_bits // 32 * c.edge_banks,
        "banks": c.edge_banks * width,
        "lanes": c.lanes,
        "memory": 2 * c.edge_banks * _lutram(words, width),
        "block": 2 * c.edge_banks * _blocks(words, width),
    }


def _glue(c: HotPathConfig, port: int, whole: bool) -> Features:
    return {"one": 1}


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


def version() -> str:
    """Which fit this is: a hash of the file."""
    return hashlib.sha256(FILE.read_bytes()).hexdigest()[:12]


def forget() -> None:
    """The file was written anew."""
    data.cache_clear()


def coefficients(part: str) -> dict[str, dict[str, dict[str, float]]]:
    """Weights by kernel, resource and feature; raises ConfigError for a part not known."""
    if part not in PARTS:
        raise ConfigError(f"The part '{part}' is not known; choose one of {', '.join(PARTS)}.")
    found: dict[str, dict[str, dict[str, float]]] = data()["coefficients"]
    return found
