"""Steps 5 to 8 with anything in between: no order is left without something that wakes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import ClassVar
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from execution.domain.lifecycle import Step
from execution.domain.vocabulary import BrokerName, OrderState
from execution.intake import new_id
from execution.settings import current
from execution.store import following, orders
from execution.store.engine import Store
from tests.fleet import Servers

from .steps import Desk, Message, nth
from .stored import TIMING, acknowledged, intended, persisted, reload, trade


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
    """An order for 6 that waits at its venue."""
    desk = Desk(store, monkeypatch)
    yield desk
    desk.close()


def filled(desk: Desk, heard: bool) -> None:  # noqa: FBT001 - parametrized
    """The venue fills 2, and one of the two ways to hear of it does."""
    desk.venue.fill(2)
    if heard:
        desk.hear()
    else:
        desk.listen()


def ended(desk: Desk) -> None:
    """The venue cancels the rest, and its word is heard."""
    desk.venue.end()
    desk.hear()


NEWS: list[Callable[[Desk], None]] = [
    lambda desk: filled(desk, heard=True),
    lambda desk: filled(desk, heard=False),
    ended,
]


@pytest.mark.parametrize("news", NEWS, ids=["heard", "listed", "ended"])
@pytest.mark.parametrize("carried", [0, 1, 2, 4])
@pytest.mark.parametrize("place", range(10))
def test_news_between_any_two_transactions(
    desk: Desk, news: Callable[[Desk], None], carried: int, place: int
) -> None:
    """One fill is on its way through steps 5 to 8 when more is reported, which goes its own way.

    The second chain gets as far as `carried` steps before the first one goes on; then every message
    of both is lost.
    """

    def between() -> None:
        news(desk)
        for _ in range(carried):
            desk.deliver(len(desk.messages) - 1)
        assert desk.violations() == []

    desk.between = nth(place, between)
    filled(desk, heard=True)
    desk.run_all()
    assert desk.violations() == []
    ended(desk)
    assert desk.violations() == []
    desk.come_to_rest()
    desk.assert_booked()


@pytest.mark.parametrize("lost", range(1, 5))
def test_two_fills_at_once_and_a_lost_message(desk: Desk, lost: int) -> None:
    """Both wake step 5; the chain that has both executions is lost after any of its steps."""
    for _ in range(2):
        filled(desk, heard=True)
    for number in range(lost):
        desk.deliver(number)
    desk.messages.clear()
    desk.venue.fill(2)
    desk.hear()
    desk.messages.clear()
    desk.come_to_rest()
    desk.assert_booked()


def test_step_5_does_not_take_an_order_back(desk: Desk) -> None:
    """While a fill is on its way into the position, news wait for step 7."""
    filled(desk, heard=True)
    desk.deliver(0)
    desk.deliver(0)
    assert desk.now().step == Step.PERSIST_FILL
    filled(desk, heard=True)
    desk.deliver(1)
    order = desk.now()
    assert (order.step, order.unapplied, order.unfinished) == (Step.PERSIST_FILL, 1, 1)
    desk.run_all()
    order = desk.now()
    assert (order.step, order.filled_quantity) == (Step.SUBMIT_ORDER, Decimal(4))
    assert order.due_at is None


@pytest.mark.parametrize("lost", range(5))
def test_a_late_execution_of_an_earlier_attempt(
    store: Store, monkeypatch: pytest.MonkeyPatch, lost: int
) -> None:
    """Nothing of it is the current attempt's, which waits on; whichever message of it is lost."""
    first = intended(store, persisted(store, quantity="6", account=uuid4().hex))
    with store.transaction() as connection:
        assert following.anew(connection, first, "nothing is there", new_id(), TIMING.step)
    desk = Desk(store, monkeypatch, acknowledged(store, reload(store, first.order_id)))
    late = trade(first, "late", "1", "90")
    desk.recorder.executions([late])
    assert desk.now().due_at is not None
    for _ in range(lost):
        desk.deliver(0)
    order = desk.come_to_rest()
    assert (order.step, order.due_at, order.unfinished) == (Step.SUBMIT_ORDER, None, 0)
    assert (order.state, order.filled_quantity) == (OrderState.SUBMITTED, Decimal(1))
    desk.venue.executions.append(trade(order, "e", "5", "100"))
    desk.venue.state = OrderState.FILLED
    desk.hear()
    desk.come_to_rest()
    order = desk.now()
    assert (order.state, order.filled_quantity) == (OrderState.FILLED, Decimal(6))
    desk.close()


