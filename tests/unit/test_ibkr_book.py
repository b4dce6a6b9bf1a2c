"""What orderStatus, execDetails and message codes together make of an order."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from execution.domain.vocabulary import OrderState, Side
from workers.adapters.ibkr.book import Book
from workers.adapters.ibkr.entries import Cancel, Entry, Operation
from workers.adapters.ibkr.outcomes import CODES, OF_CHANGES, refuses_order

NOW = datetime(2026, 11, 23, 15, tzinfo=UTC)
ORDER_ID, PERM_ID, CLIENT = 5, 900, 1


@pytest.fixture
def book() -> Book:
    """A book of client 1 with nothing in it."""
    return Book(CLIENT, "DU1", lambda contract: str(contract.symbol), lambda: NOW, UTC)


def sent(book: Book) -> Entry:
    """An order of ten shares on its way."""
    return book.sent(ORDER_ID, "ref", "SPY", Side.BUY, Decimal(10))


def opened(book: Book, **changes: Any) -> None:
    """An openOrder message."""
    order = {
        "permId": PERM_ID,
        "clientId": CLIENT,
        "orderRef": "ref",
        "account": "DU1",
        "action": "BUY",
        "orderType": "LMT",
        "totalQuantity": 10.0,
        "lmtPrice": 95.0,
        "auxPrice": 0.0,
        "goodTillDate": "",
        "ocaGroup": "",
    }
    order_id, status = changes.pop("order_id", ORDER_ID), changes.pop("status", "PreSubmitted")
    book.open_order(
        order_id,
        SimpleNamespace(symbol="SPY"),
        SimpleNamespace(**(order | changes)),
        SimpleNamespace(status=status),
    )


def status(book: Book, said: str, filled: float = 0.0, **changes: Any) -> None:
    """An orderStatus message."""
    told = {"remaining": 0.0, "perm_id": PERM_ID, "client_id": CLIENT, "why_held": ""}
    order_id = changes.pop("order_id", ORDER_ID)
    book.order_status(order_id, said, Decimal(str(filled)), told | changes)


def executed(book: Book, execution_id: str = "a.01", shares: float = 10.0, **changes: Any) -> None:
    """An execDetails message."""
    execution = {
        "execId": execution_id,
        "shares": shares,
        "price": 94.0,
        "side": "BOT",
        "time": f"{NOW:%Y%m%d-%H:%M:%S}",
        "orderRef": "ref",
        "permId": PERM_ID,
        "clientId": CLIENT,
        "orderId": ORDER_ID,
        "acctNumber": "DU1",
    }
    book.execution(SimpleNamespace(symbol="SPY"), SimpleNamespace(**(execution | changes)))


def completed(book: Book, said: str, words: str, filled: float, left: float) -> None:
    """A completedOrder message, which has no order id and tells what is left."""
    order = SimpleNamespace(
        permId=PERM_ID,
        orderRef="ref",
        account="DU1",
        action="BUY",
        totalQuantity=left,
        filledQuantity=filled,
        goodTillDate="",
        ocaGroup="",
    )
    state = SimpleNamespace(status=said, completedStatus=words)
    book.completed_order(SimpleNamespace(symbol="SPY"), order, state)


def test_sent_and_not_heard_of(book: Book) -> None:
    """It is no order yet."""
    entry = sent(book)
    assert book.find("ref", None) is entry
    assert not entry.heard
    assert book.working() == []


@pytest.mark.parametrize(
    ("said", "filled", "state"),
    [
        ("PendingSubmit", 0, OrderState.SUBMITTED),
        ("ApiPending", 0, OrderState.SUBMITTED),
        ("PreSubmitted", 0, OrderState.SUBMITTED),
        ("Submitted", 0, OrderState.SUBMITTED),
        ("Submitted", 4, OrderState.PARTIALLY_FILLED),
        ("PendingCancel", 0, OrderState.SUBMITTED),
        ("PendingCancel", 4, OrderState.PARTIALLY_FILLED),
        ("Filled", 10, OrderState.FILLED),
        ("Cancelled", 0, OrderState.CANCELLED),
        ("Cancelled", 4, OrderState.CANCELLED),
        ("ApiCancelled", 0, OrderState.CANCELLED),
        # TWS may take it up again: by itself it is no end.
        ("Inactive", 0, OrderState.SUBMITTED),
        ("Inactive", 4, OrderState.PARTIALLY_FILLED),
        ("What is not known yet", 0, OrderState.SUBMITTED),
    ],
)
def test_every_status(book: Book, said: str, filled: float, state: OrderState) -> None:
    """Alone, without a message code."""
    entry = sent(book)
    status(book, said, filled)
    assert entry.state(NOW) is state
    assert entry.filled_quantity == filled


@pytest.mark.parametrize("code", CODES)
def test_no_code_ends_an_order_that_works(book: Book, code: int) -> None:
    """Whatever the library makes of it: the status that follows decides."""
    entry = sent(book)
    opened(book)
    status(book, "Submitted")
    book.error(ORDER_ID, code, "words")
    assert entry.state(NOW) is OrderState.SUBMITTED
    executed(book)
    assert entry.state(NOW) is OrderState.FILLED


REFUSING = [code for code in (*CODES, 460) if refuses_order(code, "") or code not in CODES]


@pytest.mark.parametrize("code", REFUSING)
def test_a_refusal_after_submitted(book: Book, code: int) -> None:
    """A code and the status Cancelled that follows it: REJECTED, with the reason."""
    entry = sent(book)
    opened(book)
    status(book, "Submitted")
    book.error(ORDER_ID, code, "Order rejected - reason:no shares")
    status(book, "Cancelled")
    order = book.order(entry)
    assert (order.state, order.reason) == (OrderState.REJECTED, "no shares")


@pytest.mark.parametrize("code", REFUSING)
@pytest.mark.parametrize("answer", [202, 10147, 10148, 161])
def test_inactive_after_submitted(book: Book, code: int, answer: int) -> None:
    """It is no end: TWS is asked to cancel it, and whatever says that it is over makes it one."""
    entry = sent(book)
    opened(book)
    status(book, "Submitted")
    book.error(ORDER_ID, code, "Order rejected - reason:no shares")
    status(book, "Inactive")
    assert entry.to_be_withdrawn
    assert entry.state(NOW) is OrderState.SUBMITTED
    entry.withdrawn = True
    assert not entry.to_be_withdrawn
    book.error(ORDER_ID, answer, "words, state: Inactive.")
    if answer == 202:
        status(book, "Cancelled")
    order = book.order(entry)
    assert (order.state, order.reason) == (OrderState.REJECTED, "no shares")


def test_inactive_without_a_code(book: Book) -> None:
    """TWS may take it up again: nobody cancels it."""
    entry = sent(book)
    book.error(ORDER_ID, 399, "a warning")
    status(book, "Inactive")
    assert not entry.to_be_withdrawn


def test_what_was_filled_before_a_refusal_stays(book: Book) -> None:
    """It is no refusal of the whole: the rest is cancelled."""
    entry = sent(book)
    executed(book, shares=4.0)
    book.error(ORDER_ID, 201, "Order rejected - reason:no more")
    status(book, "Inactive", 4.0)
    assert entry.state(NOW) is OrderState.PARTIALLY_FILLED
    entry.withdrawn = True
    book.error(ORDER_ID, 10147, "not found")
    assert entry.state(NOW) is OrderState.CANCELLED
    assert entry.filled_quantity == 4


def test_a_refused_change_does_not_taint_the_order(book: Book) -> None:
    """The code belongs to the change; a later cancel is a cancel."""

    async def refused() -> Operation:
        operation = Operation(entry, lambda: False)
        book.begin(operation)
        book.error(ORDER_ID, 201, "below what is filled")
        await operation.answered.wait()
        book.end(operation)
        return operation

    entry = sent(book)
    status(book, "Submitted")
    assert asyncio.run(refused()).code == (201, "below what is filled")
    assert entry.state(NOW) is OrderState.SUBMITTED
    status(book, "Cancelled")
    assert entry.state(NOW) is OrderState.CANCELLED


@pytest.mark.parametrize("code", sorted(OF_CHANGES))
def test_a_late_answer_to_a_change_does_not_taint_it_either(book: Book, code: int) -> None:
    """Nobody waits for it any more; the cancel that follows is a cancel, and not rerouted."""
    entry = sent(book)
    status(book, "Submitted")
    book.error(ORDER_ID, code, "words")
    status(book, "Cancelled")
    assert entry.state(NOW) is OrderState.CANCELLED


def test_what_works_on_after_a_refusal_was_not_refused(book: Book) -> None:
    """A change was; and what we cancel is cancelled."""
    entry = sent(book)
    book.error(ORDER_ID, 201, "below what is filled")
    status(book, "Submitted")
    status(book, "Cancelled")
    assert entry.state(NOW) is OrderState.CANCELLED
    book.error(ORDER_ID, 201, "no shares")
    entry.cancel = Cancel()
    assert entry.state(NOW) is OrderState.CANCELLED


def test_a_warning_does_not_answer_an_operation(book: Book) -> None:
    """404, 399 and 10349 say nothing of what became of it; neither does 202 without a status."""

    async def heard() -> bool:
        operation = Operation(sent(book), lambda: False, new=True)
        book.begin(operation)
        for code in (404, 399, 10349, 2109, 202):
            book.error(ORDER_ID, code, "words")
        return operation.future.done() or operation.answered.is_set()

    assert asyncio.run(heard()) is False


def test_the_reason_of_a_cancel(book: Book) -> None:
    """What 202 says."""
    entry = sent(book)
    status(book, "Submitted")
    book.error(ORDER_ID, 202, "Order Canceled - reason:by the exchange")
    status(book, "Cancelled")
    assert book.order(entry).reason == "by the exchange"


def test_a_fill_after_the_cancel(book: Book) -> None:
    """It is over, and its execution is there; when all of it traded it is filled."""
    entry = sent(book)
    status(book, "Cancelled")
    executed(book, shares=4.0)
    order = book.order(entry)
    assert order.state is OrderState.CANCELLED
    assert order.filled_quantity == 4
    assert len(order.executions) == 1
    executed(book, "b.01", shares=6.0)
    assert entry.state(NOW) is OrderState.FILLED


def test_filled_before_anything_says_how_much(book: Book) -> None:
    """An openOrder with Filled is no end, neither before the first execution nor between two."""
    entry = sent(book)
    opened(book, status="Filled")
    assert entry.state(NOW) is OrderState.SUBMITTED
    executed(book, shares=4.0)
    assert entry.state(NOW) is OrderState.PARTIALLY_FILLED
    executed(book, "b.01", shares=6.0)
    assert entry.state(NOW) is OrderState.FILLED


def test_filled_with_less_than_was_asked_for(book: Book) -> None:
    """A group has taken the rest off: orderStatus says how much is filled at the end."""
    entry = sent(book)
    opened(book, status="Filled")
    status(book, "Filled", 4.0)
    assert entry.state(NOW) is OrderState.FILLED
    assert entry.filled_quantity == 4


@pytest.mark.parametrize(("shown", "accepted"), [("PendingCancel", True), ("Submitted", False)])
def test_a_cancel_that_tws_has_passed_on(book: Book, shown: str, accepted: bool) -> None:  # noqa: FBT001
    """Its status says so."""
    entry = sent(book)
    status(book, "Submitted")
    entry.cancel = Cancel()
    status(book, shown)
    assert entry.cancel.accepted is accepted


def test_an_execution_before_any_status(book: Book) -> None:
    """It is heard of by it; what is filled is filled."""
    entry = sent(book)
    executed(book, shares=4.0)
    assert entry.heard
    assert entry.state(NOW) is OrderState.PARTIALLY_FILLED
    executed(book, "b.01", shares=6.0)
    assert entry.state(NOW) is OrderState.FILLED
    assert entry.perm_id == PERM_ID


@pytest.mark.parametrize(
    ("seconds", "cancel_asked", "state"),
    [
        (-1, False, OrderState.EXPIRED),
        (0, False, OrderState.EXPIRED),
        (1, False, OrderState.CANCELLED),
        (-1, True, OrderState.CANCELLED),
    ],
)
def test_good_till(book: Book, seconds: int, cancel_asked: bool, state: OrderState) -> None:  # noqa: FBT001
    """Cancelled after its time and not by us is expired."""
    entry = sent(book)
    until = NOW + timedelta(seconds=seconds)
    opened(book, goodTillDate=until.strftime("%Y%m%d-%H:%M:%S"))
    entry.cancel = Cancel() if cancel_asked else None
    status(book, "Cancelled")
    assert entry.state(NOW) is state


@pytest.mark.parametrize(
    ("said", "words", "filled", "state"),
    [
        ("Filled", "Filled Size: 10", 10, OrderState.FILLED),
        ("Cancelled", "Cancelled by Trader", 0, OrderState.CANCELLED),
        ("Cancelled", "Cancelled by System: margin call", 4, OrderState.CANCELLED),
        ("Cancelled", "Rejected by System: no shares", 0, OrderState.REJECTED),
        ("Inactive", "Rejected by System: no shares", 0, OrderState.REJECTED),
    ],
)
def test_what_ended_while_nobody_was_there(
    book: Book, said: str, words: str, filled: int, state: OrderState
) -> None:
    """Completed orders tell what is left, not what was asked for."""
    completed(book, said, words, filled, 10 - filled)
    entry = book.find("ref", None)
    assert entry is not None
    order = book.order(entry)
    assert order.state is state
    assert order.quantity == 10
    assert order.filled_quantity == Decimal(filled)
    assert entry.order_id is None


def test_a_completed_order_is_the_one_that_was_sent(book: Book) -> None:
    """By its orderRef, though it was not heard of before."""
    entry = sent(book)
    completed(book, "Filled", "Filled Size: 10", 10, 0)
    assert book.find("ref", str(PERM_ID)) is entry
    assert entry.state(NOW) is OrderState.FILLED


def test_another_account_is_not_looked_at(book: Book) -> None:
    """Orders, executions and completed orders of others."""
    opened(book, account="DU2", permId=1, orderRef="other")
    executed(book, acctNumber="DU2", permId=1, orderRef="other")
    assert book.find("other", None) is None
    assert list(book.fills.all()) == []


def test_another_client_s_order_has_no_id_of_ours(book: Book) -> None:
    """Its order id is another client's; that one's ids are used up for us, too."""
    opened(book, clientId=2, permId=77, order_id=40, orderRef="theirs")
    entry = book.find("theirs", "77")
    assert entry is not None
    assert (entry.order_id, entry.client_id, book.highest_id) == (None, 2, 40)
    book.error(40, 201, "somebody else's")
    assert entry.refusal is None


def test_news_is_told_once(book: Book) -> None:
    """What has changed since it was taken last."""
    entry = sent(book)
    assert list(book.take_news()) == []
    status(book, "Submitted")
    assert list(book.take_news()) == [entry]
    assert list(book.take_news()) == []
    executed(book)
    book.take_news()
    book.commission(SimpleNamespace(execId="a.01", commission=1.0, currency="USD"))
    assert list(book.take_news()) == [entry]


@pytest.mark.parametrize(
    ("order_type", "limit", "stop"),
    [
        ("LMT", "95", None),
        ("LOC", "95", None),
        ("STP", None, "90"),
        ("STP LMT", "95", "90"),
        # The auxPrice of a trail is how far it follows.
        ("TRAIL", None, None),
        ("MKT", None, None),
    ],
)
def test_prices_by_order_type(
    book: Book, order_type: str, limit: str | None, stop: str | None
) -> None:
    """An openOrder's lmtPrice and auxPrice are prices for some order types only."""
    opened(book, orderType=order_type, lmtPrice=95.0, auxPrice=90.0)
    shown = book.order(book.working()[0])
    expected = [None if price is None else Decimal(price) for price in (limit, stop)]
    assert [shown.limit_price, shown.stop_price] == expected


@pytest.mark.parametrize("known_by", ["permId", "orderId"])
def test_an_execution_without_our_id_is_of_the_order_that_it_names(
    book: Book, known_by: str
) -> None:
    """By permId, or by the order id of this client."""
    entry = sent(book)
    opened(book)
    unknown: dict[str, Any] = {"permId": {"orderId": 0}, "orderId": {"permId": 0}}[known_by]
    executed(book, orderRef="", **unknown)
    (report,) = book.order(entry).executions
    assert report.venue_order_id == "ref"


def test_whoever_asks_for_a_day_gets_all_of_it(book: Book) -> None:
    """A time that was read in the wrong zone does not hide an execution."""
    executed(book, time=f"{NOW - timedelta(hours=30):%Y%m%d-%H:%M:%S}")
    assert book.executions(NOW - timedelta(minutes=10)) == []
    assert len(book.executions(NOW - timedelta(days=1))) == 1
