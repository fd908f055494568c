# SPDX-License-Identifier: Apache-2.0
"""The service against inputs generated from its own OpenAPI page, good and bad."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from recfabric.host.runtime import Runtime
from recfabric.host.service.app import create_app
from recfabric.host.service.core import Recommendations
from recfabric.host.soft import SoftDevice
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.kernels.stimulus import random_contract, random_requests
from tests.host.service.cases import served

POSTS = [("/recommend", "POST"), ("/items", "POST")]
GETS = [("/healthz", "GET"), ("/readyz", "GET"), ("/metrics", "GET")]
GOOD, BAD = GenerationMode.POSITIVE, GenerationMode.NEGATIVE
TOKENS = tuple(f"item{row}" for row in range(40))


@pytest.fixture(scope="module")
def schema() -> Iterator[Any]:
    contract = random_contract(items=40, dim=16, heads=1, seed=4)
    device = SoftDevice(HotPathConfig.for_contract(contract, pe=4, simd=4))
    with Runtime(contract, [device], served(contract)) as runtime:
        users = replace(random_requests(contract, 4, seen=10), users=("0", "1", "2", "3"))
        app = create_app(Recommendations(runtime, users))
        _name_items(app.openapi())
        yield schemathesis.openapi.from_asgi("/openapi.json", app)


def _name_items(page: dict[str, Any]) -> None:
    """Let what is generated name known items, now and then an unknown one."""
    properties = page["components"]["schemas"]["Ask"]["properties"]
    for name in ("history", "exclude"):
        properties[name]["items"] = {"enum": [*TOKENS, "unknown"]}
    properties["user"] = {"enum": ["0", "3", "unknown"]}


@pytest.mark.parametrize(
    ("route", "mode"),
    [*((route, mode) for route in POSTS for mode in (GOOD, BAD)), *((r, GOOD) for r in GETS)],
)
def test_no_input_breaks_the_service_or_its_promises(
    schema: Any, route: tuple[str, str], mode: GenerationMode
) -> None:
    """No 500, no code and no shape that the page does not name; bad data is refused.

    Good data may be refused: the page cannot say which items the contract knows.
    """
    operation, codes = schema[route[0]][route[1]], set()

    @settings(
        max_examples=30, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def holds(case: Any) -> None:
        answer = case.call_and_validate(excluded_checks=[positive_data_acceptance])
        codes.add(answer.status_code)

    holds()
    if route in GETS:
        assert codes == {200}
    elif mode == GOOD:
        assert {200, 422} <= codes
    else:
        assert codes <= {400, 404, 405, 422}
