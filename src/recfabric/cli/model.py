# SPDX-License-Identifier: Apache-2.0
"""The demo and its stages one by one: train, export, verify, report, recommend."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recfabric.contract import Contract
from recfabric.errors import ConfigError
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.proof import BACKENDS, FUSE_LAYERS
from recfabric.words import TextEncoder

if TYPE_CHECKING:
    from recfabric.host.device import Device
    from recfabric.quant.progress import Progress
    from recfabric.quant.train import TrainConfig

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

DEMO = Path("build/demo")
PROTOCOLS = ("random-80-10-10", "last-out", "given")


def add(commands: Commands) -> None:
    """Add these commands to the parser."""
    demo = commands.add_parser("demo", help="everything, from the data to the report")
    _training_options(demo, DEMO)
    _hardware_option(demo)
    demo.set_defaults(run=_demo)

    train = commands.add_parser("train", help="train float and quantised models")
    _training_options(train, DEMO / "run")
    train.set_defaults(run=_train)

    ablation = commands.add_parser("ablation", help="train variants of the default, one by one")
    ablation.add_argument("--data", default="ml-100k", help="as of train")
    ablation.add_argument("--protocol", choices=PROTOCOLS)
    ablation.add_argument("--out", type=Path, default=Path("build/ablation"))
    ablation.add_argument("--row", action="append", help="only this row; may be repeated")
    ablation.add_argument("--seeds", type=int, nargs="+", help="five by default")
    ablation.set_defaults(run=_ablation)

    export = commands.add_parser("export", help="write a trained model as a contract")
    export.add_argument("--from", dest="source", type=Path, default=DEMO / "run", metavar="RUN")
    export.add_argument("--out", type=Path, default=DEMO / "model")
    export.add_argument(
        "--words",
        help="what reads texts at request time: models, with commas between (the training's; "
        "none: no text.npz)",
    )
    export.add_argument("--noun", help="what an item is, such as film or game, for the prompt")
    export.add_argument("--adapter", type=Path, help="of the last model, by `recfabric train llm`")
    export.set_defaults(run=_export)

    verify = commands.add_parser("verify", help="prove a backend equal to the integer model")
    verify.add_argument("model", type=Path, help="a contract folder")
    verify.add_argument("--backend", choices=BACKENDS, default="rtl")
    verify.add_argument("--json", type=Path, metavar="FILE", help="where the result goes")
    verify.add_argument("-k", type=int, default=20, help="length of the lists compared (20)")
    verify.add_argument(
        "--fuse",
        choices=FUSE_LAYERS,
        default="rf_dense",
        help="what computes the fuse layer in the RTL (rf_dense)",
    )
    verify.add_argument("--random", type=int, default=64, help="random requests besides (64)")
    _hardware_option(verify)
    verify.set_defaults(run=_verify)

    report = commands.add_parser("report", help="write the report of a finished demo")
    report.add_argument("--out", type=Path, default=DEMO, help="the demo's folder")
    report.set_defaults(run=_report)

    recommend = commands.add_parser("recommend", help="answer one request")
    recommend.add_argument("model", type=Path, help="a contract folder")
    recommend.add_argument("history", nargs="*", help="item tokens, oldest first")
    recommend.add_argument("--text", help="what is wanted, in words, with or without a history")
    recommend.add_argument("-k", type=int, default=10)
    recommend.add_argument("--device", choices=("soft", "rtl", "pynq", "xrt"), default="soft")
    recommend.add_argument(
        "--bitstream", type=Path, metavar="FOLDER", help="pynq, xrt: a build by `recfabric deploy`"
    )
    recommend.set_defaults(run=_recommend)


def _training_options(parser: argparse.ArgumentParser, out: Path) -> None:
    parser.add_argument(
        "--data", default="ml-100k", help="ml-100k, or a folder with .inter or train.txt files"
    )
    parser.add_argument("--out", type=Path, default=out)
    parser.add_argument("--protocol", choices=PROTOCOLS)
    parser.add_argument("--encoder", help="smollm2, minilm, or a Hugging Face name or folder")
    parser.add_argument("--dim", type=int)
    parser.add_argument("--heads", type=int)
    parser.add_argument("--edges", type=int, help="item-item edges of each item (32)")
    parser.add_argument(
        "--bits", help="of the tables: 2 to 8 (edges keep 8), or a list such as message=4,item=8"
    )
    parser.add_argument("--seed", type=int, help="of the training")
    parser.add_argument("--split-seed", type=int, help="of the split (42)")


def _hardware_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--hardware",
        action="append",
        default=[],
        metavar="NAME=NUMBER",
        help="a parameter of rf_hotpath, such as beat_bits=128 or pe=8; may be repeated",
    )


def _config(options: argparse.Namespace) -> TrainConfig:
    from recfabric.demo import training_extra

    with training_extra():
        from recfabric.quant.qat import Bits
        from recfabric.quant.train import TrainConfig

        names = ("protocol", "encoder", "dim", "heads", "edges", "seed", "split_seed")
        given: dict[str, Any] = {n: getattr(options, n) for n in names}
        if options.bits is not None:
            given["bits"] = Bits.read(options.bits)
        return TrainConfig(**{name: value for name, value in given.items() if value is not None})


def _progress() -> Progress:
    from recfabric.quant.progress import Terminal

    return Terminal()


def _demo(options: argparse.Namespace) -> int:
    from recfabric.demo import run_demo

    hardware = HotPathConfig.read(options.hardware)
    result = run_demo(_config(options), options.data, options.out, _progress(), hardware=hardware)
    _say_accuracy(result["accuracy"])
    cycles, simulation = result["cycles"], result["simulation"]
    each = cycles["back_to_back"]
    batch = f"back to back {each['mean']:.0f} (port {each['port']:.0f}); " if each else ""
    print(
        f"cycles a request: p50 {cycles['p50']} (memory bound {cycles['bound_p50']:.0f}), "
        f"p99 {cycles['p99']} (bound {cycles['bound_p99']:.0f}); "
        f"{batch}"
        f"{simulation['cycles_per_cpu_second']:,} cycles per CPU-second"
    )
    print(f"report: {options.out / 'report.html'}")
    return _say_equivalence(result["equivalence"])


def _train(options: argparse.Namespace) -> int:
    import json

    from recfabric.demo import open_data, train_stage

    config, progress = _config(options), _progress()
    train_stage(config, open_data(options.data, progress), options.out, progress)
    _say_accuracy(json.loads((options.out / "train.json").read_text())["accuracy"])
    return 0


def _ablation(options: argparse.Namespace) -> int:
    from recfabric.demo import open_data, training_extra

    with training_extra():
        from recfabric.quant.ablation import SEEDS, run_ablation, table
        from recfabric.quant.train import TrainConfig

    progress = _progress()
    records = run_ablation(
        TrainConfig(protocol=options.protocol, lightgcn=None),
        open_data(options.data, progress),
        options.out,
        rows=options.row,
        seeds=options.seeds or SEEDS,
        progress=progress,
    )
    print(table(records), end="")
    return 0


def _export(options: argparse.Namespace) -> int:
    from recfabric.demo import export_stage

    words = None if options.words is None else options.words.split(",")
    contract = export_stage(
        options.source,
        options.out,
        words=[] if words == ["none"] else words,
        noun=options.noun,
        adapter=options.adapter,
        progress=_progress(),
    )
    print(f"contract {contract.sha256} in {options.out}")
    return 0


def _verify(options: argparse.Namespace) -> int:
    from recfabric.demo import accuracy_rows, verify_stage, write_json

    hardware = HotPathConfig.read(options.hardware)
    proof = verify_stage(
        options.model,
        options.backend,
        _progress(),
        k=options.k,
        hardware=hardware,
        random=options.random,
        fuse=options.fuse,
    )
    record = proof.record() | {"accuracy": accuracy_rows(proof)}
    if options.json:
        write_json(options.json, record)
    for note in proof.notes:
        print(note)
    return _say_equivalence(record["equivalence"])


def _report(options: argparse.Namespace) -> int:
    from recfabric.demo import report_stage

    report_stage(options.out, _progress())
    print(f"report: {options.out / 'report.html'}")
    return 0


def _recommend(options: argparse.Namespace) -> int:
    from recfabric.host.recommender import Recommender

    contract = Contract.load(options.model)
    device = _device(options.device, contract, options.bitstream)
    encoder = None if options.text is None else TextEncoder.open(options.model, contract)
    recommender = Recommender(contract, device, encoder=encoder)
    answer = recommender.recommend(options.history, options.k, text=options.text)
    for item, score in zip(answer.items, answer.scores, strict=True):
        print(f"{item}\t{score:g}")
    return 0


def _device(name: str, contract: Contract, bitstream: Path | None) -> Device | None:
    if name == "soft":
        return None
    if name == "rtl":
        from recfabric.host.rtl import RtlDevice

        return RtlDevice(HotPathConfig.for_contract(contract))
    if bitstream is None:
        raise ConfigError(f"The device '{name}' needs --bitstream, a folder by `recfabric deploy`.")
    if name == "pynq":
        from recfabric.host.pynq_device import PynqDevice

        return PynqDevice(bitstream, contract)
    from recfabric.host.xrt_device import XrtDevice

    return XrtDevice(bitstream, contract)


def _say_accuracy(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        print(
            f"{row['model']:<10} NDCG@10 {row['ndcg@10']:.4f}  recall@20 {row['recall@20']:.4f}  "
            f"({row['protocol']})"
        )


def _say_equivalence(rows: list[dict[str, Any]]) -> int:
    for row in rows:
        print(
            f"{row['left']} == {row['right']}: {row['requests']} requests, {row['values']} "
            f"integers, {row['mismatches']} mismatches"
        )
    return 1 if any(row["mismatches"] for row in rows) else 0
