# SPDX-License-Identifier: Apache-2.0
"""The HTTP service: answers of the integer model, refusals in words, no 500 whatever comes."""

import json
import select
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from recfabric.bench._load import many_clients, open_loop, run
from recfabric.bench._service import running
from recfabric.cli import main
from recfabric.contract import Contract
from recfabric.errors import ConfigError, DeviceTimeoutError
from recfabric.host.device import Completion
from recfabric.host.items import ItemRows, insert
from recfabric.host.recommender import Recommender
from recfabric.host.runtime import LaneOptions, Runtime, RuntimeOptions
from recfabric.host.service.app import create_app
from recfabric.host.service.core import Recommendations
from recfabric.host.service.guard import MAX_HEAD, Limits
from recfabric.host.service.run import ServeOptions, runtime_options, token_of
from recfabric.host.soft import SoftDevice
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.kernels.stimulus import random_contract, random_requests
from recfabric.requests import Requests

ITEMS = 60
TOKEN = "a-token-of-the-tests"


@pytest.fixture(scope="module")
def contract() -> Contract:
    return random_contract(items=ITEMS, dim=16, heads=1, seed=9)


@pytest.fixture(scope="module")
def requests(contract: Contract) -> Requests:
    given = random_requests(contract, 6, seen=20)
    return replace(given, users=tuple(f"user{i}" for i in range(6)))


def config(contract: Contract) -> HotPathConfig:
    return HotPathConfig.for_contract(contract, pe=4, simd=4)


@pytest.fixture
def core(contract: Contract, requests: Requests) -> Iterator[Recommendations]:
    with Runtime(contract, [SoftDevice(config(contract))]) as runtime:
        yield Recommendations(runtime, requests)


@pytest.fixture
def client(core: Recommendations) -> TestClient:
    return TestClient(create_app(core), raise_server_exceptions=False)


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


def vectors(contract: Contract, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    rows = {
        n: rng.integers(-128, 128, contract.shape.dim).tolist()
        for n in ("message", "key", "value", "item")
    }
    return rows | {"bias": int(rng.integers(-2000, 2000)), "popularity": seed}


def test_items_are_added_and_replaced_under_their_tokens(
    client: TestClient, contract: Contract
) -> None:
    new, old = vectors(contract, 1), vectors(contract, 2)
    items = [{"token": "new", "vectors": new}, {"token": "item7", "vectors": old}]
    given = client.post("/items", json={"items": items}).json()
    rows = ItemRows(**{name: np.array([new[name], old[name]]) for name in new})
    by_hand = insert(contract, ["new", "item7"], rows)
    assert given == {
        "inserted": 1,
        "replaced": 1,
        "contract": by_hand.sha256,
        "generation": 2,
    }
    assert by_hand.tokens == (*contract.tokens, "new")
    assert by_hand.tensors.item[7].tolist() == old["item"]
    assert by_hand.tensors.bias[ITEMS] == new["bias"]
    assert by_hand.tensors.message[:7].tolist() == contract.tensors.message[:7].tolist()
    history = ["new", "item2"]
    answer = ask(client, {"history": history, "k": 32})
    assert (answer["items"], answer["scores"]) == right(by_hand, history, 32)
    assert (answer["contract"], answer["generation"]) == (by_hand.sha256, 2)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"vectors": None}, "a field is null"),
        ({"vectors": ..., "text": "a film"}, "no text encoder"),
        ({"text": "a film"}, "either by its vectors or"),
        ({"vectors": ...}, "either by its vectors or"),
        ({"token": "item1"}, "A token is given twice"),
    ],
)
def test_bad_items_are_refused_and_nothing_changes(
    client: TestClient, core: Recommendations, contract: Contract, change: dict[str, Any], says: str
) -> None:
    good = {"token": "item1", "vectors": vectors(contract, 3)}
    bad = {name: value for name, value in (good | change).items() if value is not ...}
    items = [good, bad] if "token" in change else [bad]
    answer = client.post("/items", json={"items": items})
    assert answer.status_code == 422
    assert says in answer.json()["error"]
    short = {**vectors(contract, 4), "key": [1] * 17}
    answer = client.post("/items", json={"items": [{"token": "x", "vectors": short}]})
    assert "'key' has 17 integers but the contract's dimension is 16" in answer.json()["error"]
    assert core.runtime.generation.number == 1


