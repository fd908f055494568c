# SPDX-License-Identifier: Apache-2.0
"""The stages of the main job, each leaving its result on disk for the next one.

``OUT/run`` (training), ``OUT/model`` (the contract folder), ``OUT/verify.json`` (proof),
``OUT/report.html`` and ``OUT/report.json``.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import recfabric
from recfabric.builds import write_whole
from recfabric.config import tool_versions
from recfabric.contract import Contract
from recfabric.errors import ConfigError, DataError, MissingExtraError
from recfabric.proof import RANDOM_REQUESTS, Proof, prove
from recfabric.words import TEXT_FILE, write_map

if TYPE_CHECKING:
    from recfabric.quant.datasets import Dataset
    from recfabric.quant.progress import Progress
    from recfabric.quant.train import TrainConfig

ML_100K = "ml-100k"
NOUNS = {ML_100K: "film"}  # what an item of a known data set is called
PARTS = ("xc7z020", "xczu5ev")
_STAMP = "inputs.sha256"


@contextmanager
def training_extra() -> Iterator[None]:
    """Turns the import error of a package of the extra "train" into one sentence."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "train") from None


def open_data(data: str, progress: Progress) -> Dataset:
    """The data set called ``ml-100k``, or the one in a folder."""
    with training_extra():
        from recfabric.quant.datasets import load_dataset
        from recfabric.quant.movielens import fetch_ml100k

        folder = Path(data)
        if folder.is_dir():
            return load_dataset(folder)
        if data != ML_100K:
            raise DataError(
                f"'{data}' is neither a folder nor '{ML_100K}'; give a folder with RecBole "
                "atomic files or LightGCN's train.txt and test.txt."
            )
        return load_dataset(fetch_ml100k(progress=progress))


def train_stage(config: TrainConfig, dataset: Dataset, run: Path, progress: Progress) -> bool:
    """Train into ``run``; False when the same inputs were trained there before."""
    from recfabric.quant.train import train

    stamp = run / _STAMP
    inputs = _inputs(config, dataset)
    if stamp.exists() and stamp.read_text() == inputs:
        return False
    stamp.unlink(missing_ok=True)
    train(config, dataset, run, progress)
    stamp.write_text(inputs)
    return True


def _inputs(config: TrainConfig, dataset: Dataset) -> str:
    """A hash over all that decides a training: configuration, data, code, versions."""
    root = Path(recfabric.__file__).parent
    files = [root / "contract.py", *sorted((root / "quant").glob("*.py"))]
    digest = hashlib.sha256(repr((asdict(config), dataset.sha256, tool_versions())).encode())
    for path in files:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def export_stage(
    run: Path,
    model: Path,
    *,
    words: Sequence[str] | None = None,
    noun: str | None = None,
    adapter: Path | None = None,
    progress: Progress | None = None,
) -> Contract:
    """Write the contract folder ``model`` and read it back.

    ``words``: the language models that read texts at request time (None: the training's own; an
    empty list: none), for which ``text.npz`` is written beside the contract where the items have
    texts; ``noun``: see :func:`recfabric.quant.llm.prompts.liked`.
    """
    with training_extra():
        from recfabric.quant.checkpoint import Checkpoint
        from recfabric.quant.export import export

        exported = export(run, model)
        reloaded = Contract.load(model)
        assert reloaded.sha256 == exported.sha256, "a contract changed on its way over the disk"
        checkpoint = Checkpoint.load(run)
        (model / TEXT_FILE).unlink(missing_ok=True)
        if words is None and not any(text.strip() for text in checkpoint.texts):
            return reloaded
        models = [checkpoint.record["encoder"]] if words is None else words
        if models:
            write_map(
                reloaded,
                checkpoint.texts,
                model,
                models=models,
                noun=NOUNS.get(checkpoint.record["data"]["name"], "") if noun is None else noun,
                adapter=None if adapter is None else str(adapter),
                sharpness=edge_sharpness(checkpoint.record),
                progress=progress,
            )
        return reloaded


def edge_sharpness(record: Mapping[str, Any]) -> float:
    """What a trained model's edges are times those of the linear model it started from."""
    return float(record["config"]["start"] * record["chosen"]["sharpness"])


