# SPDX-License-Identifier: Apache-2.0
"""A contract, a runtime as `recfabric serve` makes it, and a client in the same process."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from fastapi.testclient import TestClient

from recfabric.contract import Contract
from recfabric.host.runtime import Runtime
from recfabric.host.service.app import create_app
from recfabric.host.service.core import Recommendations
from recfabric.host.soft import SoftDevice
from recfabric.kernels.stimulus import random_contract, random_requests
from recfabric.requests import Requests
from tests.host.service.cases import ITEMS, config, served


@pytest.fixture(scope="module")
def contract() -> Contract:
    return random_contract(items=ITEMS, dim=16, heads=1, seed=9)


@pytest.fixture(scope="module")
def requests(contract: Contract) -> Requests:
    given = random_requests(contract, 6, seen=20)
    return replace(given, users=tuple(f"user{i}" for i in range(6)))


@pytest.fixture
def core(contract: Contract, requests: Requests) -> Iterator[Recommendations]:
    with Runtime(contract, [SoftDevice(config(contract))], served(contract)) as runtime:
        yield Recommendations(runtime, requests)


@pytest.fixture
def client(core: Recommendations) -> TestClient:
    return TestClient(create_app(core), raise_server_exceptions=False)
