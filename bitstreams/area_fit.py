# SPDX-License-Identifier: Apache-2.0
"""Measures kernels by Yosys, fits the area model to them and writes ``area.json``.

Every sample is a kernel as ``rf_hotpath`` of some configuration sets it, or a whole ``rf_hotpath``
with its kernels apart. The coefficients are not negative and minimise the squared *relative*
error; samples that are held back have no part in them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from recfabric.bitstreams import area
from recfabric.bitstreams.area import FEATURES, GLUE, RESOURCES
from recfabric.bitstreams.cells import (
    Utilisation,
    kernel_utilisation,
    utilisation,
    yosys_version,
)
from recfabric.bitstreams.parts import PARTS
from recfabric.builds import content_key
from recfabric.errors import ConfigError
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.kernels.sources import sources

Task = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
WHOLE = "rf_hotpath"
SEED, FIT = 11, 5  # configurations that kernels are measured in
SLOW, FEW = ("rf_attention",), 3  # this only in the first ones: it takes a minute
WHOLE_PART = "xc7z020"
# A whole run takes minutes: a small one. It shows what lies between the kernels, and its kernels
# are the samples that are held back.
SMALL = HotPathConfig(
    dim=16,
    heads=1,
    beat_bits=128,
    max_rows=256,
    max_seen=512,
    k_max=16,
    pe=4,
    simd=4,
    requant_lanes=4,
    fifo_depth=64,
    edges=8,
    edge_items=2048,
)
_COUNTED = ("lut", "lutram", "ff", "dsp", "bram36")
_LEAST = {"lut": 100.0, "ff": 100.0, "dsp": 4.0, "bram": 2.0}  # below it errors count absolutely


_NAMES = ("kernel", "run", "held", "part", "sources")


def sources_key() -> str:
    """A hash of all sources of ``rf_hotpath``."""
    return content_key(sources(WHOLE))


@dataclass(frozen=True)
class Sample:
    """Cells of one run: of a ``kernel`` as ``config`` sets it (all instances in a whole one).

    ``held``: held back from the fit; ``run``: "kernel" or "whole", what Yosys was given;
    ``sources``: a hash of the RTL that was measured (:func:`sources_key`).
    """

    kernel: str
    run: str
    held: bool
    config: HotPathConfig
    part: str
    lut: int
    ff: int
    dsp: int
    bram: float
    sources: str

    def record(self) -> dict[str, Any]:
        """As it stands in the file: the configuration's parameters that are not the defaults."""
        default = asdict(HotPathConfig())
        config = {n: v for n, v in asdict(self.config).items() if v != default[n]}
        return {n: getattr(self, n) for n in (*_NAMES, *RESOURCES)} | {"config": config}

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Sample:
        """The inverse of :meth:`record`."""
        values = {n: v for n, v in record.items() if n != "config"}
        return cls(config=HotPathConfig(**record["config"]), **values)

    def features(self) -> Mapping[str, float]:
        """What the model sees of it."""
        port = PARTS[self.part].port_bits
        return FEATURES[self.kernel](self.config, port, self.run == "whole")


# Rows of one beat and a k in cells, which few of those drawn have; for the kernels that care.
WIDE = ("rf_topk", "rf_attention")
NARROW = HotPathConfig(
    dim=16,
    heads=2,
    key_bits=4,
    beat_bits=256,
    max_rows=512,
    max_seen=256,
    k_max=16,
    pe=2,
    simd=8,
    requant_lanes=4,
    fifo_depth=128,
    edges=8,
    edge_items=2048,
)


# FIFOs in blocks, and sums that are wider than a DSP's port.
DEEP = replace(NARROW, beat_bits=64, max_rows=1024, k_max=8, requant_lanes=2, fifo_depth=256)
DEEP_RUNS = (("rf_axi_read", "xczu5ev"), ("rf_attention", "xc7z020"))