def verify_stage(
    model: Path,
    backend: str,
    progress: Progress,
    *,
    k: int = 20,
    hardware: Mapping[str, int] | None = None,
    random: int = RANDOM_REQUESTS,
    fuse: str = "rf_dense",
) -> Proof:
    """Prove the backend equal to the integer model on the model's requests."""
    if not 1 <= random <= 1_000_000:
        raise ConfigError(f"The random requests are {random} but must be 1 to 1,000,000.")
    return prove(model, backend, progress.task, k=k, hardware=hardware, random=random, fuse=fuse)


def accuracy_rows(proof: Proof) -> list[dict[str, Any]]:
    """NDCG@10 and recall@20 of the lists that came out of the devices."""
    if not len(proof.requests.targets.values) or proof.soft.rows.shape[1] < 20:
        return []
    from recfabric.quant.metrics import accuracy

    sides = [proof.soft, *([proof.rtl] if proof.rtl else [])]
    return [
        accuracy(side.device, proof.requests.protocol, side.rows, proof.requests.targets)
        for side in sides
    ]


def report_stage(out: Path, progress: Progress) -> dict[str, Any]:
    """Write the report from what the stages before left in ``out``."""
    from recfabric.bitstreams.cells import kernel_utilisation
    from recfabric.kernels.hotpath.config import HotPathConfig
    from recfabric.report import write_report

    trained = _read(out / "run" / "train.json", "recfabric train")
    verified = _read(out / "verify.json", "recfabric verify MODEL --json FILE")
    if not verified["simulation"]:
        raise DataError(
            f"{out / 'verify.json'} holds no simulation; run "
            f"`recfabric verify {out / 'model'} --backend rtl --json {out / 'verify.json'}`."
        )
    if Contract.load(out / "model").sha256 != verified["contract"]:
        raise DataError(
            f"{out / 'verify.json'} is of another contract than {out / 'model'}; verify it again."
        )
    config = HotPathConfig(**verified["simulation"]["config"])
    begin = time.perf_counter()
    with progress.task("cells (Yosys)", len(PARTS)) as advance:
        cells = kernel_utilisation(config, PARTS, advance=advance)
    seconds = trained["seconds"] | verified.get("seconds", {})
    seconds["cells"] = round(time.perf_counter() - begin, 2)
    result = {
        "contract": verified["contract"],
        "data": trained["data"] | {"protocol": trained["protocol"], "seed": trained["seed"]},
        "accuracy": trained["accuracy"] + verified["accuracy"],
        "equivalence": verified["equivalence"],
        "cycles": verified["cycles"],
        "simulation": verified["simulation"],
        "resources": [asdict(row) for row in cells],
        "seconds": seconds,
        "versions": trained["versions"] | verified["versions"],
    }
    write_report(result, out)
    return result


def write_json(path: Path, record: dict[str, Any]) -> None:
    """Write a JSON file whole or not at all."""
    if path.is_dir():
        raise DataError(f"{path} is a folder; name a file for the result.")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(record, indent=1) + "\n")


def _read(path: Path, command: str) -> dict[str, Any]:
    try:
        record: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        raise DataError(f"{path} is missing or damaged; run `{command}` first.") from None
    return record


def run_demo(
    config: TrainConfig,
    data: str,
    out: Path,
    progress: Progress,
    *,
    hardware: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """All stages; gives the report's record. What did not change is not done again."""
    seconds: dict[str, float] = {}

    @contextmanager
    def stage(name: str) -> Iterator[None]:
        begin = time.perf_counter()
        yield
        seconds[name] = round(time.perf_counter() - begin, 2)

    with stage("data"):
        dataset = open_data(data, progress)
    with stage("train"):
        train_stage(config, dataset, out / "run", progress)
    with stage("export"):
        export_stage(out / "run", out / "model", progress=progress)
    with stage("verify"):
        proof = verify_stage(out / "model", "rtl", progress, hardware=hardware)
    record = proof.record() | {"accuracy": accuracy_rows(proof), "seconds": seconds}
    write_json(out / "verify.json", record)
    return report_stage(out, progress)
