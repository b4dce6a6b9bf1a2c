"""A venue speaks of an order before it answers who sent it: what follows is as it would be else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest

from execution.domain.capabilities import CAPABILITIES
from execution.domain.errors import BrokerRejected, BrokerUnavailable
from execution.domain.orders import Order
from execution.domain.reports import VenueOrder
from execution.domain.vocabulary import BrokerName, OrderState
from execution.settings import load
from execution.store import orders
from execution.store.engine import Store
from tasks import failure, submit_order

from .stored import SESSION, TIMING, intended, persisted, reload, trade


@pytest.fixture
def store(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A fresh database, and the tasks on it."""
    store = Store(database_url)
    shared = SimpleNamespace(store=store, timing=TIMING, settings=load(database_url=database_url))
    for module in (submit_order, failure):
        monkeypatch.setattr(module, "context", lambda: shared)
    yield store
    store.close()


class Step:
    """A step that remembers what it goes on with."""

    app = None

    def __init__(self) -> None:
        self.handed_on: Order | None = None

    def go_on(self, *arguments: Any) -> None:
        self.handed_on = arguments[-1]

    def end_chain(self) -> None:
        """Nothing follows."""


def session() -> Any:
    """A session that has just sent it."""
    return SimpleNamespace(
        session_id=SESSION,
        capabilities=CAPABILITIES[BrokerName.BINANCE],
        watch=lambda _: None,
        down_for=lambda: timedelta(0),
    )


def said(order: Order) -> VenueOrder:
    """The venue holds it."""
    return VenueOrder("1", OrderState.SUBMITTED, order.symbol, order.side, order.quantity)


def refused(order: Order) -> None:
    """The venue refuses it."""
    submit_order._refused(cast("Any", Step()), order, BrokerRejected("no money"))


def never_left(order: Order) -> None:
    """It was not sent."""
    submit_order._never_left(cast("Any", Step()), order, session(), BrokerUnavailable("away"))


def in_doubt(order: Order) -> None:
    """The venue does not answer."""
    submit_order._in_doubt(order, "no answer", timedelta(seconds=1))


def accepted(order: Order) -> None:
    """The venue has taken it, and step 5 goes on."""
    step: Any = Step()
    submit_order._accepted(step, order, said(order), session(), doubted=False)
    assert step.handed_on is not None


ANSWERS: list[tuple[Callable[[Order], None], OrderState]] = [
    (accepted, OrderState.SUBMITTED),
    (refused, OrderState.REJECTED),
    (never_left, OrderState.PENDING),
    (in_doubt, OrderState.UNKNOWN),
]


@pytest.mark.parametrize(("answer", "state"), ANSWERS)
def test_the_answer_counts_after_news(
    store: Store, answer: Callable[[Order], None], state: OrderState
) -> None:
    """The order is read again; nobody waits for its lease to run out."""
    order = intended(store, persisted(store))
    with store.brief() as link:
        assert orders.news(link, order, said(order), TIMING.step)
    answer(order)
    assert reload(store, order.order_id).state is state


@pytest.mark.parametrize(("answer", "state"), ANSWERS)
def test_an_execution_outweighs_the_answer(
    store: Store, answer: Callable[[Order], None], state: OrderState
) -> None:
    """Of an order that was executed, no answer makes one that never was at its venue."""
    order = intended(store, persisted(store))
    told = replace(said(order), executions=(trade(order, "a", "1", "100"),))
    with store.brief() as link:
        assert orders.news(link, order, told, TIMING.step)
    answer(order)
    now = reload(store, order.order_id)
    assert now.state is (state if answer is accepted else OrderState.SUBMITTING)
    assert (now.unapplied, now.due_at is None) == (1, False)


@pytest.mark.parametrize(("answer", "state"), ANSWERS)
def test_somebody_else_has_gone_on(
    store: Store, answer: Callable[[Order], None], state: OrderState
) -> None:
    """Whoever has taken the submission over decides."""
    del state
    order = intended(store, persisted(store))
    with store.direct() as link:
        assert orders.extend_lease(link, order, uuid4(), TIMING)
    if answer is accepted:
        with pytest.raises(AssertionError):
            answer(order)
    else:
        answer(order)
    assert reload(store, order.order_id).state is OrderState.SUBMITTING
