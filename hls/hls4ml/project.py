# SPDX-License-Identifier: Apache-2.0
"""From a contract to an hls4ml project: the layer list, the precisions, the files.

The hot path is one graph: ``history``, ``history_count`` -> gather -> attention -> concatenation
-> hls4ml's own Dense -> requantisation -> top k with ``seen``, ``seen_count``. Where the contract
has edges, a scatter of the history's beside it adds to the scores. Everything comes from the
contract; no converter of hls4ml is involved.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from hls4ml.model.graph import ModelGraph
from hls4ml.utils.config import create_config

from recfabric.bitstreams.boards import Board, board
from recfabric.bitstreams.parts import PARTS
from recfabric.contract import MESSAGE_BITS, Contract, FixedPoint
from recfabric.errors import ConfigError
from recfabric.hls.hls4ml import backend
from recfabric.kernels.scatter.model import pack_edges

NAME = "recfabric_hotpath"  # the top function
INPUTS = ("history", "history_count", "seen", "seen_count")
ID = FixedPoint(False, 24, 0)
COUNT = FixedPoint(False, 16, 0)
INTEGER = FixedPoint(True, 32, 0)
IO_TYPES = ("io_parallel", "io_stream")
Rows = npt.NDArray[Any]
_PACKET = 16  # ids or edges a beat of 512 bits brings
_SUM_BITS = 18  # of an item's sum of edges, on the chip
_BRAM36_BITS = 36 * 1024


@dataclass(frozen=True)
class HlsConfig:
    """What a project is made for.

    ``board``: a name in ``recfabric.bitstreams.boards``; ``io_type``: "io_parallel" (arrays) or
    "io_stream"; ``k``: length of the answer; ``max_seen``: longest seen list; ``reuse_factor``:
    of the fuse layer, multiplications a multiplier does; ``memory``: tables in the board's memory
    behind m_axi ports, else on the chip.
    """

    board: str = "kv260"
    io_type: str = "io_parallel"
    k: int = 20
    max_seen: int = 2048
    reuse_factor: int = 32
    memory: bool = True

    def __post_init__(self) -> None:
        board(self.board)
        if self.io_type not in IO_TYPES:
            raise ConfigError(f"The io_type '{self.io_type}' is not one of {', '.join(IO_TYPES)}.")
        limits = {"k": (1, 128), "max_seen": (1, 32768), "reuse_factor": (1, 1 << 16)}
        for name, (low, high) in limits.items():
            if not low <= getattr(self, name) <= high:
                raise ConfigError(
                    f"The project's {name} of {getattr(self, name)} is outside {low}..{high}."
                )


def graph(
    contract: Contract, folder: Path, config: HlsConfig, *, trace: bool = False
) -> ModelGraph:
    """hls4ml's graph of a contract; ``write()`` it or ``compile()`` it into ``folder``.

    ``trace``: every layer keeps its output for :meth:`ModelGraph.trace`. Raises ConfigError where
    the tables do not fit the board or a format does not fit hls4ml, before anything is written.
    """
    check(contract, config)
    nodes = layer_list(contract, config)
    precisions: dict[str, dict[str, Any]] = {
        name: {"Precision": p} for name, p in _precisions(contract).items()
    }
    for node in nodes:
        precisions[node["name"]]["Trace"] = trace and node["class_name"] != "InputLayer"
    precisions["fuse"] |= {"ReuseFactor": config.reuse_factor, "Strategy": "Resource"}
    # Every type is given here; the default would show as one that nobody chose.
    hls = hls_config("ap_fixed<2,2>") | {"LayerName": precisions}
    model = from_layers(NAME, nodes, folder, config, hls, inputs=[*INPUTS], outputs=["topk"])
    if config.memory:
        for variable in tables(model):
            variable.storage = "bram"  # hls4ml's word for an argument of the top function
    if contract.shape.edges:
        # One number an item, written and read in order: a short FIFO, no array of registers.
        (scatter,) = (layer for layer in model.get_layers() if layer.name == "scatter")
        scatter.get_output_variable().pragma = ("stream", 2)
    return model


def hls_config(precision: str) -> dict[str, Any]:
    """hls4ml's settings of a whole model: a default type, stages that run as a dataflow."""
    model = {
        "Precision": precision,
        "ReuseFactor": 1,
        "Strategy": "Latency",
        "PipelineStyle": "dataflow",
    }
    return {"Model": model}


