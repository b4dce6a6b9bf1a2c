"""Bearer tokens: one for those who place orders, another for the terminal."""

from __future__ import annotations

import secrets
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from mt4_bridge.bridge import Bridge
from mt4_bridge.errors import Unauthorized

_client = HTTPBearer(auto_error=False, scheme_name="client")
_terminal = HTTPBearer(auto_error=False, scheme_name="terminal")

Given = HTTPAuthorizationCredentials | None


def bridge_of(request: Request) -> Bridge:
    """The bridge that this application serves."""
    bridge: Bridge = request.app.state.bridge
    return bridge


def client_only(request: Request, given: Annotated[Given, Depends(_client)]) -> None:
    """Raise Unauthorized without the clients' token."""
    _check(given, bridge_of(request).settings.client_token.get_secret_value())


def terminal_only(request: Request, given: Annotated[Given, Depends(_terminal)]) -> None:
    """Raise Unauthorized without the terminal's token."""
    _check(given, bridge_of(request).settings.terminal_token.get_secret_value())


def _check(given: Given, token: str) -> None:
    """Compare in constant time, as bytes: a header may hold any character."""
    if given is None or not secrets.compare_digest(given.credentials.encode(), token.encode()):
        raise Unauthorized("this needs the bearer token of its side")
