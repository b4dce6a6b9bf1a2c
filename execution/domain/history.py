"""Digests that bind an order's history: each covers what came before it, under a key.

Changing, removing or adding a sealed line makes the digests disagree, and only the key can make
them agree again. They are HMAC-SHA256 (RFC 2104) over length-prefixed parts, so that no two
histories read alike.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

NOTHING = b""
"""What comes before the first seal."""
_PURPOSE = b"history of orders, version 1"
_KEY_ID_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Line:
    """A line of an order's history, as it is stored."""

    order_id: UUID
    at: datetime
    step: str | None
    state: str | None
    broker: str | None
    attempt_no: int | None
    detail: Mapping[str, Any]

    def as_bytes(self) -> bytes:
        """A canonical encoding: the same line always gives the same bytes."""
        values = [
            str(self.order_id),
            self.at.astimezone(UTC).isoformat(),
            self.step,
            self.state,
            self.broker,
            self.attempt_no,
            self.detail,
        ]
        return json.dumps(values, sort_keys=True, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class HistoryKey:
    """A key made of one that signs messages, for this purpose alone."""

    key: bytes
    key_id: str
    """Identifies the key without revealing it."""

    @classmethod
    def of(cls, signing_key: str) -> HistoryKey:
        """The key that goes with a signing key."""
        key = hmac.new(signing_key.encode(), _PURPOSE, hashlib.sha256).digest()
        return cls(key, hashlib.sha256(key).hexdigest()[:_KEY_ID_DIGITS])

    def of_lines(self, before: bytes, lines: Iterable[Line]) -> bytes:
        """The digest of an order's lines so far: `before` is that of its last seal.

        Lines of one time are in no order of their own, and are taken in that of their contents.
        """
        placed = sorted((line.at, line.as_bytes()) for line in lines)
        return self._mac(before, *(content for _, content in placed))

    def of_head(self, before: bytes, upto: datetime, sealed: Sequence[tuple[UUID, bytes]]) -> bytes:
        """The digest of everything sealed up to a time: `sealed` are the orders' digests since."""
        placed = sorted((order_id.bytes, digest) for order_id, digest in sealed)
        moment = upto.astimezone(UTC).isoformat().encode()
        return self._mac(before, moment, *(part for pair in placed for part in pair))

    def _mac(self, *parts: bytes) -> bytes:
        made = hmac.new(self.key, digestmod=hashlib.sha256)
        for part in parts:
            made.update(len(part).to_bytes(8, "big") + part)
        return made.digest()
