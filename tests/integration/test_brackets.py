"""A bracket's family in the tables: made once, of several attempts, ended with the last of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from execution.domain.brackets import COVERING, Role, child_id, children
from execution.domain.lifecycle import Step
from execution.domain.mapping import ExchangeMapper
from execution.domain.orders import Order
from execution.domain.protection import Add, Phase, plan
from execution.domain.reports import VenueOrder
from execution.domain.vocabulary import BrokerName, OrderState, Side
from execution.intake import new_id
from execution.recovering import Sweep
from execution.store import (
    alerts,
    brackets,
    controls,
    families,
    giving_up,
    legs,
    orders,
    reconciling,
    reducing,
    sessions,
)
from execution.store.engine import Store
from execution.store.families import Snapshot
from execution.store.loading import load_standing
from execution.store.migrate import downgrade, upgrade

from .stored import SESSION, TIMING, apply, intended, reload, submitted, trade

STOP, PROFIT = Role.STOP_LOSS, Role.TAKE_PROFIT
LONG = timedelta(minutes=1)


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A fresh database."""
    store = Store(database_url)
    yield store
    store.close()


def parent(store: Store, quantity: str = "8") -> Order:
    """A parent that rests on paper."""
    prices = {"take_profit_price": "110", "stop_loss_price": "90"}
    return submitted(store, BrokerName.PAPER, quantity=quantity, **prices)


def look(store: Store, order: Order, *, in_groups: bool = True) -> Snapshot:
    """The family as it is now."""
    with store.transaction() as connection:
        found = families.snapshot(connection, order.order_id, in_groups=in_groups)
    assert found is not None
    return found


def place(store: Store, order: Order, *, in_groups: bool = True) -> None:
    """Carry out a plan that only places children."""
    actions = plan(look(store, order, in_groups=in_groups).family)
    with store.transaction() as connection:
        for action in actions:
            assert isinstance(action, Add)
            group = action.group or (uuid4() if in_groups else order.order_id)
            current = (
                reload(store, child_id(order.order_id, action.role))
                if action_made(store, order, action.role)
                else None
            )
            if current is not None:
                assert legs.add(connection, current, new_id(), action.quantity, group)
            else:
                terms = {one.role: one for one in children(order)}[action.role]
                assert brackets.insert(connection, order, terms, action.quantity, group)


def action_made(store: Store, order: Order, role: Role) -> bool:
    """Whether a child is there."""
    with store.transaction() as connection:
        found = connection.execute(
            text("SELECT 1 FROM orders WHERE order_id = :id"),
            {"id": child_id(order.order_id, role)},
        )
        return found.one_or_none() is not None


def child(store: Store, order: Order, role: Role) -> Order:
    """A child with its current attempt."""
    return reload(store, child_id(order.order_id, role))


def at_venue(store: Store, order: Order) -> Order:
    """A child brought to its venue."""
    sent = intended(store, order)
    said = VenueOrder("1", OrderState.SUBMITTED, sent.symbol, sent.side, sent.for_venue().quantity)
    with store.transaction() as connection:
        assert orders.acknowledged(connection, sent, said, SESSION, TIMING)
    return reload(store, order.order_id)


def pairs(store: Store, *fills: str) -> Order:
    """A parent of 8 with a pair of its own at the venue for each of some fills."""
    order = parent(store)
    for number, quantity in enumerate(fills):
        order = apply(store, order, trade(order, f"p{number}", quantity, "100", second=number))
        for role in COVERING:
            place(store, order)
            at_venue(store, child(store, order, role))
    return order


def attempts(store: Store, order: Order, role: Role) -> list[tuple[Any, ...]]:
    """A child's attempts: state, quantity, what was reduced of it, filled."""
    with store.transaction() as connection:
        rows = connection.execute(
            text(
                """
                SELECT state, quantity, reduced, filled_quantity FROM order_attempts
                WHERE order_id = :id ORDER BY attempt_no
                """
            ),
            {"id": child_id(order.order_id, role)},
        )
        return [tuple(row) for row in rows]


