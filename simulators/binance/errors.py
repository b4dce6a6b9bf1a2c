"""What Binance says no with: a code, its words, and the HTTP status around them.

Source: the errors document of Binance's Spot API. The words matter: clients tell refusals of one
code apart by them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

INSUFFICIENT = "Account has insufficient balance for requested action."
# The documented words of the codes that a fault may be armed with by code alone.
MESSAGES: Mapping[int, str] = {
    -1000: "An unknown error occurred while processing the request.",
    -1001: "Internal error; unable to process your request. Please try again.",
    -1002: "You are not authorized to execute this request.",
    -1003: "Too many requests queued.",
    -1006: "An unexpected response was received from the message bus. Execution status unknown.",
    -1007: (
        "Timeout waiting for response from backend server."
        " Send status unknown; execution status unknown."
    ),
    -1008: (
        "Server is currently overloaded with other requests. Please try again in a few minutes."
    ),
    -1013: "Filter failure: NOTIONAL",
    -1015: "Too many new orders.",
    -1016: "This service is no longer available.",
    -1021: "Timestamp for this request is outside of the recvWindow.",
    -1022: "Signature for this request is not valid.",
    -1111: "Parameter 'quantity' has too much precision.",
    -1121: "Invalid symbol.",
    -2010: INSUFFICIENT,
    -2011: "Unknown order sent.",
    -2013: "Order does not exist.",
    -2014: "API-key format invalid.",
    -2015: "Invalid API-key, IP, or permissions for action.",
}


class ApiError(Exception):
    """An answer other than 2xx: {"code", "msg"} and, of a cancel-replace, "data"."""

    def __init__(
        self,
        code: int,
        message: str | None = None,
        *,
        status: int = 400,
        headers: Mapping[str, str] | None = None,
        data: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message or MESSAGES[code])
        self.code = code
        self.message = message or MESSAGES[code]
        self.status = status
        self.headers = dict(headers or {})
        self.data = data

    def as_json(self) -> dict[str, Any]:
        """The body."""
        body: dict[str, Any] = {"code": self.code, "msg": self.message}
        return body if self.data is None else body | {"data": self.data}


def filter_failure(name: str) -> ApiError:
    """A filter of the symbol says no."""
    return ApiError(-1013, f"Filter failure: {name}")


def rejected(message: str) -> ApiError:
    """The matching engine says no to a new order."""
    return ApiError(-2010, message)


def mandatory(name: str) -> ApiError:
    """A parameter that must be there is not."""
    return ApiError(
        -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
    )


def either(one: str, other: str) -> ApiError:
    """One of two parameters must be there."""
    return ApiError(-1102, f"Param '{one}' or '{other}' must be sent, but both were empty/null!")


def not_required(name: str) -> ApiError:
    """A parameter that makes no sense here."""
    return ApiError(-1106, f"Parameter '{name}' sent when not required.")
