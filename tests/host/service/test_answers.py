# SPDX-License-Identifier: Apache-2.0
"""Answers of the integer model over HTTP, refusals in words, metrics, readiness."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from recfabric.contract import Contract
from recfabric.host.runtime import LaneOptions, Runtime, RuntimeOptions
from recfabric.host.service.app import create_app
from recfabric.host.service.core import Recommendations
from recfabric.requests import Requests
from tests.host.runtime_cases import Gate
from tests.host.service.cases import ask, config, right


def test_a_history_gets_the_integer_models_answer(client: TestClient, contract: Contract) -> None:
    history = ["item5", "item9", "item5"]
    given = ask(client, {"history": history, "k": 7, "exclude": ["item3"]})
    assert (given["items"], given["scores"]) == right(contract, history, 7, exclude=["item3"])
    assert (given["contract"], given["generation"]) == (contract.sha256, 1)
    assert given["devices"] == ["soft"]
    assert not given["popular"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"history": ["item5", "item9"], "k": 7}, 200),
        ({"user": "user1", "exclude": ["item2"]}, 200),
        ({"history": []}, 200),
        ({"user": "nobody"}, 404),
        ({"history": ["item5", "nothing"]}, 422),
        ({"history": ["item5"], "k": "7"}, 422),
        ({"history": ["item5"], "text": None}, 422),
        ({}, 422),
    ],
)
def test_both_ways_through_the_service_are_the_same(
    client: TestClient, body: dict[str, Any], code: int
) -> None:
    """A parameter of the content type takes the way through FastAPI."""
    near = client.post("/recommend", json=body)
    far = client.post(
        "/recommend",
        content=json.dumps(body),
        headers={"content-type": "application/json; charset=utf-8"},
    )
    assert (near.status_code, near.json()) == (far.status_code, far.json())
    assert near.status_code == code
    assert near.headers.items() == far.headers.items()


def test_an_empty_history_gets_the_popular_items(client: TestClient, contract: Contract) -> None:
    given = ask(client, {"history": [], "k": 4})
    order = np.argsort(-contract.tensors.popularity.astype(int), kind="stable")[:4]
    assert given["items"] == [f"item{row}" for row in order]
    assert given["popular"]


def test_a_user_of_the_contract_gets_what_his_history_gets(
    client: TestClient, contract: Contract, requests: Requests
) -> None:
    history = [f"item{row}" for row in requests.history[2]]
    seen = [f"item{row}" for row in requests.seen[2]]
    given = ask(client, {"user": "user2", "k": 5})
    assert (given["items"], given["scores"]) == right(contract, history, 5, exclude=seen)


def test_names_of_users_survive_the_folder(requests: Requests, tmp_path: Path) -> None:
    requests.save(tmp_path)
    loaded = Requests.load(tmp_path)
    assert loaded is not None
    assert loaded.users == requests.users
    replace(requests, users=()).save(tmp_path)
    loaded = Requests.load(tmp_path)
    assert loaded is not None
    assert loaded.users == ()


@pytest.mark.parametrize(
    ("body", "code", "says"),
    [
        ({"user": "nobody"}, 404, "'nobody' is not among the 6 users"),
        ({"text": "films about space"}, 422, "no text encoder"),
        ({"history": ["film"]}, 422, "'film' is not among the contract's 60 items"),
        ({}, 422, "Nothing is given; give a history, a user or a text"),
        ({"history": [], "user": "user1"}, 422, "A history and a user are given"),
        ({"history": ["item1"], "k": 33}, 422, "k is 33 but must be 1 to 32"),
        ({"history": ["item1"], "k": 0}, 422, "body.k"),
        ({"history": ["item1"], "k": "3"}, 422, "body.k"),
        ({"history": ["item1"], "more": 1}, 422, "body.more"),
        ({"history": ["item1"] * 4097}, 422, "at most 4096 items"),
        ({"history": ["i" * 257]}, 422, "at most 256 characters"),
        ([], 422, "body"),
    ],
)
def test_a_bad_request_is_refused_in_words(
    client: TestClient, body: Any, code: int, says: str
) -> None:
    assert says in ask(client, body, code)["error"]


@pytest.mark.parametrize("body", [b"{", b"[" * 50_000, b'{"history": ["\\ud800"]}', b"\xff\xfe"])
def test_a_body_that_is_no_json_is_refused(client: TestClient, body: bytes) -> None:
    answer = client.post("/recommend", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    assert list(answer.json()) == ["error"]


def test_metrics_count_requests_and_the_devices(client: TestClient) -> None:
    ask(client, {"history": ["item1"]})
    ask(client, {"user": "nobody"}, 404)
    client.get("/nothing")
    page = client.get("/metrics")
    assert page.headers["content-type"].startswith("text/plain; version=0.0.4")
    for line in (
        'recfabric_http_requests_total{code="200",route="/recommend"} 1.0',
        'recfabric_http_requests_total{code="404",route="/recommend"} 1.0',
        'recfabric_http_requests_total{code="404",route="other"} 1.0',
        'recfabric_device_up{device="soft",shard="0"} 1.0',
        'recfabric_device_batches_total{device="soft",shard="0"} 1.0',
        "recfabric_generation 1.0",
    ):
        assert line in page.text.splitlines()


def test_a_device_that_is_out_is_seen_and_refused_in_words(contract: Contract) -> None:
    gate = Gate(config(contract), blocks=False)
    options = RuntimeOptions(timeout_s=2.0, fallback=False, lane=LaneOptions(timeout_s=0.05))
    with Runtime(contract, [gate], options) as runtime:
        client = TestClient(create_app(Recommendations(runtime)))
        gate.open.clear()
        says = ask(client, {"history": ["item1"]}, 503)["error"]
        assert "There is no fallback" in says
        state = client.get("/readyz")
        assert state.status_code == 503
        assert state.json()["devices"][0] == {
            "device": "soft",
            "up": False,
            "batches": 0,
            "faults": 1,
            "late": 0,
            "rescued": 0,
            "recoveries": 0,
            "error": "The gate is shut.",
        }
        gate.open.set()
