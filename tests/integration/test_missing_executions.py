"""What a venue has filled and not reported: an alert names it, and a person can book it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from execution.domain.lifecycle import Step
from execution.domain.orders import Order
from execution.domain.resolving import Resolution, Told
from execution.domain.vocabulary import OrderState
from execution.settings import current
from execution.store import alerts
from execution.store.engine import Store
from execution.store.resolving import NotResolved, resolve
from tests.fleet import Servers

from .steps import Desk, Message
from .stored import TIMING

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module", autouse=True)
def _configured(servers: Servers) -> Iterator[None]:
    """Celery's application reads its settings when its tasks are looked at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REDIS_URL", servers.valkey.url)
        current.cache_clear()
        yield
    current.cache_clear()


@pytest.fixture(scope="module")
def store(module_database_url: str) -> Iterator[Store]:
    """A database for the module."""
    store = Store(module_database_url)
    yield store
    store.close()


@pytest.fixture
def desk(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """An order for 6, of which its venue has filled 2 and then 4, or will; it lists the first."""
    desk = Desk(store, monkeypatch)
    desk.venue.fill(2)
    desk.hear()
    desk.run_all()
    assert desk.now().filled_quantity == 2
    yield desk
    desk.close()


def alert(desk: Desk) -> Any:
    """The alert about the order; None when there is none that stands."""
    with desk.watching.statement() as connection:
        return connection.execute(
            text(
                """SELECT kind, message FROM alerts
                WHERE order_id = :order_id AND resolved_at IS NULL"""
            ),
            {"order_id": desk.order.order_id},
        ).one_or_none()


def look(desk: Desk) -> Order:
    """Recovery lets step 5 look again; the order after it, with everything that follows."""
    desk.sweep()
    desk.run_all()
    return desk.now()


def missing(desk: Desk, *, ended: bool) -> None:
    """The venue fills some more, ends the order or not, and never lists its last execution."""
    desk.venue.fill(4 if ended else 3)
    desk.venue.hidden = 1
    desk.hear()
    desk.run_all()


@pytest.mark.parametrize("ended", [True, False])
def test_an_alert_names_what_is_missing(desk: Desk, ended: bool) -> None:  # noqa: FBT001
    """After the venue was asked for it in vain for long enough, and not before."""
    desk.patience(HOUR)
    missing(desk, ended=ended)
    assert alert(desk) is None
    assert look(desk).due_at is not None
    assert alert(desk) is None
    desk.patience(timedelta(0))
    order = look(desk)
    assert order.due_at is not None
    assert order.state is OrderState.PARTIALLY_FILLED
    total, left = (6, 4) if ended else (5, 3)
    kind, message = alert(desk)
    assert kind == alerts.EXECUTIONS_MISSING
    assert message == (
        f"order {order.client_order_id}: BINANCE has filled {total} of it and reported executions "
        f"of 2: {left} BTC-USDT missing"
    )
    assert desk.violations() == []


@pytest.mark.parametrize("ended", [True, False])
def test_it_settles_when_the_executions_come(desk: Desk, ended: bool) -> None:  # noqa: FBT001
    """However late; the order goes on or ends as if nothing had been missing."""
    missing(desk, ended=ended)
    assert alert(desk) is not None
    desk.venue.hidden = 0
    desk.listen()
    desk.run_all()
    assert alert(desk) is None
    order = look(desk)
    assert (order.filled_quantity, order.due_at) == (desk.venue.filled, None)
    assert order.state is (OrderState.FILLED if ended else OrderState.PARTIALLY_FILLED)


def test_its_time_begins_anew_with_each_total(desk: Desk) -> None:
    """What was missing once and came does not make the next wait shorter."""
    desk.patience(timedelta(milliseconds=400))
    missing(desk, ended=False)
    assert alert(desk) is None
    desk.venue.hidden = 0
    desk.hear()
    desk.run_all()
    missing(desk, ended=True)
    assert alert(desk) is None
    with desk.watching.statement() as connection:
        lines = connection.execute(
            text(
                """SELECT detail ->> 'venue_quantity', detail ->> 'our_quantity' FROM order_events
                WHERE order_id = :order_id AND step = 'executions_missing' ORDER BY at"""
            ),
            {"order_id": desk.order.order_id},
        ).all()
    assert [tuple(line) for line in lines] == [("5", "2"), ("6", "5")]


def settle(desk: Desk, told: Told, quantity: str, execution_id: str) -> Order:
    """Somebody says what was executed, with the venue's statement as evidence."""
    order = desk.now()
    executed = next(
        (one for one in desk.venue.executions if one.execution_id.endswith(execution_id)),
        desk.venue.executions[-1],
    )
    assert executed.quantity == Decimal(quantity)
    said = Resolution(told, "somebody", "statement of the day", (executed,))
    with desk.store.transaction() as connection:
        settled = resolve(connection, order, said, TIMING.step)
    desk.messages.append(Message(Step.AWAIT_FILL, None))
    desk.run_all()
    return settled


def test_a_person_books_what_is_missing_of_an_order_that_is_over(desk: Desk) -> None:
    """It ends, the position is right, and the venue's own report of it, later, is the same one."""
    missing(desk, ended=True)
    settle(desk, Told.FILLED, "4", "e1")
    assert alert(desk) is None
    desk.assert_booked()
    desk.venue.hidden = 0
    desk.listen()
    desk.come_to_rest()
    desk.assert_booked()


def test_a_person_books_what_is_missing_of_an_order_that_works(desk: Desk) -> None:
    """It works on, and ends as its venue says."""
    missing(desk, ended=False)
    order = settle(desk, Told.WORKING, "3", "e1")
    assert order.state is OrderState.PARTIALLY_FILLED
    order = desk.now()
    assert (order.filled_quantity, order.due_at) == (Decimal(5), None)
    assert alert(desk) is None
    desk.venue.hidden = 0
    desk.venue.fill(1)
    desk.hear()
    desk.run_all()
    desk.assert_booked()


def test_nobody_books_what_is_not_missing(desk: Desk) -> None:
    """An order of which nothing is missing is settled by its venue alone."""
    desk.venue.fill(3)
    with pytest.raises(NotResolved, match="there is nothing to settle"):
        settle(desk, Told.WORKING, "3", uuid4().hex)
