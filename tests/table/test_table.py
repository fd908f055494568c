# SPDX-License-Identifier: Apache-2.0
"""A short real run of the table: every column is what its own source says, and it goes on."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recfabric.bitstreams.boards import board
from recfabric.cli import main
from recfabric.contract import Contract
from recfabric.errors import ConfigError, DataError
from recfabric.host.driver import HotPathDriver
from recfabric.host.soft import SoftDevice
from recfabric.host.verify import answer_all
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.kernels.hotpath.cost import Memory, Request, alone, row_cycles
from recfabric.kernels.stimulus import random_contract
from recfabric.quant.choose import Candidates
from recfabric.quant.datasets import Dataset
from recfabric.quant.metrics import ndcg, recall
from recfabric.quant.progress import Silent
from recfabric.quant.synthetic import synthetic_dataset
from recfabric.requests import Requests
from recfabric.table import run as runner
from recfabric.table import texts
from recfabric.table._transfer import TRANSFERS, CountedDevice, Moved, Transfer
from recfabric.table.alone import RULES
from recfabric.table.make import make_table
from recfabric.table.pages import NOTHING, cells
from recfabric.table.plan import READS, ROWS, STAGES, TRIALS, Plan
from recfabric.table.record import COLUMNS
from recfabric.table.run import StageError, folder_of, read_stage, run_stages
from recfabric.table.stages import GNN_GRID

SEEDS = (3,)
ROWS_RUN = ("popularity", "gnn", "distilled", "fpga")
SMALL = {"beat_bits": 64, "pe": 2, "simd": 2, "scan_ports": 1}

Record = dict[str, Any]


def write(data: Dataset, folder: Path) -> Path:
    """The data set as atomic files."""
    folder.mkdir(parents=True)
    pairs = zip(data.user, data.item, strict=True)
    lines = [f"{data.users[u]}\t{data.items[i]}" for u, i in pairs]
    (folder / f"{folder.name}.inter").write_text(
        "\n".join(["user_id:token\titem_id:token", *lines]) + "\n"
    )
    if data.texts:
        known = zip(data.items, data.texts, strict=True)
        rows = [f"{item}\t{text}" for item, text in known]
        (folder / f"{folder.name}.item").write_text(
            "\n".join(["item_id:token\ttitle:token_seq", *rows]) + "\n"
        )
    return folder


@pytest.fixture(scope="module")
def plan(tiny_causal: Path, tmp_path_factory: pytest.TempPathFactory) -> Plan:
    data = synthetic_dataset(users=40, items=150, seed=2, most=20)
    folder = write(data, tmp_path_factory.mktemp("data") / "things")
    return Plan(
        data=str(folder),
        model=str(tiny_causal),
        steps=2,
        requests=4,
        epochs=1,
        gnn_epochs=2,
        tune=False,
        hardware=SMALL,
    )


@pytest.fixture(scope="module")
def out(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of four rows and one seed; the graph network ran in a process of its own."""
    folder = tmp_path_factory.mktemp("table")
    run_stages(plan, ["gnn"], SEEDS, folder, Silent())
    make_table(plan, SEEDS, folder, Silent(), rows=ROWS_RUN, apart=False)
    return folder


@pytest.fixture(scope="module")
def lines(out: Path) -> Mapping[str, Record]:
    record = json.loads((out / "table.json").read_text())
    return {row["row"]: row for row in record["rows"]}


def value(row: Record, column: str) -> float:
    cell = row["cells"][column]
    assert cell is not None, column
    return float(cell["seeds"][0])