def from_layers(
    name: str,
    nodes: list[dict[str, Any]],
    folder: Path,
    config: HlsConfig,
    hls: dict[str, Any],
    **ends: list[str],
) -> ModelGraph:
    """hls4ml's graph of a layer list, for the board of ``config``; ``name``: its top function.

    ``ends``: ``inputs`` and ``outputs`` where they are not the first and the last layer.
    """
    backend.register()
    where = board(config.board)
    settings = create_config(
        output_dir=str(folder),
        project_name=name,
        backend="Vitis",
        io_type=config.io_type,
        part=where.device,
        clock_period=round(1000 / where.clock_mhz, 3),
    )
    settings["HLSConfig"] = hls
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # hls4ml warns of its own defaults
        return ModelGraph.from_layer_list(settings, nodes, **ends)


def write_vectors(folder: Path, inputs: Iterable[Rows], answers: Iterable[Rows]) -> None:
    """The data of a written project's test bench: one line of integers a transaction."""
    for name, rows in (("input_features", inputs), ("output_predictions", answers)):
        lines = [" ".join(str(int(x)) for x in np.ravel(row)) for row in rows]
        (folder / "tb_data" / f"tb_{name}.dat").write_text("\n".join(lines) + "\n")


def tables(model: ModelGraph) -> list[Any]:
    """The weight variables that stand in memory: all of N rows."""
    names: dict[str, tuple[str, ...]]
    names = {"gather": ("message",), "attention": ("key", "value"), "topk": ("item", "bias")}
    names |= {"scatter": ("edge",)}
    found = []
    for layer in model.get_layers():
        found += [layer.get_weights(name) for name in names.get(layer.name, ())]
    return found


