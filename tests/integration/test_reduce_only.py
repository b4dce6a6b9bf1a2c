"""Reduce-only orders against a real PostgreSQL: cut to what is free, whoever asks at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from execution.domain.brackets import COVERING, children
from execution.domain.commands import CommandKind
from execution.domain.errors import NotAllowed
from execution.domain.lifecycle import Step
from execution.domain.orders import Order
from execution.domain.ports import Modification
from execution.domain.protection import Add, plan
from execution.domain.reports import VenueOrder
from execution.domain.risk.limits import LimitKind
from execution.domain.risk.trading_state import TradingState
from execution.domain.trading_rules import TradingRules
from execution.domain.vocabulary import BrokerName, OrderState
from execution.exits import Venue
from execution.intake import new_id
from execution.store import (
    brackets,
    commands,
    controls,
    executions,
    families,
    legs,
    loading,
    orders,
    reducing,
    reports,
    sharing,
    unprotected,
)
from execution.store.engine import Store
from execution.store.families import Snapshot
from execution.store.reducing import place_of
from execution.store.sharing import Shared

from .stored import (
    SESSION,
    TIMING,
    apply,
    persisted,
    reload,
    rows_read_so_far,
    step5,
    submitted,
    trade,
)
from .test_brackets import at_venue, child, look, open_alerts, parent, place
from .test_gate import Quotes, committing, gate_of, no_price, set_limit, set_state

D = Decimal
BROKERS = [BrokerName.BINANCE, BrokerName.PAPER]


@pytest.fixture(scope="module")
def module_store(module_database_url: str) -> Iterator[Store]:
    """A database for the module."""
    store = Store(module_database_url)
    yield store
    store.close()


@pytest.fixture
def store(module_store: Store) -> Store:
    """The same, empty."""
    with module_store.transaction() as connection:
        connection.execute(
            text(
                """TRUNCATE order_requests, orders, order_attempts, order_commands, order_events,
                    execution_reports, fills, positions, paper_positions, events, alerts,
                    risk_limits, risk_rates, trading_states, risk_changes
                RESTART IDENTITY CASCADE"""
            )
        )
        connection.execute(text(f"UPDATE risk_controls SET version = {controls.FIRST_VERSION}"))
    return module_store


def hold(
    store: Store, quantity: str, broker: BrokerName = BrokerName.BINANCE, **more: Any
) -> Order:
    """Buy a position."""
    bought = submitted(store, broker, quantity=quantity, **more)
    return apply(store, bought, trade(bought, "buy", quantity, "100"))


def an_exit(
    store: Store, quantity: str, broker: BrokerName = BrokerName.BINANCE, **more: Any
) -> Order:
    """A reduce-only SELL after step 2."""
    return persisted(store, broker, side="SELL", quantity=quantity, reduce_only=True, **more)


def send(store: Store, order: Order, venue: Venue | None = None) -> Order | str:
    """The order with its intent committed, or why it is not."""
    gate = gate_of(store, Quotes(D(100)))
    try:
        sent = gate.intend(order, no_price, committing(order), venue or Venue())
    except NotAllowed as refusal:
        return str(refusal)
    assert sent is not None
    return sent


def sent(store: Store, order: Order, venue: Venue | None = None) -> Order:
    """The same, which must be."""
    found = send(store, order, venue)
    assert isinstance(found, Order), found
    assert found.state is OrderState.SUBMITTING
    return found


def at_once(store: Store, made: Sequence[Order]) -> list[Order | str]:
    """Send all at the same moment, each by a worker of its own."""
    barrier = threading.Barrier(len(made))

    def one(order: Order) -> Order | str:
        barrier.wait(20)
        return send(store, order)

    with ThreadPoolExecutor(len(made)) as pool:
        return list(pool.map(one, made))


def events(store: Store, order: Order, kind: str) -> list[str]:
    """The reasons of an order's messages of one type."""
    with store.transaction() as connection:
        rows = connection.execute(
            text("SELECT payload ->> 'reason' FROM events WHERE order_id = :id AND type = :kind"),
            {"id": order.order_id, "kind": kind},
        )
        return list(rows.scalars())


