# SPDX-License-Identifier: Apache-2.0
"""The contract's QONNX: a missing or foreign graph is named."""

from pathlib import Path

import numpy as np
import pytest

from recfabric.errors import ContractError
from recfabric.hls.qonnx import fuse
from recfabric.kernels.stimulus import random_contract


def test_a_missing_graph_is_named(tmp_path: Path) -> None:
    contract = random_contract(items=10, dim=16)
    with pytest.raises(ContractError, match=r"fuse\.onnx"):
        fuse(tmp_path, contract, np.zeros((1, 32), np.int8))
