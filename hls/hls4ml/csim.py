# SPDX-License-Identifier: Apache-2.0
"""C simulation of a contract's hls4ml project: compiled with g++, called for every request.

A compiled project is kept below ``build/hls4ml`` by content: contract, configuration, headers and
hls4ml's version. The simulation of the C++ is what Vitis HLS would start from; nothing here ran
on Vitis or on a board.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from recfabric.builds import build_lock, content_key
from recfabric.config import build_dir
from recfabric.contract import Contract
from recfabric.errors import MissingExtraError, RequestError, ToolMissingError
from recfabric.kernels.hotpath.model import HotPath
from recfabric.requests import Requests

if TYPE_CHECKING:
    from hls4ml.model.graph import ModelGraph

    from recfabric.hls.hls4ml.project import HlsConfig

Int32 = npt.NDArray[np.int32]
Rows = npt.NDArray[np.int32]
Float64 = npt.NDArray[np.float64]
_SOURCES = ("backend.py", "layers.py", "project.py", "interfaces.py")


def import_project() -> ModuleType:
    """:mod:`recfabric.hls.hls4ml.project`; raises MissingExtraError without hls4ml."""
    try:
        from recfabric.hls.hls4ml import project
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "hls") from None
    return project


class CSimulation:
    """The compiled C++ of a contract's project; built when it is not there yet.

    Raises ConfigError where no project can be made (see ``project.check``), ToolMissingError
    where g++ refuses it.
    """

    def __init__(self, contract: Contract, config: HlsConfig) -> None:
        self.contract, self.config = contract, config
        self.folder = build(contract, config)

    @cached_property
    def _function(self) -> Callable[..., None]:
        (library,) = (self.folder / "firmware").glob("*.so")
        function: Any = getattr(ctypes.CDLL(str(library)), f"{import_project().NAME}_double")
        function.restype = None
        function.argtypes = [np.ctypeslib.ndpointer(np.float64, flags="C_CONTIGUOUS")] * 5
        return cast(Callable[..., None], function)

    def answer(self, history: Rows, seen: Rows) -> tuple[Int32, Int32]:
        """Rows and scores, int32 (k,) each, of one request; shapes as in ``HotPath.answer``.

        Raises RequestError for a list longer than the project holds.
        """
        result = np.zeros(2 * self.config.k)
        self._function(*arguments(self.contract, self.config, history, seen), result)
        both = result.astype(np.int32)
        rows, scores = both[: self.config.k], both[self.config.k :]
        return rows, scores

    def answer_all(
        self, requests: Requests, *, advance: Callable[[], None] = lambda: None
    ) -> tuple[Int32, Int32]:
        """Rows and scores, int32 (R, k) each, of every request; ``advance`` after each."""
        rows, scores = np.zeros((2, len(requests), self.config.k), np.int32)
        for i in range(len(requests)):
            rows[i], scores[i] = self.answer(requests.history[i], requests.seen[i])
            advance()
        return rows, scores

    def first_difference(self, history: Rows, seen: Rows) -> str:
        """The first layer whose integers differ from the integer model's, and by how much.

        Compiles the project once more, with hls4ml's tracing.
        """
        project = import_project()
        with tempfile.TemporaryDirectory() as folder:
            model = project.graph(self.contract, Path(folder), self.config, trace=True)
            inputs = arguments(self.contract, self.config, history, seen)
            with contextlib.redirect_stdout(io.StringIO()):
                _, trace = model.trace([a[None, :] for a in inputs])
        expected = _expected(self.contract, history, seen, self.config.k)
        for name, form in project.layer_formats(self.contract).items():
            found = np.rint(trace[name].reshape(-1) / form.scale).astype(np.int64)
            if not np.array_equal(found, expected[name]):
                worst = np.abs(found - expected[name])
                return (
                    f"The layer '{name}' is the first that differs: {np.count_nonzero(worst)} of "
                    f"{worst.size} integers, by at most {worst.max()}."
                )
        return "No layer differs."


def arguments(contract: Contract, config: HlsConfig, history: Rows, seen: Rows) -> list[Float64]:
    """The top function's inputs of a request: both lists padded, each followed by its length.

    Raises RequestError for a list longer than the project holds.
    """
    lengths = (contract.shape.max_history, config.max_seen)
    arrays = []
    for name, values, length in zip(("history", "seen"), (history, seen), lengths, strict=True):
        if len(values) > length:
            raise RequestError(f"The {name} has {len(values)} rows but the project holds {length}.")
        padded = np.zeros(length)
        padded[: len(values)] = values
        arrays += [padded, np.array([float(len(values))])]
    return arrays


def _expected(contract: Contract, history: Rows, seen: Rows, k: int) -> dict[str, Any]:
    """What each layer should hold, by the integer model: int64, flat."""
    model = HotPath.of(contract)
    norm = int(contract.tensors.norm[len(history)])
    trace = model.trace(history, norm)
    both = np.concatenate([trace.user, trace.attention]).astype(np.int64)
    sums = contract.tensors.fuse_weight.astype(np.int64) @ both + contract.tensors.fuse_bias
    rows, scores = model.answer(history, norm, seen, k)
    messages = model.messages(history, norm)
    return {
        "gather": trace.user.astype(np.int64),
        "attention": trace.attention.astype(np.int64),
        "both": both,
        "fuse": sums,
        "fused": trace.fused.astype(np.int64),
        "scatter": messages,
        "topk": np.concatenate([rows, scores]).astype(np.int64),
    }


def build(contract: Contract, config: HlsConfig) -> Path:
    """The folder of the compiled project; written and compiled when it is not there yet.

    Raises ConfigError where no project can be made, ToolMissingError where g++ is missing or
    refuses it.
    """
    project = import_project()
    project.check(contract, config)
    headers = sorted(project.backend.HEADERS.glob("rf_*.h"))
    files = [*(Path(__file__).with_name(name) for name in _SOURCES), *headers]
    key = content_key(files, contract.sha256, asdict(config), version("hls4ml"))
    folder = build_dir() / "hls4ml" / f"{contract.sha256[:12]}-{config.io_type}-{key}"
    if not (folder / "compiled").exists():
        with build_lock(folder.name):
            if not (folder / "compiled").exists():
                # The library names the folder of its weights: it is compiled where it stays.
                shutil.rmtree(folder, ignore_errors=True)
                compile_project(project.graph(contract, folder, config))
                (folder / "compiled").touch()
    return folder


def compile_project(model: ModelGraph) -> None:
    """Write an hls4ml graph and compile it; raises ToolMissingError where that fails."""
    if shutil.which("g++") is None:
        raise ToolMissingError("g++ is missing; install it (Debian: apt install g++).")
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            model.compile()
    except Exception as error:
        lines = [line for line in said.getvalue().splitlines() if "error" in line]
        raise ToolMissingError(
            f"g++ refused the hls4ml project: {(lines or [str(error)])[0].strip()}"
        ) from None
