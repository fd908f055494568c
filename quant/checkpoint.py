# SPDX-License-Identifier: Apache-2.0
"""The run folder: ``checkpoint.pt``, ``split.npz`` and ``train.json``.

Brevitas modules do not pickle; a checkpoint is a state dictionary and what rebuilds the modules.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from recfabric.contract import FixedPoint, Formats
from recfabric.errors import DataError
from recfabric.quant.hybrid import HybridSizes
from recfabric.quant.qat import QuantHybrid
from recfabric.quant.splits import Split
from recfabric.requests import Ragged

FILES = ("checkpoint.pt", "split.npz", "train.json")
PARTS = ("train", "valid", "test")


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A trained model, the split it was trained on, the items' names and the run's record.

    ``users``: their names, ``texts``: of the items; none in a folder of before they were kept.
    """

    model: QuantHybrid
    split: Split
    items: tuple[str, ...]
    record: Mapping[str, Any]
    users: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()

    def save(self, out: Path) -> None:
        """Write the run folder; its files appear together when all are written."""
        out.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(dir=out, prefix=".writing-"))
        try:
            torch.save(_pack(self.model), staging / "checkpoint.pt")
            np.savez_compressed(staging / "split.npz", **_arrays(self))
            (staging / "train.json").write_text(json.dumps(self.record, indent=1) + "\n")
            for name in FILES:
                (staging / name).replace(out / name)
        finally:
            shutil.rmtree(staging)

    @classmethod
    def load(cls, run: Path) -> Checkpoint:
        """Read a run folder; raises DataError when a file is missing or damaged."""
        try:
            model = _unpack(torch.load(run / "checkpoint.pt", weights_only=True))
            record = json.loads((run / "train.json").read_text())
            with np.load(run / "split.npz", allow_pickle=False) as a:
                lists = {p: Ragged(a[f"{p}_indptr"], a[f"{p}_values"]) for p in PARTS}
                items = tuple(a["items"].tolist())
                users, texts = (
                    tuple(a[name].tolist()) if name in a.files else ()
                    for name in ("users", "texts")
                )
                split = Split(protocol=str(a["protocol"]), items=len(items), **lists)
        except FileNotFoundError as error:
            raise DataError(
                f"{error.filename} is missing; train with `recfabric train --out {run}`."
            ) from None
        except Exception as error:
            raise DataError(
                f"The run folder {run} is damaged ({str(error).splitlines()[0]}); train again."
            ) from None
        return cls(model, split, items, record, users, texts)


def _pack(model: QuantHybrid) -> dict[str, Any]:
    features = model.text.features
    return {
        "sizes": asdict(model.sizes),
        "formats": asdict(model.formats),
        "longest": len(model.norm) - 1,
        "features": None if isinstance(features, torch.nn.Parameter) else features,
        "state": model.state_dict(),
    }


def _unpack(packed: Mapping[str, Any]) -> QuantHybrid:
    formats = {f.name: FixedPoint(**packed["formats"][f.name]) for f in fields(Formats)}
    model = QuantHybrid(
        HybridSizes(**packed["sizes"]),
        Formats(**formats),
        features=packed["features"],
        longest=packed["longest"],
    )
    model.load_state_dict(packed["state"])
    return model.eval()


def _arrays(checkpoint: Checkpoint) -> dict[str, Any]:
    split = checkpoint.split
    arrays: dict[str, Any] = {"protocol": split.protocol, "items": np.array(checkpoint.items)}
    if checkpoint.users:
        arrays["users"] = np.array(checkpoint.users)
    if checkpoint.texts:
        arrays["texts"] = np.array(checkpoint.texts)
    for part in PARTS:
        lists: Ragged = getattr(split, part)
        arrays |= {f"{part}_indptr": lists.indptr, f"{part}_values": lists.values}
    return arrays
