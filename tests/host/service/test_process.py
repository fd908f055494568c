# SPDX-License-Identifier: Apache-2.0
"""The service as a process of its own, over TCP."""

import json
import select
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path

from recfabric.bench._load import many_clients, open_loop, run
from recfabric.bench._service import running
from recfabric.contract import Contract
from recfabric.host.service.guard import MAX_HEAD
from recfabric.host.service.run import runtime_options
from recfabric.host.soft import SoftDevice
from recfabric.kernels.stimulus import random_contract
from tests.host.service.cases import ITEMS, config


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
