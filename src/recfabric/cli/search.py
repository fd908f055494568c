# SPDX-License-Identifier: Apache-2.0
"""The search with hardware in the loop."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from recfabric.cli.model import PROTOCOLS

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add(commands: Commands) -> None:
    """Add this command to the parser."""
    search = commands.add_parser("search", help="search sizes, bits and netlists for a board")
    search.add_argument("--data", default="ml-100k", help="as of train")
    search.add_argument("--protocol", choices=PROTOCOLS)
    search.add_argument("--encoder", help="as of train")
    search.add_argument("--out", type=Path, default=Path("build/search"))
    search.add_argument("--board", default="kv260", help="kv260 or pynq-z2 (kv260)")
    search.add_argument("--trials", type=int, default=50, help="that the study ends with (50)")
    search.add_argument("--jobs", type=int, default=1, help="processes (1)")
    search.add_argument(
        "--space",
        action="append",
        default=[],
        metavar="NAME=NUMBER,NUMBER",
        help="choices of a parameter, such as dim=32,64 or bits=8,4; may be repeated",
    )
    search.add_argument("--objectives", nargs="+", help="ndcg bytes cycles lut ff dsp bram")
    search.add_argument("--storage", help="an address that Optuna takes, for several machines")
    search.add_argument("--study", default="recfabric", help="its name in the storage")
    search.add_argument("--epochs", type=int, default=0, help="quantised training a trial (0)")
    search.add_argument("--refine", type=int, default=0, help="epochs for those on the front (0)")
    search.add_argument("--float-epochs", type=int, help="of each float model (40)")
    search.add_argument("--latency", type=int, default=64, help="of the memory, in cycles (64)")
    search.add_argument("--outstanding", type=int, default=256, help="bursts in flight (256)")
    search.add_argument("--seed", type=int, default=42, help="of the sampler (42)")
    search.set_defaults(run=_search)


def _search(options: argparse.Namespace) -> int:
    from dataclasses import replace

    from recfabric.demo import training_extra
    from recfabric.kernels.hotpath.cost import Memory
    from recfabric.quant.progress import Terminal
    from recfabric.search import front, study
    from recfabric.search.space import Space

    with training_extra():
        from recfabric.quant.train import TrainConfig

    space = Space.read(options.space)
    training = TrainConfig(protocol=options.protocol, edges=max(space.edges), lightgcn=None)
    if options.encoder:
        training = replace(training, encoder=options.encoder)
    if options.float_epochs is not None:
        training = replace(
            training, floating=replace(training.floating, epochs=options.float_epochs)
        )
    config = study.SearchConfig(
        training=training,
        data=options.data,
        out=options.out,
        space=space,
        objectives=tuple(options.objectives or study.DEFAULT),
        board=options.board,
        memory=Memory(options.latency, options.outstanding),
        storage=options.storage,
        study=options.study,
        trials=options.trials,
        jobs=options.jobs,
        epochs=options.epochs,
        refine=options.refine,
        seed=options.seed,
    )
    progress = Terminal()
    found = study.search(config, progress)
    record = front.report(found, config, study.evaluator_of(config, progress))
    for entry in record["front"]:
        cells = f"LUT {entry['lut']:.0f} DSP {entry['dsp']:.0f} RAMB36 {entry['bram']:g}"
        print(
            f"NDCG@10 {entry['ndcg']:.4f}  {entry['bytes']:9.0f} bytes  "
            f"{entry['cycles']:8.0f} cycles  {cells}  {entry['contract']}"
        )
    print(f"trials {record['trials_by_state']}; front: {options.out / 'front.html'}")
    return 0