def test_quality_is_that_of_the_lists(plan: Plan, out: Path, lines: Mapping[str, Record]) -> None:
    """The contract's own requests through the integer model, by a way of their own."""
    folder = folder_of(out, "distilled", 3) / "model"
    contract, requests = Contract.load(folder), Requests.load(folder)
    assert requests is not None
    config = HotPathConfig.for_contract(contract)
    lists = answer_all(SoftDevice(config), contract, requests, k=20).rows
    for name in ("distilled", "fpga"):
        assert value(lines[name], "ndcg@10") == pytest.approx(ndcg(lists, requests.targets))
        assert value(lines[name], "recall@20") == pytest.approx(recall(lists, requests.targets))
        assert lines[name]["contracts"] == {"3": contract.sha256}
    assert lines["fpga"]["equivalence"]["mismatches"] == 0
    assert lines["fpga"]["equivalence"]["integers"] == 40 * (len(requests) + 4 + 20)
    each = np.load(folder_of(out, "distilled", 3) / "each.npy")
    assert np.nanmean(each) == pytest.approx(value(lines["distilled"], "ndcg@10"))
    for name, row in lines.items():
        sampled = value(row, "sampled_ndcg@10")
        assert value(row, "ndcg@10") < sampled < 1, name
    for name in ("gnn", "distilled", "fpga"):
        assert 0 < value(lines[name], "cold") < 1
    assert value(lines["distilled"], "cold") == value(lines["fpga"], "cold")


def test_fpga_latency_is_cycles_over_the_clock_and_the_transfer(
    plan: Plan, out: Path, lines: Mapping[str, Record]
) -> None:
    """Cycles against the cost model, which is within 3 %; bytes and microseconds by hand."""
    folder = folder_of(out, "distilled", 3) / "model"
    contract, requests = Contract.load(folder), Requests.load(folder)
    assert requests is not None
    target = board("kv260")
    config = target.hotpath(contract, **SMALL)
    per_row, left = row_cycles(contract, config), read_stage(out, "fpga", 3)
    pairs = zip(requests.history, requests.seen, strict=True)
    each = zip(left["per_request"]["cycles"], left["per_request"]["ms"], strict=True)
    for (history, seen), (cycles, ms) in zip(pairs, each, strict=True):
        request = Request(len(history), tuple(seen.tolist()), 20, int(per_row[history].sum()))
        model = alone(config, contract.shape.items, request, Memory())
        assert cycles == pytest.approx(model, rel=0.03)
        copied = 3 * 1.0 + (4 * len(history) + 4 * len(seen) + 8 * 20) / 1000
        accesses = (1e3 * ms - cycles / 200 - copied - 20.0) / 0.3  # 200 MHz, microseconds
        assert accesses == pytest.approx(round(accesses), abs=0.02)
        assert 10 <= round(accesses) <= 60
    assert target.clock_mhz == 200
    assert TRANSFERS["vivado"].record() == {
        "register_us": 0.3,
        "copy_us": 1.0,
        "bytes_per_us": 1000.0,
        "wake_us": 20.0,
    }
    assert value(lines["fpga"], "plain_p99") == pytest.approx(
        np.quantile(left["per_request"]["ms"], 0.99), abs=1e-5
    )
    with_text = value(lines["fpga"], "text_p50")
    assert with_text > left["language_model_ms"]["p50"] > 0
    assert left["cycles"]["text"]["p50"] > left["cycles"]["plain"]["p50"]
    shown = cells(lines["fpga"])
    assert [name for name, text in shown.items() if "*simulated*" in text] == [
        "plain_p50",
        "plain_p99",
        "text_p50",
        "text_p99",
    ]
    assert not any("simulated" in text for text in cells(lines["distilled"]).values())


def test_costs_are_those_of_the_stages(out: Path, lines: Mapping[str, Record]) -> None:
    parts = [read_stage(out, name, 3) for name in ("adapter", "read-adapted", "distilled")]
    assert all(part["cpu"] > 0 for part in parts)
    for name in ("distilled", "fpga"):
        assert value(lines[name], "training") == pytest.approx(sum(p["cpu"] for p in parts))
        assert value(lines[name], "memory") == max(p["peak_mb"] for p in parts)
    gnn = read_stage(out, "gnn", 3)
    assert value(lines["gnn"], "training") == gnn["cpu"]
    assert 100 < gnn["peak_mb"] < 4000  # of its own process: PyTorch and little data