@pytest.mark.parametrize("broker", BROKERS)
def test_it_is_cut_to_the_position(store: Store, broker: BrokerName) -> None:
    """Long 5, `SELL 50`: attempt and order are for 5, and a message says so."""
    hold(store, "5", broker)
    cut = sent(store, an_exit(store, "50", broker))
    assert cut.quantity == cut.attempt.quantity == 5
    now = reload(store, cut.order_id)
    assert now.quantity == now.attempt.quantity == 5
    assert events(store, cut, "MODIFIED") == [
        "quantity 5 (reduce_only, cut from 50: 5 BTC-USDT long; 5 free)"
    ]


@pytest.mark.parametrize("broker", BROKERS)
def test_with_nothing_to_reduce_it_is_refused(store: Store, broker: BrokerName) -> None:
    """Flat, or on the wrong side; what is held elsewhere does not count."""
    flat = "reduce_only: 3 BTC-USDT asked; 0 BTC-USDT held; 0 free"
    assert send(store, an_exit(store, "3", broker)) == flat
    hold(store, "5", broker, account="other")
    assert send(store, an_exit(store, "3", broker)) == flat
    other = BrokerName.PAPER if broker is BrokerName.BINANCE else BrokerName.BINANCE
    hold(store, "5", other)
    assert send(store, an_exit(store, "3", broker)) == flat
    hold(store, "5", broker)
    buy = persisted(store, broker, side="BUY", quantity="1", reduce_only=True)
    assert send(store, buy) == "reduce_only: 1 BTC-USDT asked; 5 BTC-USDT long; 0 free"
    plain = persisted(store, broker, side="SELL", quantity="9")
    assert sent(store, plain).quantity == 9  # one that is not reduce-only may turn it around


def test_others_that_work_count(store: Store) -> None:
    """Sent, in doubt or partly filled, with what is left of them; what was never sent does not."""
    hold(store, "10")
    an_exit(store, "10")  # never sent
    first = sent(store, an_exit(store, "3", client_order_id="first"))
    second = submitted(store, side="SELL", quantity="4", reduce_only=True, client_order_id="second")
    apply(store, second, trade(second, "part", "1", "101"))  # 9 held, 3 of it left
    third = sent(store, an_exit(store, "50", client_order_id="third"))
    assert third.quantity == 3
    assert send(store, an_exit(store, "1")) == (
        "reduce_only: 1 BTC-USDT asked; 9 BTC-USDT long; 3 in first; 3 in second; 3 in third; "
        "0 free"
    )
    with store.transaction() as connection:
        connection.execute(
            text("UPDATE orders SET state = 'CANCELLED' WHERE order_id = :id"),
            {"id": first.order_id},
        )
    assert sent(store, an_exit(store, "5")).quantity == 3


@pytest.mark.parametrize(
    ("side", "fee", "free"),
    [("SELL", None, "3"), ("BUY", None, "7"), ("BUY", "0.01", "6.99")],
    ids=["sold", "bought", "bought, less a fee in coins"],
)
def test_fills_on_their_way_count(store: Store, side: str, fee: str | None, free: str) -> None:
    """What step 6 has recorded, and step 7 has not brought into the position yet."""
    hold(store, "5")
    order = submitted(store, side=side, quantity="2")
    cost: dict[str, Any] = {}
    if fee is not None:
        cost = {"commission": D(fee), "commission_currency": "BTC"}
    with store.transaction() as connection:
        reports.record(connection, order, [trade(order, "1", "2", "100", **cost)])
    assert step5(store, order.order_id)
    with store.transaction() as connection:
        executions.apply_to_order(connection, order.order_id, TIMING.step)
    assert sent(store, an_exit(store, "50")).quantity == D(free)


