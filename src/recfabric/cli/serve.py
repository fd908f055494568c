# SPDX-License-Identifier: Apache-2.0
"""``recfabric serve``: a contract as an HTTP service."""

from __future__ import annotations

import argparse
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from recfabric.contract import Contract
from recfabric.errors import ConfigError, MissingExtraError
from recfabric.host.recommender import ROOM
from recfabric.kernels.hotpath.config import HotPathConfig
from recfabric.requests import Requests
from recfabric.words import TextEncoder

if TYPE_CHECKING:
    from recfabric.host.device import Device

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

# Seconds of a request, and of a batch on the device: simulated hardware is a thousand times slower.
_TIMEOUTS = {"soft": (5.0, 1.0), "rtl": (120.0, 60.0)}


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    command = commands.add_parser("serve", help="answer requests over HTTP")
    command.add_argument("model", type=Path, help="a contract folder")
    command.add_argument("--device", choices=("soft", "rtl"), default="soft")
    command.add_argument(
        "--shards", type=int, default=1, help="devices, each with a part of the catalogue (1)"
    )
    command.add_argument("--host", default="127.0.0.1", help="the address to listen on (127.0.0.1)")
    command.add_argument("--port", type=int, default=8000)
    command.add_argument(
        "--token-file",
        type=Path,
        help="the token that requests must bring (or RECFABRIC_TOKEN); needed beyond loopback",
    )
    command.add_argument("--max-body", type=int, default=1 << 20, help="bytes of a request's body")
    command.add_argument("--queue", type=int, default=1024, help="requests that may wait (1024)")
    command.add_argument("--timeout", type=float, help="seconds of a request (5; rtl: 120)")
    command.add_argument(
        "--device-timeout",
        type=float,
        help="seconds of a batch on the device, before the fallback answers (1; rtl: 60)",
    )
    command.add_argument(
        "--words",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="load the language model that reads texts (where the folder has a text.npz)",
    )
    command.set_defaults(run=_serve)


def _serve(options: argparse.Namespace) -> int:
    for package, module in {"fastapi": "fastapi", "prometheus-client": "prometheus_client"}.items():
        if find_spec(module) is None:
            raise MissingExtraError(package, "serve")
    from recfabric.host.service import run
    from recfabric.host.service.guard import Limits

    serve_options = run.ServeOptions(
        host=options.host,
        port=options.port,
        token=run.token_of(os.environ, options.token_file),
        limits=Limits(body=options.max_body),
    )
    contract = Contract.load(options.model)
    encoder = _encoder(options.model, contract, options.words)
    devices = [_device(options.device, contract) for _ in range(max(1, options.shards))]
    timeout_s, device_timeout_s = _TIMEOUTS[options.device]
    runtime = run.runtime_options(
        contract,
        devices,
        timeout_s=options.timeout or timeout_s,
        device_timeout_s=options.device_timeout or device_timeout_s,
        queue=options.queue,
    )
    try:
        run.serve(contract, Requests.load(options.model), devices, serve_options, runtime, encoder)
    finally:
        for device in devices:
            device.close()
    return 0


def _encoder(folder: Path, contract: Contract, wanted: bool | None) -> TextEncoder | None:
    """The folder's encoder with its model loaded, so that no request waits for that."""
    if wanted is False:
        return None
    try:
        encoder = TextEncoder.open(folder, contract)
        if encoder is None and wanted:
            raise ConfigError(f"{folder} holds no text.npz; export the model from data with texts.")
        if encoder is not None:
            encoder.load()
    except MissingExtraError as error:
        if wanted:
            raise
        print(f"recfabric: texts are refused: {error}", file=sys.stderr)
        return None
    return encoder


def _device(name: str, contract: Contract) -> Device:
    if name == "soft":
        from recfabric.host.soft import SoftDevice

        return SoftDevice(HotPathConfig.for_contract(contract, room=ROOM))
    from recfabric.host.rtl import RtlDevice

    return RtlDevice(HotPathConfig.for_contract(contract))
