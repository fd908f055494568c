# SPDX-License-Identifier: Apache-2.0
"""The HTTP application: routes, refusals, OpenAPI page."""

from __future__ import annotations

import logging
import time
from dataclasses import asdict
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from fastapi.security import HTTPBearer
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from recfabric import __version__
from recfabric.errors import (
    ConfigError,
    ContractError,
    DeviceError,
    DeviceTimeoutError,
    OverloadedError,
    RecFabricError,
    RequestError,
    UnknownUserError,
)
from recfabric.host.service.core import Recommendations
from recfabric.host.service.guard import Guard, Limits, Replay
from recfabric.host.service.metrics import Metrics
from recfabric.host.service.models import (
    Alive,
    Answered,
    Ask,
    DeviceState,
    Inserted,
    Insertion,
    Readiness,
    problems,
)

_log = logging.getLogger("recfabric.service")
_JSON = (b"content-type", b"application/json")
_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# The first class that fits counts.
_CODES: tuple[tuple[type[RecFabricError], int], ...] = (
    (UnknownUserError, 404),
    (RequestError, 422),
    (ContractError, 422),
    (ConfigError, 422),
    (OverloadedError, 429),
    (DeviceTimeoutError, 504),
    (DeviceError, 503),
)


def create_app(
    core: Recommendations, *, token: str | None = None, limits: Limits | None = None
) -> FastAPI:
    """The service as an ASGI application.

    ``token``: what every request but those for /healthz and /readyz must bring, as
    ``Authorization: Bearer``; None for a service on loopback.
    """
    guarded: list[Any] = [Depends(HTTPBearer(auto_error=False))] if token else []
    app = FastAPI(
        title="RecFabric",
        version=__version__,
        summary="Recommendations, exact to the integer, from a contract's hot path.",
    )
    metrics = Metrics(core.runtime)
    _add_refusals(app)
    _add_requests(app, core, guarded, problems(401) if token else {})
    _add_state(app, core, metrics, guarded, problems(401) if token else {})
    app.add_middleware(_Shortcut, core=core, route=_route(app, "/recommend"))
    app.add_middleware(Guard, token=token, limits=limits or Limits())
    app.add_middleware(_Observe, metrics=metrics)
    return app


def _add_requests(
    app: FastAPI, core: Recommendations, guarded: list[Any], refused: dict[int | str, Any]
) -> None:
    of_all = problems(400, 408, 413, 422, 429, 503, 504) | refused

    @app.post(
        "/recommend",
        response_model=Answered,
        responses=problems(404) | of_all,
        dependencies=guarded,
    )
    async def recommend(ask: Ask) -> Response:
        """The k best items for a history, without the history itself."""
        return _written(await core.recommend(ask))

    @app.post("/items", responses=of_all, dependencies=guarded)
    async def items(insertion: Insertion) -> Inserted:
        """Add or replace items; the tables are swapped while requests go on."""
        return await core.insert(insertion)


def _add_state(
    app: FastAPI,
    core: Recommendations,
    metrics: Metrics,
    guarded: list[Any],
    refused: dict[int | str, Any],
) -> None:
    @app.get("/healthz")
    async def healthz() -> Alive:
        """Whether the process answers."""
        return Alive()

    @app.get(
        "/readyz",
        response_model=Readiness,
        responses={503: {"model": Readiness, "description": "No device can answer."}},
    )
    async def readyz() -> JSONResponse:
        """Whether requests are answered, and by what."""
        generation, runtime = core.runtime.generation, core.runtime
        state = Readiness(
            ready=runtime.ready,
            contract=generation.contract.sha256,
            generation=generation.number,
            devices=[DeviceState(**asdict(one)) for one in runtime.health],
        )
        return JSONResponse(state.model_dump(), status_code=200 if state.ready else 503)

    @app.get(
        "/metrics",
        response_class=PlainTextResponse,
        responses={200: {"content": {"text/plain": {}}}, **refused},
        dependencies=guarded,
    )
    async def metrics_page() -> PlainTextResponse:
        """Counts and latencies for Prometheus."""
        return PlainTextResponse(metrics.text(), headers={"Content-Type": _METRICS_TYPE})


def _add_refusals(app: FastAPI) -> None:
    @app.exception_handler(RecFabricError)
    async def refuse(request: Request, error: RecFabricError) -> JSONResponse:
        return _refusal(error)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        return JSONResponse({"error": f"{place}: {first['msg']}."}, status_code=422)

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse(
            {"error": str(error.detail)}, status_code=error.status_code, headers=error.headers
        )

    @app.exception_handler(Exception)
    async def broken(request: Request, error: Exception) -> JSONResponse:
        _log.error("an unexpected error", exc_info=error)
        return JSONResponse({"error": "The service failed; its log says why."}, status_code=500)


def _refusal(error: RecFabricError) -> JSONResponse:
    code = next((code for kind, code in _CODES if isinstance(error, kind)), 500)
    headers = {"Retry-After": "1"} if code == 429 else None
    return JSONResponse({"error": str(error)}, status_code=code, headers=headers)


def _written(given: Answered) -> Response:
    """As a response of its own the model is written once, and not checked again."""
    return Response(given.model_dump_json(), media_type="application/json")


def _route(app: FastAPI, path: str) -> BaseRoute:
    return next(route for route in app.routes if getattr(route, "path", None) == path)


class _Shortcut:
    """ASGI middleware, the innermost: gives a valid ``POST /recommend`` to the service at once.

    FastAPI needs more time to find the route and its arguments than the service to answer.
    What is not plainly valid goes on to FastAPI, which says why.
    """

    def __init__(self, app: ASGIApp, *, core: Recommendations, route: BaseRoute) -> None:
        self.app, self.core, self.route = app, core, route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on with the body given back."""
        plain = scope["type"] == "http" and scope["method"] == "POST"
        if not plain or scope["path"] != "/recommend" or _JSON not in scope["headers"]:
            await self.app(scope, receive, send)
            return
        body = (await receive()).get("body", b"")  # the whole of it, from Guard
        try:
            ask = Ask.model_validate_json(body)
        except ValidationError:
            await self.app(scope, Replay(body, receive), send)
            return
        scope["route"] = self.route
        try:
            answer = _written(await self.core.recommend(ask))
        except RecFabricError as error:
            answer = _refusal(error)
        await answer(scope, receive, send)


class _Observe:
    """ASGI middleware, the outermost: counts every answer with its route and time."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on and look at the first line of the answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begin, code = time.perf_counter(), 500

        async def watch(message: Message) -> None:
            nonlocal code
            if message["type"] == "http.response.start":
                code = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, watch)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self.metrics.observe(route, code, time.perf_counter() - begin)