def leg(store: Store, order: Order, role: Role, number: int) -> Order:
    """A child with one of its attempts in the place of the current one."""
    with store.transaction() as connection:
        name = connection.execute(
            text(
                """
                SELECT venue_order_id FROM order_attempts
                WHERE order_id = :id AND attempt_no = :number
                """
            ),
            {"id": child_id(order.order_id, role), "number": number},
        ).scalar_one()
        found = load_standing(connection, name)
    assert found is not None
    return found


def ended(store: Store, at: Order, state: OrderState) -> None:
    """The venue says that an attempt is over, and we record its end."""
    said = VenueOrder(
        broker_order_id="1",
        state=state,
        symbol=at.symbol,
        side=at.side,
        quantity=at.attempt.quantity,
        filled_quantity=at.attempt.filled_quantity,
        venue_order_id=at.attempt.venue_order_id,
    )
    with store.transaction() as connection:
        orders.news(connection, at, said, TIMING.step)
    with store.transaction() as connection:
        found = load_standing(connection, at.attempt.venue_order_id)
        assert found is not None
        assert legs.end(connection, found)


def open_alerts(store: Store) -> list[str]:
    """Kinds of the alerts that stand."""
    with store.transaction() as connection:
        rows = connection.execute(
            text("SELECT kind FROM alerts WHERE resolved_at IS NULL ORDER BY kind")
        )
        return list(rows.scalars())


def test_a_family_is_due_from_the_first_fill_on(store: Store) -> None:
    """Before it there is none; each change of a member after it says that it is due."""
    order = parent(store)
    with store.transaction() as connection:
        assert families.snapshot(connection, order.order_id) is None
    order = apply(store, order, trade(order, "a", "1", "100"))
    before = look(store, order)
    assert before.bare_since is not None
    assert (before.family.open, before.family.bare) == (Decimal(1), Decimal(1))
    order = apply(store, order, trade(order, "b", "2", "100", second=1))
    assert look(store, order).version > before.version


def test_the_children_of_the_first_fill(store: Store) -> None:
    """Orders after step 2, reduce-only, waiting for their venue; made once."""
    order = parent(store)
    order = apply(store, order, trade(order, "a", "1", "100"))
    place(store, order, in_groups=False)
    for role in COVERING:
        made = child(store, order, role)
        assert (made.state, made.step, made.quantity) == (OrderState.PENDING, 2, Decimal(1))
        assert made.reduce_only
        assert made.side is Side.SELL
        assert made.for_venue().one_cancels_other == order.order_id
    with store.transaction() as connection:
        terms = children(order)[0]
        assert not brackets.insert(connection, order, terms, Decimal(1), None)


def test_another_attempt_stands_beside_the_first(store: Store) -> None:
    """The child is for both; it is being sent, and what stands of it works all the same."""
    order = pairs(store, "3")
    order = apply(store, order, trade(order, "b", "5", "100", second=1))
    place(store, order)
    stop = child(store, order, STOP)
    assert (stop.state, stop.quantity, stop.standing) == (OrderState.PENDING, Decimal(8), 1)
    assert stop.for_venue().quantity == 5
    assert look(store, order).family.protected == 3
    stop = at_venue(store, stop)
    assert (stop.state, stop.standing) == (OrderState.SUBMITTED, 1)
    assert look(store, order).family.protected == 8
    groups = {leg(store, order, STOP, n).for_venue().one_cancels_other for n in (1, 2)}
    assert len(groups) == 2


