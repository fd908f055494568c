# SPDX-License-Identifier: Apache-2.0
"""Run in pynq's environment by test_pynq.py: pynq's own gRPC device against a simulated board.

``pynq_remote.py FOLDER LIBRARY`` prints one JSON object. PYNQ_REMOTE_DEVICES is set, as on a
host; only the port is another one, so that two tests at a time do not meet.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from pynq.pl_server.device import Device
from pynq.pl_server.remote_device import RemoteDevice

from recfabric.bitstreams import boards
from recfabric.contract import Contract
from recfabric.errors import DeviceError
from recfabric.host.device import Buffer
from recfabric.host.driver import HotPathDriver
from recfabric.host.pynq_device import PynqDevice
from recfabric.host.simulated_board import Logic, serve
from recfabric.host.soft import SoftDevice
from recfabric.host.verify import answer_all, compare
from recfabric.kernels.hotpath.manifest import Manifest
from recfabric.kernels.stimulus import random_requests

folder, library = (Path(word) for word in sys.argv[1:3])
contract, config = Contract.load(folder / "model"), Manifest.load(folder / "build").config
logic = Logic(library, config, boards.board("kv260").control_base, memory_bytes=1 << 23)
server, port = serve(logic)


def iter_buffers(device: PynqDevice) -> Iterator[Buffer]:
    return (Buffer(address, 4096) for address in device._buffers)


def exercise() -> dict[str, object]:
    """100 requests, then a reset and another one."""
    remote = RemoteDevice(0, "127.0.0.1", port)
    Device.active_device = remote  # what pynq finds by PYNQ_REMOTE_DEVICES
    device = PynqDevice(folder / "build", contract)
    requests = random_requests(contract, 100)
    answers = answer_all(device, contract, requests)
    row = compare(answer_all(SoftDevice(config), contract, requests), answers)
    device.reset()
    again = HotPathDriver(device, contract).request([1, 2, 3], [], 5)
    right = HotPathDriver(SoftDevice(config), contract).request([1, 2, 3], [], 5)
    server.stop(None).wait()
    try:
        gone = str(device.read(next(iter_buffers(device)), 8))
    except DeviceError as error:
        gone = str(error)
    return {
        "gone": gone,
        "values": row.values,
        "mismatches": row.mismatches,
        "device": type(device._overlay.device).__name__,
        "board": remote.name,
        "loads": logic.loads,
        "after_reset": again.scores.tolist() == right.scores.tolist(),
    }


try:
    print(json.dumps(exercise()))  # noqa: T201
finally:
    server.stop(None)  # its threads would keep the process
