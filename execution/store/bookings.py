"""`bookings`: positions that came or went without an order, booked by hand and taken back by hand.

Each leg becomes a report of the kind BOOKING and a fill of no order, so that a position stays the
sum of its executions; taking a booking back busts them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from execution.domain.accounts import MAIN, Accounts
from execution.domain.booking import Booking, Entry, Leg, NotBooked, entries
from execution.domain.errors import RequestRefused, UnknownSymbol
from execution.domain.instruments import Instrument
from execution.domain.reports import Execution, ReportKind
from execution.domain.vocabulary import AssetClass, BrokerName, Side
from execution.store import accounts, executions, positions, reports, venue_contracts
from execution.store.clock import database_time

Find = Callable[[str], Instrument]
"""What a symbol names. UnknownSymbol."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A position before a booking and after it."""

    symbol: str
    before: tuple[Decimal, Decimal, Decimal]
    after: tuple[Decimal, Decimal, Decimal]


@dataclass(frozen=True, slots=True)
class Booked:
    """A booking with its executions and what it made of positions: quantity, price, profit.

    `fresh` is False where it had been booked (or taken back) before: then nothing was done.
    """

    booking_id: UUID
    booking: Booking
    at: datetime
    entries: tuple[Entry, ...]
    moved: tuple[Moved, ...]
    fresh: bool = True


def book(
    connection: Connection, asked: Booking, environment: str, alias: str, find: Find
) -> Booked:
    """Book what somebody says went and came, in the caller's transaction, once. NotBooked.

    `alias` is what this service calls the default account beside `main`.
    """
    booking, instruments = _understood(connection, asked, alias, find)
    there = _row(connection, booking.booking_id)
    if there is not None:
        if there.reversed_at is not None:
            raise NotBooked(
                f"{there.booking_id} was booked and taken back: book it with another id"
            )
        return Booked(there.booking_id, booking, there.happened_at, (), (), fresh=False)
    now = database_time(connection)
    at = booking.at or now
    if at > now:
        raise NotBooked(f"{at.isoformat()} is in the future")
    symbols = sorted({instrument.symbol for instrument in instruments.values()})
    before = _figures(connection, booking, symbols)
    held = {symbol: positions.held_at(connection, _key(booking, symbol), at) for symbol in symbols}
    found = entries(booking, instruments, held)
    connection.execute(
        text(
            """
            INSERT INTO bookings (booking_id, broker, environment, account, happened_at, went, came,
                evidence, booked_by)
            VALUES (:booking_id, :broker, :environment, :account, :at, CAST(:went AS jsonb),
                CAST(:came AS jsonb), :evidence, :by)
            """
        ),
        {
            "booking_id": booking.booking_id,
            "broker": booking.broker,
            "environment": environment,
            "account": booking.account,
            "at": at,
            "went": json.dumps([str(leg) for leg in booking.went]),
            "came": json.dumps([str(leg) for leg in booking.came]),
            "evidence": booking.evidence,
            "by": booking.by,
        },
    )
    told = [
        Execution(
            execution_id=_execution_id(booking.booking_id, number),
            symbol=entry.instrument.symbol,
            side=entry.side,
            quantity=entry.quantity,
            price=entry.price,
            executed_at=at,
            kind=ReportKind.BOOKING,
            account=booking.account,
        )
        for number, entry in enumerate(found, start=1)
    ]
    _apply(connection, booking.broker, environment, told, instruments)
    after = _figures(connection, booking, symbols)
    moved = tuple(Moved(symbol, before[symbol], after[symbol]) for symbol in symbols)
    return Booked(booking.booking_id, booking, at, tuple(found), moved)


def take_back(
    connection: Connection, booking_id: UUID, evidence: str, by: str, environment: str
) -> Booked:
    """Bust everything that a booking booked, in the caller's transaction, once. NotBooked."""
    row = _row(connection, booking_id)
    if row is None:
        raise NotBooked(f"there is no booking {booking_id}")
    booking = Booking(
        broker=BrokerName(row.broker),
        account=row.account,
        went=tuple(Leg.of(said) for said in row.went),
        came=tuple(Leg.of(said) for said in row.came),
        evidence=evidence,
        by=by,
        at=row.happened_at,
    )
    if row.reversed_at is not None:
        return Booked(booking_id, booking, row.happened_at, (), (), fresh=False)
    count = len(booking.went) + len(booking.came)
    ids = [_execution_id(booking_id, number) for number in range(1, count + 1)]
    booked = connection.execute(
        text(
            """
            SELECT execution_id, symbol, side, quantity, price FROM execution_reports
            WHERE broker = :broker AND account = :account AND kind = 'BOOKING'
                AND execution_id = ANY(:ids)
            """
        ),
        {"broker": booking.broker, "account": booking.account, "ids": ids},
    ).all()
    symbols = sorted({leg.symbol for leg in booked})
    before = _figures(connection, booking, symbols)
    now = database_time(connection)
    told = [
        Execution(
            execution_id=f"{leg.execution_id}-reversal",
            symbol=leg.symbol,
            side=Side(leg.side),
            quantity=leg.quantity,
            price=leg.price,
            executed_at=now,
            kind=ReportKind.BUST,
            corrects=leg.execution_id,
            account=booking.account,
        )
        for leg in booked
    ]
    connection.execute(
        text(
            """
            UPDATE bookings SET reversed_at = :now, reversed_by = :by,
                reversal_evidence = :evidence
            WHERE booking_id = :booking_id
            """
        ),
        {"booking_id": booking_id, "now": now, "by": by, "evidence": evidence},
    )
    _apply(connection, booking.broker, environment, told, {})
    after = _figures(connection, booking, symbols)
    moved = tuple(Moved(symbol, before[symbol], after[symbol]) for symbol in symbols)
    return Booked(booking_id, booking, row.happened_at, (), moved)


