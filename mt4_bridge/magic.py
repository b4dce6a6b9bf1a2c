"""The magic number of a command: what survives at the server when a comment does not."""

from __future__ import annotations

import hashlib
import re

COMMAND_ID = r"^[A-Za-z0-9_-]{1,26}$"
"""A comment holds 31 characters, and the server may write a little of its own behind."""

_SHORTEST_COMMENT = 16
_FROM = re.compile(r"from #(\d{1,10})", re.ASCII)
_TO = re.compile(r"to #(\d{1,10})", re.ASCII)
_BY = re.compile(r"by #(\d{1,10})", re.ASCII)


def magic_of(command_id: str) -> int:
    """A positive int32 made of the id, never 0, which means an order placed by hand."""
    digest = hashlib.sha256(command_id.encode()).digest()
    return int.from_bytes(digest[:4], "big") % (2**31 - 1) + 1


def is_comment_of(comment: str, command_id: str) -> bool:
    """True when the server may have made this comment of that id: cut its end or added to it."""
    if comment.startswith(command_id):
        return True
    return len(comment) >= _SHORTEST_COMMENT and command_id.startswith(comment)


def came_from(comment: str) -> int | None:
    """The ticket of which this one is the rest or a part."""
    found = _FROM.search(comment)
    return int(found.group(1)) if found else None


def went_to(comment: str) -> int | None:
    """The ticket that holds the rest of this one, after a partial close."""
    found = _TO.search(comment)
    return int(found.group(1)) if found else None


def closed_by(comment: str) -> int | None:
    """The opposite ticket that this one and it were closed by ("close hedge by #N")."""
    found = _BY.search(comment)
    return int(found.group(1)) if found else None
