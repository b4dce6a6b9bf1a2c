"""Corrections and busts in every order that they can be heard in: the last one counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import permutations
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from execution.domain.orders import Order
from execution.domain.reports import Execution, ReportKind
from execution.domain.vocabulary import OrderState
from execution.store import executions, reports
from execution.store.engine import Store

from .stored import apply, submitted, trade

Revision = tuple[str, str, str, ReportKind, str]
CORRECTION, BUST = ReportKind.CORRECTION, ReportKind.BUST


@pytest.fixture(scope="module")
def store(module_database_url: str) -> Iterator[Store]:
    """One database: each order has an account of its own."""
    store = Store(module_database_url)
    yield store
    store.close()


def rows(store: Store, query: str, **parameters: Any) -> list[Any]:
    """Rows of a query."""
    with store.statement() as connection:
        return list(connection.execute(text(query), parameters))


def family(order: Order, revisions: Sequence[Revision]) -> list[Execution]:
    """3 at 10, and what was made of it later: name, quantity, price, kind, and what it names."""
    told = [trade(order, "a", "3", "10")]
    for second, (name, quantity, price, kind, corrects) in enumerate(revisions, 1):
        named = f"{order.order_id}-{corrects}"
        told.append(trade(order, name, quantity, price, second=second, kind=kind, corrects=named))
    return told


@pytest.mark.parametrize(
    ("revisions", "filled", "price", "status"),
    [
        (
            [("b", "3", "11", CORRECTION, "a"), ("c", "2", "12", CORRECTION, "b")],
            2,
            12,
            "CORRECTED",
        ),
        (
            [("b", "2", "11", CORRECTION, "a"), ("c", "3", "12", CORRECTION, "a")],
            3,
            12,
            "CORRECTED",
        ),
        ([("b", "2", "11", CORRECTION, "a"), ("c", "0", "0", BUST, "b")], 0, 11, "BUSTED"),
        ([("b", "2", "11", CORRECTION, "a"), ("c", "0", "0", BUST, "a")], 0, 11, "BUSTED"),
        ([("b", "0", "0", BUST, "a"), ("c", "1", "12", CORRECTION, "a")], 1, 12, "CORRECTED"),
    ],
    ids=["one after the other", "both of the trade", "busted", "trade busted", "taken up again"],
)
def test_in_every_order(
    store: Store, revisions: Sequence[Revision], filled: int, price: int, status: str
) -> None:
    """Whatever is heard first, fill, order, position and the last message come to the same."""
    for sequence in permutations(range(3)):
        order = submitted(store, account=uuid4().hex)
        told = family(order, revisions)
        for number in (*sequence, *sequence):
            order = apply(store, order, told[number])
        (fill,) = rows(store, "SELECT * FROM fills WHERE order_id = :id", id=order.order_id)
        assert (fill.quantity, fill.price, fill.status) == (filled, price, status), sequence
        assert order.filled_quantity == filled
        assert order.average_price == (price if filled else None)
        assert order.state in {
            3: {OrderState.FILLED},
            0: {OrderState.CANCELLED, OrderState.SUBMITTED},
        }.get(filled, {OrderState.CANCELLED, OrderState.PARTIALLY_FILLED})
        (held,) = rows(
            store, "SELECT * FROM positions WHERE account = :account", account=order.account
        )
        assert (held.quantity, held.average_price) == (filled, price if filled else 0)
        said = rows(
            store,
            """SELECT type, payload FROM events WHERE stream = 'fills' AND order_id = :id
            ORDER BY event_no""",
            id=order.order_id,
        )
        assert [event.type for event in said].count("FILL") == 1
        assert said[0].type == "FILL"
        assert Decimal(said[-1].payload["last_quantity"]) == filled
        assert Decimal(said[-1].payload["last_price"]) == price


@pytest.mark.parametrize("kind", [CORRECTION, BUST])
def test_under_its_own_id(store: Store, kind: ReportKind) -> None:
    """A revision may bear the id of its trade, as some venues number them."""
    for corrects in ("a", None):
        order = submitted(store, account=uuid4().hex)
        named = None if corrects is None else f"{order.order_id}-{corrects}"
        revision = trade(order, "a", "2", "11", second=1, kind=kind, corrects=named)
        for told in (trade(order, "a", "3", "10"), revision, revision):
            order = apply(store, order, told)
        assert order.filled_quantity == (2 if kind is CORRECTION else 0)


@pytest.mark.parametrize(
    ("kind", "filled", "price"),
    [(CORRECTION, 2, 11), (BUST, 0, None), (ReportKind.COMMISSION, 3, 10)],
)
def test_without_our_id(store: Store, kind: ReportKind, filled: int, price: int | None) -> None:
    """What revises a fill of ours and names only the execution is for our order all the same."""
    order = submitted(store)
    first = trade(order, "a", "3", "10")
    order = apply(store, order, first)
    same = kind is ReportKind.COMMISSION
    revision = trade(
        order,
        "a" if same else "b",
        "2",
        "11",
        second=1,
        kind=kind,
        corrects=None if same else first.execution_id,
        venue_order_id=None,
        commission=Decimal("0.5"),
    )
    with store.transaction() as connection:
        reports.record_from_venue(
            connection, [revision], broker=order.broker, environment="practice", account="main"
        )
    (stranger,) = rows(store, "SELECT report_id FROM execution_reports WHERE order_id IS NULL")
    with store.transaction() as connection:
        assert not executions.apply_orphan(connection, stranger.report_id, lambda _: None)
    order = apply(store, order)
    assert order.filled_quantity == filled
    assert order.average_price == price
    (fill,) = rows(store, "SELECT * FROM fills WHERE order_id = :id", id=order.order_id)
    assert fill.commission == (Decimal("0.5") if same else None)
    assert fill.positioned_at is not None
    assert rows(store, "SELECT 1 FROM alerts WHERE kind = 'UNKNOWN_ORDER'") == []
