"""A position that has moved is shared out anew among what stands against it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Connection, text

from execution.domain.commands import CommandKind
from execution.domain.decimals import exact, plain
from execution.domain.payloads import fingerprint
from execution.domain.risk.reducing import Exit, share
from execution.store import commands, reducing
from execution.store.reducing import Place, Sent

_PAUSE = timedelta(minutes=1)
"""How long after a venue has refused to make an exit smaller it is asked again."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A command of ours about an order."""

    command_id: UUID
    client_order_id: str


@dataclass(slots=True)
class Shared:
    """What follows: commands that are due, and parents of brackets that are to be fitted."""

    commands: list[Asked] = field(default_factory=list)
    brackets: list[UUID] = field(default_factory=list)


def share_out(connection: Connection, place: Place, new_id: Callable[[], UUID]) -> Shared:
    """Let nothing stand against a position for more than there is of it.

    Exits that are too large are made smaller by commands of ours, one at a time for each; what a
    bracket is to cover is written to its row.
    """
    done = Shared()
    reducing.lock(connection, place)
    for standing in reducing.read_both(connection, place):
        book = standing.book
        if book.moving:  # it is shared out when the revised execution has reached it
            return done
        shares = share(book)
        for one in book.exits:
            how = standing.exits[one.order_id]
            # One that was not sent is cut when it is.
            if how.sent and shares.exits[one.order_id] < one.leaves:
                size = shares.exits[one.order_id]
                if not _is_asked(connection, one):
                    done.commands.append(_cut(connection, new_id(), one, how, size))
        done.brackets += reducing.cover(connection, standing, shares.covers, shares.open)
    return done


def size_of(connection: Connection, place: Place, order_id: UUID) -> Decimal | None:
    """What an exit that works may still fill at most; None when it is not there any more.

    The transaction holds the position's lock from here on.
    """
    reducing.lock(connection, place)
    for standing in reducing.read_both(connection, place):
        if order_id in standing.exits:
            return share(standing.book).exits[order_id]
    return None


def _is_asked(connection: Connection, one: Exit) -> bool:
    """Whether an exit is being made smaller, or was refused to be a short time ago."""
    found: bool = connection.execute(
        text(
            """
            SELECT EXISTS (SELECT FROM order_commands WHERE client_order_id = :name AND ours
                AND (outcome = 'PENDING'
                    OR outcome = 'REFUSED' AND settled_at > clock_timestamp() - :pause))
            """
        ),
        {"name": one.client_order_id, "pause": _PAUSE},
    ).scalar_one()
    return found


@exact
def _cut(connection: Connection, command_id: UUID, one: Exit, how: Sent, size: Decimal) -> Asked:
    """Ask for an exit to be made smaller, or cancelled."""
    if size > 0:
        terms = {"expected_version": how.version, "quantity": plain(how.filled + size)}
        record(connection, command_id, CommandKind.MODIFY, one.client_order_id, terms)
    else:
        record(connection, command_id, CommandKind.CANCEL, one.client_order_id, {})
    return Asked(command_id, one.client_order_id)


def record(
    connection: Connection,
    command_id: UUID,
    kind: CommandKind,
    client_order_id: str,
    terms: Mapping[str, object],
) -> None:
    """Record a command of ours about an exit, due at once."""
    external = f"reduce-only-{command_id.hex}"
    name = "cancel_id" if kind is CommandKind.CANCEL else "modify_id"
    payload = {"client_order_id": client_order_id, name: external, **terms}
    commands.record(
        connection,
        command_id=command_id,
        kind=kind,
        client_order_id=client_order_id,
        external_id=external,
        payload=payload,
        payload_hash=fingerprint(payload),
        reason=None,
        due=timedelta(0),
        ours=True,
    )
