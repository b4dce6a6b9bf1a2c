"""Who may ask: API key, signature over the exact bytes that came, and the receive window."""

from __future__ import annotations

import hashlib
import hmac
import re

from simulators.binance.errors import ApiError, mandatory
from simulators.binance.parameters import Parameters

DEFAULT_WINDOW = 5000.0
MAX_WINDOW = 60_000.0
# A client's clock may be this far ahead, in milliseconds.
_AHEAD = 1000
_KEY = re.compile(r"[A-Za-z0-9_-]{1,128}", re.ASCII)
# Thirteen digits are milliseconds until the year 2286; more are microseconds.
_MICROSECONDS = 10**14


def sign(secret: str, payload: bytes) -> str:
    """HMAC-SHA256 in hexadecimal, as every signed request carries it."""
    return hmac.new(secret.encode(), payload, hashlib.sha256).hexdigest()


def signed_payload(query: str, body: str) -> bytes:
    """What a signature signs: query and body as they came, joined by nothing, without itself."""
    return b"".join(
        "&".join(pair for pair in part.split("&") if not pair.startswith("signature=")).encode()
        for part in (query, body)
    )


def check_key(sent: str | None, key: str) -> None:
    """ApiError when the header X-MBX-APIKEY is missing (-2014) or another's (-2015)."""
    if sent is None or not _KEY.fullmatch(sent):
        raise ApiError(-2014, status=401)
    if not hmac.compare_digest(sent, key):
        raise ApiError(-2015, status=401)


def check_signature(parameters: Parameters, secret: str, query: str, body: str) -> None:
    """ApiError when the signature is missing (-1102) or not that of what was sent (-1022)."""
    signature = parameters.required("signature")
    expected = sign(secret, signed_payload(query, body))
    # Hexadecimal digits of either case are the same signature.
    if not hmac.compare_digest(signature.lower().encode(), expected.encode()):
        raise ApiError(-1022)


def check_time(parameters: Parameters, now: int) -> None:
    """ApiError when the request is too old or too young (-1021) by the clock `now`, in ms."""
    timestamp = parameters.integer("timestamp")
    if timestamp is None:
        raise mandatory("timestamp")
    window = parameters.decimal("recvWindow")
    if window is not None and window > MAX_WINDOW:
        raise ApiError(-1131, "recvWindow must be less than 60000")
    sent_at = timestamp / 1000 if timestamp >= _MICROSECONDS else float(timestamp)
    if sent_at >= now + _AHEAD:
        raise ApiError(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    if now - sent_at > (DEFAULT_WINDOW if window is None else float(window)):
        raise ApiError(-1021)
