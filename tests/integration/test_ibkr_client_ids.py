"""Leases of client ids: one worker each, taken up when it is gone, and TWS's word above all."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from execution.domain.commands import CommandKind
from execution.domain.lifecycle import control_queue
from execution.domain.orders import Order
from execution.domain.vocabulary import BrokerName, SessionStatus
from execution.store import commands, ibkr_client_ids, ibkr_order_ids, recovery, sessions
from execution.store.engine import Store
from execution.store.ibkr_client_ids import Place
from execution.store.loading import load
from workers import registry
from workers.client_ids import Adopting
from workers.context import Context

from .stored import TIMING, reload, submitted

HERE = Place("127.0.0.1:4002", "DU1")
SHARED = range(1, 4)
TIMEOUT = timedelta(seconds=10)


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A database in which three client ids are shared."""
    with closing(Store(database_url, pool_size=4)) as store:
        with store.transaction() as connection:
            ibkr_client_ids.declare(connection, HERE, SHARED, TIMEOUT)
        yield store


def session(store: Store) -> UUID:
    """A worker's session that is alive."""
    made = uuid4()
    with store.transaction() as connection:
        sessions.open_session(connection, made, BrokerName.IBKR, "host:1")
        sessions.heartbeat(connection, made, SessionStatus.LIVE_READY, None, None)
    return made


def silence(store: Store, session_id: UUID) -> None:
    """Nothing has been heard of a session for longer than it may be silent."""
    with store.transaction() as connection:
        for table, column in (
            ("broker_sessions", "heartbeat_at"),
            ("ibkr_client_ids", "leased_at"),
        ):
            connection.execute(
                text(
                    f"UPDATE {table} SET {column} = {column} - interval '1 minute' "
                    "WHERE session_id = :session_id"
                ),
                {"session_id": session_id},
            )


def accepted(store: Store, client_id: int, session_id: UUID) -> None:
    """TWS has let a session in."""
    with store.transaction() as connection:
        ibkr_client_ids.accepted(connection, HERE, client_id, session_id)


def candidates(store: Store, session_id: UUID) -> list[int]:
    """What a session would try."""
    with store.transaction() as connection:
        return ibkr_client_ids.candidates(connection, HERE, SHARED, session_id, TIMEOUT)


def orphan(store: Store, session_id: UUID) -> int | None:
    """What a session takes up."""
    with store.transaction() as connection:
        return ibkr_client_ids.lease_orphan(connection, HERE, SHARED, session_id, TIMEOUT)


def sent(store: Store, client_id: int) -> Order:
    """An order that was sent under a client id, and rests."""
    order = submitted(store, BrokerName.IBKR, symbol="SPY")
    with store.brief() as link:
        ibkr_order_ids.take(link, client_id, order.attempt.venue_order_id, 0)
    return reload(store, order.order_id)


def test_its_own_first_the_others_last(store: Store) -> None:
    """What nobody has comes between; whose session is silent has nothing."""
    first, second, third = session(store), session(store), session(store)
    accepted(store, 1, first)
    accepted(store, 2, second)
    assert candidates(store, third) == [3, 1, 2]
    assert candidates(store, second) == [2, 3, 1]
    silence(store, first)
    assert candidates(store, third) == [1, 3, 2]
    with store.transaction() as connection:
        sessions.close_session(connection, second)
    assert candidates(store, third) == [1, 2, 3]


def test_whom_tws_lets_in_has_it(store: Store) -> None:
    """Whoever had it, and however alive."""
    first, second = session(store), session(store)
    accepted(store, 1, first)
    accepted(store, 1, second)
    with store.transaction() as connection:
        assert ibkr_client_ids.held(connection, HERE, first) == set()
        assert ibkr_client_ids.held(connection, HERE, second) == {1}
        ibkr_client_ids.released(connection, second)
        assert ibkr_client_ids.held(connection, HERE, second) == set()


def test_an_orphan_is_taken_up_once(store: Store) -> None:
    """Its session is silent, and it has an order: of four who look at once one gets it."""
    first = session(store)
    accepted(store, 2, first)
    order = sent(store, 2)
    assert order.attempt.channel == 2
    assert orphan(store, session(store)) is None
    silence(store, first)
    lookers = [session(store) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda one: orphan(store, one), lookers))
    assert sorted(found, key=str) == [2, None, None, None]
    heir = lookers[found.index(2)]
    with store.transaction() as connection:
        assert ibkr_client_ids.needed(connection, HERE, 2, heir)
        connection.execute(text("UPDATE order_attempts SET state = 'CANCELLED'"))
        connection.execute(text("UPDATE orders SET state = 'CANCELLED', due_at = NULL"))
        assert not ibkr_client_ids.needed(connection, HERE, 2, heir)


