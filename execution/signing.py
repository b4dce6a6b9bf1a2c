"""Signatures of task messages: a worker obeys what a holder of the right key has sent.

Whoever can write to Redis can put a message into a queue. A signature (HMAC-SHA256) over the
queue, every header that is obeyed, the body and an expiry shows that the sender also knew a key,
and which.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

HEADER = "signature"
"""The message header that carries a signature: `v2.<key's role>.<expiry>.<mac>`."""
OBEYED = (
    *("id", "task", "root_id", "parent_id", "eta", "expires", "retries", "timelimit"),
    *("argsrepr", "kwargsrepr", "ignore_result"),
)
"""The headers of Celery's protocol 2 that a worker reads; all are signed, others are dropped."""
EXPIRED = "its signature expired"
"""How the words begin for a signature that is right but too old."""
SHORTEST_KEY = 32
"""Characters of the shortest key that is taken: 24 random bytes in base64."""
_FORM = re.compile(
    r"(?:v1|v2\.(?P<role>service|producer))\.(?P<expires>[0-9]{1,12})\.(?P<mac>[0-9a-f]{64})"
)


class KeyRole(StrEnum):
    """What the holder of a key may send."""

    SERVICE = "service"
    """Every task: workers, beat and operators hold it."""
    PRODUCER = "producer"
    """Orders, cancels and changes."""


@dataclass(frozen=True, slots=True)
class Signed:
    """What a signature covers: `headers` are cut to those of OBEYED, `body` is as serialised."""

    queue: str
    headers: Mapping[str, object]
    body: bytes


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature that was found to be right."""

    mac: str
    """64 hexadecimal digits; different for every message that was ever signed."""
    expires: int
    """Seconds since 1970."""
    role: KeyRole
    """Of the key that made it."""
    covers_headers: bool = True
    """False for version 1, which covers the task's name, its id and the body only."""

    @property
    def spent_key(self) -> str:
        """The key under which Redis keeps, until it expires, when its message was acknowledged."""
        return f"spent:{self.mac}"


def restored_key(value: object) -> str | None:
    """The key under which Redis keeps that a worker gave a message back; None if it is unsigned.

    `value` is the header's value.
    """
    found = _FORM.fullmatch(value) if isinstance(value, str) else None
    return None if found is None else f"restored:{found['mac']}"


class Signer:
    """Signs with the first key of its most powerful role, and verifies with all it has.

    Several keys of a role let a key be replaced without a stop. `lifetime` is how long a signature
    is valid. Neither `repr` nor any error shows a key.
    """

    def __init__(self, keys: Mapping[KeyRole, Sequence[str]], lifetime: timedelta) -> None:
        self._keys = {
            role: [key.encode() for key in keys[role]] for role in KeyRole if keys.get(role)
        }
        self._lifetime = lifetime.total_seconds()

    def __repr__(self) -> str:
        held = ", ".join(f"{len(keys)} of {role}" for role, keys in self._keys.items())
        return f"<Signer with keys: {held}>"

    def sign(self, message: Signed, now: float) -> str:
        """Return the header's value for a message; `now` is in seconds since 1970."""
        role, keys = next(iter(self._keys.items()))
        expires = int(now + self._lifetime)
        return f"v2.{role}.{expires}.{_mac(keys[0], role, message, expires)}"

    def verify(self, value: object, message: Signed, now: float) -> Signature | str:
        """Return the signature of a message, or in words why it is not to be trusted.

        Everything but `now` is as it came from Redis, and may be anything.
        """
        if value is None:
            return "it is not signed"
        found = _FORM.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            return "its signature is malformed"
        expires, claimed = int(found["expires"]), found["mac"]
        if found["role"] is None:
            role, known = KeyRole.SERVICE, self._first_version(message, expires)
        else:
            role = KeyRole(found["role"])
            known = (_mac(key, role, message, expires) for key in self._keys.get(role, ()))
        if not any(hmac.compare_digest(mac, claimed) for mac in known):
            return "its signature is wrong"
        if expires <= now:
            return f"{EXPIRED} {now - expires:.0f} s ago"
        return Signature(claimed, expires, role, covers_headers=found["role"] is not None)

    def _first_version(self, message: Signed, expires: int) -> Iterable[str]:
        """What version 0.1 signed: taken in this release alone, so that workers can be replaced."""
        named = ["v1", message.headers.get("task"), message.headers.get("id"), expires]
        signed = _canonical(named) + b"\n" + message.body
        for key in self._keys.get(KeyRole.SERVICE, ()):
            yield hmac.new(key, signed, hashlib.sha256).hexdigest()


def _mac(key: bytes, role: KeyRole, message: Signed, expires: int) -> str:
    headers = {name: message.headers[name] for name in OBEYED if name in message.headers}
    signed = _canonical(["v2", role, expires, message.queue, headers]) + b"\n" + message.body
    return hmac.new(key, signed, hashlib.sha256).hexdigest()


def _canonical(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True, default=str).encode()