def test_a_late_execution_comes_before_another_send(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part of the order was filled elsewhere: on paper, where it was to go on, nothing begins."""
    live = intended(store, persisted(store, quantity="6", account=uuid4().hex))
    with store.transaction() as connection:
        assert orders.reroute(
            connection,
            live,
            "away",
            attempt_id=new_id(),
            step=Step.CONNECT_GATEWAY,
            timing=TIMING,
        )
    desk = Desk(store, monkeypatch, reload(store, live.order_id))
    desk.recorder.executions([trade(live, "late", "1", "90")])
    desk.messages = [Message(Step.CONNECT_GATEWAY, None)]
    desk.run_all()
    order = desk.now()
    assert (order.broker, order.state) == (BrokerName.PAPER, OrderState.CANCELLED)
    assert (order.filled_quantity, order.due_at) == (Decimal(1), None)
    desk.close()


@pytest.mark.parametrize("lost", range(5))
def test_a_late_execution_of_one_that_never_arrived(
    store: Store, monkeypatch: pytest.MonkeyPatch, lost: int
) -> None:
    """It was settled before it was known to be at its venue, where it fills all the same."""
    order = intended(store, persisted(store, quantity="6", account=uuid4().hex))
    with store.transaction() as connection:
        assert orders.settle(
            connection, order, OrderState.REJECTED, "never arrived", step=Step.SUBMIT_ORDER
        )
    desk = Desk(store, monkeypatch, reload(store, order.order_id))
    desk.venue.executions.append(trade(order, "e", "2", "100"))
    desk.listen()
    for _ in range(lost):
        desk.deliver(0)
    desk.come_to_rest()
    desk.venue.state = OrderState.REJECTED
    desk.assert_booked()
    desk.close()


class Life(RuleBasedStateMachine):
    """An order and its venue, with messages that are lost, doubled, late and out of their order."""

    store: ClassVar[Store]
    patch: ClassVar[pytest.MonkeyPatch]

    @initialize()
    def begin(self) -> None:
        self.desk = Desk(self.store, self.patch)

    @rule(quantity=st.integers(1, 4), how=st.sampled_from(["heard", "listed", "unknown"]))
    def fill(self, quantity: int, how: str) -> None:
        """The venue fills a part; it is heard of, or not yet."""
        self.desk.venue.fill(quantity)
        self._hear(how)

    @rule(how=st.sampled_from(["heard", "listed", "unknown"]))
    def end(self, how: str) -> None:
        """The venue cancels the rest."""
        self.desk.venue.end()
        self._hear(how)

    @rule(data=st.data(), double=st.booleans())
    def deliver(self, data: st.DataObject, double: bool) -> None:  # noqa: FBT001 - drawn
        """A message arrives, perhaps once more later; others do their work between its commits."""
        desk = self.desk
        if not desk.messages:
            return
        number = data.draw(st.integers(0, len(desk.messages) - 1))
        if double:
            desk.messages.append(desk.messages[number])

        def between() -> None:
            desk.between = lambda: None  # one other at a time
            assert desk.violations() == []
            what = data.draw(st.sampled_from(["nothing", "nothing", "news", "listen", "deliver"]))
            if what == "news":
                desk.venue.fill(1)
                desk.hear()
            elif what == "listen":
                desk.venue.fill(1)
                desk.listen()
            elif what == "deliver":
                desk.deliver(data.draw(st.integers(0, 5)))
            desk.between = between

        desk.between = between
        desk.deliver(number)
        desk.between = lambda: None

    @rule(number=st.integers(0, 5))
    def lose(self, number: int) -> None:
        """A message is lost."""
        if self.desk.messages:
            self.desk.messages.pop(number % len(self.desk.messages))

    @rule()
    def sweep(self) -> None:
        """What is overdue is sent again."""
        self.desk.sweep()

    def _hear(self, how: str) -> None:
        if how == "heard":
            self.desk.hear()
        elif how == "listed":
            self.desk.listen()

    @invariant()
    def something_is_due(self) -> None:
        """Whatever has happened, an order with news is due."""
        assert self.desk.violations() == []

    def teardown(self) -> None:
        if not hasattr(self, "desk"):
            return
        self.desk.venue.end()
        self.desk.listen()
        self.desk.hear()
        self.desk.come_to_rest()
        self.desk.assert_booked()
        self.desk.close()


def test_any_life(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recovery alone brings every order to the end that its venue says."""
    Life.store, Life.patch = store, monkeypatch
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=60,
            stateful_step_count=14,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
