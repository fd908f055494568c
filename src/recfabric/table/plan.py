# SPDX-License-Identifier: Apache-2.0
"""What is measured: the settings of a table, its stages, and what each row is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from recfabric.errors import ConfigError

# What stages leave in their folders, for those that need them.
DONE, VECTORS, EACH, GNN, MODEL = "stage.json", "vectors.npy", "each.npy", "gnn.npz", "model"
MATRIX, FLOAT = "matrix.npz", "float.npz"
JUDGES = 2048  # validation users who are asked at each reading
TRIALS = 14  # readings of validation by which GNN, language model and hybrid are chosen, each


@dataclass(frozen=True)
class Plan:
    """The settings that all rows share.

    ``data``: as of ``recfabric train``; ``noun``: what an item is; ``model``: the language model;
    ``steps``: of LoRA; ``board``: whose netlist and clock the FPGA
    rows have; ``split_seed``: of the split; ``requests``: that latencies are measured with;
    ``epochs``: of both stages of the hybrid, and ``gnn_epochs``: of the graph network, at most
    (None: as they are);
    ``tune``: whether the graph network's settings are searched; ``hardware``: parameters of the
    netlist that differ from the board's.
    """

    data: str = "ml-100k"
    noun: str = ""
    model: str = "smollm2-135m"
    steps: int = 42
    board: str = "kv260"
    split_seed: int = 42
    requests: int = 200
    epochs: int | None = None
    gnn_epochs: int | None = None
    tune: bool = True
    hardware: Mapping[str, int] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        for name in ("steps", "requests"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} of {getattr(self, name)} is not 1 or more.")
        for name in ("epochs", "gnn_epochs"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise ConfigError(f"{name} of {value} is not 1 or more.")


_DATA = ("data", "split_seed")
_MODEL = ("noun", "model")
# The settings that decide what a stage finds, by its kind: with others it need not run again.
READS: dict[str, tuple[str, ...]] = {
    "yardstick": _DATA,
    "tune_gnn": (*_DATA, "gnn_epochs", "tune"),
    "gnn": (*_DATA, "gnn_epochs"),
    "adapter": (*_DATA, *_MODEL, "steps"),
    "vectors": ("data", *_MODEL),
    "llm": (*_DATA, *_MODEL),
    "hybrid": (*_DATA, *_MODEL, "epochs"),
    "texts": (*_DATA, *_MODEL, "epochs"),
    "ask": (*_DATA, *_MODEL, "requests"),
    "fpga": (*_DATA, *_MODEL, "requests", "board", "hardware"),
}


@dataclass(frozen=True)
class Stage:
    """One measured piece of work, in a process of its own.

    ``kind``: the function in ``stages.py``; ``options``: its arguments; ``needs``: stages whose
    folders it reads, by the argument's name; ``seeded``: whether each seed has its own.
    """

    kind: str
    options: Mapping[str, object] = field(default_factory=dict)
    needs: Mapping[str, str] = field(default_factory=dict)
    seeded: bool = True


def _hybrid(vectors: str, cold: str, **options: object) -> Stage:
    needs = {"vectors": vectors, "cold": cold}
    if vectors.endswith("adapted"):
        needs["adapter"] = "adapter"
    return Stage("hybrid", options, needs)


_SIMPLE = ("random", "popularity", "ease", "gnn", "quantised", "lora", "distilled", "deepspeed")
_READING = {name: {"model": name, "vectors": "read"} for name in ("llm", "hybrid")}

STAGES: dict[str, Stage] = {
    "random": Stage("yardstick", {"name": "random"}),
    "popularity": Stage("yardstick", {"name": "popularity"}),
    "ease": Stage("yardstick", {"name": "ease"}),
    "gnn-settings": Stage("tune_gnn", seeded=False),
    "gnn": Stage("gnn", needs={"settings": "gnn-settings"}),
    "gnn-cold": Stage("gnn", {"cold": True}, {"settings": "gnn-settings"}),
    "adapter": Stage("adapter"),
    "adapter-cold": Stage("adapter", {"cold": True}),
    "read": Stage("vectors", seeded=False),
    "read-adapted": Stage("vectors", needs={"adapter": "adapter"}),
    "encode-adapted": Stage("vectors", {"deepspeed": True}, {"adapter": "adapter"}),
    "encode-cold": Stage("vectors", {"deepspeed": True}, {"adapter": "adapter-cold"}),
    "llm": Stage("llm", needs={"vectors": "read"}),
    "hybrid": _hybrid("read", "read", distil=0.0, quantised=False),
    "quantised": _hybrid("read", "read", distil=0.0),
    "lora": _hybrid("read-adapted", "encode-cold", distil=0.0),
    "distilled": _hybrid("read-adapted", "encode-cold"),
    "deepspeed": _hybrid("encode-adapted", "encode-cold", deepspeed=True),
    **{f"ask-{row}": Stage("ask", {"row": row}, {"model": row}) for row in _SIMPLE},
    **{f"ask-{row}": Stage("ask", {"row": row}, needs) for row, needs in _READING.items()},
    "fpga": Stage("fpga", needs={"model": "distilled"}),
    "fpga-deepspeed": Stage("fpga", {"deepspeed": True}, {"model": "deepspeed"}),
    # Where texts should matter: the defaults of `recfabric train`, with texts and without.
    "with-texts": Stage("texts", {"texts": True}),
    "with-texts-cold": Stage("texts", {"texts": True, "cold": True}),
    "without-texts": Stage("texts", {"texts": False}),
    "without-texts-cold": Stage("texts", {"texts": False, "cold": True}),
}


@dataclass(frozen=True)
class Row:
    """A line of the table.

    ``name``: the heading; ``about``: what it is, in one sentence; ``model``: the stage whose
    figures of quality it shows, those of ``cold`` beside them; ``training``: the stages whose
    CPU-seconds add up to its training time and whose largest memory is its peak; ``missing``:
    why a column is empty, by the column;
    ``simulated``: whether it runs on a board's netlist.
    """

    name: str
    about: str
    model: str
    training: tuple[str, ...] = ()
    cold: tuple[str, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)
    simulated: bool = False

    @property
    def latency(self) -> str:
        """The stage that asks it for requests."""
        return self.model if self.simulated else f"ask-{self.model}"

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages that must have run."""
        return (*self.training, self.model, *self.cold, self.latency)


