# SPDX-License-Identifier: Apache-2.0
"""What the tests of the service ask, and the integer model's answer to it."""

from collections.abc import Sequence
from typing import Any

from fastapi.testclient import TestClient

from recfabric.contract import Contract
from recfabric.host.recommender import Recommender
from recfabric.host.runtime import RuntimeOptions
from recfabric.host.service.run import runtime_options
from recfabric.host.soft import SoftDevice
from recfabric.kernels.hotpath.config import HotPathConfig

ITEMS = 60
TOKEN = "a-token-of-the-tests"


def config(contract: Contract) -> HotPathConfig:
    return HotPathConfig.for_contract(contract, pe=4, simd=4)


def served(contract: Contract) -> RuntimeOptions:
    """As `recfabric serve` answers from the integer model."""
    return runtime_options(contract, [], timeout_s=5.0, device_timeout_s=1.0, queue=1024)


def ask(client: TestClient, body: Any, code: int = 200, **more: Any) -> dict[str, Any]:
    answer = client.post("/recommend", json=body, **more)
    assert answer.status_code == code, answer.text
    given: dict[str, Any] = answer.json()
    if code != 200:
        assert list(given) == ["error"]
        assert given["error"].endswith(".")
    return given


def right(contract: Contract, history: Sequence[str], k: int, **more: Any) -> tuple[Any, Any]:
    device = SoftDevice(config(contract))
    answer = Recommender(contract, device).recommend(history, k, **more)
    return list(answer.items), list(answer.scores)
