"""What may not be sent live, what was refused, and what no broker takes: where each goes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import product
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from execution.domain.errors import KeptFromLive
from execution.domain.lifecycle import Step
from execution.domain.mapping import ExchangeMapper
from execution.domain.orders import Order
from execution.domain.ports import Modification
from execution.domain.vocabulary import BrokerName, ExecutionMode, OnFailure, OrderState
from execution.events.quotes import QuoteCache
from execution.gate import Gate
from execution.intake import new_id
from execution.recovering import Sweep
from execution.store import alerts, following, giving_up, orders
from execution.store.controls import ControlsCache
from execution.store.engine import Store
from execution.store.statements import Link

from .stored import SESSION, TIMING, apply, intended, persisted, reload, submitted, trade

REASON = "FORCE_PAPER_TRADING is set"


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A fresh database."""
    store = Store(database_url)
    yield store
    store.close()


def gate_of(store: Store, *, force_paper: bool = True) -> Gate:
    """A worker's gate; no limit asks it for a price."""
    soon = timedelta(seconds=10)
    return Gate(
        store,
        cast("QuoteCache", None),
        ControlsCache(store),
        quote_max_age=soon,
        price_wait=soon,
        force_paper=force_paper,
    )


def send(store: Store, order: Order, *, force_paper: bool = True) -> Order | None:
    """Let the gate commit the intent to send an order."""

    def commit(link: Link, order: Order, version: int) -> Order | None:
        return orders.commit_intent(link, order, SESSION, TIMING, version)

    return gate_of(store, force_paper=force_paper).intend(order, lambda _: None, commit)


def connected(store: Store, order: Order) -> Order:
    """The order after step 3."""
    with store.transaction() as connection:
        assert orders.gateway_connected(connection, order, TIMING)
    return reload(store, order.order_id)


def keep(store: Store, order: Order) -> bool:
    """Decide about an order that is kept from its live broker."""
    with store.transaction() as connection:
        return giving_up.keep_from_live(
            connection,
            order,
            REASON,
            step=Step.SUBMIT_ORDER,
            attempt_id=new_id(),
            timing=TIMING,
        )


def open_alerts(store: Store, order: Order) -> list[str]:
    """The kinds of an order's open alerts."""
    with store.transaction() as connection:
        rows = connection.execute(
            text("SELECT kind FROM alerts WHERE order_id = :order_id AND resolved_at IS NULL"),
            {"order_id": order.order_id},
        )
        return [row.kind for row in rows]


def replaced(store: Store, first: str, then: str) -> Order:
    """The attempt that follows one of `first`, which its venue cancelled for a change to `then`."""
    order = submitted(store, quantity=first, order_type="LIMIT", limit_price="99")
    change = Modification(quantity=Decimal(then))
    with store.transaction() as connection:
        assert following.intended(connection, order, change, uuid4(), "m")
    order = reload(store, order.order_id)
    with store.transaction() as connection:
        assert following.follow(connection, order, new_id(), TIMING)
    return connected(store, reload(store, order.order_id))


@pytest.mark.parametrize("on_failure", list(OnFailure))
def test_paper_waits_for_its_book(store: Store, on_failure: OnFailure) -> None:
    """The book is away only while the database is: that is no reason to refuse an order."""
    order = persisted(store, BrokerName.PAPER, on_failure=on_failure.value)
    order = intended(store, connected(store, order))
    with store.transaction() as connection:
        rerouted = giving_up.give_up(
            connection,
            order,
            "the paper book is away",
            step=Step.SUBMIT_ORDER,
            attempt_id=new_id(),
            timing=TIMING,
        )
    order = reload(store, order.order_id)
    assert (rerouted, order.state, order.step) == (False, OrderState.PENDING, Step.PERSIST_ORDER)
    assert order.broker is BrokerName.PAPER
    assert order.due_at is not None
    assert open_alerts(store, order) == ["WAITING"]


def test_nothing_new_is_sent_live(store: Store) -> None:
    """Paper is sent, live is not, and nothing of the intent is written."""
    live = connected(store, persisted(store))
    with pytest.raises(KeptFromLive, match=REASON):
        send(store, live)
    assert reload(store, live.order_id).attempt.intent_at is None
    assert send(store, live, force_paper=False) is not None
    assert send(store, connected(store, persisted(store, BrokerName.PAPER))) is not None


