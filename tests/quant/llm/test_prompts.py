# SPDX-License-Identifier: Apache-2.0
"""What a model is asked about an item, and what is read off the text without one."""

import numpy as np
import pytest

from recfabric.quant.llm.prompts import YEAR_WEIGHT, attributes, liked, parts


@pytest.mark.parametrize(
    ("text", "head", "labels"),
    [
        (
            "Usual Suspects, The (1995). Genres: Crime Thriller",
            "The Usual Suspects (1995)",
            {"Genres": "Crime Thriller"},
        ),
        ("Postino, Il (1994)", "Il Postino (1994)", {}),
        ("Armée des ombres, L' (1969)", "L'Armée des ombres (1969)", {}),
        ("Now, Voyager. A Film", "Now, Voyager. A Film", {}),
        ("Fire Emblem: The Sacred Stones", "Fire Emblem: The Sacred Stones", {}),
        ("X. Class: a. Genres: b c", "X", {"Class": "a", "Genres": "b c"}),
    ],
)
def test_the_parts_of_a_text(text: str, head: str, labels: dict[str, str]) -> None:
    assert parts(text) == (head, labels)


def test_the_prompt() -> None:
    text = "Usual Suspects, The (1995). Genres: Crime Thriller"
    assert liked(text, "film") == (
        "The film The Usual Suspects (1995) (genres: Crime, Thriller) is liked by people who "
        "also like"
    )
    assert liked("Tetris") == "Tetris is liked by people who also like"
    assert liked(" \n") == ""


def test_attributes_without_a_model() -> None:
    texts = ["A (1990). Genres: x y", "B (1990). Genres: x", "", "C (1991). Genres: y z"]
    table = attributes(texts)
    # Columns: x, y (z stands once), 1990 (1991 stands once).
    root = np.float32(2**-0.5)
    expected = np.array(
        [[root, root, YEAR_WEIGHT], [1, 0, YEAR_WEIGHT], [0, 0, 0], [0, 1, 0]], np.float32
    )
    assert np.array_equal(table, expected)
    assert attributes(["Tetris", "Pong"]).shape == (2, 0)