_NO_TEXT = {"text": "It reads no text."}
_EQUAL = {"cold": "To it all items that nobody has met are equal: there is no order to judge."}
_UNTRAINED = {"training": "Nothing is trained.", "memory": "Nothing is trained."}
_LORA = ("adapter", "read-adapted")

ROWS: dict[str, Row] = {
    "random": Row(
        "random",
        "Scores drawn evenly, anew for each seed.",
        "random",
        missing=_NO_TEXT | _UNTRAINED,
    ),
    "popularity": Row(
        "popularity",
        "Everybody gets the items with the most training interactions.",
        "popularity",
        ("popularity",),
        missing=_NO_TEXT | _EQUAL,
    ),
    "ease": Row(
        "EASE",
        "Item-item ridge regression in closed form, its penalty chosen on validation.",
        "ease",
        ("ease",),
        missing=_NO_TEXT | _EQUAL,
    ),
    "gnn": Row(
        "GNN alone",
        "LightGCN trained by BPR; an item that nobody has met has its own embedding, which "
        "training knew as a negative alone.",
        "gnn",
        ("gnn",),
        ("gnn-cold",),
        missing=_NO_TEXT,
    ),
    "llm": Row(
        "LLM alone",
        "The frozen language model's item vectors, no interaction of anybody but the user's own "
        "history; the rule from history to scores is chosen on validation.",
        "llm",
        ("read", "llm"),
    ),
    "hybrid": Row(
        "hybrid, unoptimised",
        "Message passing, item-item edges and attention over the frozen language model's vectors, "
        "in floats, without a teacher.",
        "hybrid",
        ("read", "hybrid"),
    ),
    "quantised": Row(
        "+ quantization",
        "The same, trained on through 8-bit tables and integer arithmetic: a contract.",
        "quantised",
        ("read", "quantised"),
    ),
    "lora": Row(
        "+ LoRA",
        "The same with vectors of the language model adapted to the training interactions.",
        "lora",
        (*_LORA, "lora"),
    ),
    "distilled": Row(
        "+ distillation",
        "The same, taught by the linear model of interactions and texts in both stages.",
        "distilled",
        (*_LORA, "distilled"),
    ),
    "fpga": Row(
        "+ FPGA",
        "The contract of the row above on the board's netlist: NDCG@10 and recall@20 of the "
        "simulated RTL's own lists, other figures of the integer model that it equals.",
        "fpga",
        (*_LORA, "distilled"),
        simulated=True,
    ),
    "deepspeed": Row(
        "+ DeepSpeed",
        "The distilled hybrid on the host, trained with item vectors encoded in batches under "
        "DeepSpeed inference, which also reads the texts of requests.",
        "deepspeed",
        ("adapter", "encode-adapted", "deepspeed"),
    ),
    "fpga-deepspeed": Row(
        "+ FPGA + DeepSpeed",
        "The contract of the row above on the board's netlist.",
        "fpga-deepspeed",
        ("adapter", "encode-adapted", "deepspeed"),
        simulated=True,
    ),
}
