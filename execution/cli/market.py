"""`execution positions`, `events`, `quote`, `quotes`, `brokers`, `candles`, `order-book`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from execution.cli.orders import Json
from execution.cli.output import print_json, print_lines, print_table
from execution.cli.stamped import open_store
from execution.domain.decimals import plain
from execution.domain.errors import EventsUnavailable, ExecutionError
from execution.domain.events import FILLS, ORDERS, timestamp
from execution.domain.mapping import ExchangeMapper
from execution.domain.positions import Position, unrealised_pnl
from execution.domain.reports import Quote
from execution.events.connection import connect
from execution.events.market import MarketCache
from execution.events.publisher import message
from execution.events.quotes import QuoteCache
from execution.store import candles as store_candles
from execution.store import outbox, reading
from execution.supervisor.control import connected_settings


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command()(positions)
    app.command()(events)
    app.command()(quote)
    app.command()(quotes)
    app.command()(brokers)
    app.command()(candles)
    app.command()(order_book)


def _cache() -> QuoteCache:
    return QuoteCache(connect(connected_settings().require_redis_url()))


def positions(as_json: Json = False) -> None:
    """List live and paper positions, with unrealised profit where a quote exists.

    `commission` is in the instrument's currency, a fee in the base asset at its worth; `net_pnl` is
    realised profit less it. What was paid in other currencies is named beside them.
    """
    with open_store().statement() as connection:
        rows = reading.positions(connection)
    try:
        known = _cache().get([row["symbol"] for row in rows])
    except EventsUnavailable:
        known = {}
    for row in rows:
        last = known.get(row["symbol"])
        held = Position(row["quantity"], row["average_price"])
        row["mid"] = None if last is None else last.mid
        row["unrealised_pnl"] = (
            None if last is None else unrealised_pnl(held, last.mid, row["multiplier"])
        )
    if as_json:
        print_json(rows)
        return
    names = (
        "execution_mode",
        "account",
        "broker",
        "symbol",
        "quantity",
        "average_price",
        "mid",
        "unrealised_pnl",
        "realised_pnl",
        "commission",
        "net_pnl",
        "currency",
    )
    table = [[*(row[name] for name in names), _elsewhere(row)] for row in rows]
    print_table("positions", (*names, "other costs"), table)


def _elsewhere(row: dict[str, Any]) -> str | None:
    """What was paid in other currencies: it is in no figure of the instrument's currency."""
    others = {name: one for name, one in row["costs"].items() if name != row["currency"]}
    return ", ".join(f"{one} {name}" for name, one in sorted(others.items())) or None


def events(
    since: Annotated[int, typer.Option(help="Replay what comes after this sequence.")] = 0,
    stream: Annotated[str, typer.Option(help=f"{FILLS} or {ORDERS}.")] = FILLS,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False,
) -> None:
    """Replay a stream from PostgreSQL, one JSON message a line: what a consumer missed."""
    if stream not in {FILLS, ORDERS}:
        raise typer.BadParameter(f"{stream!r} is not {FILLS} or {ORDERS}", param_hint="--stream")
    texts: list[str] = []
    store = open_store()
    while True:
        with store.statement() as connection:
            batch = outbox.replay(connection, stream, since)
        if not batch:
            break
        texts += [message(event) for event in batch]
        since = batch[-1].sequence
    print_lines(("[" + ",\n".join(texts) + "]").split("\n") if as_json else texts)


def quote(symbol: str, as_json: Json = False) -> None:
    """Show the last quote of a symbol."""
    mapper = ExchangeMapper(connected_settings().symbol_overrides)
    instrument = mapper.map(symbol, on=datetime.now(UTC).date())
    found = _cache().get([instrument.symbol]).get(instrument.symbol)
    if found is None:
        raise ExecutionError(f"there is no quote of {instrument.symbol}")
    _print_quotes([found], as_json=as_json)


def quotes(as_json: Json = False) -> None:
    """List the last quote of every symbol."""
    _print_quotes(sorted(_cache().all().values(), key=lambda q: q.symbol), as_json=as_json)


def candles(
    symbol: str,
    interval: Annotated[str, typer.Option(help="As the venue names it: 1m, 1h, 1d.")] = "1m",
    limit: Annotated[int, typer.Option(help="How many of the newest.")] = 20,
    as_json: Json = False,
) -> None:
    """List the newest candles of a symbol that `tasks.fetch_ohlcv` has fetched."""
    name = _canonical(symbol)
    with open_store().statement() as connection:
        rows = store_candles.latest(connection, name, interval, limit)
    if as_json:
        print_json(rows)
        return
    names = ("opened_at", "open", "high", "low", "close", "volume", "broker")
    print_table(f"{name} {interval}", names, [[row[column] for column in names] for row in rows])


def order_book(symbol: str, as_json: Json = False) -> None:
    """Show the last order book of a symbol that `tasks.fetch_order_book` has fetched."""
    name = _canonical(symbol)
    found = MarketCache(connect(connected_settings().require_redis_url())).book(name)
    if found is None:
        raise ExecutionError(f"there is no order book of {name} of the last minute")
    if as_json:
        print_json(found)
        return
    rows = [[*bid, *ask] for bid, ask in zip(found["bids"], found["asks"], strict=False)]
    print_table(f"{name} at {found['at']}", ("bid", "size", "ask", "size"), rows[:20])


def _canonical(symbol: str) -> str:
    return ExchangeMapper().map(symbol, None, on=datetime.now(UTC).date()).symbol


def _print_quotes(found: list[Quote], *, as_json: bool) -> None:
    now = datetime.now(UTC)
    if as_json:
        print_json(
            [
                {
                    "symbol": q.symbol,
                    "bid": plain(q.bid),
                    "ask": plain(q.ask),
                    "mid": plain(q.mid),
                    "at": timestamp(q.at),
                    "source": q.source,
                }
                for q in found
            ]
        )
        return
    print_table(
        "quotes",
        ("symbol", "bid", "ask", "age", "source"),
        [
            (q.symbol, q.bid, q.ask, f"{(now - q.at).total_seconds():.1f} s", q.source)
            for q in found
        ],
    )


def brokers(as_json: Json = False) -> None:
    """List each broker: its workers' connections and its circuit breaker."""
    with open_store().statement() as connection:
        rows = reading.broker_overview(connection)
    if as_json:
        print_json(rows)
        return
    names: tuple[str, ...] = ("broker", "status", "since", "detail", "worker")
    print_table("connections", names, [[row[name] for name in names] for row in rows])
    names = ("broker", "breaker", "opened_at", "failures", "total_failures", "reason")
    breakers = {row["broker"]: [row[name] for name in names] for row in rows}
    columns = ("broker", "breaker", "open since", "failures in a row", "in all", "last reason")
    print_table("circuit breakers", columns, list(breakers.values()))
