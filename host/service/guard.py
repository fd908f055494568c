# SPDX-License-Identifier: Apache-2.0
"""Before a request reaches the application: its token, and the size and pace of its body."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

OPEN = ("/healthz", "/readyz")  # what an orchestrator asks: without a token, under any load
MAX_HEAD = 1 << 15  # bytes of a request's first line and headers


@dataclass(frozen=True)
class Limits:
    """``body``: bytes of a request's body; ``body_s``: seconds that it may take to come;
    ``open``: requests that are read or answered at a time.
    """

    body: int = 1 << 20
    body_s: float = 10.0
    open: int = 4096


class Guard:
    """ASGI middleware: 401 without the token, 413 and 408 for a body too large or too slow, 429
    where too many requests are open."""

    def __init__(self, app: ASGIApp, *, token: str | None, limits: Limits) -> None:
        self.app, self.limits = app, limits
        self._token = token.encode() if token else None
        self._open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on with the whole body read."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        self._open += 1
        try:
            await self._guarded(scope, receive, send)
        finally:
            self._open -= 1

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope)
        body = b""
        if refusal is None:
            try:
                async with asyncio.timeout(self.limits.body_s):
                    body, whole = await self._body(receive)
            except TimeoutError:
                refusal = _refuse(408, f"The body did not come within {self.limits.body_s:g} s.")
            else:
                refusal = None if whole else self._too_large()
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        await self.app(scope, Replay(body, receive), send)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        headers = dict(scope["headers"])
        if self._token and scope["path"] not in OPEN:
            kind, _, given = headers.get(b"authorization", b"").partition(b" ")
            right = secrets.compare_digest(given.strip(), self._token)
            if kind.lower() != b"bearer" or not right:
                return _refuse(
                    401,
                    "The bearer token is missing or wrong.",
                    {"WWW-Authenticate": "Bearer"},
                )
        if self._open > self.limits.open and scope["path"] not in OPEN:
            return _refuse(
                429,
                f"{self.limits.open} requests are open, the most that are taken; send this one "
                "again later.",
                {"Retry-After": "1"},
            )
        length = headers.get(b"content-length", b"0")
        return self._too_large() if length.isdigit() and int(length) > self.limits.body else None

    def _too_large(self) -> JSONResponse:
        return _refuse(
            413,
            f"The body is larger than {self.limits.body} bytes; send fewer items at a time.",
            {"Connection": "close"},
        )

    async def _body(self, receive: Receive) -> tuple[bytes, bool]:
        """The body, and whether that is all of it; reading ends beyond the limit."""
        parts, size = [], 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return b"", True  # the client is gone; nobody reads the answer
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self.limits.body:
                return b"", False
            if not message.get("more_body", False):
                return b"".join(parts), True


class Replay:
    """Gives the body that was read, then whatever comes, such as the client's leaving."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        """The next message."""
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


def _refuse(code: int, sentence: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": sentence}, status_code=code, headers=headers)
