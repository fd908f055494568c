# SPDX-License-Identifier: Apache-2.0
"""A contract to a complete hls4ml project in a folder, with test vectors and a manifest."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from recfabric.config import tool_versions
from recfabric.contract import Contract
from recfabric.errors import ConfigError
from recfabric.hls.hls4ml import vitis
from recfabric.hls.hls4ml.csim import arguments, import_project
from recfabric.kernels.graph.store import GraphModel
from recfabric.kernels.hotpath.model import HotPath
from recfabric.kernels.stimulus import random_requests
from recfabric.requests import Requests

if TYPE_CHECKING:
    from hls4ml.model.graph import ModelGraph

    from recfabric.hls.hls4ml.project import HlsConfig

MANIFEST = "recfabric.json"
VECTORS = 16  # requests of the test bench: C/RTL co-simulation takes minutes for each


def compile_contract(
    contract: Contract,
    requests: Requests | None,
    out: Path,
    config: HlsConfig,
    *,
    build: bool = False,
) -> vitis.HlsReport | None:
    """Write the project of a contract to ``out``; with ``build`` run Vitis HLS on it.

    The test bench replays ``VECTORS`` requests with their right answers. The manifest says what
    the project was made from, and that it did not go through Vitis unless it did. Raises
    ConfigError where no project can be made or ``out`` holds something else, before anything is
    written; ToolMissingError where ``build`` is asked for without Vitis, after all was written.
    """
    project = import_project()
    _check_folder(out)
    model = project.graph(contract, out, config)
    shutil.rmtree(out, ignore_errors=True)
    model.write()
    _write_vectors(contract, requests or random_requests(contract, VECTORS), out, config)
    return _finish(model, out, {"contract": contract.sha256, "top": project.NAME}, config, build)


def compile_graph(
    folder: Path, out: Path, config: HlsConfig, *, build: bool = False
) -> vitis.HlsReport | None:
    """The same for a graph model's folder: GCN, GraphSAGE, GIN or LightGCN layers in integers.

    Raises ContractError for a damaged folder, else as :func:`compile_contract`.
    """
    import_project()
    from recfabric.hls.hls4ml import graph

    saved = GraphModel.load(folder)
    _check_folder(out)
    graph.layer_list(saved.layers, saved.table.shape[1])
    shutil.rmtree(out, ignore_errors=True)
    model = graph.compile_graph(saved, out, config)
    return _finish(model, out, {"graph": saved.sha256, "top": graph.NAME}, config, build)


def _check_folder(out: Path) -> None:
    if out.exists() and any(out.iterdir()) and not (out / MANIFEST).exists():
        raise ConfigError(f"{out} is not empty and no project of ours; name another folder.")


def _finish(
    model: ModelGraph, out: Path, made_from: dict[str, str], config: HlsConfig, build: bool
) -> vitis.HlsReport | None:
    """The manifest, and Vitis HLS where it is asked for."""
    manifest: dict[str, Any] = {
        **made_from,
        "backend": "hls4ml",
        "config": asdict(config),
        "versions": tool_versions(),
        "vitis": "never run",
    }
    _write_manifest(out, manifest)
    if not build:
        return None
    report = vitis.build(model)
    _write_manifest(out, manifest | {"vitis": asdict(report)})
    return report


def _write_vectors(contract: Contract, requests: Requests, out: Path, config: HlsConfig) -> None:
    """hls4ml's test bench data: one line a request, inputs in their order, and the answers."""
    model = HotPath.of(contract)
    inputs: list[npt.NDArray[np.float64]] = []
    answers: list[npt.NDArray[np.int32]] = []
    for history, seen in zip(requests.history, requests.seen, strict=True):
        if len(inputs) == VECTORS or len(seen) > config.max_seen:
            continue
        inputs.append(np.concatenate(arguments(contract, config, history, seen)))
        norm = int(contract.tensors.norm[len(history)])
        answers.append(np.concatenate(model.answer(history, norm, seen, config.k)))
    import_project().write_vectors(out, inputs, answers)


def _write_manifest(out: Path, manifest: dict[str, Any]) -> None:
    (out / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")