def test_a_fill_of_an_earlier_attempt_is_no_surprise(store: Store) -> None:
    """It counts, reduces the other of its group and no other, and raises no alert."""
    order = pairs(store, "3", "5")
    first = leg(store, order, PROFIT, 1)
    apply(store, first, trade(first, "t", "2", "110", second=5))
    assert attempts(store, order, PROFIT) == [
        ("PARTIALLY_FILLED", 3, 0, 2),
        ("SUBMITTED", 5, 0, 0),
    ]
    assert attempts(store, order, STOP) == [("SUBMITTED", 3, 2, 0), ("SUBMITTED", 5, 0, 0)]
    profit = child(store, order, PROFIT)
    assert (profit.state, profit.filled_quantity) == (OrderState.PARTIALLY_FILLED, Decimal(2))
    found = look(store, order).family
    assert found.open == found.protected == 6
    assert plan(found) == ()
    assert open_alerts(store) == []


def test_a_fill_while_another_attempt_is_being_sent(store: Store) -> None:
    """The way of the one that is being sent goes on as it was."""
    order = pairs(store, "3")
    order = apply(store, order, trade(order, "b", "5", "100", second=1))
    place(store, order)
    first = leg(store, order, STOP, 1)
    apply(store, first, trade(first, "s", "3", "90", second=5))
    stop = child(store, order, STOP)
    assert (stop.state, stop.step, stop.filled_quantity) == (OrderState.PENDING, 2, Decimal(3))
    assert attempts(store, order, STOP)[0][0] == "FILLED"
    assert at_venue(store, stop).state is OrderState.PARTIALLY_FILLED
    assert open_alerts(store) == []


def test_an_attempt_that_was_refused_after_another_had_filled(store: Store) -> None:
    """It is REJECTED, since the venue never had it; its order is CANCELLED for the rest."""
    order = pairs(store, "3")
    order = apply(store, order, trade(order, "b", "5", "100", second=1))
    place(store, order)
    first = leg(store, order, STOP, 1)
    apply(store, first, trade(first, "s", "3", "90", second=5))
    sent = intended(store, child(store, order, STOP))
    with store.transaction() as connection:
        giving_up.refuse(connection, sent, "no", step=Step.SUBMIT_ORDER)
    assert [row[0] for row in attempts(store, order, STOP)] == ["FILLED", "REJECTED"]
    assert child(store, order, STOP).state is OrderState.CANCELLED


def test_a_child_is_over_with_its_last_attempt(store: Store) -> None:
    """An attempt's end is not the order's while another stands; the last one's is."""
    order = pairs(store, "3", "5")
    ended(store, leg(store, order, STOP, 2), OrderState.CANCELLED)
    stop = child(store, order, STOP)
    assert stop.state is OrderState.SUBMITTED
    assert look(store, order).family.protected == 3
    ended(store, leg(store, order, STOP, 1), OrderState.CANCELLED)
    assert child(store, order, STOP).state is OrderState.CANCELLED


def test_what_its_group_took_off_makes_a_child_whole(store: Store) -> None:
    """Two are sold by the target, six by the stop: the stop was for six in the end."""
    order = pairs(store, "8")
    profit = child(store, order, PROFIT)
    apply(store, profit, trade(profit, "t", "2", "110", second=5))
    stop = child(store, order, STOP)
    stop = apply(store, stop, trade(stop, "s", "6", "90", second=6))
    ended(store, leg(store, order, STOP, 1), OrderState.FILLED)
    stop = child(store, order, STOP)
    assert stop.state is OrderState.FILLED
    assert stop.quantity == stop.filled_quantity == 6
    assert open_alerts(store) == []


def test_a_child_that_ended_is_taken_up_again(store: Store) -> None:
    """What the parent fills after its children are over is covered by further attempts."""
    order = pairs(store, "4")
    profit = child(store, order, PROFIT)
    profit = apply(store, profit, trade(profit, "t", "4", "110", second=5))
    assert profit.state is OrderState.FILLED
    ended(store, leg(store, order, STOP, 1), OrderState.CANCELLED)
    with store.transaction() as connection:
        for one in plan(look(store, order).family):
            legs.explain(connection, one.leg.attempt_id, one.cause)  # type: ignore[union-attr]
    order = apply(store, order, trade(order, "b", "4", "100", second=9))
    place(store, order)
    stop = at_venue(store, child(store, order, STOP))
    assert (stop.state, stop.attempt.attempt_no) == (OrderState.SUBMITTED, 2)
    place(store, order)
    profit = at_venue(store, child(store, order, PROFIT))
    assert profit.quantity - profit.filled_quantity == 4
    assert look(store, order).family.protected == 4


