"""Who is let in: the token and the size of a request, before a byte of its body is read.

FastAPI parses a body before it asks any dependency, so a check of the token there comes after the
attacker's megabytes. This is an ASGI layer around the whole application: nothing behind it, its
description included, answers without a token; only /live does.
"""

from __future__ import annotations

import secrets
from typing import Protocol

from fastapi import Request
from fastapi.security import HTTPBearer
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mt4_bridge.bridge import Bridge
from mt4_bridge.errors import BridgeError, Malformed, TooLarge, Unauthorized
from mt4_bridge.settings import Settings
from mt4_bridge.wire import format_body, format_record

CLIENT = HTTPBearer(auto_error=False, scheme_name="client")
"""Describes the clients' token in /openapi.json; `Admission` checks it."""
OPEN = "/live"
CONNECTION = "connection"
"""Where the state of a request has its connection; see `mt4_bridge.connections`."""

_TERMINAL = "/terminal/"
_LARGEST_CLIENT_BODY = 64 * 1024
_LARGEST_POLL = 16 * 1024 * 1024
"""Bytes. A ticket has about 250, so a poll may have some 60,000 of them."""


class Known(Protocol):
    """A connection that can be told that its peer has shown a token."""

    def admit(self) -> None: ...


def bridge_of(request: Request) -> Bridge:
    """The bridge that this application serves."""
    bridge: Bridge = request.app.state.bridge
    return bridge


def answer_to(path: str, error: BridgeError) -> Response:
    """A refusal as the side that asked for `path` reads it: a record, or JSON."""
    headers = {"WWW-Authenticate": "Bearer"} if isinstance(error, Unauthorized) else None
    if path.startswith(_TERMINAL):
        line = format_record("ERROR", {"code": error.code, "reason": str(error)})
        return Response(
            format_body([line]), error.status, headers, media_type="text/plain; charset=utf-8"
        )
    return JSONResponse({"code": error.code, "reason": str(error)}, error.status, headers)


class Admission:
    """Lets a request pass to `app` with a token of its side and a body that is complete.

    The body is read whole, up to the limit of its side; of a refused request it is not read.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._client = settings.client_token.get_secret_value().encode()
        self._terminal = settings.terminal_token.get_secret_value().encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] == OPEN:
            await self._app(scope, receive, send)
            return
        path: str = scope["path"]
        terminal = path.startswith(_TERMINAL)
        try:
            _check(scope, self._terminal if terminal else self._client)
            connection: Known | None = scope.get("state", {}).get(CONNECTION)
            if connection is not None:
                connection.admit()
            body = await _read(scope, receive, _LARGEST_POLL if terminal else _LARGEST_CLIENT_BODY)
        except BridgeError as error:
            await answer_to(path, error)(scope, receive, send)
            return
        await self._app(scope, _replayed(body, receive), send)


def _check(scope: Scope, token: bytes) -> None:
    """Compare in constant time, as bytes: a header may hold any character. Unauthorized."""
    scheme, _, given = (_header(scope, b"authorization") or b"").partition(b" ")
    if scheme.lower() != b"bearer" or not secrets.compare_digest(given.strip(), token):
        raise Unauthorized("this needs the bearer token of its side")


async def _read(scope: Scope, receive: Receive, limit: int) -> bytes:
    """The body. TooLarge, by what it says of itself or by what comes; Malformed: broken off."""
    # h11 has refused a length that is no number; what is said and what comes may still differ.
    if int(_header(scope, b"content-length") or b"0") > limit:
        raise TooLarge(f"a body here has at most {limit} bytes")
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Malformed("the body was broken off")
        body += message.get("body", b"")
        if len(body) > limit:
            raise TooLarge(f"a body here has at most {limit} bytes")
        if not message.get("more_body", False):
            return bytes(body)


def _header(scope: Scope, name: bytes) -> bytes | None:
    return next((value for key, value in scope["headers"] if key == name), None)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """What the application receives: the body in one piece, then what the connection says."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message() -> Message:
        return messages.pop() if messages else await receive()

    return next_message
