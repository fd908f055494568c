# SPDX-License-Identifier: Apache-2.0
"""``recfabric table``: graph alone, language model alone, the hybrid and its optimisations."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from recfabric.bitstreams import boards
from recfabric.errors import ConfigError
from recfabric.kernels.hotpath.config import HotPathConfig

if TYPE_CHECKING:
    from recfabric.table.plan import Plan

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

SEEDS = (0, 1, 2)


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    table = commands.add_parser("table", help="every configuration side by side, in one run")
    table.add_argument("--data", default="ml-100k", help="as of train; with item texts")
    table.add_argument("--noun", help="what an item is, such as film or game, for the prompt")
    table.add_argument("--out", type=Path, default=Path("build/table"), help="goes on if begun")
    table.add_argument("--seeds", type=int, nargs="+", default=SEEDS, help="0 1 2 by default")
    table.add_argument("--row", action="append", help="only this row; may be repeated")
    table.add_argument(
        "--texts",
        action="store_true",
        help="instead: items that few or none have met, with texts and without",
    )
    table.add_argument(
        "--control",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="of --texts: also the hybrid without texts, a third of the work",
    )
    table.add_argument("--board", help=f"of the FPGA rows: {', '.join(boards.names())} (kv260)")
    table.add_argument(
        "--hardware",
        action="append",
        default=[],
        metavar="NAME=NUMBER",
        help="a parameter of rf_hotpath that differs from the board's; may be repeated",
    )
    table.add_argument("--split-seed", type=int, help="of the split (42)")
    table.add_argument("--requests", type=int, help="that latencies are measured with (200)")
    table.add_argument("--steps", type=int, help="of LoRA (42)")
    table.add_argument("--epochs", type=int, help="of the hybrid's stages, at most")
    table.add_argument("--gnn-epochs", type=int, help="of the graph network, at most (100)")
    table.add_argument(
        "--tune",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="choose the graph network's settings on validation",
    )
    table.add_argument(
        "--again", choices=("latency",), help="measure latencies anew, on a quiet machine"
    )
    table.set_defaults(run=_table)


def _plan(options: argparse.Namespace) -> Plan:
    from recfabric.demo import NOUNS
    from recfabric.table.plan import Plan

    names = ("board", "split_seed", "requests", "steps", "epochs", "gnn_epochs")
    given = {name: getattr(options, name) for name in names}
    return Plan(
        data=options.data,
        noun=NOUNS.get(options.data, "") if options.noun is None else options.noun,
        tune=options.tune,
        hardware=HotPathConfig.read(options.hardware),
        **{name: value for name, value in given.items() if value is not None},
    )


def _table(options: argparse.Namespace) -> int:
    from recfabric.demo import training_extra

    with training_extra():
        from recfabric.quant.progress import Terminal
        from recfabric.table import make, texts

    plan, progress = _plan(options), Terminal()
    if options.texts:
        if options.row or options.again:
            raise ConfigError("--row and --again are of the table; --texts has neither.")
        found = texts.make_texts(
            plan, options.seeds, options.out, progress, control=options.control
        )
        print(texts.markdown(found), end="")
        return 0 if found["met"] else 1
    print(
        make.make_table(
            plan,
            options.seeds,
            options.out,
            progress,
            rows=options.row,
            again=options.again is not None,
        ),
        end="",
    )
    return 0
