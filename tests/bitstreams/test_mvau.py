# SPDX-License-Identifier: Apache-2.0
"""rf_dense against FINN's MVAU_rtl at the same folding, by the same run of Yosys."""

import os
from pathlib import Path

import pytest

from recfabric.bitstreams.cells import utilisation
from recfabric.bitstreams.mvau import Folding, core_parameters, mvau_utilisation
from recfabric.errors import ConfigError, ToolMissingError
from recfabric.hls.finn.environment import rtllib


def finn() -> Path:
    try:
        return rtllib()
    except ToolMissingError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"NOT COMPARED with FINN: {error}")


@pytest.mark.parametrize("part", ["xc7z020", "xczu5ev"])
@pytest.mark.parametrize("weight_bits", [8, 4])
def test_no_more_cells_than_finn(part: str, weight_bits: int) -> None:
    fold = Folding(64, 64, 4, 4, weight_bits)
    theirs = mvau_utilisation(finn(), fold, part)
    ours = utilisation("rf_dense_core", core_parameters(fold, part), part)
    assert 0 < ours.lut + ours.lutram <= theirs.lut + theirs.lutram
    assert 0 < ours.dsp <= theirs.dsp
    assert ours.ff <= theirs.ff
    assert ours.register_memories == ()


def test_a_folder_without_finn_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no mvu/mvu\.sv"):
        mvau_utilisation(tmp_path, Folding(64, 64, 4, 4), "xc7z020")
