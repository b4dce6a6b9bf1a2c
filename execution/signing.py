"""Signatures of task messages: with a key set, workers do what a holder of the key has sent.

Whoever can write to Redis can put a message into a queue. A signature (HMAC-SHA256) over the task's
name, its id, the body and an expiry shows that the sender also knew the key.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

HEADER = "signature"
"""The message header that carries a signature: `v1.<expiry>.<mac>`."""
SHORTEST_KEY = 32
"""Characters of the shortest key that is taken: 24 random bytes in base64."""
_VERSION = "v1"
_FORM = re.compile(_VERSION + r"\.(?P<expires>[0-9]{1,12})\.(?P<mac>[0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Signature:
    """What was found in the header of a message whose signature is right."""

    mac: str
    """64 hexadecimal digits; different for every message that was ever signed."""
    expires: int
    """Seconds since 1970."""

    @property
    def spent_key(self) -> str:
        """Under which Redis knows, until it expires, when its message was acknowledged."""
        return f"spent:{self.mac}"


class Signer:
    """Signs with the first of its keys and takes what any of them signed, so that keys can change.

    `lifetime` is how long a signature is good for. The keys appear in nothing that it says.
    """

    def __init__(self, keys: Sequence[str], lifetime: timedelta) -> None:
        self._keys = [key.encode() for key in keys]
        self._lifetime = lifetime.total_seconds()

    def __repr__(self) -> str:
        return f"<Signer with {len(self._keys)} keys>"

    def sign(self, task: str, task_id: str, body: bytes, now: float) -> str:
        """The header's value for a message; `body` is the serialised body, byte for byte."""
        expires = int(now + self._lifetime)
        return f"{_VERSION}.{expires}.{_mac(self._keys[0], task, task_id, body, expires)}"

    def verify(
        self, value: object, task: object, task_id: object, body: bytes, now: float
    ) -> Signature | str:
        """The signature of a message, or in words why it is none to be trusted.

        Everything but `now` is as it came from Redis, and may be anything.
        """
        if value is None:
            return "it is not signed"
        found = _FORM.fullmatch(value) if isinstance(value, str) else None
        if found is None or not isinstance(task, str) or not isinstance(task_id, str):
            return "its signature is malformed"
        expires, claimed = int(found["expires"]), found["mac"]
        known = (_mac(key, task, task_id, body, expires) for key in self._keys)
        if not any(hmac.compare_digest(mac, claimed) for mac in known):
            return "its signature is wrong"
        if expires <= now:
            return f"its signature has expired {now - expires:.0f} s ago"
        return Signature(claimed, expires)


def _mac(key: bytes, task: str, task_id: str, body: bytes, expires: int) -> str:
    named = json.dumps([_VERSION, task, task_id, expires], separators=(",", ":"))
    return hmac.new(key, named.encode() + b"\n" + body, hashlib.sha256).hexdigest()
