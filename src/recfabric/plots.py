# SPDX-License-Identifier: Apache-2.0
"""The report's plots as inline SVG: no script, colours by CSS class, a tooltip on every mark.

All functions give markup that is safe to place in a page; lengths are in units of the view box,
which the page scales to its width.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

WIDTH = 760
_TICKS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Bar:
    """One bar: its length in the axis' unit, the figure written at its end, a CSS class."""

    label: str
    value: float
    text: str
    tone: str


def bars(rows: Sequence[Bar], title: str, *, left: int = 92) -> Markup:
    """Horizontal bars from zero, the figure at each end; ``left``: room for the labels."""
    right, pitch, top = 64, 28, 4
    height = top + pitch * len(rows) + 26
    axis = _Axis(0, max([row.value for row in rows], default=0.0), left, WIDTH - right)
    body = [*axis.vertical_grid(top, height - 24)]
    for i, row in enumerate(rows):
        y = top + pitch * i
        end = axis.at(row.value)
        body += [
            _text(left - 8, y + 18, row.label, "label end"),
            _bar(left, y + 4, end - left, pitch - 8, row.tone, f"{row.label}: {row.text}"),
            _text(end + 6, y + 18, row.text, "figure"),
        ]
    return _svg(height, title, body)


def scatter(
    x: Sequence[float], y: Sequence[float], bound: Sequence[float], *, title: str, axes: str
) -> Markup:
    """Points over x with the line of the bound; ``axes``: what x and y are, parted by a bar."""
    left, top, height = 64, 34, 360
    x_name, y_name = axes.split("|")
    bottom = height - 46
    across = _Axis(0, max(x, default=0), left, WIDTH - 16)
    up = _Axis(0, max([*y, *bound], default=0), bottom, top)
    line = sorted(set(zip(x, bound, strict=True)))
    points = " ".join(f"{across.at(a):.1f},{up.at(b):.1f}" for a, b in line)
    body = [
        *across.vertical_grid(top, bottom),
        *up.horizontal_grid(left, WIDTH - 16),
        *(
            _tag("circle", f"{x_name} {_short(a)}: {_short(b)} {y_name}", "dot", _centre(p, q))
            for a, b in zip(x, y, strict=True)
            for p, q in [(across.at(a), up.at(b))]
        ),
        Markup('<polyline class="bound" points="{}"/>').format(points),
        _text((left + WIDTH) / 2, height - 8, x_name, "axis middle"),
        _text(left - 8, 14, y_name, "axis"),
        *_legend(WIDTH - 300),
    ]
    return _svg(height, title, body)


def stacked(parts: Sequence[tuple[str, float]], title: str) -> Markup:
    """One bar of parts that add up to a whole; wide parts carry their name."""
    total = sum(value for _, value in parts) or 1.0
    begin, body = 0.0, []
    for i, (label, value) in enumerate(parts):
        width = WIDTH * value / total
        share = f"{value / total:.0%}"
        body.append(_bar(begin, 4, max(width - 2, 0), 44, f"s{i + 1}", f"{label}: {share}"))
        if width > 9 * len(label) + 16:
            body.append(_text(begin + 10, 23, label, f"inside i{i + 1}"))
            body.append(_text(begin + 10, 40, share, f"inside i{i + 1}"))
        begin += width
    return _svg(52, title, body)


def shares(
    rows: Sequence[tuple[str, Sequence[float]]], columns: Sequence[str], title: str
) -> Markup:
    """A bar for each row in each column, 0 to 100 % of what a part holds; more is marked."""
    left, pitch, top = 112, 22, 26
    column = (WIDTH - left) / len(columns)
    full = column - 56
    height = top + pitch * len(rows) + 6
    body = []
    for c, name in enumerate(columns):
        x = left + c * column
        body += [_text(x, 14, name, "label"), _line(x, top, x, height - 6, "base")]
        body += [_line(x + full, top, x + full, height - 6, "full")]
    for r, (label, values) in enumerate(rows):
        y = top + pitch * r
        weight = " total" if r == len(rows) - 1 else ""
        body.append(_text(left - 8, y + 15, label, f"label end{weight}"))
        for c, value in enumerate(values):
            body += _share(left + c * column, y, full, value, f"{label}, {columns[c]}", weight)
    return _svg(height, title, body)


def _share(x: float, y: float, full: float, value: float, name: str, weight: str) -> list[Markup]:
    over = value > 1
    length = full * min(value, 1)
    text = f"{value:.0%}" if value >= 0.0995 or value == 0 else f"{value:.1%}"
    tone = "over" if over else f"share{weight}"
    mark = [_bar(x, y + 4, length, 14, tone, f"{name}: {value:.1%}")] if value else []
    return [*mark, _text(x + length + 5, y + 15, text, "small alert" if over else "small")]


def _legend(x: float) -> list[Markup]:
    return [
        Markup('<circle class="dot key" cx="{}" cy="10" r="4"/>').format(x),
        _text(x + 10, 14, "a request (simulated)", "axis"),
        _line(x + 168, 10, x + 190, 10, "bound"),
        _text(x + 196, 14, "memory bound", "axis"),
    ]


class _Axis:
    """From a value to a place, with round ticks; begins at ``low`` and ends at a tick."""

    def __init__(self, low: float, high: float, start: float, stop: float) -> None:
        span = (high - low) or 1.0
        magnitude = 10.0 ** math.floor(math.log10(span / 5))
        step = next(t * magnitude for t in _TICKS if t * magnitude >= span / 5 * 0.999)
        count = math.ceil(span / step - 1e-9)
        self.ticks = [low + step * i for i in range(count + 1)]
        self._low, self._start = low, start
        self._scale = (stop - start) / (step * count)

    def at(self, value: float) -> float:
        return self._start + (value - self._low) * self._scale

    def vertical_grid(self, top: float, bottom: float) -> Iterable[Markup]:
        for tick in self.ticks:
            x = self.at(tick)
            yield _line(x, top, x, bottom, "grid")
            yield _text(x, bottom + 16, _short(tick), "axis middle")

    def horizontal_grid(self, left: float, right: float) -> Iterable[Markup]:
        for tick in self.ticks:
            y = self.at(tick)
            yield _line(left, y, right, y, "grid")
            yield _text(left - 8, y + 4, _short(tick), "axis end")


def _short(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) else f"{value:.6g}"


def _svg(height: float, title: str, body: Iterable[Markup]) -> Markup:
    return Markup('<svg viewBox="0 0 {} {:.0f}" role="img" aria-label="{}">{}</svg>').format(
        WIDTH, height, title, Markup("\n").join(body)
    )


def _tag(name: str, title: str, css: str, place: Markup) -> Markup:
    return Markup('<{} class="{}" {}><title>{}</title></{}>').format(name, css, place, title, name)


def _centre(x: float, y: float) -> Markup:
    return Markup('cx="{:.1f}" cy="{:.1f}" r="3"').format(x, y)


def _bar(x: float, y: float, width: float, height: float, css: str, title: str) -> Markup:
    place = Markup('x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" rx="2"')
    return _tag("rect", title, css, place.format(x, y, width, height))


def _line(x1: float, y1: float, x2: float, y2: float, css: str) -> Markup:
    line = Markup('<line class="{}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>')
    return line.format(css, x1, y1, x2, y2)


def _text(x: float, y: float, text: str, css: str) -> Markup:
    return Markup('<text class="{}" x="{:.1f}" y="{:.1f}">{}</text>').format(css, x, y, text)
