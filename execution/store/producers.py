"""What a producer's open transaction may delay, and for how long.

Whoever inserts a request holds its id until his transaction ends: a worker that takes in the same
id has to wait, since it cannot know yet whether the row will be there. A producer's own
transactions last milliseconds, but PostgreSQL sets no bound to them that the user who opens one
could not lift again.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection, text

from execution.store.statements import Direct, Link

_WAIT = "SET LOCAL lock_timeout = 500"
"""Milliseconds for which the intake waits for an id; then other requests come first."""
LONGEST = timedelta(seconds=2)
"""How long a producer's transaction may last once the intake has waited for one in vain."""
LONGEST_OF_ANY = timedelta(seconds=60)
"""How long it may last at all: rows that nobody needs any more stay while it is open."""


def wait_briefly(link: Link) -> None:
    """Let the transaction of the next statement wait for a lock only briefly."""
    if isinstance(link, Direct):
        link.ahead += f"{_WAIT};"
    else:
        link.exec_driver_sql(_WAIT)


def end_transactions(connection: Connection, longest: timedelta) -> int:
    """End the connections of producers whose transaction is older; returns how many there were.

    Only those of the user `execution_produce`: where producers log in as somebody else, nobody's.
    """
    return int(
        connection.execute(
            text("SELECT end_producers_transactions(:longest)"), {"longest": longest}
        ).scalar_one()
    )
