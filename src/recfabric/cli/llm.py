# SPDX-License-Identifier: Apache-2.0
"""``recfabric llm``: adapt a language model to the graph, measure it on items nobody has met."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recfabric.quant.datasets import Dataset
    from recfabric.quant.llm.align import AlignConfig

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

OUT = Path("build/llm")
SEEDS = (0, 1, 2, 3, 4)
EVERY = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
# What is compared with full fine-tuning: LoRA in the last layer of those that are run.
ONE_LAYER: dict[str, Any] = {
    "tuned": 0.0625,
    "targets": EVERY,
    "dropout": 0.2,
    "batch": 128,
    "strength": 0.7,
    "steps": 64,
    "save": 16,
}


def add(commands: Commands) -> None:
    """Add these commands to the parser."""
    llm = commands.add_parser("llm", help="adapt a language model (also: train llm)")
    what = llm.add_subparsers(required=True, metavar="WHAT")
    train = what.add_parser("train", help="LoRA under DeepSpeed, aligned with the graph")
    _data_options(train)
    train.add_argument("--out", type=Path, default=OUT / "adapted", help="goes on if begun there")
    train.add_argument(
        "--model", help="smollm2-135m, gemma3-270m, or a Hugging Face name or folder"
    )
    train.add_argument("--ranks", type=int, default=1, help="processes (1)")
    train.add_argument("--zero", type=int, default=1, help="ZeRO stage 0 to 3 (1)")
    train.add_argument(
        "--deepspeed", type=Path, metavar="FILE", help="DeepSpeed's own JSON instead"
    )
    train.add_argument("--full", action="store_true", help="fine-tune every weight, no LoRA")
    train.add_argument("--objective", help="ridge, regression or contrastive")
    _lora_options(train)
    train.add_argument("--steps", type=int)
    train.add_argument("--batch", type=int, help="items a step, over all ranks")
    train.add_argument("--rate", type=float)
    train.add_argument("--save", type=int, help="steps between two adapters (and states)")
    train.add_argument("--strength", type=float, help="share of what was learned that is kept (1)")
    train.add_argument("--seed", type=int)
    train.add_argument(
        "--cold",
        type=int,
        metavar="SEED",
        help="leave out this seed's cold items and those to choose the adapter by",
    )
    train.set_defaults(run=_train)

    against = what.add_parser("compare", help="LoRA beside full fine-tuning, on validation items")
    _data_options(against)
    against.add_argument("--out", type=Path, default=OUT / "compare", help="goes on if begun there")
    against.add_argument("--model", help="smollm2-135m, gemma3-270m, or a name or folder")
    against.add_argument("--objective", help="ridge, regression or contrastive, for both")
    _lora_options(against)
    against.add_argument("--batch", type=int, help="items a step, for both (%(default)s)")
    against.add_argument("--steps", type=int, help="of LoRA (%(default)s)")
    against.add_argument("--rate", type=float, help="of LoRA (6e-3)")
    against.add_argument("--strength", type=float, help="share that LoRA keeps (%(default)s)")
    against.add_argument(
        "--save", type=int, help="steps between two of its measurements (%(default)s)"
    )
    against.add_argument(
        "--full-steps", type=int, default=12, help="of full fine-tuning (%(default)s)"
    )
    against.add_argument(
        "--full-save", type=int, default=4, help="between its measurements (%(default)s)"
    )
    against.add_argument(
        "--full-rate", type=float, default=7e-5, help="its learning rate (%(default)s)"
    )
    against.add_argument(
        "--full-strength", type=float, default=1.0, help="share it keeps (%(default)s)"
    )
    _seeds_option(against)
    against.add_argument("--seed", type=int)
    against.set_defaults(run=_compare, **ONE_LAYER)

    cold = commands.add_parser("cold", help="NDCG@10 on items nobody has met, five seeds")
    _data_options(cold)
    cold.add_argument("--model", action="append", help="may be repeated (SmolLM2 and Gemma)")
    _seeds_option(cold)
    cold.add_argument(
        "--nested", action="store_true", help="judge on cold items within the warm part"
    )
    cold.add_argument(
        "--adapters",
        type=Path,
        metavar="FOLDER",
        help="seed0, seed1 ... of `llm train --cold SEED`; which step is chosen on warm items",
    )
    cold.add_argument("--json", type=Path, metavar="FILE", help="where the rows go")
    cold.set_defaults(run=_cold)


def _data_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", default="ml-100k", help="ml-100k, or a folder of atomic files")
    parser.add_argument("--noun", help="what an item is, such as film or game, for the prompt")


def _seeds_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=SEEDS, help="of the draw of items (0 1 2 3 4)"
    )


def _noun(options: argparse.Namespace) -> str:
    from recfabric.demo import NOUNS

    return str(NOUNS.get(options.data, "") if options.noun is None else options.noun)


def _lora_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--depth", type=float, help="share of the layers that are run")
    parser.add_argument("--tuned", type=float, help="share of those that get LoRA, from the top")
    parser.add_argument("--rank", type=int, help="of LoRA (8)")
    parser.add_argument("--dropout", type=float, help="of what LoRA reads")
    parser.add_argument("--targets", nargs="+", metavar="NAME", help="projections that get LoRA")


def _align_config(options: argparse.Namespace) -> AlignConfig:
    from recfabric.quant.llm.align import AlignConfig

    names = ["model", "full", "objective", "depth", "tuned", "rank", "dropout"]
    names += ["strength", "steps", "batch", "rate", "save", "seed"]
    given = {name: getattr(options, name, None) for name in names}
    given["targets"] = tuple(options.targets) if options.targets else None
    return AlignConfig(**{name: value for name, value in given.items() if value is not None})


def _train(options: argparse.Namespace) -> int:
    from recfabric.demo import open_data, training_extra

    with training_extra():
        from recfabric.quant.llm.adapt import adapt, material
        from recfabric.quant.llm.engine import default_settings, read_settings
        from recfabric.quant.progress import Terminal

    progress, config = Terminal(), _align_config(options)
    settings = (
        read_settings(options.deepspeed)
        if options.deepspeed
        else default_settings(config, zero=options.zero, ranks=options.ranks)
    )
    dataset: Dataset = open_data(options.data, progress)
    found = material(dataset, _noun(options), cold=options.cold, progress=progress)
    done = adapt(
        config,
        found.prompts,
        found.history,
        options.out,
        beside=found.beside,
        ranks=options.ranks,
        settings=settings,
        progress=progress,
    )
    first, last = done.curve[0], done.curve[-1]
    print(f"loss {first['loss']:.4f} to {last['loss']:.4f} in {len(done.curve)} steps")
    print(f"{done.cpu:.1f} CPU-seconds in updates, {last['peak_mb']} MB at most in rank 0")
    print(f"adapter: {done.folder}")
    return 0


def _compare(options: argparse.Namespace) -> int:
    from recfabric.demo import open_data, training_extra, write_json

    with training_extra():
        from recfabric.bench._adapt import compare, table
        from recfabric.quant.progress import Terminal

    progress, lora = Terminal(), _align_config(options)
    full = replace(
        lora,
        full=True,
        dropout=0.0,
        rate=options.full_rate,
        strength=options.full_strength,
        steps=options.full_steps,
        save=options.full_save,
    )
    record = compare(
        open_data(options.data, progress),
        (lora, full),
        options.out,
        seeds=options.seeds,
        noun=_noun(options),
        progress=progress,
    )
    write_json(options.out / "compare.json", record)
    print(table(record))
    return 0


def _cold(options: argparse.Namespace) -> int:
    from recfabric.demo import open_data, training_extra, write_json

    with training_extra():
        from recfabric.bench._cold import MODELS, bench_cold, record, table
        from recfabric.quant.llm.adapt import find_adapters
        from recfabric.quant.llm.cold import RidgeConfig
        from recfabric.quant.progress import Terminal

    progress = Terminal()
    dataset = open_data(options.data, progress)
    rows = bench_cold(
        dataset,
        models=options.model or MODELS,
        seeds=options.seeds,
        noun=_noun(options),
        nested=options.nested,
        adapters=find_adapters(options.adapters, options.seeds) if options.adapters else None,
        progress=progress,
    )
    if options.json:
        write_json(options.json, record(rows, dataset, RidgeConfig()))
    print(table(rows))
    return 0