@pytest.mark.parametrize("broker", BROKERS)
def test_two_at_once_cannot_take_the_same(store: Store, broker: BrokerName) -> None:
    """Eight for 3 each against 10, at the same moment: 3, 3, 3, 1, and four with nothing."""
    hold(store, "10", broker)
    found = at_once(store, [an_exit(store, "3", broker) for _ in range(8)])
    quantities = sorted(one.quantity for one in found if isinstance(one, Order))
    assert quantities == [1, 3, 3, 3]
    refused = [one for one in found if isinstance(one, str)]
    assert len(refused) == 4
    assert all("10 BTC-USDT long" in reason and "0 free" in reason for reason in refused)


def test_a_part_that_the_venue_does_not_take_is_nothing(store: Store) -> None:
    """What is free is fitted to the venue's steps; below its minimum it is refused."""
    hold(store, "0.68")
    rules = TradingRules("BTC-USDT", quantity_step=D("0.1"), minimum_quantity=D("0.2"))
    assert sent(store, an_exit(store, "57"), Venue(rules)).quantity == D("0.6")
    refused = send(store, an_exit(store, "57"), Venue(rules))
    assert isinstance(refused, str)
    assert refused.endswith("0.08 free")
    # What it is worth is a guess, which holds no exit back.
    worth = TradingRules("BTC-USDT", minimum_notional=D(10))
    assert sent(store, an_exit(store, "57"), Venue(worth)).quantity == D("0.08")


def test_it_may_grow_only_into_what_is_free(store: Store) -> None:
    """A change to more is refused by name; what has set out counts at its larger quantity."""
    hold(store, "10")
    first = submitted(store, side="SELL", quantity="4", reduce_only=True, client_order_id="first")
    sent(store, an_exit(store, "3", client_order_id="second"))
    gate = gate_of(store)
    with store.transaction() as connection:
        assert gate.change(connection, first, Modification(quantity=D(8)), None) == (
            "reduce_only: 8 is more than is free beside the others; 10 BTC-USDT long; "
            "3 in second; 7 free"
        )
        assert gate.change(connection, first, Modification(quantity=D(7)), None) is None
        assert gate.change(connection, first, Modification(limit_price=D(1)), None) is None
    with store.transaction() as connection:
        recorded = commands.record(
            connection,
            command_id=first.attempt.attempt_id,
            kind=CommandKind.MODIFY,
            client_order_id=first.client_order_id,
            external_id="more",
            payload={"client_order_id": "first", "quantity": "6"},
            payload_hash="x",
            reason=None,
            due=TIMING.step,
        )
        assert recorded is not None
        commands.mark_sent(connection, recorded.command_id)
    assert sent(store, an_exit(store, "3")).quantity == 1


def test_limits_agree_with_what_it_is_cut_to(store: Store) -> None:
    """A reduce-only order passes the limits of size for what it reduces, and REDUCING."""
    hold(store, "5")
    set_limit(store, LimitKind.MAX_QUANTITY, "1")
    set_state(store, TradingState.REDUCING)
    order = an_exit(store, "50")
    assert gate_of(store, Quotes(D(100))).at_creation(order, order.created_at) is None
    assert sent(store, order).quantity == 5
    again = an_exit(store, "1")
    assert gate_of(store).at_creation(again, again.created_at) is not None


def test_it_reads_few_rows_however_many_there_were(store: Store) -> None:
    """By the index of reducing orders that are not over."""
    hold(store, "10")
    with store.transaction() as connection:
        connection.execute(
            text(
                """INSERT INTO orders SELECT (jsonb_populate_record(o, jsonb_build_object(
                    'order_id', gen_random_uuid(), 'client_order_id', 'old-' || n,
                    'state', 'FILLED', 'reduce_only', true))).*
                FROM orders o, generate_series(1, 3000) AS n"""
            )
        )
        connection.execute(text("ANALYZE orders"))
    order = an_exit(store, "1")
    send(store, an_exit(store, "1"))
    before = rows_read_so_far(store)
    sent(store, order)
    assert rows_read_so_far(store) - before < 200


