"""Errors of the bridge: one root; each has its HTTP status and a code for programs."""

from __future__ import annotations

from http import HTTPStatus
from typing import ClassVar


class BridgeError(Exception):
    """Root of what the bridge answers with a status of 400 and above; the message is the reason."""

    status: ClassVar[HTTPStatus]
    code: ClassVar[str]


class ConfigurationError(Exception):
    """The environment does not say what the bridge needs; the message names the variable."""


class Unauthorized(BridgeError):
    """No token, or not the one for this side."""

    status = HTTPStatus.UNAUTHORIZED
    code = "unauthorized"


class TooLarge(BridgeError):
    """A body above the limit of its side; it was not read."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    code = "too_large"


class Malformed(BridgeError):
    """A request that says something impossible; nothing was taken."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "malformed"


class TooLate(BridgeError):
    """`valid_until` is past; nothing was taken, and nothing of it will ever be sent."""

    status = HTTPStatus.GONE
    code = "too_late"


class KeyReused(BridgeError):
    """The Idempotency-Key was used with another request; nothing was taken."""

    status = HTTPStatus.CONFLICT
    code = "key_reused"


class IdReused(BridgeError):
    """The command id belongs to another command; nothing was taken."""

    status = HTTPStatus.CONFLICT
    code = "id_reused"


class UnknownOrder(BridgeError):
    """The bridge has no command of that id."""

    status = HTTPStatus.NOT_FOUND
    code = "unknown_order"


class UnknownSymbol(BridgeError):
    """The terminal does not tell of that symbol."""

    status = HTTPStatus.NOT_FOUND
    code = "unknown_symbol"


class TerminalAway(BridgeError):
    """No terminal can be served or believed now; nothing was taken."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "terminal_away"
