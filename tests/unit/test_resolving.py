"""What a person may say became of an order, and what they may not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from execution.domain.reports import Execution
from execution.domain.resolving import Resolution, Told, ToldExecution, one_line, why_not
from execution.domain.vocabulary import OrderState, Side
from tests.unit.an_order import CAME, READ, an_order

UNKNOWN = {"state": OrderState.UNKNOWN}
MINUTE = timedelta(minutes=1)
MOMENT = timedelta(microseconds=1)


def told(execution_id: str = "e-1", quantity: str = "1", **more: Any) -> ToldExecution:
    """An execution read off the venue's records."""
    values = {"execution_id": execution_id, "quantity": quantity, "price": "600", **more}
    return ToldExecution.model_validate(values)


def said(kind: Told, *executions: ToldExecution, **order: Any) -> str | None:
    """Why an UNKNOWN order for ten cannot be settled so."""
    unknown = an_order(**(UNKNOWN | order))
    heard = tuple(execution.of(unknown) for execution in executions)
    return why_not(unknown, Resolution(kind, "alice", "the log", heard))


def test_every_detail_is_kept() -> None:
    """An execution that is told is the order's, of its current attempt."""
    at = datetime(2026, 1, 2, 13, 30, tzinfo=timezone(timedelta(hours=1)))
    fee = {"commission": "0.25", "commission_currency": "USD"}
    assert told(quantity="2.5", at=at.isoformat(), **fee).of(an_order()) == Execution(
        execution_id="e-1",
        symbol="SPY",
        side=Side.BUY,
        quantity=Decimal("2.5"),
        price=Decimal(600),
        executed_at=datetime(2026, 1, 2, 12, 30, tzinfo=UTC),
        venue_order_id="v-2",
        broker_order_id="b-2",
        commission=Decimal("0.25"),
        commission_currency="USD",
    )


def test_without_a_time_it_is_now() -> None:
    """Nobody has to look up when it was."""
    assert told().of(an_order()).executed_at == READ
    assert told(at=None).of(an_order()).executed_at == READ


def test_a_time_may_be_a_time() -> None:
    """A time that is one already only goes to UTC."""
    assert told(at=CAME.astimezone(timezone(timedelta(hours=-5)))).at == CAME
    assert str(told(at=CAME).at) == "2026-01-02 12:00:00+00:00"


@pytest.mark.parametrize(
    ("changes", "field", "kind"),
    [
        ({"at": "2026-01-02T12:00:00"}, "at", "time"),
        ({"at": "noon"}, "at", "time"),
        ({"at": 1767355200}, "at", "time"),
        ({"quantity": "-1"}, "quantity", "range"),
        ({"execution_id": "e 1"}, "execution_id", "string_pattern_mismatch"),
        ({"fee": "1"}, "fee", "extra_forbidden"),
    ],
)
def test_what_is_no_execution(changes: dict[str, Any], field: str, kind: str) -> None:
    """The field and the rule are named."""
    with pytest.raises(ValidationError) as refused:
        told(**changes)
    (problem,) = refused.value.errors()
    assert (problem["loc"], problem["type"]) == ((field,), kind)
    if kind == "time":
        assert problem["msg"] == "must be an ISO 8601 time with its UTC offset"


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        (Told.NEVER_ARRIVED, OrderState.REJECTED),
        (Told.REJECTED, OrderState.REJECTED),
        (Told.CANCELLED, OrderState.CANCELLED),
        (Told.EXPIRED, OrderState.EXPIRED),
        (Told.FILLED, OrderState.FILLED),
    ],
)
def test_the_state_it_ends_in(kind: Told, state: OrderState) -> None:
    """What never arrived ends like what was refused."""
    assert kind.state is state


def test_the_reason_names_who_and_how() -> None:
    """An order says for good who settled it and how they knew."""
    reasons = [Resolution(kind, "alice", "ticket 7").reason(an_order()) for kind in Told]
    assert reasons[0] == "never reached IBKR (settled by alice: ticket 7)"
    assert reasons[1] == "rejected at IBKR (settled by alice: ticket 7)"
    assert reasons[4] == "filled at IBKR (settled by alice: ticket 7)"