def test_what_another_has_changed_is_left_alone(store: Store) -> None:
    """Neither cut nor sent."""
    hold(store, "5")
    order = an_exit(store, "50")
    with store.transaction() as connection:
        assert loading.load(connection, order.order_id, lock=True)
        connection.execute(
            text("UPDATE orders SET version = version + 1 WHERE order_id = :id"),
            {"id": order.order_id},
        )
    gate = gate_of(store)
    assert gate.intend(order, no_price, committing(order), Venue()) is None
    assert reload(store, order.order_id).quantity == 50


def moved(store: Store, *done: Order) -> Shared:
    """Share the position out as step 7 does, once these orders have moved it."""
    with store.transaction() as connection:
        return sharing.share_out(connection, place_of(done[0]), new_id)


def asked(store: Store) -> list[tuple[str, str, str | None]]:
    """Pending commands of ours: kind, order and new total."""
    with store.transaction() as connection:
        rows = connection.execute(
            text(
                """SELECT kind, client_order_id, payload ->> 'quantity' FROM order_commands
                WHERE ours AND outcome = 'PENDING' ORDER BY client_order_id"""
            )
        )
        return [tuple(row) for row in rows]


def sell(store: Store, quantity: str) -> Order:
    """Sell part of the position by an order that is not reduce-only."""
    order = submitted(store, side="SELL", quantity=quantity)
    return apply(store, order, trade(order, "plain", quantity, "100", second=9))


def test_when_it_shrinks_the_newest_is_cut_first_and_stops_last(store: Store) -> None:
    """By commands of ours, with the new total of each; a bust, a booking or a fill alike."""
    hold(store, "10")
    terms: dict[str, Any] = {"side": "SELL", "reduce_only": True}
    limit = {"order_type": "LIMIT", "limit_price": "200", **terms}
    stop = {"order_type": "STOP", "stop_price": "50", **terms}
    old = submitted(store, quantity="3", client_order_id="a-old", **limit)
    submitted(store, quantity="3", client_order_id="c-stop", **stop)
    submitted(store, quantity="4", client_order_id="b-new", **limit)
    apply(store, old, trade(old, "part", "1", "200"))  # 9 held, 9 stand against it
    assert not moved(store, old).commands
    sold = sell(store, "3")
    assert [one.client_order_id for one in moved(store, sold).commands] == ["b-new"]
    assert asked(store) == [("MODIFY", "b-new", "1")]
    sell(store, "2")
    assert [one.client_order_id for one in moved(store, sold).commands] == ["a-old"]
    assert asked(store) == [("MODIFY", "a-old", "2"), ("MODIFY", "b-new", "1")]
    sell(store, "4")
    assert [one.client_order_id for one in moved(store, sold).commands] == ["c-stop"]
    assert asked(store)[-1] == ("CANCEL", "c-stop", None)


def test_a_position_turned_around_leaves_nothing_to_reduce(store: Store) -> None:
    """An order that may turn it does: what was to reduce the old one is cancelled."""
    hold(store, "5")
    submitted(store, side="SELL", quantity="2", reduce_only=True, client_order_id="mine")
    sold = sell(store, "8")
    assert [one.client_order_id for one in moved(store, sold).commands] == ["mine"]
    assert asked(store) == [("CANCEL", "mine", None)]


def test_recovery_finds_what_was_not_shared_out(store: Store) -> None:
    """A worker that dies after step 7: the sweep sees that more stands than there is."""
    hold(store, "5")
    exit_order = submitted(store, side="SELL", quantity="5", reduce_only=True)
    with store.direct() as link:
        assert reducing.crowded(link, 10) == []
    sell(store, "1")
    with store.direct() as link:
        assert reducing.crowded(link, 10) == [place_of(exit_order)]