@pytest.mark.parametrize("on_failure", OnFailure)
def test_an_unsent_order_goes_to_paper(store: Store, on_failure: OnFailure) -> None:
    """Whatever it wants after a failure: nothing has failed. An alert that it waits ends."""
    order = persisted(store, on_failure=on_failure.value)
    with store.transaction() as connection:
        giving_up.wait(connection, order, "not connected", new_id())
    order = reload(store, order.order_id)
    assert open_alerts(store, order) == [alerts.WAITING]
    assert keep(store, order)
    after = reload(store, order.order_id)
    assert (after.broker, after.execution_mode) == (BrokerName.PAPER, ExecutionMode.PAPER)
    assert after.reason == f"BINANCE: {REASON}"
    assert open_alerts(store, order) == []


@pytest.mark.parametrize("fields", [{"reduce_only": True}, {"parent_order_id": uuid4()}])
def test_what_reduces_risk_waits(store: Store, fields: dict[str, Any]) -> None:
    """With the alert, at its live broker, and is asked about again."""
    order = persisted(store)
    assert not keep(store, replace(order, **fields))
    after = reload(store, order.order_id)
    assert (after.state, after.broker, after.reason) == (
        OrderState.PENDING,
        BrokerName.BINANCE,
        REASON,
    )
    assert after.due_at is not None
    assert open_alerts(store, order) == [alerts.WAITING]


def test_what_unwinds_a_group_waits(store: Store) -> None:
    """Coins sold from an inventory come back by an order that is not reduce-only."""
    order = persisted(store, on_failure="wait")
    with store.transaction() as connection:
        connection.execute(text("ALTER TABLE nav_group_legs DISABLE TRIGGER ALL"))  # no group
        connection.execute(
            text(
                """
                INSERT INTO nav_group_legs
                    (group_id, number, client_order_id, role, purpose, side, quantity)
                VALUES (:group_id, 3, :name, 'SPOT', 'REDUCING', 'BUY', 3)
                """
            ),
            {"group_id": uuid4(), "name": order.client_order_id},
        )
    assert not keep(store, order)
    assert reload(store, order.order_id).broker is BrokerName.BINANCE
    assert open_alerts(store, order) == [alerts.WAITING]


@pytest.mark.parametrize(("then", "passes"), [("2", True), ("5", True), ("6", False)])
def test_a_live_order_may_become_smaller(store: Store, then: str, *, passes: bool) -> None:
    """Where that takes another attempt, too. A larger one waits: what was live is no paper."""
    order = replaced(store, "5", then)
    assert order.attempt.attempt_no == 2
    if passes:
        assert send(store, order) is not None
        return
    with pytest.raises(KeptFromLive):
        send(store, order)
    assert not keep(store, order)
    after = reload(store, order.order_id)
    assert (after.broker, after.state) == (BrokerName.BINANCE, OrderState.PENDING)
    assert open_alerts(store, order) == [alerts.WAITING]


def test_a_child_follows_what_its_parent_fills(store: Store) -> None:
    """Its smaller self was cancelled for it: it must not be missing."""
    order = replace(replaced(store, "5", "6"), parent_order_id=uuid4())
    assert send(store, order) is not None


def test_a_smaller_one_that_never_left_is_sent_again(store: Store) -> None:
    """The attempt that took its place is as much in its place."""
    order = replaced(store, "5", "2")
    sent = send(store, order)
    assert sent is not None
    with store.transaction() as connection:
        assert following.anew(connection, sent, "never left", new_id(), timedelta(0))
    again = connected(store, reload(store, order.order_id))
    assert again.attempt.attempt_no == 3
    assert send(store, again) is not None


LIMIT: dict[str, Any] = {"quantity": "5", "order_type": "LIMIT", "limit_price": "99"}
CHANGES = [
    ({}, Modification(quantity=Decimal(50)), REASON),
    ({}, Modification(quantity=Decimal(4)), None),
    ({}, Modification(limit_price=Decimal(100)), REASON),
    ({}, Modification(limit_price=Decimal(98)), REASON),
    ({}, Modification(quantity=Decimal(4), limit_price=Decimal(100)), REASON),
    ({"reduce_only": True}, Modification(quantity=Decimal(6)), REASON),
    ({"reduce_only": True}, Modification(limit_price=Decimal(100)), None),
    ({"parent_order_id": uuid4()}, Modification(quantity=Decimal(6)), None),
    ({"broker": BrokerName.PAPER}, Modification(quantity=Decimal(50)), None),
]


