"""`execution book`: what came into a position or left it without an order."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import typer
from sqlalchemy import Connection

from execution.cli.operator import who
from execution.cli.orders import Json
from execution.cli.output import ask, print_json, print_line, print_table
from execution.cli.stamped import open_store, operators_settings
from execution.domain.booking import Booking, Leg, NotBooked
from execution.domain.instruments import Instrument
from execution.domain.mapping import ExchangeMapper
from execution.domain.resolving import one_line
from execution.domain.routing import LIVE_ROUTES
from execution.domain.vocabulary import AssetClass, BrokerName
from execution.settings import Settings
from execution.store import bookings
from execution.store.bookings import Booked
from execution.store.engine import Store, translated

_LEG = "'SYMBOL QUANTITY @ PRICE'; without a price: at cost. Short is negative. Several: again."
Change = Callable[[Connection], Booked]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(book)


def book(
    went: Annotated[
        list[str] | None, typer.Option(metavar="LEG", help=f"What is gone: {_LEG}")
    ] = None,
    came: Annotated[list[str] | None, typer.Option(metavar="LEG", help="What came, alike.")] = None,
    evidence: Annotated[str, typer.Option(help="How you know; it is kept.")] = "",
    broker: Annotated[
        BrokerName | None,
        typer.Option(help="Where. Default: where the first leg's symbol is held or would be."),
    ] = None,
    account: Annotated[
        str, typer.Option(help="By the venue's name, or main; on PAPER any label.")
    ] = "main",
    asset_class: Annotated[
        AssetClass | None, typer.Option(help="Of what came, where its symbol does not tell.")
    ] = None,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="ISO 8601 with offset. Default: now.")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--id", help="Tells it from another booking that looks alike.")
    ] = None,
    reverse: Annotated[
        UUID | None, typer.Option(metavar="ID", help="Take a booking back, as if it never was.")
    ] = None,
    show: Annotated[bool, typer.Option("--list", help="List the newest bookings.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Book what came or went without an order: assignment, expiry, split, transfer, renaming.

    It is shown first and booked when confirmed, once however often it is asked for. Then
    `execution reconcile` should find no break any more. docs/runbooks.md has each kind.
    """
    if show:
        _list(as_json=as_json)
        return
    said = one_line(evidence)
    if not said:
        raise typer.BadParameter("say how you know", param_hint="--evidence")
    settings = operators_settings()
    environment = settings.execution_environment
    if reverse is not None:
        if went or came:
            raise typer.BadParameter("--reverse takes a booking back and books nothing")
        _carry_out(
            lambda connection: bookings.take_back(connection, reverse, said, who(), environment),
            "Take it back?",
            yes=yes,
            as_json=as_json,
        )
        return
    find = _finder(settings, asset_class)
    legs = [[Leg.of(one) for one in given or ()] for given in (went, came)]
    first = next((leg for side in legs for leg in side), None)
    if first is None:
        raise typer.BadParameter("say --went, --came or both")
    booking = Booking(
        broker=broker or _broker_of(first.symbol, find),
        account=account,
        went=tuple(legs[0]),
        came=tuple(legs[1]),
        evidence=said,
        by=who(),
        at=_moment(at),
        name=name,
    )
    alias = settings.default_account
    _carry_out(
        lambda connection: bookings.book(connection, booking, environment, alias, find),
        "Book it?",
        yes=yes,
        as_json=as_json,
    )


def _carry_out(change: Change, question: str, *, yes: bool, as_json: bool) -> None:
    """Show what a change makes, and make it once somebody has said so."""
    with closing(open_store()) as store:
        seen = _look(store, change)
        if not seen.fresh:
            print_line("that was done before; nothing is done now", error=True)
        elif not yes:
            _show(seen)
            ask(question)
        if seen.fresh:
            with store.transaction() as connection:
                done = change(connection)
                if done.fresh and not yes and done.moved != seen.moved:
                    raise NotBooked("positions have moved meanwhile: look again")
            seen = done
    if as_json:
        print_json(_as_json(seen))
    elif yes or not seen.fresh:
        _show(seen)
    if seen.fresh and not as_json:
        print_line(f"done; `execution reconcile {seen.booking.broker}` compares with the venue")


def _look(store: Store, change: Change) -> Booked:
    """What a change would make; nothing is kept of it."""
    with store.engine.connect() as connection, translated():
        return change(connection)


def _show(booked: Booked) -> None:
    booking = booked.booking
    print_line(
        f"booking {booked.booking_id} at {booking.broker}, account {booking.account}, "
        f"{booked.at:%Y-%m-%d %H:%M:%S} UTC, by the word of {booking.by}: {booking.evidence}"
    )
    if booked.entries:
        rows = [
            (one.instrument.symbol, one.side, one.quantity, one.price, one.realised)
            for one in booked.entries
        ]
        print_table("executions", ("symbol", "side", "quantity", "price", "realises"), rows)
    if booked.moved:
        names = ("symbol", "held", "at", "realised", "held then", "at ", "realised ")
        print_table(
            "positions", names, [(one.symbol, *one.before, *one.after) for one in booked.moved]
        )


def _as_json(booked: Booked) -> dict[str, object]:
    booking = booked.booking
    return {
        "booking_id": booked.booking_id,
        "broker": booking.broker,
        "account": booking.account,
        "at": booked.at,
        "evidence": booking.evidence,
        "by": booking.by,
        "done": booked.fresh,
        "executions": [
            {
                "symbol": one.instrument.symbol,
                "side": one.side,
                "quantity": one.quantity,
                "price": one.price,
                "realised_pnl": one.realised,
            }
            for one in booked.entries
        ],
        "positions": [
            {
                "symbol": one.symbol,
                **dict(zip(("quantity", "average_price", "realised_pnl"), one.after, strict=True)),
                "before": dict(
                    zip(("quantity", "average_price", "realised_pnl"), one.before, strict=True)
                ),
            }
            for one in booked.moved
        ],
    }


def _list(*, as_json: bool) -> None:
    with closing(open_store()) as store, store.statement() as connection:
        rows = bookings.latest(connection, 100)
    if as_json:
        print_json(rows)
        return
    names = ("booking_id", "happened_at", "broker", "account", "went", "came", "evidence")
    table = [
        [*(_cell(row[name]) for name in names), row["booked_by"], row["reversed_at"]]
        for row in rows
    ]
    print_table("bookings", (*names, "by", "taken back"), table)


def _cell(value: object) -> object:
    return "; ".join(map(str, value)) if isinstance(value, list) else value


def _broker_of(symbol: str, find: Callable[[str], Instrument]) -> BrokerName:
    with closing(open_store()) as store, store.statement() as connection:
        held = bookings.brokers_of(connection, symbol)
    if len(held) > 1:
        raise typer.BadParameter(f"{symbol} is held at {', '.join(held)}", param_hint="--broker")
    return held[0] if held else LIVE_ROUTES[find(symbol).asset_class]


def _finder(settings: Settings, asset_class: AssetClass | None) -> Callable[[str], Instrument]:
    mapper, today = ExchangeMapper(settings.symbol_overrides), datetime.now(UTC).date()
    return lambda symbol: mapper.map(symbol, asset_class, on=today)


def _moment(said: str | None) -> datetime | None:
    if said is None:
        return None
    try:
        moment = datetime.fromisoformat(said)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise typer.BadParameter("must be an ISO 8601 time with its offset", param_hint="--at")
    return moment.astimezone(UTC)
