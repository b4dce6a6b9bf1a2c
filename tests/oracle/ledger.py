"""A venue's executions as they stand after every correction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from tests.oracle.facts import Row, Venue
from tests.oracle.words import execution_key


@dataclass(slots=True)
class Booked:
    """One execution of a venue as it stands after every correction."""

    brokers: frozenset[str]
    execution_id: str
    symbol: str
    side: str
    quantity: Decimal
    price: Decimal
    executed_at: datetime | None
    venue_order_id: str | None
    commission: Decimal | None
    commission_currency: str | None
    account: str | None = None
    status: str = "GOOD"


def book(venue: Venue) -> tuple[list[Booked], list[tuple[str, str | None]]]:
    """A venue's executions as they stand, and the problems, each with the figure it counts for.

    A correction of a correction is followed back to its trade.
    """
    problems: list[tuple[str, str | None]] = []
    booked: dict[tuple[str, str, str], Booked] = {}
    names: dict[tuple[str, str, str], tuple[str, str, str]] = {}
    for row in venue.executions:
        kind = row.get("kind") or "TRADE"
        key = execution_key(row)
        if kind == "TRADE":
            if key in booked:
                problems.append((f"venue execution {key}: listed twice", "duplicates"))
            booked[key] = _booked(venue, row)
            names[key] = key
            continue
        named = row.get("corrects") if kind in {"CORRECTION", "BUST"} else None
        root = names.get((*key[:2], named or row["execution_id"]))
        if root is None:
            text = f"venue execution {key}: {kind} of an execution nobody knows"
            problems.append((text, None))
            continue
        names[key] = root
        _revise(booked[root], kind, row)
    return list(booked.values()), problems


def _booked(venue: Venue, row: Row) -> Booked:
    return Booked(
        brokers=venue.brokers,
        execution_id=row["execution_id"],
        symbol=row["symbol"],
        side=row["side"],
        quantity=row["quantity"],
        price=row["price"],
        executed_at=row.get("executed_at"),
        venue_order_id=row.get("venue_order_id"),
        commission=row.get("commission"),
        commission_currency=row.get("commission_currency"),
        account=row.get("account"),
    )


def _revise(booked: Booked, kind: str, row: Row) -> None:
    if kind == "CORRECTION":
        booked.quantity, booked.price, booked.status = row["quantity"], row["price"], "CORRECTED"
    elif kind == "BUST":
        booked.quantity, booked.status = Decimal(0), "BUSTED"
    else:
        booked.commission = row.get("commission")
        booked.commission_currency = row.get("commission_currency")
