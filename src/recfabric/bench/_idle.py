# SPDX-License-Identifier: Apache-2.0
"""An application that reads a request and answers as long a body as the service: a load's floor.

``python -m recfabric.bench._idle PORT``
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

_BODY = b"x" * 400
_HEADERS = [(b"content-type", b"text/plain"), (b"content-length", str(len(_BODY)).encode())]


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer 200."""
    if scope["type"] == "lifespan":
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": _BODY})


if __name__ == "__main__":
    from recfabric.host.service.run import listen

    listen(application, host="127.0.0.1", port=int(sys.argv[1]))
