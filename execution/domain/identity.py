"""Identifiers: time-ordered ids for rows, and names derived from them that never change."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from uuid import UUID, uuid5

from execution.domain.vocabulary import BrokerName

_EVENTS = UUID("6f0d1d3a-7a0b-5c4e-9a44-3c2c1b8f5e21")


def uuid7(unix_ms: int, random: bytes) -> UUID:
    """UUID version 7 (RFC 9562, 5.7) from milliseconds since 1970 and 10 random bytes.

    Ids that grow with time keep a table's index warm at its right edge however large it is.
    """
    value = int.from_bytes(unix_ms.to_bytes(6, "big") + random[:10], "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)


def venue_order_id(order_id: UUID, attempt_no: int, leg: int = 0) -> str:
    """What we call an attempt at its venue: 22 characters of `[A-Za-z0-9_-]`.

    A hash, so that whoever finds an attempt after a crash derives the same name; short enough for
    every venue (MT4 keeps 31 characters of a comment, Binance 36 of a client order id).
    """
    digest = hashlib.sha256(f"{order_id}:{attempt_no}:{leg}".encode()).digest()
    return urlsafe_b64encode(digest[:16]).decode().rstrip("=")


def instrument_key(broker: BrokerName, symbol: str) -> str | None:
    """The venue's own name of an instrument, where its execution ids need one; None elsewhere.

    Binance numbers trades per symbol, and writes BTC-USDT as BTCUSDT. Its adapter reads the name
    off each trade; this is for those who have no trade to read it off.
    """
    return symbol.replace("-", "") if broker is BrokerName.BINANCE else None


def event_id(*parts: object) -> UUID:
    """The id of an event, derived from what happened, so that a replay makes the same one."""
    return uuid5(_EVENTS, "\x1f".join(str(part) for part in parts))