def brokers_of(connection: Connection, symbol: str) -> list[BrokerName]:
    """Where a symbol is held live."""
    rows = connection.execute(
        text("SELECT DISTINCT broker FROM positions WHERE symbol = :symbol AND quantity <> 0"),
        {"symbol": symbol},
    )
    return [BrokerName(row.broker) for row in rows]


def latest(connection: Connection, limit: int) -> list[dict[str, Any]]:
    """The newest bookings, oldest first."""
    rows = connection.execute(
        text(
            """
            SELECT * FROM (SELECT * FROM bookings ORDER BY booked_at DESC LIMIT :limit) newest
            ORDER BY booked_at
            """
        ),
        {"limit": limit},
    ).mappings()
    return [dict(row) for row in rows]


def _row(connection: Connection, booking_id: UUID) -> Row[Any] | None:
    # Two who book the same thing at once meet here, and the second finds it booked.
    connection.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(CAST(:key AS text), 0))"),
        {"key": f"booking {booking_id}"},
    )
    return connection.execute(
        text("SELECT * FROM bookings WHERE booking_id = :booking_id"), {"booking_id": booking_id}
    ).one_or_none()


def _execution_id(booking_id: UUID, number: int) -> str:
    return f"booking-{booking_id}-{number}"


def _key(booking: Booking, symbol: str) -> dict[str, str]:
    return {"account": booking.account, "broker": booking.broker, "symbol": symbol}


def _figures(
    connection: Connection, booking: Booking, symbols: Sequence[str]
) -> dict[str, tuple[Decimal, Decimal, Decimal]]:
    """Quantity, average price and realised profit of each, locked in one order."""
    found = {}
    for symbol in symbols:
        row = positions.lock(connection, _key(booking, symbol))
        figures = (row.quantity, row.average_price, row.realised_pnl) if row is not None else None
        found[symbol] = figures or (Decimal(0), Decimal(0), Decimal(0))
    return found


def _understood(
    connection: Connection, asked: Booking, alias: str, find: Find
) -> tuple[Booking, Mapping[str, Instrument]]:
    """The booking in the venue's account and our symbols, and their instruments. NotBooked."""
    booking = replace(asked, account=_account(connection, asked, alias))
    instruments: dict[str, Instrument] = {}

    def canonical(leg: Leg) -> Leg:
        instrument = _instrument(connection, booking, leg.symbol, find)
        instruments[instrument.symbol] = instrument
        return replace(leg, symbol=instrument.symbol)

    went, came = (tuple(map(canonical, legs)) for legs in (booking.went, booking.came))
    return replace(booking, went=went, came=came), instruments


def _account(connection: Connection, booking: Booking, alias: str) -> str:
    if booking.broker is BrokerName.PAPER:
        return booking.account
    login = accounts.known(connection, booking.broker)
    if login is None:
        raise NotBooked(f"{booking.broker}: no session has said yet which accounts it owns")
    of_before = connection.execute(
        text("SELECT account FROM broker_accounts WHERE broker = :broker AND NOT owned"),
        {"broker": booking.broker},
    )
    names = (*login.owned, *(row.account for row in of_before))
    try:
        return Accounts(login.default, names).real(booking.account or MAIN, alias)
    except RequestRefused as refusal:
        raise NotBooked(str(refusal)) from None


def _instrument(connection: Connection, booking: Booking, symbol: str, find: Find) -> Instrument:
    """What a leg is in: as a position of it is kept, where there is one. NotBooked."""
    held = positions.lock(connection, _key(booking, symbol))
    known = venue_contracts.instrument(connection, booking.broker, symbol)
    if known is None:
        try:
            known = find(symbol)
        except UnknownSymbol as error:
            if held is None:
                raise NotBooked(str(error)) from None
            known = Instrument(symbol, AssetClass(held.asset_class or AssetClass.EQUITY), "?")
    if held is None:
        held = positions.lock(connection, _key(booking, known.symbol))
    if held is None:
        return known
    return replace(
        known,
        symbol=held.symbol,
        currency=held.currency or known.currency,
        multiplier=held.multiplier,
    )


def _apply(
    connection: Connection,
    broker: BrokerName,
    environment: str,
    told: Sequence[Execution],
    instruments: Mapping[str, Instrument],
) -> None:
    """Make fills of them, or bust those, and move their positions, in the order given."""
    for execution in told:
        reports.record_from_venue(
            connection,
            [execution],
            broker=broker,
            environment=environment,
            account=str(execution.account),
        )
        report_id = executions.apply_booked(
            connection, broker, execution, instruments.get(execution.symbol)
        )
        positions.apply_orphan(connection, report_id)
        instrument = instruments.get(execution.symbol)
        if instrument is not None:
            positions.name_asset_class(
                connection,
                {"account": execution.account, "broker": broker, "symbol": execution.symbol},
                instrument.asset_class,
            )