def test_what_was_refused_is_not_asked_again_at_once(store: Store) -> None:
    """The venue is given a minute."""
    hold(store, "5")
    submitted(store, side="SELL", quantity="5", reduce_only=True)
    sold = sell(store, "1")
    (first,) = moved(store, sold).commands
    assert not moved(store, sold).commands  # it is under way
    with store.transaction() as connection:
        commands.settle(connection, first.command_id, commands.REFUSED, "no", [])
    assert not moved(store, sold).commands
    with store.transaction() as connection:
        connection.execute(
            text("UPDATE order_commands SET settled_at = settled_at - interval '61 s'")
        )
    assert len(moved(store, sold).commands) == 1


@pytest.mark.parametrize("broker", BROKERS)
def test_a_race_that_was_lost_is_reported(store: Store, broker: BrokerName) -> None:
    """Both filled: the alert names what went beyond zero, and grows with it."""
    hold(store, "5", broker)
    exit_order = submitted(store, broker, side="SELL", quantity="5", reduce_only=True)
    apply(store, exit_order, trade(exit_order, "1", "2", "100", second=1))
    plain = submitted(store, broker, side="SELL", quantity="4")
    apply(store, plain, trade(plain, "1", "4", "100", second=2))
    assert alerts_of(store) == []  # turned by an order that may
    apply(store, exit_order, trade(exit_order, "2", "1", "100", second=3))
    expected = "is reduce_only, and its SELL went {} BTC-USDT beyond zero"
    assert alerts_of(store) == [f"order {exit_order.client_order_id} {expected.format(1)}"]
    apply(store, exit_order, trade(exit_order, "3", "2", "100", second=4))
    assert alerts_of(store) == [f"order {exit_order.client_order_id} {expected.format(3)}"]


@pytest.mark.parametrize("broker", BROKERS)
def test_a_late_execution_shows_a_reversal(store: Store, broker: BrokerName) -> None:
    """A sale before the exit, reported after it: the exit went beyond zero after all."""
    hold(store, "5", broker)
    exit_order = submitted(store, broker, side="SELL", quantity="5", reduce_only=True)
    sale = submitted(store, broker, side="SELL", quantity="2")
    apply(store, exit_order, trade(exit_order, "1", "5", "100", second=5))
    assert alerts_of(store) == []
    apply(store, sale, trade(sale, "1", "2", "100", second=2))
    expected = "is reduce_only, and its SELL went 2 BTC-USDT beyond zero"
    assert alerts_of(store) == [f"order {exit_order.client_order_id} {expected}"]


@pytest.mark.parametrize("broker", BROKERS)
def test_a_late_execution_disproves_a_reversal(store: Store, broker: BrokerName) -> None:
    """A purchase before the exit, reported after it: the alert is withdrawn, until it is true."""
    hold(store, "5", broker)
    exit_order = submitted(store, broker, side="SELL", quantity="5", reduce_only=True)
    sale = submitted(store, broker, side="SELL", quantity="2")
    apply(store, sale, trade(sale, "1", "2", "100", second=2))
    apply(store, exit_order, trade(exit_order, "1", "5", "100", second=5))
    expected = "is reduce_only, and its SELL went 2 BTC-USDT beyond zero"
    assert alerts_of(store) == [f"order {exit_order.client_order_id} {expected}"]
    purchase = submitted(store, broker, side="BUY", quantity="2")
    apply(store, purchase, trade(purchase, "1", "2", "100", second=3))
    assert alerts_of(store) == []
    another = submitted(store, broker, side="SELL", quantity="2")
    apply(store, another, trade(another, "1", "2", "100", second=4))
    assert alerts_of(store) == [f"order {exit_order.client_order_id} {expected}"]


def alerts_of(store: Store) -> list[str]:
    """What stands of reversals."""
    with store.transaction() as connection:
        rows = connection.execute(
            text(
                """SELECT message FROM alerts
                WHERE kind = 'REDUCE_ONLY_REVERSED' AND resolved_at IS NULL"""
            )
        )
        return list(rows.scalars())


