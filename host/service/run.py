# SPDX-License-Identifier: Apache-2.0
"""The service as a process: where it listens, who may ask, on which devices it answers."""

from __future__ import annotations

import gc
import ipaddress
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from recfabric.contract import Contract
from recfabric.errors import ConfigError
from recfabric.host.device import Device
from recfabric.host.items import Encoder
from recfabric.host.runtime import LaneOptions, Runtime, RuntimeOptions
from recfabric.host.service.core import Recommendations
from recfabric.host.service.guard import Limits
from recfabric.host.soft import SoftDevice
from recfabric.requests import Requests

TOKEN_VARIABLE = "RECFABRIC_TOKEN"
_MIN_TOKEN = 16
_SWITCH_S = 0.0001  # the default of 5 ms would be most of a request's latency


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
    devices: Sequence[Device], *, timeout_s: float, device_timeout_s: float, queue: int
) -> RuntimeOptions:
    """Known requests and a fallback where a device can fail: not for the integer model itself."""
    real = any(not isinstance(device, SoftDevice) for device in devices)
    return RuntimeOptions(
        queue=queue,
        timeout_s=timeout_s,
        fallback=real,
        lane=LaneOptions(timeout_s=device_timeout_s, check=real),
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
    import uvicorn

    from recfabric.host.service.app import create_app

    sys.setswitchinterval(_SWITCH_S)
    gc.collect()
    gc.freeze()  # what lives as long as the process is not looked through again and again
    with Runtime(contract, devices, runtime) as running:
        core = Recommendations(running, requests, encoder)
        app = create_app(core, token=options.token, limits=options.limits)
        uvicorn.run(
            app,
            host=options.host,
            port=options.port,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=30,
            h11_max_incomplete_event_size=1 << 15,
        )
