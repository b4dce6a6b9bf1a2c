"""Order ids at the IB gateway's desk: whose they are, which are free, which mean a change."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from simulators.faults import Faults
from simulators.ib_gateway.catalogue import Catalogue
from simulators.ib_gateway.codes import Refusal
from simulators.ib_gateway.desk import Desk
from simulators.ib_gateway.matching import Matcher
from simulators.ib_gateway.news import News
from simulators.ib_gateway.options import GatewayOptions
from simulators.ib_gateway.records import Order
from simulators.ib_gateway.register import Register
from simulators.journal import Journal

NOW = datetime(2026, 11, 23, 15, tzinfo=UTC)


@pytest.fixture
def told() -> list[News]:
    """What clients would hear."""
    return []


@pytest.fixture
def desk(told: list[News]) -> Desk:
    """A desk with SPY at 99 to 101."""
    catalogue = Catalogue(NOW.date())
    register = Register(GatewayOptions(), Faults(), Journal(None), catalogue, lambda: NOW)
    register.publish = told.extend
    desk = Desk(register, Matcher(register))
    desk.matcher.set_price("SPY", Decimal(99), Decimal(101))
    return desk


def place_of(desk: Desk, client_id: int, order_id: int, **changes: Any) -> Order:
    """A limit to BUY 100 SPY at 95."""
    contract = desk.register.catalogue.by_ticker("SPY")
    perm_id = desk.register.new_perm_id()
    order = Order(
        broker_order_id=str(perm_id),
        venue_order_id="",
        symbol="SPY",
        side="BUY",
        order_type="LIMIT",
        quantity=Decimal(100),
        time_in_force="DAY",
        accepted_at=NOW,
        limit_price=Decimal(95),
        perm_id=perm_id,
        account="DU1234567",
        client_id=client_id,
        order_id=order_id,
        con_id=contract.con_id,
        exchange="SMART",
    )
    for name, value in changes.items():
        setattr(order, name, value)
    return order


def place(desk: Desk, client_id: int, order_id: int, **changes: Any) -> Order:
    """Place such an order. Refusal when the id cannot be used."""
    desk.reserve(client_id, order_id)
    order = place_of(desk, client_id, order_id, **changes)
    desk.place(order, transmit=True)
    desk.let_go(client_id, order_id)
    return order


def refused(desk: Desk, client_id: int, order_id: int) -> int:
    """The code by which an id is refused."""
    with pytest.raises(Refusal) as caught:
        desk.reserve(client_id, order_id)
    return caught.value.code


def test_ids_go_up(desk: Desk) -> None:
    """The next id is one above the highest; what was jumped over is used up."""
    assert desk.register.next_order_id(1) == 1
    place(desk, 1, 7)
    assert desk.register.next_order_id(1) == 8
    assert refused(desk, 1, 6) == 103


def test_each_client_has_its_own(desk: Desk) -> None:
    """The same id of two clients is two orders."""
    first, second = place(desk, 1, 7), place(desk, 2, 7)
    assert first.perm_id != second.perm_id
    assert desk.live(1, 7) is first
    assert desk.live(2, 7) is second


def test_a_live_id_is_a_change(desk: Desk) -> None:
    """The id of a working order is free to be sent again: it means that order."""
    order = place(desk, 1, 7)
    desk.reserve(1, 7)
    assert desk.live(1, 7) is order


def test_a_filled_id(desk: Desk) -> None:
    """A filled order cannot be modified: 104."""
    place(desk, 1, 7, order_type="MARKET", limit_price=None)
    assert refused(desk, 1, 7) == 104


def test_a_cancelled_id(desk: Desk) -> None:
    """A cancelled order's id is a duplicate: 103."""
    desk.cancel(place(desk, 1, 7))
    assert refused(desk, 1, 7) == 103


def test_reserved_ids(desk: Desk) -> None:
    """An id is taken from the moment it arrives, until nothing came of it."""
    desk.reserve(1, 7)
    place(desk, 1, 8)
    desk.reserve(1, 7)
    desk.let_go(1, 7)
    assert refused(desk, 1, 7) == 103
    assert desk.register.next_order_id(1) == 9


def test_the_same_id_twice_on_its_way(desk: Desk) -> None:
    """Of two messages with one id, the second never makes a second order."""
    desk.reserve(1, 7)
    desk.reserve(1, 7)
    place(desk, 1, 7, order_type="MARKET", limit_price=None)
    with pytest.raises(Refusal) as caught:
        desk.place(place_of(desk, 1, 7), transmit=True)
    assert caught.value.code == 104
    assert len(desk.register.orders) == 1


def test_cancels(desk: Desk) -> None:
    """A cancel finds its client's working order, and says why it finds none."""
    order = place(desk, 1, 7)
    assert desk.cancellable(1, 7) is order
    for client_id, order_id in ((2, 7), (1, 8)):
        with pytest.raises(Refusal) as caught:
            desk.cancellable(client_id, order_id)
        assert caught.value.code == 10147
    desk.cancel(order)
    with pytest.raises(Refusal, match="state: Cancelled") as caught:
        desk.cancellable(1, 7)
    assert caught.value.code == 10148


def test_a_second_cancel(desk: Desk) -> None:
    """While a cancel is on its way, another is 161 with the permId."""
    order = place(desk, 1, 7)
    desk.begin_cancel(order)
    with pytest.raises(Refusal, match=str(order.perm_id)) as caught:
        desk.cancellable(1, 7)
    assert caught.value.code == 161


def test_forgotten(desk: Desk) -> None:
    """After a restart TWS knows no more of what was over before: 10147."""
    desk.cancel(place(desk, 1, 7))
    desk.register.remembered()
    with pytest.raises(Refusal) as caught:
        desk.cancellable(1, 7)
    assert caught.value.code == 10147
    assert refused(desk, 1, 7) == 103


def test_what_is_told(desk: Desk, told: list[News]) -> None:
    """A resting order is told four times: openOrder and orderStatus, PreSubmitted and Submitted."""
    place(desk, 1, 7)
    assert [news.message[0] for news in told] == [5, 3, 5, 3]
    assert [news.message[2] for news in told if news.message[0] == 3] == [
        "PreSubmitted",
        "Submitted",
    ]
    assert {(news.client_id, news.order_id) for news in told} == {(1, 7)}


def test_what_a_fill_tells(desk: Desk, told: list[News]) -> None:
    """An order that fills at once is told as TWS does: execution, state, then the commission."""
    place(desk, 1, 7, order_type="MARKET", limit_price=None)
    assert [news.message[0] for news in told] == [5, 3, 11, 5, 3, 5, 59]