def bracket(store: Store, quantity: str, *, working: bool = True) -> Order:
    """A bracket on paper that has filled; its stop and its target work, or are not placed yet."""
    order = parent(store, quantity)
    order = apply(store, order, trade(order, "p", quantity, "100"))
    if working:
        place(store, order, in_groups=False)
        for role in COVERING:
            at_venue(store, child(store, order, role))
    return order


def covers(store: Store, order: Order) -> tuple[Decimal, Decimal]:
    """What a bracket's children are to stand for, and what of it is open for good."""
    with store.transaction() as connection:
        book = reducing.read(connection, place_of(order), order.side.opposite).book
    (found,) = [one for one in book.brackets if one.parent_id == order.order_id]
    return found.covers, found.open


def fit(store: Store, order: Order) -> None:
    """Bring the children to their size, as their family's worker does at the venue."""
    for role in COVERING:
        size = look(store, order, in_groups=False).family.target
        with store.transaction() as connection:
            now = child(store, order, role)
            assert legs.resize(connection, now, now.filled_quantity + size)


PAPER = BrokerName.PAPER


@pytest.mark.parametrize("working", [True, False], ids=["working", "not placed yet"])
def test_a_bracket_makes_room_for_an_exit(store: Store, working: bool) -> None:  # noqa: FBT001
    """The exit waits, and holds its room; once the children are smaller it is sent."""
    order = bracket(store, "10", working=working)
    first = send(store, an_exit(store, "4", PAPER, client_order_id="first"))
    assert isinstance(first, Order)
    assert covers(store, order) == (D(6), D(10))
    if not working:  # nothing is in the way: they will be placed for six
        assert first.state is OrderState.SUBMITTING
        planned = plan(look(store, order, in_groups=False).family)
        assert [one.quantity for one in planned if isinstance(one, Add)] == [6, 6]
        return
    assert first.state is OrderState.PENDING
    assert first.reason is not None
    assert "waits for 4; 10 BTC-USDT long; 10 in the bracket of" in first.reason
    # Its room is nobody else's.
    second = send(store, an_exit(store, "50", PAPER, client_order_id="second"))
    assert isinstance(second, Order)
    assert second.state is OrderState.PENDING
    assert covers(store, order) == (D(0), D(10))
    assert isinstance(send(store, an_exit(store, "1", PAPER)), str)
    again = send(store, reload(store, first.order_id))
    assert isinstance(again, Order)
    assert again.state is OrderState.PENDING
    fit(store, order) if look(store, order).family.target else end(store, order)
    for waiting, quantity in ((first, 4), (second, 6)):
        assert sent(store, reload(store, waiting.order_id)).quantity == quantity


def end(store: Store, order: Order) -> None:
    """The venue has cancelled both children."""
    for role in COVERING:
        now = child(store, order, role)
        with store.transaction() as connection:
            connection.execute(
                text(
                    """UPDATE order_attempts SET reported_state = 'CANCELLED',
                        reported_quantity = filled_quantity WHERE attempt_id = :id"""
                ),
                {"id": now.attempt.attempt_id},
            )
        with store.transaction() as connection:
            assert legs.end(connection, child(store, order, role))


def test_what_an_exit_has_closed_is_closed_for_good(store: Store) -> None:
    """Filled, the bracket is smaller by it; what is bought later is none of the bracket's."""
    order = bracket(store, "10")
    waiting = send(store, an_exit(store, "4", PAPER))
    assert isinstance(waiting, Order)
    fit(store, order)
    gone = sent(store, reload(store, waiting.order_id))
    apply(store, acknowledged(store, gone), trade(gone, "x", "4", "100", second=5))
    moved(store, order)
    assert covers(store, order) == (D(6), D(6))
    hold(store, "4", PAPER)
    moved(store, order)
    assert covers(store, order) == (D(6), D(6))


def acknowledged(store: Store, order: Order) -> Order:
    """The venue holds an order."""
    said = VenueOrder("1", OrderState.SUBMITTED, order.symbol, order.side, order.quantity)
    with store.transaction() as connection:
        assert orders.acknowledged(connection, order, said, SESSION, TIMING)
    return reload(store, order.order_id)