class Echo:
    """An encoder for the tests: the rows of the item that a text names; it counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def rows(self, texts: Sequence[str], contract: Contract) -> ItemRows:
        self.calls += 1
        place = [contract.tokens.index(text) for text in texts]
        names = ("message", "key", "value", "item", "bias", "popularity")
        return ItemRows(**{name: getattr(contract.tensors, name)[place] for name in names})


def test_an_encoder_takes_texts(core: Recommendations, contract: Contract) -> None:
    core.encoder = echo = Echo()
    client = TestClient(create_app(core))
    ask(client, {"history": ["item5"]})
    ask(client, {"user": "user2"})
    assert echo.calls == 0  # a request without text never calls it
    # A text stands in the history as often as that has items, and is itself no answer.
    for body, history in (
        ({}, []),
        ({"history": []}, []),
        ({"history": ["item9", "item3", "item9"]}, ["item9", "item3", "item9"]),
    ):
        given = ask(client, {**body, "text": "item5", "k": 3})
        same = [*history, *["item5"] * max(1, len(history))]
        items, scores = right(contract, same, 4)
        hidden = "item5" in given["items"]  # left out of the comparison's answer, not of a text's
        assert hidden or (given["items"], given["scores"]) == (items[:3], scores[:3])
        device = SoftDevice(config(contract))
        whole = Recommender(contract, device, encoder=Echo()).recommend(history, 3, text="item5")
        assert (given["items"], given["scores"]) == (list(whole.items), list(whole.scores))
    assert echo.calls == 3
    added = client.post("/items", json={"items": [{"token": "twin", "text": "item5"}]})
    assert added.json()["inserted"] == 1
    given = ask(client, {"history": ["twin"], "k": 32})
    twin, known = (core.runtime.generation.contract.tokens.index(t) for t in ("twin", "item5"))
    tensors = core.runtime.generation.contract.tensors
    assert tensors.item[twin].tolist() == tensors.item[known].tolist()


class Gate(SoftDevice):
    """A soft device whose runs wait until it is opened."""

    def __init__(self, config: HotPathConfig) -> None:
        super().__init__(config)
        self.open = threading.Event()
        self.open.set()

    def wait(self, timeout_s: float) -> Completion:
        if not self.open.wait(timeout_s):
            raise DeviceTimeoutError("The gate is shut.")
        return super().wait(timeout_s)


def test_a_device_that_is_out_is_seen_and_refused_in_words(contract: Contract) -> None:
    gate = Gate(config(contract))
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


def test_a_soft_device_needs_no_stand_in(contract: Contract) -> None:
    given = runtime_options(
        contract, [SoftDevice(config(contract))], timeout_s=1, device_timeout_s=1, queue=9
    )
    assert (given.fallback, given.lane.check, given.depth) == (False, False, 1)
    assert not given.lane.thread
    large = random_contract(items=20_000, dim=16, heads=1, seed=9)
    given = runtime_options(large, [], timeout_s=1, device_timeout_s=1, queue=9)
    assert given.lane.thread


def test_the_process_answers_many_clients_and_ends(contract: Contract, tmp_path: Path) -> None:
    """The command itself over TCP: everything is answered or refused with 429."""
    contract.save(tmp_path)
    bodies = [json.dumps({"history": [f"item{i}"], "k": 3}).encode() for i in range(ITEMS)]
    with running(tmp_path, "--queue", "2") as port:
        crowd = run(many_clients(port, bodies, clients=200, requests=2))
        calm = run(open_loop(port, bodies, rate=40, seconds=0.5))
    assert crowd.codes.total() == 400
    assert set(crowd.codes) <= {"200", "429"}
    assert crowd.codes["200"] > 0
    assert calm.codes == {"200": 20}
    assert 0 < calm.quantile_ms(0.5) <= calm.quantile_ms(0.99)
    assert run(many_clients(port, bodies, clients=1, requests=1)).codes == {"lost": 1}


def test_a_head_without_end_is_cut_off(contract: Contract, tmp_path: Path) -> None:
    """Heads within the limit on one connection as often as it likes; a longer one is refused."""
    contract.save(tmp_path)
    body = json.dumps({"history": ["item1"], "k": 1}) + " " * 20_000
    headers = {"Content-Type": "application/json", "A": "b" * 20_000}
    with running(tmp_path) as port:
        client = HTTPConnection("127.0.0.1", port, timeout=10)
        for _ in range(4):
            client.request("POST", "/recommend", body, headers)
            answer = client.getresponse()
            assert (answer.status, len(json.loads(answer.read())["items"])) == (200, 1)
        client.sock.sendall(b"GET /healthz HTTP/1.1\r\nA: ")
        sent = 0
        with suppress(OSError):
            while sent < 64 * MAX_HEAD and not select.select([client.sock], [], [], 0.001)[0]:
                sent += client.sock.send(b"a" * 1024)
        assert MAX_HEAD - 1024 < sent < 64 * MAX_HEAD
        assert client.sock.recv(1 << 16).startswith(b"HTTP/1.1 4")
