# SPDX-License-Identifier: Apache-2.0
"""The service as a process: where it listens, who may ask, on which devices it answers."""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from recfabric.contract import Contract
from recfabric.errors import ConfigError
from recfabric.host.device import Device
from recfabric.host.items import Encoder
from recfabric.host.runtime import LaneOptions, Runtime, RuntimeOptions
from recfabric.host.service.core import Recommendations
from recfabric.host.service.guard import MAX_HEAD, Limits
from recfabric.host.soft import SoftDevice
from recfabric.requests import Requests

if TYPE_CHECKING:
    from starlette.types import ASGIApp

TOKEN_VARIABLE = "RECFABRIC_TOKEN"
_MIN_TOKEN = 16
_DIRECT_ITEMS = 1 << 14  # the integer model answers for so many in less than a millisecond
_SWITCH_S = 0.0005  # at 0.1 ms two threads spend more on changing places than they gain


@dataclass(frozen=True)
class ServeOptions:
    """``host``, ``port``: where it listens; ``token``: see create_app; ``limits``: of a body."""

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if self.token is None and not is_loopback(self.host):
            raise ConfigError(
                f"The address {self.host} can be reached from other machines but no token is set; "
                f"set {TOKEN_VARIABLE}, or listen on 127.0.0.1."
            )
        if self.token is not None and (len(self.token) < _MIN_TOKEN or not self.token.isascii()):
            raise ConfigError(
                f"The token has {len(self.token)} characters; take {_MIN_TOKEN} or more of ASCII."
            )
        if not 0 <= self.port <= 65535:
            raise ConfigError(f"The port {self.port} is outside 0..65535.")


def is_loopback(host: str) -> bool:
    """Whether an address is this machine alone; a name other than localhost is not believed."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def token_of(environment: dict[str, str] | os._Environ[str], file: Path | None) -> str | None:
    """The token of a file, else of the environment; None where there is neither."""
    if file is not None:
        return file.read_text().strip()
    return environment.get(TOKEN_VARIABLE) or None


def runtime_options(
    contract: Contract,
    devices: Sequence[Device],
    *,
    timeout_s: float,
    device_timeout_s: float,
    queue: int,
) -> RuntimeOptions:
    """Known requests and a fallback where a device can fail: not for the integer model itself.

    That one computes where it is started: a batch in hand would run beside nothing, so that what
    comes meanwhile had better make up one batch; for a small catalogue it is not worth a thread.
    """
    real = any(not isinstance(device, SoftDevice) for device in devices)
    thread = real or contract.shape.items > _DIRECT_ITEMS
    return RuntimeOptions(
        depth=3 if real else 1,
        queue=queue,
        timeout_s=timeout_s,
        fallback=real,
        lane=LaneOptions(timeout_s=device_timeout_s, check=real, thread=thread),
    )


def serve(
    contract: Contract,
    requests: Requests | None,
    devices: Sequence[Device],
    options: ServeOptions,
    runtime: RuntimeOptions,
    encoder: Encoder | None = None,
) -> None:
    """Serve a contract until the process is told to end (SIGINT, SIGTERM).

    ``requests``: of the contract's folder, whose users may be asked for by name; ``encoder``: of
    texts.
    """
    from recfabric.host.service.app import create_app

    with Runtime(contract, devices, runtime) as running:
        core = Recommendations(running, requests, encoder)
        app = create_app(core, token=options.token, limits=options.limits)
        listen(app, host=options.host, port=options.port)


def listen(app: ASGIApp, *, host: str, port: int) -> None:
    """Answer an application's requests in this process until it is told to end."""
    import uvicorn

    sys.setswitchinterval(_SWITCH_S)
    gc.collect()
    gc.freeze()  # what lives as long as the process is not looked through again and again
    uvicorn.run(
        app,
        host=host,
        port=port,
        http=_http(),
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=30,
        h11_max_incomplete_event_size=MAX_HEAD,
    )


def _http() -> type[asyncio.Protocol] | str:
    """The protocol on httptools where that is installed; else uvicorn's slower one."""
    try:
        from recfabric.host.service._http import BoundedHttp
    except ImportError:
        return "h11"
    return BoundedHttp
