# SPDX-License-Identifier: Apache-2.0
"""Who may ask, how much and how many at a time."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from recfabric.cli import main
from recfabric.contract import Contract
from recfabric.errors import ConfigError
from recfabric.host.runtime import LaneOptions, Runtime, RuntimeOptions
from recfabric.host.service.app import create_app
from recfabric.host.service.core import Recommendations
from recfabric.host.service.guard import Limits
from recfabric.host.service.run import ServeOptions, token_of
from tests.host.runtime_cases import Gate
from tests.host.service.cases import TOKEN, ask, config


def test_a_large_body_is_refused_by_its_length_and_by_its_bytes(core: Recommendations) -> None:
    client = TestClient(create_app(core, limits=Limits(body=100)))
    ask(client, {"history": ["item1"]})
    assert "larger than 100 bytes" in ask(client, {"history": ["item1"] * 20}, 413)["error"]

    def chunks() -> Iterator[bytes]:
        yield b'{"history": ['
        yield b" " * 200

    assert client.post("/recommend", content=chunks()).status_code == 413


def test_the_token_is_asked_for_everywhere_but_at_the_health(core: Recommendations) -> None:
    client = TestClient(create_app(core, token=TOKEN))
    body = {"history": ["item1"]}
    for headers in ({}, {"Authorization": f"Bearer {TOKEN}x"}, {"Authorization": f"Basic {TOKEN}"}):
        refused = client.post("/recommend", json=body, headers=headers)
        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"] == "Bearer"
    for path in ("/metrics", "/openapi.json", "/docs", "/nothing"):
        assert client.get(path).status_code == 401
    ask(client, body, headers={"Authorization": f"Bearer {TOKEN}"})
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").status_code == 200


def test_beyond_loopback_a_token_must_be_set(tmp_path: Path) -> None:
    for host in ("127.0.0.1", "::1", "localhost", "127.8.8.8"):
        ServeOptions(host=host)
    for host in ("0.0.0.0", "::", "10.0.0.1", "board.local", ""):
        with pytest.raises(ConfigError, match="no token is set"):
            ServeOptions(host=host)
        ServeOptions(host=host, token=TOKEN)
    with pytest.raises(ConfigError, match="has 5 characters"):
        ServeOptions(token="short")
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    assert token_of({"RECFABRIC_TOKEN": "other"}, tmp_path / "token") == TOKEN
    assert token_of({"RECFABRIC_TOKEN": TOKEN}, None) == TOKEN
    assert token_of({}, None) is None


def test_the_command_refuses_to_start_without_a_token(
    contract: Contract,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("RECFABRIC_TOKEN", raising=False)
    contract.save(tmp_path)
    assert main(["serve", str(tmp_path), "--host", "0.0.0.0"]) == 2
    assert "no token is set" in capsys.readouterr().err


def test_too_many_requests_are_429(contract: Contract) -> None:
    gate = Gate(config(contract))
    options = RuntimeOptions(queue=1, depth=1, batch=1, lane=LaneOptions(timeout_s=30))
    with Runtime(contract, [gate], options) as runtime:
        client = TestClient(create_app(Recommendations(runtime)))
        gate.open.clear()
        query = runtime.generation.catalogue.query(["item1"])
        futures = [runtime.submit(query) for _ in range(2)]  # type: ignore[arg-type]
        refused = client.post("/recommend", json={"history": ["item1"]})
        assert refused.status_code == 429
        assert refused.headers["Retry-After"] == "1"
        gate.open.set()
        assert all(future.result(20) for future in futures)


def test_too_many_open_requests_are_429(core: Recommendations) -> None:
    client = TestClient(create_app(core, limits=Limits(open=0)))
    refused = client.post("/recommend", json={"history": ["item1"]})
    assert refused.status_code == 429
    assert "0 requests are open" in refused.json()["error"]
    assert client.get("/healthz").status_code == 200