def test_what_a_row_cannot_have_is_a_dash_with_a_reason(lines: Mapping[str, Record]) -> None:
    for name, empty in {
        "popularity": {"cold", "text_p50", "text_p99"},
        "gnn": {"text_p50", "text_p99"},
        "distilled": set(),
        "fpga": set(),
    }.items():
        shown = cells(lines[name])
        assert {column for column, text in shown.items() if text == NOTHING} == empty, name
        assert bool(lines[name]["missing"]) == bool(empty), name


def test_host_latencies_are_measured(out: Path, lines: Mapping[str, Record]) -> None:
    for name in ("popularity", "gnn", "distilled"):
        assert 0 < value(lines[name], "plain_p50") <= value(lines[name], "plain_p99")
    row = lines["distilled"]
    assert value(row, "text_p50") > value(row, "plain_p50")


def test_each_form_says_what_produced_it(out: Path, lines: Mapping[str, Record]) -> None:
    contract = lines["fpga"]["contracts"]["3"][:12]
    for name in ("table.md", "table.html", "table.json"):
        said = (out / name).read_text()
        for fact in (contract, "random-80-10-10 seed 42", "deepspeed", "0 mismatches", "sampled"):
            if name != "table.json" or fact != "0 mismatches":
                assert fact in said, (name, fact)
    for row in lines.values():
        assert row["about"] in (out / "table.md").read_text()
    record = json.loads((out / "table.json").read_text())
    assert record["seeds"] == [3]
    assert record["versions"]["deepspeed"]


