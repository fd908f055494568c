# SPDX-License-Identifier: Apache-2.0
"""What a language model is asked about an item, and what can be read off its text without one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_LABEL = re.compile(r"\. (?=[A-Z][\w ]*: )")
_ARTICLE = re.compile(
    r"^(?P<rest>[^()]*?), (?P<article>The|A|An|Il|La|Le|Les|Das|Der|Die|El|Los|Un|Une|L')"
    r"(?P<tail>(?: \(.*\))*)$"
)
_YEAR = re.compile(r"\((\d{4})\)\s*$")
YEAR_WEIGHT = 0.7  # of a year beside a unit vector of labels; flat from 0.5 to 1


def parts(text: str) -> tuple[str, dict[str, str]]:
    """An item's head and its labelled values, from what ``recfabric.quant.text.compose`` wrote.

    ``Usual Suspects, The (1995). Genres: Crime Thriller`` gives ``The Usual Suspects (1995)`` and
    ``{"Genres": "Crime Thriller"}``.
    """
    head, *rest = _LABEL.split(" ".join(text.split()))
    moved = _ARTICLE.match(head)
    if moved:
        gap = "" if moved["article"].endswith("'") else " "
        head = f"{moved['article']}{gap}{moved['rest']}{moved['tail']}"
    return head, {label: value for label, _, value in (one.partition(": ") for one in rest)}


def year(head: str) -> str | None:
    """The year in brackets at the end of an item's head; None where there is none."""
    found = _YEAR.search(head)
    return found[1] if found else None


def liked(text: str, noun: str = "") -> str:
    """``text`` as the beginning of a sentence about who likes it; empty for an empty text.

    A causal model's last token has read the item and is about to name its neighbours.
    """
    if not text.strip():
        return ""
    head, labels = parts(text)
    known = "; ".join(f"{k.lower()}: {', '.join(v.split())}" for k, v in labels.items())
    subject = f"The {noun} {head}" if noun else head
    return f"{subject}{f' ({known})' if known else ''} is liked by people who also like"


def columns(texts: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Labelled words and years that at least two texts hold, each sorted."""
    heads = [parts(text) for text in texts]
    words, years = _labelled(heads), _dated(heads)
    return _shared(words), _shared(years)


def attributes(
    texts: Sequence[str], known: tuple[Sequence[str], Sequence[str]] | None = None
) -> npt.NDArray[np.float32]:
    """float32 (N, A): each item's labelled words as a unit vector, and its year, one of many.

    No model reads the texts: it is the yardstick for those that do. A word of one item alone has
    no column; without labels and years A is 0. ``known``: the :func:`columns` of other texts
    instead of these ones'; then a text without labels, such as a wish in plain words, has those
    that it names anywhere.
    """
    heads = [parts(text) for text in texts]
    words, years = _labelled(heads), _dated(heads)
    names, dates = columns(texts) if known is None else known
    if known is not None:
        lower = {name.casefold(): name for name in names}
        for row, (head, labels) in enumerate(heads):
            if not labels:
                named = re.findall(r"[\w'-]+", head.casefold())
                words[row] = {lower[word] for word in named if word in lower}
    table = _indicators(words, names)
    length = np.linalg.norm(table, axis=1, keepdims=True)
    given = [table / np.maximum(length, 1.0), YEAR_WEIGHT * _indicators(years, dates)]
    return np.hstack(given).astype(np.float32)


def _labelled(heads: Sequence[tuple[str, dict[str, str]]]) -> list[set[str]]:
    return [{w for v in labels.values() for w in v.split()} for _, labels in heads]


def _dated(heads: Sequence[tuple[str, dict[str, str]]]) -> list[set[str]]:
    return [{y for y in [year(head)] if y} for head, _ in heads]


def _shared(sets: Sequence[set[str]]) -> tuple[str, ...]:
    """What at least two sets hold, sorted."""
    counts = Counter(word for one in sets for word in one)
    return tuple(sorted(word for word, count in counts.items() if count > 1))


def _indicators(sets: Sequence[set[str]], names: Sequence[str]) -> npt.NDArray[np.float32]:
    """float32 (N, A): a column for each name, 1 where a set holds it."""
    column = {name: i for i, name in enumerate(names)}
    table = np.zeros((len(sets), len(column)), np.float32)
    for row, one in enumerate(sets):
        table[row, [column[w] for w in one if w in column]] = 1
    return table