def check(contract: Contract, config: HlsConfig) -> None:
    """Raises ConfigError where a project cannot be made: memory, widths, lengths."""
    where = board(config.board)
    need = table_bytes(contract)
    if config.memory and need > where.memory_bytes:
        raise ConfigError(
            f"The tables of {contract.shape.items} items need {need:,} bytes but the board "
            f"{where.title} has {where.memory_bytes:,}; choose a board with more memory."
        )
    sums = -(-_SUM_BITS * contract.shape.items // 8) if contract.shape.edges else 0
    if not config.memory:
        _check_on_chip(need + sums, where)
    elif where.part in PARTS and sums > _block_ram(where):
        raise ConfigError(
            f"The sums of edges of {contract.shape.items} items need {sums:,} bytes but the block "
            f"RAM of the board {where.title} has {_block_ram(where):,}; choose a larger board."
        )
    for name, form in _formats(contract).items():
        if form.width > 32:
            raise ConfigError(
                f"The format '{name}' has {form.width} bits but the layers for hls4ml hold 32; "
                "train with narrower formats."
            )
    if config.k > contract.shape.items:
        raise ConfigError(
            f"k is {config.k} but the catalogue has {contract.shape.items} items; ask for fewer."
        )


def _check_on_chip(need: int, where: Board) -> None:
    if where.part not in PARTS:
        raise ConfigError(
            f"How much memory the chip of the board {where.title} has is not known here; keep the "
            "tables in the board's memory."
        )
    have = _block_ram(where)
    if need > have:
        raise ConfigError(
            f"The tables need {need:,} bytes but the block RAM of the board {where.title} has "
            f"{have:,}; keep them in the board's memory."
        )


def _block_ram(where: Board) -> int:
    """Bytes of block RAM on a board's chip, whose part is in PARTS."""
    return PARTS[where.part].bram36 * _BRAM36_BITS // 8


def table_bytes(contract: Contract) -> int:
    """Bytes of the tables as C arrays: a byte an element, two a bias, four a slot for an edge."""
    return contract.shape.items * (4 * contract.shape.dim + 2 + 4 * _slots(contract))


def _slots(contract: Contract) -> int:
    """Slots for edges of an item: whole beats."""
    return -(-contract.shape.edges // _PACKET) * _PACKET


def layer_list(contract: Contract, config: HlsConfig) -> list[dict[str, Any]]:
    """The graph as hls4ml's layer list; integers as they stand in the contract."""
    t, s, f = contract.tensors, contract.shifts, contract.formats
    dim, stream = contract.shape.dim, config.io_type == "io_stream"
    ids = ["history", "history_count"]
    return [
        _input("history", contract.shape.max_history, stream),
        _input("history_count", 1, False),
        _input("seen", config.max_seen, stream),
        _input("seen_count", 1, False),
        _layer(
            "RfGather",
            "gather",
            ids,
            message_data=t.message,
            norm_data=t.norm,
            shift=s.gather,
            bits=f.message.width,
        ),
        _layer(
            "RfAttention",
            "attention",
            ["gather", *ids],
            key_data=t.key,
            value_data=t.value,
            heads=contract.shape.heads,
            logit_shift=s.logit,
            out_shift=s.attention,
            key_bits=f.key.width,
            value_bits=f.value.width,
        ),
        _layer("Concatenate", "both", ["gather", "attention"], axis=1, op="concatenate1d"),
        _layer(
            "Dense",
            "fuse",
            ["both"],
            n_in=2 * dim,
            n_out=dim,
            weight_data=t.fuse_weight.T * f.fuse_weight.scale,
            bias_data=t.fuse_bias * f.fuse_bias.scale,
        ),
        _layer("RfRequantise", "fused", ["fuse"], shift=s.fuse, relu=False),
        *_scatter(contract, ids),
        _layer(
            "RfTopK",
            "topk",
            ["fused", "seen", "seen_count", *(["scatter"] if contract.shape.edges else [])],
            item_data=t.item,
            bias_data=t.bias,
            k=config.k,
            term_shift=s.term,
            bits=f.item.width,
        ),
    ]


def _scatter(contract: Contract, ids: list[str]) -> list[dict[str, Any]]:
    """The layer of a contract's edges; none without edges."""
    if not contract.shape.edges:
        return []
    t = contract.tensors
    words = np.zeros((contract.shape.items, _slots(contract)), np.uint32)
    words[:, : contract.shape.edges] = pack_edges(t.edge_item, t.edge_weight)
    shift = contract.shifts.scatter
    return [_layer("RfScatter", "scatter", [*ids], edge_data=words, norm_data=t.norm, shift=shift)]


def _layer(kind: str, name: str, inputs: list[str], **attributes: object) -> dict[str, Any]:
    return {"class_name": kind, "name": name, "inputs": inputs, **attributes}


def _input(name: str, length: int, stream: bool) -> dict[str, Any]:
    """An input of ``length`` numbers; a stream brings as many a packet as divide it, up to 16."""
    packet = int(np.gcd(length, _PACKET)) if stream else 0
    shape = [length // packet, packet] if stream else [length]
    return {"class_name": "InputLayer", "name": name, "input_shape": shape}


def ap_type(form: FixedPoint) -> str:
    """``ap_fixed`` of a format; its rounding does not matter, since layers requantise exactly."""
    return f"ap_{'' if form.signed else 'u'}fixed<{form.width},{form.width - form.frac}>"


def _ap_int(form: FixedPoint) -> str:
    return f"ap_{'' if form.signed else 'u'}int<{form.width}>"


def _formats(contract: Contract) -> dict[str, FixedPoint]:
    f = contract.formats
    # The fuse layer's sums have the bias' format: 32 bits, which the contract guarantees.
    states = {"gather": f.state, "attention": f.state, "both": f.state}
    ours = {**states, "fuse": f.fuse_bias, "fused": f.fused, "weight": f.fuse_weight}
    if contract.shape.edges:
        ours["scatter"] = FixedPoint(True, MESSAGE_BITS, f.score.frac)
    return ours


def layer_formats(contract: Contract) -> dict[str, FixedPoint]:
    """The format of each layer's output, for reading a trace."""
    formats = {name: form for name, form in _formats(contract).items() if name != "weight"}
    return {**formats, "topk": INTEGER}


def _precisions(contract: Contract) -> Mapping[str, dict[str, str]]:
    form = _formats(contract)
    given = {name: {"result": ap_type(f)} for name, f in form.items() if name != "weight"}
    sums = ap_type(form["fuse"])
    given["fuse"] |= {"accum": sums, "bias": sums, "weight": ap_type(form["weight"])}
    for name in ("history", "seen"):
        given[name] = {"result": _ap_int(ID)}
        given[f"{name}_count"] = {"result": _ap_int(COUNT)}
    given["topk"] = {"result": _ap_int(INTEGER)}
    return given
