"""What becomes of a command that two workers look at, on a real database."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
from sqlalchemy import text

from execution.domain.commands import CommandKind
from execution.settings import current
from execution.store import commands
from execution.store.commands import Command
from execution.store.engine import Store
from tasks.command_results import refuse_in
from tests.fleet import Servers

from .stored import TIMING, submitted


@pytest.fixture(scope="module", autouse=True)
def _configured(servers: Servers) -> Iterator[None]:
    """Celery's application reads its settings when its tasks are looked at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REDIS_URL", servers.valkey.url)
        current.cache_clear()
        yield
    current.cache_clear()


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A database of its own."""
    store = Store(database_url)
    yield store
    store.close()


@pytest.mark.parametrize("sent", [True, False])
def test_a_change_that_another_worker_has_sent_is_not_refused(store: Store, *, sent: bool) -> None:
    """One worker reads it before the other sends it, and the order after: its version is stale."""
    order = submitted(store, quantity="4")
    with store.transaction() as connection:
        read = commands.record(
            connection,
            command_id=uuid4(),
            kind=CommandKind.MODIFY,
            client_order_id=order.client_order_id,
            external_id="m",
            payload={"client_order_id": order.client_order_id, "quantity": "8"},
            payload_hash="h",
            reason=None,
            due=TIMING.step,
        )
        assert read is not None
    with store.transaction() as connection:
        if sent:
            commands.mark_sent(connection, read.command_id)
    with store.transaction() as connection:
        refuse_in(connection, read, order, "expected_version: 5 is stale")
    now = reload(store, read)
    assert now.outcome == ("PENDING" if sent else "REFUSED")
    if sent:  # the one that has sent it, or finds it sent, decides
        with store.transaction() as connection:
            assert not connection.scalar(text("SELECT count(*) FROM events WHERE type ~ 'MODIFY'"))
            refuse_in(connection, now, order, "the venue said no")
        assert reload(store, read).outcome == "REFUSED"


def reload(store: Store, command: Command) -> Command:
    """A command as it is now."""
    with store.transaction() as connection:
        found = commands.load(connection, command.command_id)
    assert found is not None
    return found