def configurations(seed: int, count: int) -> Iterator[HotPathConfig]:
    """Small configurations with edges at random, quick to synthesise."""
    rng = np.random.default_rng(seed)

    def one(*choices: int) -> int:
        return int(rng.choice(choices))

    made = 0
    while made < count:
        beat, rows = one(64, 128, 256), one(128, 512, 1024)
        sizes = {"dim": one(16, 32, 64), "heads": one(1, 2, 4), "beat_bits": beat}
        bits = {f"{table}_bits": one(4, 8) for table in ("message", "key", "value", "item")}
        lists = {"max_rows": rows, "max_seen": one(256, 2048), "k_max": one(8, 16, 32)}
        folds = {"pe": one(2, 4, 8), "simd": one(4, 8, 16), "requant_lanes": one(2, 4, 8)}
        reads = {"fifo_depth": one(64, 256), "max_burst": 16, "scan_ports": one(1, 1, 2)}
        edges = {"edges": max(beat // 32, one(8, 16)), "edge_items": one(1024, 2048, 8192)}
        try:
            config = HotPathConfig(**sizes, **bits, **lists, **folds, **reads, **edges)
        except ConfigError:
            continue
        made += 1
        yield config


def wanted(part: str) -> list[tuple[str, HotPathConfig, str]]:
    """The runs of kernels that the model is fitted to: kernel, configuration, part."""
    runs = [
        (name, config, part)
        for number, config in enumerate(configurations(SEED, FIT))
        for name in FEATURES
        if name != GLUE and (name not in SLOW or number < FEW)
    ]
    runs += [(name, NARROW, part) for name in WIDE]
    return runs + [(name, DEEP, of) for name, of in DEEP_RUNS]


def measure(part: str, known: Sequence[Sample], task: Task) -> list[Sample]:
    """All samples; those that are known are not measured again."""
    have = {(s.kernel, s.config, s.part): s for s in known if s.run == "kernel"}
    whole = [s for s in known if s.run == "whole" and s.config == SMALL]
    samples, runs = [], wanted(part)
    with task("kernels (Yosys)", len(runs) + 1) as advance:
        for name, config, of in runs:
            found = have.get((name, config, of))
            if not found:
                row = utilisation(name, area.parameters(name, config), of)
                found = _sample(name, "kernel", False, config, row)
            samples.append(found)
            advance(1)
        samples += whole or measure_whole(SMALL, WHOLE_PART)
        advance(1)
    return samples


def measure_whole(config: HotPathConfig, part: str) -> list[Sample]:
    """A whole hot path: its kernels as they stand inside, what lies between, and all of it.

    Only what lies between, which no run of a kernel tells, is fitted to; the rest is held back.
    """
    *kernels, whole = kernel_utilisation(config, [part])
    samples = [_sample(row.module, "whole", True, config, row) for row in kernels]
    rest = {n: getattr(whole, n) - sum(getattr(row, n) for row in kernels) for n in _COUNTED}
    glue = replace(whole, module=GLUE, register_memories=(), **{n: rest[n] for n in _COUNTED})
    samples.append(_sample(GLUE, "whole", False, config, glue))
    return [*samples, _sample(WHOLE, "whole", True, config, whole)]


def _sample(kernel: str, run: str, held: bool, config: HotPathConfig, row: Utilisation) -> Sample:
    return Sample(
        kernel=kernel,
        run=run,
        held=held,
        config=config,
        part=row.part,
        lut=row.lut + row.lutram,
        ff=row.ff,
        dsp=row.dsp,
        bram=row.bram36,
        sources=sources_key(),
    )


def fit(samples: Sequence[Sample]) -> dict[str, dict[str, dict[str, float]]]:
    """Coefficients by kernel, resource and feature.

    Raises ConfigError where a kernel has no sample.
    """
    fitted = {}
    for kernel in FEATURES:
        own = [s for s in samples if s.kernel == kernel and not s.held]
        if not own:
            raise ConfigError(f"There is no sample of {kernel}; measure one before the fit.")
        fitted[kernel] = {name: _fit(own, name) for name in RESOURCES}
    return fitted


def _fit(samples: Sequence[Sample], name: str) -> dict[str, float]:
    """Non-negative least squares of the relative errors."""
    from scipy.optimize import nnls

    names = [f for f in samples[0].features() if area.counts_for(samples[0].kernel, name, f)]
    if not names:
        return {}
    matrix = np.array([[s.features()[f] for f in names] for s in samples], float)
    counts = np.array([getattr(s, name) for s in samples], float)
    scale = 1 / np.maximum(counts, _LEAST[name])
    weights, _ = nnls(matrix * scale[:, None], counts * scale)
    return {f: round(float(w), 6) for f, w in zip(names, weights, strict=True) if w > 1e-9}


def predicted(sample: Sample, fitted: Mapping[str, Any]) -> dict[str, float]:
    """The model's cells of a sample."""
    if sample.kernel == WHOLE:
        found = area.by_kernel(sample.config, sample.part, fitted)
        return {name: sum(found[name].values()) for name in RESOURCES}
    weights, features = fitted[sample.kernel], sample.features()
    return {n: sum(weights[n][f] * features[f] for f in weights[n]) for n in RESOURCES}


def errors(samples: Sequence[Sample], fitted: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Model against Yosys, sample by sample: counts, relative errors (None where Yosys has 0)."""
    rows = []
    for sample in samples:
        model = predicted(sample, fitted)
        row: dict[str, Any] = {"kernel": sample.kernel, "run": sample.run, "held": sample.held}
        for name in RESOURCES:
            count = getattr(sample, name)
            error = round(model[name] / count - 1, 4) if count else None
            row[name] = {"model": round(model[name], 1), "yosys": count, "error": error}
        rows.append(row)
    return rows


def document(samples: Sequence[Sample]) -> dict[str, Any]:
    """What ``area.json`` holds: coefficients, samples, errors and what they came from."""
    fitted = fit(samples)
    return {
        "about": "cells of rf_hotpath's kernels as linear models, fitted to Yosys' counts after "
        "synthesis, without place and route; written by `recfabric bench area`",
        "yosys": yosys_version(),
        "coefficients": fitted,
        "samples": [s.record() for s in samples],
        "errors": errors(samples, fitted),
    }


def refit(part: str, out: Path | None, task: Task, *, anew: bool = False) -> dict[str, Any]:
    """Measure what is not yet, fit, and write ``area.json`` (``out``: another file).

    ``anew``: measure everything, on ``part`` (some runs are of the other one), as the RTL now is.
    """
    known = [] if anew else [Sample.of(record) for record in area.data()["samples"]]
    found = document(measure(part, known, task))
    (out or area.FILE).write_text(json.dumps(found, indent=1) + "\n")
    area.forget()
    return found


def table(found: Mapping[str, Any]) -> str:
    """The errors as lines of text."""
    lines = []
    for row in found["errors"]:
        counts = "  ".join(
            f"{name} {row[name]['model']:g}/{row[name]['yosys']:g}"
            + (f" {row[name]['error']:+.1%}" if row[name]["error"] is not None else "")
            for name in RESOURCES
        )
        kind = "held back" if row["held"] else "fitted"
        lines.append(f"{row['kernel']:<13} {row['run']:<6} {kind:<9} {counts}")
    return "\n".join(lines)
