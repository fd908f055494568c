# SPDX-License-Identifier: Apache-2.0
"""FINN's environment: found, or named as missing; never imported here."""

import sys
from pathlib import Path

import pytest

from recfabric.errors import ToolMissingError
from recfabric.hls.finn import environment


def test_a_missing_environment_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINN_VENV", str(tmp_path))
    with pytest.raises(ToolMissingError, match="make finn-env"):
        environment.rtllib()


def test_finn_is_a_process(finn: str) -> None:
    assert finn == "1.6.1"
    assert (environment.rtllib() / "mvu" / "mvu.sv").exists()
    assert "finn" not in sys.modules
