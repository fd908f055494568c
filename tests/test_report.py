# SPDX-License-Identifier: Apache-2.0
"""The report: nothing is missing, nothing is loaded, a mismatch cannot be overlooked."""

import json
import re
from copy import deepcopy
from dataclasses import asdict
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from recfabric import plots
from recfabric.bitstreams.cells import KERNELS, Utilisation
from recfabric.report import figure, headline, render, write_report

CONTRACT = "3f9ac1" + "0" * 58


def rows(part: str, scale: int) -> list[dict[str, Any]]:
    parameters, tool = {"Dim": 64, "Heads": 2}, f"Yosys 0.70, -family of {part}"
    found = [
        Utilisation(n, part, parameters, 101 * i, 307, 3 * i, 1.5, 13, 17, (), tool)
        for i, n in enumerate(KERNELS, 1)
    ]
    total = Utilisation(
        "rf_hotpath", part, parameters, 9871 * scale, 8123, 77 * scale, 13.5, 91, 131, (), tool
    )
    return [asdict(row) for row in (*found, total)]


RESULT: dict[str, Any] = {
    "contract": CONTRACT,
    "data": {"name": "ml-100k", "users": 943, "items": 1682, "protocol": "full ranking", "seed": 7},
    "accuracy": [
        {"model": model, "protocol": "full ranking", "ndcg@10": ndcg, "recall@20": ndcg / 1.3}
        for model, ndcg in [
            ("MostPop", 0.1571),
            ("EASE", 0.3523),
            ("LightGCN", 0.3064),
            ("float", 0.3437),
            ("qat", 0.3441),
            ("soft", 0.3429),
            ("rtl", 0.3429),
        ]
    ],
    "equivalence": [
        {"left": "qat", "right": "soft", "requests": 943, "values": 37720, "mismatches": 0},
        {"left": "soft", "right": "rtl", "requests": 943, "values": 37721, "mismatches": 0},
    ],
    "cycles": {
        "p50": 1964,
        "p99": 3003,
        "bound_p50": 1812.25,
        "bound_p99": 2791.5,
        "per_request": {
            "history": [10 + n % 400 for n in range(0, 9430, 10)],
            "cycles": [1810 + 3 * (10 + n % 400) + n % 37 for n in range(0, 9430, 10)],
            "bound": [1682 + 3.0625 * (10 + n % 400) for n in range(0, 9430, 10)],
        },
        "stages": {"gather": 96.0, "attention": 81.0, "fuse": 43.0, "scan": 1702.5, "drain": 41.0},
    },
    "simulation": {"cycles": 1987654, "cpu_seconds": 2.71, "memory": {"latency": 64}},
    "resources": [*rows("xc7z020", 4), *rows("xczu5ev", 1)],
    "seconds": {"train": 211.4, "rtl": 12.3},
    "versions": {"python": "3.11.2", "pyosys": "0.70"},
}