def test_it_goes_on_where_it_was(plan: Plan, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []
    monkeypatch.setattr(runner, "work", lambda folder: ran.append(folder.name))
    make_table(plan, SEEDS, out, Silent(), rows=ROWS_RUN, apart=False)
    assert ran == []
    more = Plan(**(vars(plan) | {"requests": 5}))
    stages = ROWS["gnn"].stages
    with pytest.raises(FileNotFoundError):  # nothing was written in its place
        make_table(more, SEEDS, out, Silent(), rows=["gnn"], apart=False)
    assert ran == ["ask-gnn-3"]
    assert "gnn-cold" in stages


def test_the_stages_are_whole() -> None:
    for name, stage in STAGES.items():
        assert stage.kind in READS, name
        assert set(stage.needs.values()) <= set(STAGES), name
    for row in ROWS.values():
        assert set(row.stages) <= set(STAGES), row.name
        assert set(row.missing) <= {kind for _, _, kind in COLUMNS.values()}


def test_a_transfer_is_counted() -> None:
    contract = random_contract(items=60, dim=16, heads=1, bits=8, edges=0, seed=1, history=64)
    device = CountedDevice(SoftDevice(HotPathConfig.for_contract(contract)))
    driver = HotPathDriver(device, contract)
    device.take()
    driver.request([3, 5, 8], [3, 5, 8, 9], 7)
    first = device.take()
    assert (first.copies, first.bytes) == (3, 4 * 3 + 4 * 4 + 8 * 7)
    driver.request([4, 6, 9], [3, 5, 8, 9], 7)
    again = device.take()
    assert again.bytes == first.bytes
    assert again.registers < first.registers  # what is set already is not written again
    assert device.take() == Moved()
    card = Transfer(register_us=2, copy_us=10, bytes_per_us=100, wake_us=30)
    assert card.ms(Moved(copies=3, bytes=500, registers=7)) == pytest.approx(0.079)


def test_texts_show_where_they_matter(
    plan: Plan, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = texts.make_texts(plan, SEEDS, out, Silent(), apart=False)
    for model, stage in texts.MODELS.items():
        found = record["figures"][model]["3"]
        assert found["few"] == read_stage(out, stage, 3)["quality"]["few"]
        assert found["cold"] == read_stage(out, f"{stage}-cold", 3)["quality"]["cold"]
    hybrid, gnn = (record["figures"][name]["3"] for name in ("hybrid", "GNN alone"))
    assert record["ratios"]["cold"] == [pytest.approx(hybrid["cold"] / gnn["cold"])]
    one = record["bootstrap"]["3"]
    assert one["mean"] == pytest.approx(hybrid["ndcg@10"] - gnn["ndcg@10"])
    assert one["low"] < one["mean"] < one["high"]
    assert "hybrid without texts" in (out / "texts.md").read_text()
    without = texts.make_texts(plan, SEEDS, out, Silent(), control=False, apart=False)
    assert without["ratios"] == record["ratios"]
    assert without["figures"].keys() == {"GNN alone", "hybrid"}
    assert without["figures"].items() <= record["figures"].items()
    assert "hybrid without texts" not in (out / "texts.md").read_text()


def test_the_mark_needs_every_seed() -> None:
    good = {"ratios": {"cold": [1.3, 1.25], "few": [1.2, 2.0]}, "bootstrap": {"0": {"high": 0.1}}}
    assert texts._met(good)
    assert not texts._met(good | {"ratios": {"cold": [1.3, 1.19], "few": [1.2, 2.0]}})
    assert not texts._met(good | {"bootstrap": {"0": {"high": 0.1}, "1": {"high": -0.001}}})


def test_a_stage_that_fails_is_named_and_nothing_is_lost(plan: Plan, tmp_path: Path) -> None:
    few = write(synthetic_dataset(users=10, items=20), tmp_path / "few")
    bad = Plan(**(vars(plan) | {"data": str(few)}))
    with pytest.raises(StageError, match=r"'gnn' of seed 3 .*too few for 1 against 99"):
        run_stages(bad, ["gnn"], SEEDS, tmp_path / "out", Silent())
    assert read_stage(tmp_path / "out", "gnn-settings", 3)["readings"] == 0


def test_what_needs_a_stage_runs_anew_with_it_though_a_run_was_cut_off(
    plan: Plan, tmp_path: Path
) -> None:
    run_stages(plan, ["gnn"], SEEDS, tmp_path, Silent(), apart=False)
    tuned = replace(plan, tune=True)
    run_stages(tuned, ["gnn-settings"], SEEDS, tmp_path, Silent(), apart=False)  # and no further
    done = folder_of(tmp_path, "gnn", 3) / "stage.json"
    times = [done.stat().st_mtime_ns]
    for _ in range(2):
        run_stages(tuned, ["gnn"], SEEDS, tmp_path, Silent(), apart=False)
        times.append(done.stat().st_mtime_ns)
    assert times[0] < times[1] == times[2]


def test_bad_input_is_one_sentence(
    plan: Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError, match="'lorra' is none of random"):
        make_table(plan, SEEDS, tmp_path, Silent(), rows=["lorra"])
    with pytest.raises(ConfigError, match="not distinct"):
        make_table(plan, (1, 1), tmp_path, Silent(), rows=["gnn"])
    with pytest.raises(ConfigError, match="steps of 0"):
        Plan(steps=0)
    plain = write(synthetic_dataset(users=10, items=20, texts=False), tmp_path / "plain")
    with pytest.raises(DataError, match="has no item texts"):
        make_table(Plan(data=str(plain)), SEEDS, tmp_path, Silent(), rows=["gnn"])
    assert main(["table", "--data", str(plain), "--board", "nexys"]) == 2
    assert "nexys" in capsys.readouterr().err
    assert main(["table", "--texts", "--row", "gnn"]) == 2
    assert "--texts has neither" in capsys.readouterr().err


def test_every_way_has_the_tuning_budget_that_the_notes_name() -> None:
    assert len(RULES) == TRIALS
    assert sum(len(values) for values in GNN_GRID.values()) == TRIALS
    assert sum(len(values) for values in vars(Candidates()).values()) == TRIALS
