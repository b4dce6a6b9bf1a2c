"""How an attempt becomes an order of the paper venue's book."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from execution.domain.paper.order import accept, needs_session
from execution.domain.vocabulary import OrderState, OrderType, TimeInForce
from tests.unit.an_order import READ, an_order

CLOSE = datetime(2026, 1, 2, 21, tzinfo=UTC)
ON_CLOSE = {OrderType.MARKET_ON_CLOSE, OrderType.LIMIT_ON_CLOSE}


def test_the_book_keeps_every_term() -> None:
    """Terms and names are the attempt's; it is accepted now, and has done nothing yet."""
    group = uuid4()
    attempt = replace(an_order().for_venue(), one_cancels_other=group, rerouted=True)
    book, given = asdict(accept(attempt, READ, None)), asdict(attempt)
    own: dict[str, Any] = {
        "symbol": "SPY",
        "accepted_at": READ,
        "ends_at": attempt.expires_at,
        "closes_at": None,
        "state": OrderState.SUBMITTED,
        "one_cancels_other": group,
        "rerouted": True,
    }
    assert {name: book[name] for name in own} == own
    terms = (book.keys() & given.keys()) - own.keys()
    assert terms >= {"venue_order_id", "client_order_id", "reference_price", "trail_percent"}
    assert {name: book[name] for name in terms} == {name: given[name] for name in terms}
    assert all(given[name] is not None for name in terms)


@pytest.mark.parametrize("order_type", OrderType)
@pytest.mark.parametrize("tif", TimeInForce)
def test_when_it_ends(tif: TimeInForce, order_type: OrderType) -> None:
    """DAY ends with the session, GTD when it says; on-close orders wait for the close."""
    attempt = replace(an_order().for_venue(), time_in_force=tif, order_type=order_type)
    on_close = order_type in ON_CLOSE
    assert needs_session(attempt) is (on_close or tif is TimeInForce.DAY)
    order = accept(attempt, READ, CLOSE)
    assert order.closes_at == (CLOSE if on_close else None)
    match tif:
        case TimeInForce.GTD:
            assert order.ends_at == attempt.expires_at
        case TimeInForce.DAY if not on_close:
            assert order.ends_at == CLOSE
        case _:
            assert order.ends_at is None