class Page(HTMLParser):
    """Collects the visible text and every address a browser would load."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.loads: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        loading = {"src", "href", "data", "srcset", "poster", "action", "background"}
        self.loads += [f"{tag} {name}={value}" for name, value in attrs if name in loading]
        if tag not in ("meta",):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)


def test_json_comes_back(tmp_path: Path) -> None:
    write_report(RESULT, tmp_path / "demo")
    text = (tmp_path / "demo" / "report.json").read_text()
    assert json.loads(text) == json.loads(json.dumps(RESULT))
    assert list(json.loads(text)) == sorted(RESULT)
    assert sorted(p.name for p in (tmp_path / "demo").iterdir()) == ["report.html", "report.json"]


def test_every_figure_is_shown() -> None:
    text = Page(render(RESULT)).text
    for row in RESULT["accuracy"]:
        assert f"{row['model']} {row['ndcg@10']:.4f} {row['recall@20']:.4f}" in text
    for row in RESULT["equivalence"]:
        shown = f"{row['left']} {row['right']} {row['requests']} {row['values']:,} 0"
        assert shown in text
    cycles = RESULT["cycles"]
    assert "1,964 1,812.25 1.084" in text and "3,003 2,791.50 1.076" in text
    for name, spent in cycles["stages"].items():
        assert f"{name} {figure(spent)} " in text
    for h, c, b in zip(*cycles["per_request"].values(), strict=True):
        assert f" {h} {c:,} {figure(b)} " in text
    for row in RESULT["resources"]:
        assert row["module"] in text and row["tool"] in text
        for key in ("lut", "ff", "dsp", "bram36", "lutram", "carry"):
            assert f" {figure(row[key])} " in text
    for record in ("data", "seconds", "versions", "simulation"):
        for key, value in RESULT[record].items():
            assert f"{key} {figure(value)}" in text
    assert CONTRACT in text


def test_the_rest_is_the_total_less_the_kernels() -> None:
    kernels = sum(row["lut"] for row in rows("xczu5ev", 1)[:-1])
    assert f"the rest {9871 - kernels:,} " in Page(render(RESULT)).text


def test_it_says_what_it_is_not() -> None:
    text = Page(render(RESULT)).text
    for words in ("No board was run", "No vendor tool was run", "no clock frequency (Fmax)"):
        assert words in text


def test_self_contained() -> None:
    html = render(RESULT)
    assert Page(html).loads == []
    assert Page(html).open == []
    assert not re.search(r"https?:|//cdn|url\(|@import|<script", html)
    assert len(html) < 1_000_000


def test_equal_is_green_and_names_the_hardware() -> None:
    verdict = headline(RESULT["equivalence"])
    assert verdict["state"] == "equal"
    want = "Hardware and model are equal: 943 requests, 37,721 values, 0 mismatches"
    assert verdict["title"] == want
    assert 'class="verdict equal"' in render(RESULT)


def test_a_mismatch_is_a_failure_in_red() -> None:
    result = deepcopy(RESULT)
    result["equivalence"][0]["mismatches"] = 1
    html = render(result)
    assert 'class="verdict differs"' in html and 'class="verdict equal"' not in html
    assert html.count('<tr class="fails">') == 1
    assert "differ: 1 mismatches" in html and "are equal" not in html
    assert re.search(r"\.verdict\.differs[^{]*h2[^{]*\{ color: var\(--bad\)", html)


def test_nothing_compared_is_no_success() -> None:
    assert headline([])["state"] == "nothing"
    html = render(RESULT | {"equivalence": [], "cycles": {}, "simulation": {}, "resources": []})
    assert "Nothing was compared" in html and "✓" not in html
    assert "Nothing was simulated" in html and "Nothing was synthesised" in html


def test_more_than_a_part_holds_is_said() -> None:
    text = Page(render(RESULT)).text
    assert "rf_hotpath takes 140% of the DSP that xc7z020 has" in text
    assert "of the DSP that xczu5ev has" not in text


def test_a_memory_in_flip_flops_is_marked() -> None:
    result = deepcopy(RESULT)
    result["resources"][-1]["register_memories"] = ("u.memory (64 x 32 bits)",)
    assert re.search(r'<td class="bad">\s*u\.memory \(64 x 32 bits\)', render(result))


def test_text_is_escaped() -> None:
    result = deepcopy(RESULT)
    result["data"]["name"] = result["accuracy"][0]["model"] = "<b>&"
    result["resources"][0]["module"] = "<i>"
    html = render(result)
    assert "<b>&" not in html and "<i>" not in html and "&lt;b&gt;&amp;" in html


def test_a_figure_that_is_no_number_writes_nothing(tmp_path: Path) -> None:
    result = RESULT | {"seconds": {"train": float("nan")}}
    with pytest.raises(ValueError, match="JSON"):
        write_report(result, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1682, "1,682"), (0.3429, "0.3429"), (12.5, "12.50"), (3.0, "3"), ("a", "a")],
)
def test_figure(value: object, text: str) -> None:
    assert figure(value) == text


def test_marks_lie_inside_the_plot() -> None:
    each = RESULT["cycles"]["per_request"]
    svg = plots.scatter(each["history"], each["cycles"], each["bound"], title="t", axes="x|y")
    places = re.findall(r'cx="([-\d.]+)" cy="([-\d.]+)" r="3"', svg)
    assert len(places) == len(each["history"])
    assert all(0 < float(x) < plots.WIDTH and 0 < float(y) < 320 for x, y in places)
    widths = re.findall(r'x="([\d.]+)" y="4.0" width="([\d.]+)"', plots.stacked([("a", 1)] * 3, ""))
    assert sum(float(w) for _, w in widths) == pytest.approx(plots.WIDTH - 6, abs=1)


@pytest.mark.parametrize("values", [[], [0.0], [1e-3], [123456.0]])
def test_plots_take_any_range(values: list[float]) -> None:
    plots.scatter(values, values, values, title="", axes="x|y")
    plots.bars([plots.Bar("a", v, "", "yard") for v in values], "")
    plots.stacked([("a", v) for v in values], "")
    plots.shares([("a", [v]) for v in values], ["c"], "")