@pytest.mark.parametrize("filled", ["0", "1"])
def test_an_exit_that_is_over_gives_back_what_it_did_not_fill(store: Store, filled: str) -> None:
    """Cancelled, whether it waited or rested: the children cover again what is open."""
    order = bracket(store, "10")
    waiting = send(store, an_exit(store, "4", PAPER))
    assert isinstance(waiting, Order)
    fit(store, order)
    resting = acknowledged(store, sent(store, reload(store, waiting.order_id)))
    if filled != "0":
        resting = apply(store, resting, trade(resting, "x", filled, "100", second=5))
    with store.direct() as link:
        assert reducing.crowded(link, 9) == [place_of(order)]  # recovery looks at it
    with store.transaction() as connection:
        step = Step.AWAIT_FILL
        assert orders.settle(connection, resting, OrderState.CANCELLED, None, step=step)
    assert moved(store, order).brackets == [order.order_id]
    left = 10 - D(filled)
    assert covers(store, order) == (left, left)
    with store.direct() as link:
        assert reducing.crowded(link, 9) == []


def test_in_doubt_it_goes_for_what_cannot_also_fill(store: Store) -> None:
    """The children are not made smaller: after two seconds the free part goes, the rest waits."""
    bracket(store, "10")
    hold(store, "3", PAPER)
    waiting = send(store, an_exit(store, "8", PAPER))
    assert isinstance(waiting, Order)
    assert waiting.state is OrderState.PENDING
    with store.transaction() as connection:
        connection.execute(
            text("UPDATE order_attempts SET claimed_at = claimed_at - interval '3 s'")
        )
    gone = sent(store, reload(store, waiting.order_id))
    assert gone.quantity == 8
    assert gone.attempt.quantity == 3
    assert isinstance(send(store, an_exit(store, "6", PAPER)), Order)  # five are left to claim
    assert isinstance(send(store, an_exit(store, "1", PAPER)), str)


def test_a_plain_sale_closes_the_newest_bracket(store: Store) -> None:
    """Exits give way first, then the newest bracket's children, for as much as is gone."""
    old, new = bracket(store, "6"), bracket(store, "4")
    resting = submitted(store, PAPER, side="SELL", quantity="1", reduce_only=True)
    assert resting.quantity == 1  # sent without a look, as a release before this did
    plain = submitted(store, PAPER, side="SELL", quantity="3")
    apply(store, plain, trade(plain, "s", "3", "100", second=7))
    done = moved(store, plain)
    assert [one.client_order_id for one in done.commands] == [resting.client_order_id]
    assert done.brackets == [new.order_id]
    assert covers(store, old) == (D(6), D(6))
    assert covers(store, new) == (D(1), D(1))


def test_recovery_finds_brackets_whose_position_went(store: Store) -> None:
    """By a booking, which no step 7 follows: the children stand for less."""
    order = bracket(store, "10")
    with store.direct() as link:
        assert reducing.crowded(link, 9) == []
    with store.transaction() as connection:
        connection.execute(text("UPDATE paper_positions SET quantity = 7"))
    with store.direct() as link:
        assert reducing.crowded(link, 9) == [place_of(order)]
    assert moved(store, order).brackets == [order.order_id]
    assert covers(store, order) == (D(7), D(7))
    with store.direct() as link:
        assert reducing.crowded(link, 9) == []


def withdraw(store: Store, order: Order) -> None:
    """Both children were cancelled by their producer, and the family has been looked at since."""
    for role in COVERING:
        name = child(store, order, role).client_order_id
        with store.transaction() as connection:
            commands.record(
                connection,
                command_id=new_id(),
                kind=CommandKind.CANCEL,
                client_order_id=name,
                external_id="mine",
                payload={},
                payload_hash=name,
                reason=None,
                due=TIMING.step,
            )
    end(store, order)
    rest(store, order, reported=False)


