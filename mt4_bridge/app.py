"""The application: routes, errors in one form, and the database for as long as it runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from mt4_bridge import clients, terminal
from mt4_bridge.bridge import Bridge
from mt4_bridge.errors import BridgeError, Malformed
from mt4_bridge.retention import forget_regularly
from mt4_bridge.security import OPEN, Admission, answer_to

_DESCRIPTION = """Durable commands to a MetaTrader 4 terminal. A POST is answered 200 with the
outcome, or 202 while it is unknown: then ask `GET /order/{id}`. UNKNOWN never means failed."""


def create_app(bridge: Bridge) -> FastAPI:
    """The application over `bridge`, which it closes at its end."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        forgetting = asyncio.create_task(forget_regularly(bridge.forget))
        yield
        forgetting.cancel()
        with suppress(asyncio.CancelledError):
            await forgetting
        bridge.close()

    app = FastAPI(
        title="Superintel MT4 bridge",
        version="1",
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,  # a browser has no token
        redoc_url=None,
    )
    app.add_middleware(Admission, settings=bridge.settings)
    app.state.bridge = bridge
    app.include_router(clients.router)
    app.include_router(terminal.router)

    @app.get(OPEN)
    async def live() -> dict[str, str]:
        """The process answers; for supervisors, without a token. /health says more."""
        return {"status": "ok"}

    @app.exception_handler(BridgeError)
    async def refused(request: Request, error: BridgeError) -> Response:
        return answer_to(request.scope["path"], error)

    @app.exception_handler(HTTPException)
    async def unserved(_: Request, error: HTTPException) -> Response:
        """What no route has seen: a body that is no JSON, no such route, no such method."""
        words = {400: Malformed.code, 404: "no_route", 405: "no_method"}
        return JSONResponse(
            {"code": words.get(error.status_code, "refused"), "reason": str(error.detail)},
            status_code=error.status_code,
            headers=error.headers,
        )

    @app.exception_handler(RequestValidationError)
    async def malformed(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        return JSONResponse(
            {"code": Malformed.code, "reason": f"{place}: {first['msg']}"},
            status_code=Malformed.status,
        )

    return app