def test_without_orders_nobody_is_missed(store: Store) -> None:
    """A client id with nothing under it is free for the next worker that starts."""
    first = session(store)
    accepted(store, 2, first)
    silence(store, first)
    assert orphan(store, session(store)) is None


@dataclass
class Served:
    """The control queues that a worker takes messages from."""

    queues: set[str] = field(default_factory=set)

    def serve(self, queue: str) -> None:
        self.queues.add(queue)

    def leave(self, queue: str) -> None:
        self.queues.discard(queue)


def test_nobody_adopts_from_itself(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL was away, so its own session looks dead to a worker: it has its client id still.

    Whatever became of its control queue meanwhile, it is served.
    """
    first, gone = session(store), session(store)
    for client_id, one in ((2, first), (3, gone)):
        accepted(store, client_id, one)
        sent(store, client_id)
        silence(store, one)
    own = SimpleNamespace(
        broker=BrokerName.IBKR, session_id=first, channel=2, is_ready=True, start=lambda: None
    )
    monkeypatch.setattr(registry, "_sessions", {BrokerName.IBKR: (own,)})
    settings = SimpleNamespace(
        ibkr_host="127.0.0.1",
        ibkr_port=4002,
        ibkr_account="DU1",
        ibkr_client_ids=SHARED,
        session_timeout=TIMEOUT,
    )
    begun: list[int] = []

    def begin(client_id: int, session_id: UUID) -> Any:
        begun.append(client_id)
        return SimpleNamespace(
            broker=BrokerName.IBKR,
            session_id=session_id,
            channel=client_id,
            is_ready=False,
            start=lambda: None,
        )

    served = Served()
    context = cast("Context", SimpleNamespace(store=store, settings=settings))
    adopting = Adopting(context, served, begin)
    for _ in range(3):
        adopting.look()
    assert begun == [3]
    assert served.queues == {control_queue(BrokerName.IBKR, 2)}


def test_who_watches_what(store: Store) -> None:
    """A session takes its own client id's orders, whoever watched; it leaves alone the others'."""
    mine, other = sent(store, 1), sent(store, 2)
    watcher = session(store)
    with store.transaction() as connection:
        connection.execute(
            text("UPDATE order_attempts SET watcher = :watcher"), {"watcher": watcher}
        )
    heir = session(store)
    with store.transaction() as connection:
        adopted = sessions.adopt(connection, heir, BrokerName.IBKR, TIMEOUT, channel=1)
        assert [order.order_id for order in adopted] == [mine.order_id]
    silence(store, watcher)
    with store.transaction() as connection:
        assert sessions.adopt(connection, heir, BrokerName.IBKR, TIMEOUT, channel=1) == []
        connection.execute(text("DELETE FROM ibkr_client_ids WHERE client_id = 2"))
        # What is under an id that nobody shares is watched as well as can be.
        adopted = sessions.adopt(connection, heir, BrokerName.IBKR, TIMEOUT, channel=1)
        assert [order.order_id for order in adopted] == [other.order_id]


def test_what_is_due_names_its_channel(store: Store) -> None:
    """Until the order is over: then anybody can do what is left."""
    order = sent(store, 3)
    with store.transaction() as connection:
        connection.execute(text("UPDATE orders SET due_at = clock_timestamp() - interval '1 s'"))
        (due,) = recovery.due_orders(connection, TIMING.step)
        assert due.channel == 3
        commands.record(
            connection,
            command_id=uuid4(),
            kind=CommandKind.CANCEL,
            client_order_id=order.client_order_id,
            external_id="c",
            payload={},
            payload_hash="h",
            reason=None,
            due=timedelta(seconds=-1),
        )
        (command,) = commands.due(connection, timedelta(0), TIMING.step, 10)
        assert (command.broker, command.channel) == (BrokerName.IBKR, 3)
        connection.execute(text("UPDATE orders SET state = 'FILLED'"))
        found = load(connection, order.order_id)
        assert found is not None
        assert found.attempt.channel is None


def test_one_client_id_is_not_shared(store: Store) -> None:
    """Its worker forgets the rows of those who shared, but not of one that still does."""
    killed, last = session(store), session(store)
    accepted(store, 1, killed)
    accepted(store, 3, last)
    order = sent(store, 1)
    with store.transaction() as connection:
        ibkr_client_ids.declare(connection, HERE, range(1, 2), TIMEOUT)
        assert load(connection, order.order_id).attempt.channel is None  # type: ignore[union-attr]
        assert ibkr_client_ids.held(connection, HERE, last) == {3}
        ibkr_client_ids.declare(connection, HERE, SHARED, TIMEOUT)
    assert reload(store, order.order_id).attempt.channel == 1
