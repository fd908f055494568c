# SPDX-License-Identifier: Apache-2.0
"""FINN as a process: a request as JSON and arrays in a folder, its answer in the same folder.

Folders are kept by content below the build folder: what was asked before is read again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from recfabric.builds import content_key, locked
from recfabric.config import build_dir
from recfabric.errors import ConfigError, ToolMissingError
from recfabric.hls.finn import environment
from recfabric.hls.finn.design import Design, Integers

WORKER = Path(__file__).parent / "worker"
Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Target:
    """What the layers are for: the vendor's part number and the clock in ns."""

    part: str
    clock_ns: float = 5.0


@dataclass(frozen=True)
class Request:
    """What FINN shall compile; see :mod:`recfabric.finn.compile` for ways to make one.

    ``kind``: "qonnx" (``model``: the file's bytes), "layers" (``tensors``: weight, thresholds;
    ``bits``: in, weight, out) or "product" (``shape``: rows, inner, columns; ``bits``: types of
    in0 and in1). ``target_cycles``: from frame to frame, for FINN's search of a folding, 0 for
    none; ``folding``: of layers by name or kind, stronger; ``prefix``: of module names, so that
    two designs can stand in one netlist; ``vectors``, ``seed``: of the random test frames that
    FINN executes, unless ``inputs`` gives them (in0, ...).
    """

    kind: str
    target: Target
    model: bytes = b""
    tensors: Arrays = field(default_factory=dict)
    inputs: Arrays = field(default_factory=dict)
    bits: Mapping[str, int | str] = field(default_factory=dict)
    shape: Mapping[str, int] = field(default_factory=dict)
    target_cycles: int = 0
    folding: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    prefix: str = "finn_"
    vectors: int = 8
    seed: int = 1

    def __post_init__(self) -> None:
        for name, low, high in (("target_cycles", 0, 1 << 30), ("vectors", 2, 100_000)):
            if not low <= getattr(self, name) <= high:
                raise ConfigError(f"A {name} of {getattr(self, name)} is outside {low}..{high}.")

    def document(self) -> dict[str, Any]:
        """The request as the worker reads it."""
        return {
            "action": "compile",
            "kind": self.kind,
            "part": self.target.part,
            "clock_ns": self.target.clock_ns,
            "bits": dict(self.bits),
            "shape": dict(self.shape),
            "target_cycles": self.target_cycles,
            "folding": {name: dict(values) for name, values in self.folding.items()},
            "prefix": self.prefix,
            "vectors": self.vectors,
            "seed": self.seed,
        }

    def key(self) -> str:
        """The name of this request's answer: everything that can change it."""
        digest = hashlib.sha256(self.model)
        for name, arrays in (("tensors", self.tensors), ("inputs", self.inputs)):
            for tensor, array in sorted(arrays.items()):
                digest.update(repr((name, tensor, array.dtype, array.shape)).encode())
                digest.update(np.ascontiguousarray(array).tobytes())
        workers = sorted(WORKER.glob("*.py"))
        asked = json.dumps(self.document(), sort_keys=True)
        return content_key(workers, environment.version(), asked, digest.hexdigest())


@dataclass(frozen=True)
class Compiled:
    """FINN's answer: the design, and where its files, images and vectors lie."""

    folder: Path
    design: Design

    def vectors(self) -> tuple[list[Integers], list[Integers]]:
        """Test frames of every input and FINN's own results of every output, (n, ...) each."""
        with np.load(self.folder / "vectors.npz") as found:
            inputs = [found[f"in{i}"] for i in range(len(self.design.inputs))]
            outputs = [found[f"out{i}"] for i in range(len(self.design.outputs))]
        return inputs, outputs


def compile_layers(request: Request) -> Compiled:
    """FINN's layers of a request, from the build folder where they are there.

    Raises ConfigError with FINN's refusal, ToolMissingError without the environment or where FINN
    fails.
    """
    folder = build_dir() / "finn" / request.key()
    if not (folder / "answer.json").exists():
        with locked(build_dir() / "locks" / "finn"):  # it takes no core for long
            if not (folder / "answer.json").exists():
                _fill(folder, request)
                call(folder)
    answer = json.loads((folder / "answer.json").read_text())
    if "refused" in answer:
        raise ConfigError(str(answer["refused"]))
    return Compiled(folder, Design.read(answer))


def _fill(folder: Path, request: Request) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "request.json").write_text(json.dumps(request.document(), indent=1) + "\n")
    if request.model:
        (folder / "model.onnx").write_bytes(request.model)
    if request.tensors:
        _save(folder / "layers.npz", request.tensors)
    if request.inputs:
        _save(folder / "inputs.npz", request.inputs)


def _save(path: Path, arrays: Arrays) -> None:
    named: dict[str, Any] = dict(arrays)
    np.savez(path, **named)


def call(folder: Path) -> None:
    """Let FINN answer ``request.json`` in a folder. Raises ToolMissingError where it fails."""
    command = [str(environment.python()), str(WORKER / "run.py"), str(folder / "request.json")]
    keep = {n: v for n, v in os.environ.items() if n not in ("PYTHONPATH", "PYTHONHOME")}
    with (folder / "finn.log").open("w") as log:
        code = subprocess.run(
            command, env=keep, stdout=log, stderr=subprocess.STDOUT, check=False
        ).returncode
    if code or not (folder / "answer.json").exists():
        lines = (folder / "finn.log").read_text().strip().splitlines() or ["it said nothing"]
        raise ToolMissingError(
            f"FINN failed: {lines[-1].strip().rstrip('.')}; its log is {folder / 'finn.log'}."
        )