def test_an_unsent_attempt_is_sized_in_our_tables(store: Store) -> None:
    """A halt keeps it: what else is filled meanwhile it covers from the beginning."""
    order = parent(store)
    order = apply(store, order, trade(order, "a", "1", "100"))
    place(store, order)
    order = apply(store, order, trade(order, "b", "7", "100", second=1))
    stop = child(store, order, STOP)
    with store.transaction() as connection:
        assert legs.resize(connection, stop, Decimal(8))
    stop = child(store, order, STOP)
    assert stop.quantity == stop.for_venue().quantity == 8


def test_every_attempt_is_watched_and_missed(store: Store) -> None:
    """Another session adopts them all; one that the venue does not show is asked for."""
    order = pairs(store, "3", "5")
    session = uuid4()
    with store.transaction() as connection:
        sessions.open_session(connection, session, BrokerName.PAPER, "w")
        adopted = sessions.adopt(connection, session, BrokerName.PAPER, LONG)
    names = {one.attempt.venue_order_id for one in adopted}
    ours = {
        leg(store, order, role, number).attempt.venue_order_id
        for role in COVERING
        for number in (1, 2)
    }
    assert ours <= names
    shown = leg(store, order, STOP, 1).attempt.venue_order_id
    with store.transaction() as connection:
        missed = reconciling.not_shown(connection, BrokerName.PAPER, timedelta(0), [shown], most=20)
    assert ours - {shown} <= {one.attempt.venue_order_id for one in missed}


def test_unprotected_is_reported_and_settled(store: Store) -> None:
    """After its time, by the sweep alone; while it stands entries beside it are stopped."""
    order = parent(store)
    order = apply(store, order, trade(order, "a", "3", "100"))
    sweep(store, timedelta(hours=1))
    assert open_alerts(store) == []
    sweep(store, timedelta(0))
    assert open_alerts(store) == [alerts.UNPROTECTED]
    assert "3 of 3 BTC-USDT long have no working stop" in message(store)
    with store.transaction() as connection:
        known = controls.load(connection)
    assert [(one.symbol, one.quantity) for one in known.unprotected] == [("BTC-USDT", Decimal(3))]
    assert known.concerning(order).needs_measuring
    apply(store, order, trade(order, "b", "1", "100", second=1))
    sweep(store, timedelta(0))
    assert "4 of 4" in message(store)
    for role in COVERING:
        place(store, order)
        at_venue(store, child(store, order, role))
    sweep(store, timedelta(0))
    assert open_alerts(store) == []
    with store.transaction() as connection:
        assert controls.load(connection).unprotected == ()


def test_what_others_take_is_not_protected(store: Store) -> None:
    """An exit beside the bracket makes its children smaller by as much."""
    order = pairs(store, "8")
    with store.transaction() as connection:
        standing = reducing.read(connection, reducing.place_of(order), Side.SELL)
        (held,) = standing.book.brackets
        assert held.open == held.covers == held.stands == 8
        taken = {order.order_id: Decimal(5)}
        assert reducing.cover(connection, standing, taken) == [order.order_id]
    with store.transaction() as connection:
        standing = reducing.read(connection, reducing.place_of(order), Side.SELL)
        assert reducing.cover(connection, standing, taken) == []
    found = look(store, order)
    assert found.family.target == 5
    assert len(plan(found.family)) == 2


def message(store: Store) -> str:
    """Of the alert that stands."""
    with store.transaction() as connection:
        found: str = connection.execute(
            text("SELECT message FROM alerts WHERE resolved_at IS NULL")
        ).scalar_one()
    return found


