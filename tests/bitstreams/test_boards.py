# SPDX-License-Identifier: Apache-2.0
"""Boards: every file reads, names what the flows need, and a wrong one says so."""

from pathlib import Path

import pytest

from recfabric.bitstreams import boards
from recfabric.bitstreams.parts import ALL_PARTS
from recfabric.errors import ConfigError
from recfabric.kernels.hotpath.wrapper import axi_ports
from recfabric.kernels.stimulus import random_contract


@pytest.mark.parametrize("name", boards.names())
def test_every_board_is_complete(name: str) -> None:
    board = boards.board(name)
    assert board.device.startswith("xc")
    assert board.part in ALL_PARTS
    assert board.port_bits in (64, 128, 256, 512)
    assert board.ports >= 1
    assert board.memory_bytes >= 1 << 29
    assert bool(board.platform) == (board.flow == "vitis")
    assert bool(board.ps and board.control and board.control_base) == (board.flow == "vivado")


@pytest.mark.parametrize("name", boards.names())
@pytest.mark.parametrize("dim", [16, 64, 256])
def test_a_boards_netlist_has_beats_as_wide_as_its_ports(name: str, dim: int) -> None:
    board = boards.board(name)
    config = board.hotpath(random_contract(items=20, dim=dim, heads=1))
    assert config.beat_bits == board.port_bits
    assert axi_ports(config) <= len(board.memory_ports) <= board.ports
    assert len(set(board.memory_ports)) == len(board.memory_ports)


def test_the_boards_of_the_project_are_there() -> None:
    assert set(boards.names()) == {"pynq-z2", "kv260", "zcu104", "u50", "u55c", "u250"}
    assert boards.board("PYNQ-Z2").device == "xc7z020clg400-1"


def test_an_unknown_board_is_one_sentence() -> None:
    with pytest.raises(ConfigError, match=r"'pynq-z9' is not known; choose one of kv260, pynq-z2"):
        boards.board("pynq-z9")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("title = ", "does not describe a board"),
        ('title = "x"', "does not describe a board"),
    ],
)
def test_a_damaged_file_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, words: str
) -> None:
    (tmp_path / "mine.toml").write_text(text)
    monkeypatch.setattr(boards, "FOLDER", tmp_path)
    with pytest.raises(ConfigError, match=words):
        boards.board("mine")
