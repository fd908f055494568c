# SPDX-License-Identifier: Apache-2.0
"""One sentence about an item from the columns of its item file."""

from __future__ import annotations

from collections.abc import Sequence

TITLES = ("title", "name")
YEARS = ("year", "release_year", "movie_year", "publication_year")
LABELS = {"class": "Genres", "genre": "Genres", "genres": "Genres", "categories": "Categories"}


def compose(names: Sequence[str], values: Sequence[str]) -> str:
    """The text a language model reads of an item.

    The first column named like a title (else the first column) leads, a year stands in brackets
    behind it, and every other column that is not empty follows as ``Label: value``:
    ``Toy Story (1995). Genres: Animation Children's Comedy``.
    """
    filled = {n: " ".join(v.split()) for n, v in zip(names, values, strict=True) if v.strip()}
    if not filled:
        return ""
    lead = next((n for n in filled if n.lower().endswith(TITLES)), next(iter(filled)))
    year = next((n for n in filled if n.lower() in YEARS and n != lead), None)
    head = filled[lead] + (f" ({_plain(filled[year])})" if year else "")
    rest = [f"{_label(n)}: {_plain(v)}" for n, v in filled.items() if n not in (lead, year)]
    return ". ".join([head, *rest])


def _label(name: str) -> str:
    return LABELS.get(name.lower(), name.replace("_", " ").strip().capitalize())


def _plain(value: str) -> str:
    """A number without the ``.0`` that float columns carry."""
    return value.removesuffix(".0") if value.removesuffix(".0").isdigit() else value