def rest(store: Store, order: Order, *, reported: bool) -> Snapshot:
    """Give a family back, as its worker does; `reported`: what is unprotected is, and settled."""
    found, owner = look(store, order, in_groups=False), new_id()
    with store.transaction() as connection:
        assert families.claim(connection, order.order_id, owner, TIMING.lease)
        assert families.release(connection, found, owner, None, short=False)
    if reported:
        with store.transaction() as connection:
            unprotected.report_bare(connection, found, flatten=False)
    return found


def test_a_bracket_that_nobody_wants_does_not_count(store: Store) -> None:
    """Its children were cancelled by their producer: what it opened is free."""
    order = bracket(store, "10")
    withdraw(store, order)
    assert look(store, order, in_groups=False).is_over
    assert sent(store, an_exit(store, "4", PAPER)).quantity == 4
    assert rest(store, order, reported=True).family.bare == 6
    assert sent(store, an_exit(store, "8", PAPER)).quantity == 6
    assert rest(store, order, reported=True).family.bare == 0


@pytest.mark.parametrize("reported", [True, False], ids=["reported", "not reported yet"])
def test_what_nobody_protects_is_closed_by_others(store: Store, reported: bool) -> None:  # noqa: FBT001
    """Its stop was cancelled and its position sold: nothing is unprotected any more."""
    order, other = bracket(store, "10"), bracket(store, "3")
    withdraw(store, order)
    rest(store, order, reported=reported)
    for name, sold, left in (("a", "7", 6), ("b", "4", 2), ("c", "2", 0)):
        plain = submitted(store, PAPER, side="SELL", quantity=sold)
        apply(store, plain, trade(plain, name, sold, "100", second=7))
        with store.direct() as link:
            assert reducing.any_against(link, place_of(order))
            assert reducing.crowded(link, 9) == [place_of(order)]
        assert order.order_id in moved(store, plain).brackets
        assert rest(store, order, reported=True).family.bare == left
        assert covers(store, other) == (D(0), D(0))
        with store.direct() as link:
            assert reducing.crowded(link, 9) == []
    assert open_alerts(store) == []
    with store.transaction() as connection:
        assert controls.load(connection).unprotected == ()


def test_no_entry_beside_a_bracket_without_its_stop(store: Store) -> None:
    """Others of its strategy wait until it is protected or closed; what reduces goes."""
    order = bracket(store, "10")
    withdraw(store, order)
    rest(store, order, reported=True)
    refused = send(store, persisted(store, PAPER, quantity="1"))
    assert str(refused).startswith(f"UNPROTECTED: 10 BTC-USDT of order {order.client_order_id}")
    assert isinstance(send(store, persisted(store, PAPER, quantity="1", strategy="other")), Order)
    assert isinstance(send(store, persisted(store, PAPER, side="SELL", quantity="1")), Order)


def test_fitting_and_taking_wait_for_each_other(store: Store) -> None:
    """Who fits a family's children holds its row: an exit is judged by what came of it."""
    order = bracket(store, "10", working=False)
    made = an_exit(store, "10", PAPER)
    looked, go_on = threading.Event(), threading.Event()

    def fits() -> None:
        with store.transaction() as connection:
            found = families.snapshot(connection, order.order_id, lock=True)
            assert found is not None
            looked.set()
            assert go_on.wait(20)
            for action in plan(found.family):
                assert isinstance(action, Add)
                terms = {one.role: one for one in children(order)}[action.role]
                assert brackets.insert(connection, order, terms, action.quantity, order.order_id)

    with ThreadPoolExecutor(2) as pool:
        fitting = pool.submit(fits)
        assert looked.wait(20)
        sending = pool.submit(send, store, made)
        threading.Event().wait(0.3)
        assert not sending.done()
        go_on.set()
        fitting.result(20)
        found = sending.result(20)
    assert isinstance(found, Order)
    assert found.state is OrderState.PENDING  # the children stand for all of it