def test_evidence_is_one_printable_line() -> None:
    """Line breaks and spaces become one space, what cannot be printed goes, and it has an end."""
    assert one_line("  the\nlog \t says\u0000 so\x1b[0m ") == "the log says so[0m"
    assert one_line(" \n ") == ""
    assert one_line("x" * 3_000) == "x" * 2_000


@pytest.mark.parametrize("state", OrderState)
def test_only_what_is_unknown_or_works(state: OrderState) -> None:
    """A person settles what nobody knows; what works, if its venue misses it (see the store)."""
    reason = said(Told.REJECTED, state=state)
    if state is OrderState.UNKNOWN or state.is_working:
        assert reason is None
    else:
        assert reason == f"it is {state}, not UNKNOWN: there is nothing to settle"


def test_what_was_heard_comes_first() -> None:
    """An execution that waits to be applied settles the order by itself."""
    reason = said(Told.REJECTED, unapplied=1)
    assert reason == "an execution of it has been heard of: it is settled by that"


def test_each_execution_has_its_own_id() -> None:
    """The same id twice would count once."""
    twice = told("e-1", "5"), told("e-1", "5")
    assert said(Told.FILLED, *twice) == "execution_id: each execution has one of its own"
    assert said(Told.FILLED, told("e-1", "5"), told("e-2", "5")) is None


@pytest.mark.parametrize(
    ("at", "reason"),
    [
        (CAME - MINUTE, None),
        (CAME - MINUTE - MOMENT, "at: 2026-01-02T11:58:59.999999+00:00 is before the order came"),
        (READ + MINUTE, None),
        (READ + MINUTE + MOMENT, "at: 2026-01-02T13:01:00.000001+00:00 is in the future"),
    ],
)
def test_between_the_order_and_now(at: datetime, reason: str | None) -> None:
    """Clocks may differ by a minute, no more; every execution is looked at."""
    assert said(Told.CANCELLED, told(at=at)) == reason
    assert said(Told.CANCELLED, told("e-0"), told(at=at)) == reason


@pytest.mark.parametrize(
    ("kind", "filled", "quantities", "reason"),
    [
        (Told.FILLED, "0", ["4", "6"], None),
        (Told.FILLED, "4", ["6"], None),
        (Told.FILLED, "4", ["7"], None),
        (
            *(Told.FILLED, "4", ["5.5"]),
            "filled: 9.5 of 10 are not all of it; cancelled ends it after a part",
        ),
        (Told.CANCELLED, "4", ["5"], None),
        (Told.CANCELLED, "0", [], None),
        (Told.CANCELLED, "4", ["6"], "cancelled: all 10 were executed, so it is filled"),
        (Told.EXPIRED, "10", [], "expired: all 10 were executed, so it is filled"),
        (Told.EXPIRED, "9", [], None),
        (Told.REJECTED, "0", [], None),
        (Told.NEVER_ARRIVED, "0", [], None),
        (
            *(Told.REJECTED, "0.50", []),
            "rejected: 0.5 of it were executed, so it was not refused",
        ),
        (
            *(Told.NEVER_ARRIVED, "0", ["1"]),
            "never-arrived: 1 of it were executed, so it was not refused",
        ),
    ],
)
def test_what_was_filled(
    kind: Told, filled: str, quantities: list[str], reason: str | None
) -> None:
    """All of it is filled, a part is not, and what was refused has none."""
    parts = [told(f"e-{number}", quantity) for number, quantity in enumerate(quantities)]
    assert said(kind, *parts, filled_quantity=Decimal(filled)) == reason


def test_sums_are_exact() -> None:
    """A part of 33 digits is not rounded up to all of it."""
    all_but_a_little = told(quantity="999999999999999.999999999999999998")
    little, less = told("e-2", "0.000000000000000002"), told("e-2", "0.000000000000000001")
    whole = Decimal(10) ** 15
    assert said(Told.FILLED, all_but_a_little, little, quantity=whole) is None
    assert said(Told.FILLED, all_but_a_little, less, quantity=whole) is not None
