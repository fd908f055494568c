# SPDX-License-Identifier: Apache-2.0
"""The bench's rows as text to read: cycles, then cells, then simulation speed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from recfabric.bench._case import Row


def table(rows: Sequence[Row], simulation: Sequence[Mapping[str, Any]]) -> str:
    """Everything measured, in lines of text."""
    parts = [grid(("kernel", "case", "cycles", "bound", "ratio", "limit", "met"), _cycles(rows))]
    cells = list(_cells(rows))
    if cells:
        parts.append(grid(("kernel", "parameters", "part", "LUT", "FF", "DSP", "BRAM"), cells))
    if simulation:
        speed = (
            [s["what"], _number(s["value"]), s["unit"], s["limit"], _met(s)] for s in simulation
        )
        parts.append(grid(("simulation", "", "", "limit", "met"), speed))
    return "\n\n".join(parts)


def _cycles(rows: Iterable[Row]) -> Iterator[list[str]]:
    seen = set()
    for row in rows:
        if (row.kernel, row.config) in seen:
            continue
        seen.add((row.kernel, row.config))
        limit = "" if row.limit is None else f"{_number(row.limit)} ({row.limit_formula})"
        yield [
            row.kernel,
            row.config,
            _number(row.cycles),
            _number(row.bound),
            *_judged(row, limit),
        ]


def _judged(row: Row, limit: str) -> list[str]:
    wrong = f"{row.mismatches} of {row.values} integers WRONG" if row.mismatches else row.error
    return ["" if row.ratio is None else f"{row.ratio:.3f}", limit, wrong or _met(row.__dict__)]


def _limit(simulated: Mapping[str, Any]) -> list[str]:
    return [simulated["unit"], simulated["limit"], _met(simulated)]


def _met(row: Mapping[str, Any]) -> str:
    return "yes" if row["met"] else "NO"


def _cells(rows: Iterable[Row]) -> Iterator[list[str]]:
    seen = set()
    for row in rows:
        line = [row.kernel, " ".join(f"{n}={v}" for n, v in row.parameters.items()), row.part]
        line += [_number(n) for n in (row.lut, row.ff, row.dsp, row.bram)]
        if row.part and tuple(line) not in seen:
            seen.add(tuple(line))
            yield line + [f"IN FLIP-FLOPS: {', '.join(row.registers)}"] * bool(row.registers)


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


def grid(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Lines of cells under a head, in columns as wide as their widest cell."""
    grid = [head, *lines]
    widths = [max(len(line[i]) for line in grid) for i in range(len(head))]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in grid)