@pytest.mark.parametrize(("fields", "change", "refusal"), CHANGES)
def test_changes_of_a_live_order(
    store: Store, fields: dict[str, Any], change: Modification, refusal: str | None
) -> None:
    """Only what makes it less passes; what reduces risk may move, and be sized."""
    sold = submitted(store, side="SELL", quantity="6")
    apply(store, sold, trade(sold, "1", "6", "100"))  # a position for what may only reduce it
    order = replace(submitted(store, **LIMIT), **fields)
    gate = gate_of(store)
    with store.transaction() as connection:
        assert gate.change(connection, order, change, None) == refusal
    assert gate.change_halted(order, change) == refusal
    with store.transaction() as connection:
        assert gate_of(store, force_paper=False).change(connection, order, change, None) is None


def test_an_unsent_order_may_be_changed(store: Store) -> None:
    """It is about to go to paper, as what it is by then."""
    order = persisted(store, **LIMIT)
    with store.transaction() as connection:
        assert gate_of(store).change(connection, order, CHANGES[0][1], None) is None


class Sent:
    """The tasks that a sweep sends."""

    def __init__(self) -> None:
        self.tasks: list[tuple[str, UUID]] = []

    def steps(
        self, order_id: UUID, first: Step, broker: BrokerName, channel: int | None = None
    ) -> None:
        """Nothing is asked of these here."""

    def task(self, name: str, key: UUID, queue: str) -> None:
        self.tasks.append((name, key))


@pytest.mark.parametrize("force_paper", [False, True])
def test_nobody_serves_the_broker(store: Store, *, force_paper: bool) -> None:
    """The sweep turns away what wants to wait, too, where it is not to be sent anyway."""
    waits, reduces = persisted(store, on_failure="wait"), persisted(store, reduce_only=True)
    with store.transaction() as connection:
        connection.execute(text("UPDATE orders SET updated_at = updated_at - interval '1 hour'"))
        connection.execute(text("UPDATE orders SET due_at = due_at + interval '1 minute'"))
    sent = Sent()
    grace = timedelta(seconds=30)
    sweep = Sweep(store, ExchangeMapper(), TIMING, grace, sent, force_paper=force_paper)
    assert sweep.once().rerouted == int(force_paper)
    expected = [("tasks.reroute_to_paper", waits.order_id)] if force_paper else []
    assert sent.tasks == expected
    assert reload(store, reduces.order_id).broker is BrokerName.BINANCE
    after = reload(store, waits.order_id)
    assert after.broker is (BrokerName.PAPER if force_paper else BrokerName.BINANCE)


@pytest.mark.parametrize(
    ("on_failure", "reroutes", "reduces"), list(product(OnFailure, [False, True], [False, True]))
)
def test_a_refused_order(
    store: Store, on_failure: OnFailure, *, reroutes: bool, reduces: bool
) -> None:
    """REJECTED, unless the desk simulates what was refused and the producer takes paper."""
    order = intended(store, persisted(store, on_failure=on_failure.value, reduce_only=reduces))
    assert refuse(store, order, reroutes=reroutes) is (
        reroutes and on_failure is OnFailure.PAPER and not reduces
    )
    after = reload(store, order.order_id)
    if reroutes and on_failure is OnFailure.PAPER and not reduces:
        assert (after.state, after.broker) == (OrderState.PENDING, BrokerName.PAPER)
    else:
        assert (after.state, after.broker) == (OrderState.REJECTED, BrokerName.BINANCE)
        assert after.reason == "insufficient funds"


def test_the_rest_of_a_filled_order_is_not_simulated(store: Store) -> None:
    """Its venue refuses the rest: CANCELLED, since part of it is real."""
    order = submitted(store)
    order = apply(store, order, trade(order, "a", "1", "100"))
    assert not refuse(store, order, reroutes=True)
    after = reload(store, order.order_id)
    assert (after.state, after.broker) == (OrderState.CANCELLED, BrokerName.BINANCE)


def refuse(store: Store, order: Order, *, reroutes: bool) -> bool:
    """Let an order's broker refuse it."""
    with store.transaction() as connection:
        return giving_up.refused(
            connection,
            order,
            "insufficient funds",
            step=Step.SUBMIT_ORDER,
            attempt_id=new_id(),
            timing=TIMING,
            reroutes=reroutes,
            code="-2010",
        )
