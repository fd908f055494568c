# SPDX-License-Identifier: Apache-2.0
"""The ablation table: what each part of the training is worth, every row runs of its own.

``recfabric ablation --data ml-100k --out build/ablation`` trains every row with every seed and
writes ``ablation.json`` and ``ablation.md``; rows already there are not run again.
All figures are of the integer model. The column to choose by is validation; test is beside it.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean, pstdev
from typing import Any

from recfabric.errors import ConfigError
from recfabric.quant.choose import Candidates
from recfabric.quant.datasets import Dataset
from recfabric.quant.progress import Progress
from recfabric.quant.qat import Bits
from recfabric.quant.train import TrainConfig, TrainResult, train_widths

Record = dict[str, Any]
SEEDS = (42, 43, 44, 45, 46)
TEXTLESS = "no texts (learned item features)"


def variants(base: TrainConfig) -> dict[str, TrainConfig]:
    """The rows by name: the default first, then one change in each."""
    return {
        "default, int8": base,
        "no edges": replace(base, edges=0),
        "16 edges": replace(base, edges=16),
        "64 edges": replace(base, edges=64),
        "32 dimensions": replace(base, dim=32),
        "128 dimensions": replace(base, dim=128),
        TEXTLESS: base,
        "teacher without texts": replace(base, candidates=Candidates(texts=(0.0,))),
        "teacher without the smooth part": replace(base, candidates=Candidates(smooth=(0.0,))),
        "teacher without nearby pairs": replace(base, candidates=Candidates(nearby=(0.0,))),
        "EASE alone as teacher": replace(
            base, candidates=Candidates(nearby=(0.0,), texts=(0.0,), smooth=(0.0,))
        ),
        "no teacher": _fits(base, distil=0.0),
        "teacher only": _fits(base, distil=1.0),
        "last weights, no mean": _fits(base, average=0.0),
        "one layer of propagation": replace(base, layers=1),
        "not trained (start, quantised)": _fits(base, epochs=0),
        "all tables and edges 6 bits": replace(base, bits=Bits(6, 6, 6, 6, 6)),
        "tables 4 bits": replace(base, bits=Bits(4, 4, 4, 4)),
        "tables 3 bits": replace(base, bits=Bits(3, 3, 3, 3)),
        "tables 2 bits": replace(base, bits=Bits(2, 2, 2, 2)),
        "all tables and edges 4 bits": replace(base, bits=Bits(4, 4, 4, 4, 4)),
        "all tables and edges 2 bits": replace(base, bits=Bits(2, 2, 2, 2, 2)),
        "message 4, others 8 bits": replace(base, bits=Bits(message=4)),
        "item 4, others 8 bits": replace(base, bits=Bits(item=4)),
        "key and value 4, others 8 bits": replace(base, bits=Bits(key=4, value=4)),
    }


def run_ablation(
    base: TrainConfig,
    dataset: Dataset,
    out: Path,
    *,
    rows: Sequence[str] | None = None,
    seeds: Sequence[int] = SEEDS,
    progress: Progress | None = None,
) -> list[Record]:
    """Train every row with every seed; the records, also in ``out``.

    ``rows``: names of :func:`variants` (all by default; raises ConfigError for another).
    """
    known = variants(base)
    for name in rows or ():
        if name not in known:
            raise ConfigError(f"The row '{name}' is none of {', '.join(known)}.")
    path = out / "ablation.json"
    records: list[Record] = json.loads(path.read_text()) if path.exists() else []
    done = {(r["data"], r["config"]["protocol"], r["row"], r["seed"]) for r in records}
    for seed in seeds:
        left = [r for r in rows or known if (dataset.name, base.protocol, r, seed) not in done]
        for group in _groups({row: replace(known[row], seed=seed) for row in left}):
            records += _run(group, dataset, progress)
            out.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(records, indent=1) + "\n")
            (out / "ablation.md").write_text(table(records))
    return records


def _groups(configs: Mapping[str, TrainConfig]) -> list[dict[str, TrainConfig]]:
    """The rows that differ in their bits alone share a float model."""
    groups: dict[tuple[TrainConfig, bool], dict[str, TrainConfig]] = {}
    for row, config in configs.items():
        key = replace(config, bits=Bits()), row == TEXTLESS
        groups.setdefault(key, {})[row] = config
    return list(groups.values())


def _fits(base: TrainConfig, **changes: Any) -> TrainConfig:  # noqa: ANN401
    """The change in both stages of the training."""
    return replace(
        base,
        floating=replace(base.floating, **changes),
        quantised=replace(base.quantised, **changes),
    )


def _run(
    configs: Mapping[str, TrainConfig], dataset: Dataset, progress: Progress | None
) -> list[Record]:
    data = replace(dataset, texts=None) if TEXTLESS in configs else dataset
    config = next(iter(configs.values()))
    with tempfile.TemporaryDirectory() as folder:
        outs = {one.bits: Path(folder) / str(i) for i, one in enumerate(configs.values())}
        results = train_widths(config, data, outs, progress)
        return [
            _record(row, config, dataset.name, result)
            for (row, config), result in zip(configs.items(), results, strict=True)
        ]


def _record(row: str, config: TrainConfig, data: str, result: TrainResult) -> Record:
    record = json.loads((result.out / "train.json").read_text())
    return {
        "row": row,
        "seed": config.seed,
        "data": data,
        "protocol": record["protocol"],
        "config": record["config"],
        "chosen": record["chosen"],
        "validation": max(record["validation"]["qat"]),
        "test": {line["model"]: line["ndcg@10"] for line in result.accuracy},
        "seconds": result.seconds,
        "versions": record["versions"],
    }


def table(records: Sequence[Record]) -> str:
    """The records as Markdown, a line for each row of each data set and protocol."""
    lines = [
        "| data | row | seeds | validation | test | EASE, test |",
        "|---|---|---|---|---|---|",
    ]
    groups: dict[tuple[str, str, str], list[Record]] = {}
    for record in records:
        key = (record["data"], record["protocol"].partition(",")[0], record["row"])
        groups.setdefault(key, []).append(record)
    for (data, protocol, row), some in groups.items():
        test = [record["test"]["qat"] for record in some]
        cells = [f"{data}, {protocol}", row, str(len(some))]
        cells += [f"{mean(r['validation'] for r in some):.4f}"]
        cells += [f"{mean(test):.4f}" + (f" ± {pstdev(test):.4f}" if len(test) > 1 else "")]
        cells += [f"{some[0]['test']['EASE']:.4f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