class Unsent:
    """Messages that go nowhere."""

    def steps(self, *_: Any) -> None:
        """An order's steps."""

    def task(self, *_: Any) -> None:
        """One task."""


def sweep(store: Store, unprotected_after: timedelta) -> None:
    """One look of recovery."""
    Sweep(
        store, ExchangeMapper(), TIMING, LONG, Unsent(), unprotected_after=unprotected_after
    ).once()


def test_one_fits_a_family_at_a_time(store: Store) -> None:
    """Until it lets go, or its time is over; what changed meanwhile is not given back as done."""
    order = parent(store)
    order = apply(store, order, trade(order, "a", "3", "100"))
    mine, yours = uuid4(), uuid4()
    with store.transaction() as connection:
        assert families.claim(connection, order.order_id, mine, LONG)
        assert families.claim(connection, order.order_id, mine, LONG)
        assert not families.claim(connection, order.order_id, yours, LONG)
    seen = look(store, order)
    order = apply(store, order, trade(order, "b", "1", "100", second=1))
    with store.transaction() as connection:
        assert not families.release(connection, seen, mine, None, short=False)
    with store.transaction() as connection:
        assert families.release(connection, look(store, order), mine, None, short=False)
        assert families.claim(connection, order.order_id, yours, timedelta(0))
        assert families.claim(connection, order.order_id, mine, LONG)


def test_phases(store: Store) -> None:
    """What is unsent, on its way, at the venue and over."""
    order = parent(store)
    order = apply(store, order, trade(order, "a", "3", "100"))
    place(store, order, in_groups=False)

    def phase() -> Phase:
        return look(store, order).family.members[STOP].legs[0].phase

    assert phase() is Phase.UNSENT
    intended(store, child(store, order, STOP))
    assert phase() is Phase.SENDING


def test_what_is_over_at_its_venue_protects_nothing(store: Store) -> None:
    """Not all of its executions are here, so its end is not recorded: it is asked for them."""
    order = pairs(store, "3", "5")
    first = leg(store, order, STOP, 1)
    said = VenueOrder(
        broker_order_id="1",
        state=OrderState.CANCELLED,
        symbol=first.symbol,
        side=first.side,
        quantity=Decimal(3),
        filled_quantity=Decimal(1),
        venue_order_id=first.attempt.venue_order_id,
    )
    with store.transaction() as connection:
        orders.news(connection, first, said, TIMING.step)
    found = look(store, order)
    assert found.incomplete == (first.attempt.attempt_id,)
    assert found.ended == ()
    assert found.family.protected == 5
    assert plan(found.family) == ()
    first = leg(store, order, STOP, 1)
    apply(store, first, trade(first, "s", "1", "90", second=5))
    assert look(store, order).ended == (first.attempt.attempt_id,)


def test_an_upgrade_takes_families_along(store: Store, database_url: str) -> None:
    """What an earlier release had under way about a family's sizes is computed anew."""
    order = pairs(store, "3")
    stop = child(store, order, STOP)
    downgrade(database_url, "0022")
    with store.transaction() as connection:
        for external, outcome in (("size-3-2", "PENDING"), ("covered-3", "DONE")):
            connection.execute(
                text(
                    """
                    INSERT INTO order_commands (command_id, kind, client_order_id, external_id,
                        payload, payload_hash, outcome)
                    VALUES (gen_random_uuid(), 'CANCEL', :name, :external, '{}', :external,
                        :outcome)
                    """
                ),
                {"name": stop.client_order_id, "external": external, "outcome": outcome},
            )
    upgrade(database_url)
    with store.transaction() as connection:
        pending = connection.execute(
            text("SELECT count(*) FROM order_commands WHERE outcome = 'PENDING'")
        ).scalar_one()
    assert pending == 0
    found = look(store, order)
    assert found.bare_since is not None
    assert not found.family.members[STOP].withdrawn
    assert found.family.protected == 3
    assert child(store, order, STOP).for_venue().one_cancels_other == order.order_id
