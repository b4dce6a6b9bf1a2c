"""Opens what Redis holds of a message, whoever put it there: no message may end a worker.

Kombu takes a message's frame as it comes: any JSON that is no frame raises in the loop and ends the
worker, a header makes it decompress before anybody has asked who sent it, and the frame names the
queue that the message goes back to. Here a frame is made anew from what is understood of it.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from execution.signing import HEADER, OBEYED

DEEPEST = 250
"""Nested lists and objects in a body. Celery and the log read it again, in deeper calls."""
LARGEST = 2 * 1024 * 1024
"""Bytes of the largest message that is read, as Redis holds it. A chain of eight takes 4 KiB."""
REFUSED = "refused"
"""The header of a frame that could not be opened: why not. No sender can set it."""
_SHOWN = 2_000
_LONGEST_LIST = 8
_KEPT = (*OBEYED, HEADER)
_JSON = "application/json"


def opened(item: bytes, queue: str) -> dict[str, Any]:
    """Return the frame of a message that was taken from `queue`, fit for kombu's `Message`.

    One that is not understood comes back as a frame with the header REFUSED and the first bytes of
    what it was. The delivery tag is always a new one: it names the message among those that are
    not acknowledged, and must not be another's. Raises nothing.
    """
    reason = None
    if len(item) > LARGEST:
        reason = f"it is larger than {LARGEST // 1024 // 1024} MiB"
    else:
        found = _frame(item)
        if isinstance(found, str):
            reason = found
        else:
            return {**found, "properties": {**_properties(queue), "body_encoding": "base64"}}
    body = base64.b64encode(bytes(item[:_SHOWN])).decode()
    return {
        "body": body,
        "content-type": _JSON,
        "content-encoding": "utf-8",
        "headers": {REFUSED: reason},
        "properties": {**_properties(queue), "body_encoding": "base64"},
    }


def understood(frame: object) -> bool:
    """Whether a frame that came by a channel, to all workers at once, may be handed to kombu."""
    if not isinstance(frame, dict):
        return False
    properties, headers = frame.get("properties"), frame.get("headers")
    return (
        isinstance(properties, dict)
        and isinstance(properties.get("delivery_tag"), str)
        and isinstance(properties.get("delivery_info"), dict)
        and isinstance(headers, dict)
        and not headers.get("compression")
        and isinstance(headers.get("clock"), int | None)
        and frame.get("content-type") == _JSON
        and _is_readable(_decoded(frame))
    )


def _is_readable(body: bytes | None) -> bool:
    try:
        return body is not None and not is_deeper(json.loads(body), DEEPEST)
    except (ValueError, RecursionError):
        return False


def _properties(queue: str) -> dict[str, Any]:
    return {
        "delivery_tag": str(uuid4()),
        "delivery_mode": 2,
        "delivery_info": {"exchange": "", "routing_key": queue},
    }


def _frame(item: bytes) -> dict[str, Any] | str:
    """Body and headers of a frame, or why there are none."""
    try:
        frame = json.loads(item)
    except (ValueError, RecursionError):
        return "it is not JSON"
    if not isinstance(frame, dict) or not isinstance(frame.get("headers"), dict):
        return "it is not a Celery message"
    headers = frame["headers"]
    for name in _KEPT:
        if not _is_plain(headers.get(name)):
            return f"its header {name} is no plain value"
    if headers.get("compression"):
        return "it is compressed"
    if frame.get("content-type") != _JSON:
        return "its content type is not application/json"
    body = _decoded(frame)
    if body is None:
        return "its body is not encoded as base64"
    return {
        "body": base64.b64encode(body).decode(),
        "content-type": _JSON,
        "content-encoding": "utf-8",
        "headers": {name: headers[name] for name in _KEPT if name in headers},
    }


def is_deeper(value: object, depth: int) -> bool:
    """Whether lists and objects are nested deeper than that. It goes no deeper itself."""
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        return False
    return depth == 0 or any(is_deeper(item, depth - 1) for item in value)


def _is_plain(value: object) -> bool:
    """Whether a header is a scalar, or a short list of them: Celery sends nothing else.

    What is nested just so deep that it can be read here cannot be read in the deeper calls of
    Celery, and would end the worker there.
    """
    if isinstance(value, list):
        return len(value) <= _LONGEST_LIST and not any(
            isinstance(item, list | dict) for item in value
        )
    return not isinstance(value, dict)


def _decoded(frame: Mapping[str, Any]) -> bytes | None:
    body, properties = frame.get("body"), frame.get("properties")
    encoding = properties.get("body_encoding") if isinstance(properties, dict) else None
    if not isinstance(body, str) or encoding not in (None, "base64"):
        return None
    try:
        return base64.b64decode(body) if encoding else body.encode()
    except (binascii.Error, ValueError):
        return None
