"""What is configured, what is reachable and what is missing, in words: `execution doctor`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, text

from execution.arbitrage.plan import plan
from execution.doctor_redis import examine_redis
from execution.domain.clocks import ALERT_BEYOND, in_words, why_not_send
from execution.domain.errors import ConfigurationError, RequestRefused, StoreUnavailable
from execution.domain.mapping import ExchangeMapper
from execution.domain.risk.trading_state import EVERYWHERE, TradingState
from execution.domain.vocabulary import (
    BreakerState,
    BrokerName,
    Environment,
    OnFailure,
    SessionStatus,
)
from execution.findings import Finding, Level
from execution.settings import Settings
from execution.signing import KeyRole
from execution.store import clocks, controls, migrate, reading, sessions
from execution.store.engine import Store

_OLDEST_POSTGRESQL = 150_000
_CLOCKS_APART = timedelta(milliseconds=500)
_SYNCHRONISE = "synchronise both (NTP): a venue could take an order that comes late"

VARIABLES: Mapping[BrokerName, tuple[str, ...]] = {
    BrokerName.IBKR: ("ibkr_host", "ibkr_account"),
    BrokerName.MT4: ("mt4_bridge_token",),
    BrokerName.BINANCE: ("binance_api_key", "binance_api_secret"),
}
"""Without these a live broker is not available."""

_WITHOUT_A_BROKER = {
    OnFailure.PAPER: "go to paper",
    OnFailure.REJECT: "are REJECTED",
    OnFailure.WAIT: "wait",
}


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at everything once, from the ground up.

    What depends on a thing that is missing is left out.
    """
    yield _environment(settings)
    yield from _policies(settings)
    yield from _signing(settings)
    yield from _arbitrage(settings)
    yield from examine_redis(settings)
    yield from _database(settings)


def _environment(settings: Settings) -> Finding:
    environment = settings.execution_environment
    if settings.force_paper_trading:
        words = f"{environment}, and FORCE_PAPER_TRADING sends nothing new to a live broker"
        return Finding(Level.NOTE, "environment", words)
    if environment is Environment.PRODUCTION:
        return Finding(Level.NOTE, "environment", "production: orders spend real money")
    return Finding(Level.OK, "environment", "practice: accounts with real money are refused")


def _policies(settings: Settings) -> Iterator[Finding]:
    """What is simulated instead of sent, where that can be mistaken for a real fill."""
    if settings.execution_environment is not Environment.PRODUCTION:
        return
    if settings.on_failure_default is OnFailure.PAPER:
        words = "ON_FAILURE_DEFAULT is paper: an order whose broker fails is filled on paper"
        remedy = "set ON_FAILURE_DEFAULT=reject, unless producers look at each fill's mode"
        yield Finding(Level.NOTE, "failures", words, remedy)
    if settings.reroute_refused:
        words = "REROUTE_REFUSED is set: an order that its broker refuses is filled on paper"
        yield Finding(Level.NOTE, "refusals", words, "unset it: then such an order is REJECTED")


def _signing(settings: Settings) -> Iterator[Finding]:
    """Who can have an order sent with real money by writing to Redis."""
    if settings.execution_environment is not Environment.PRODUCTION:
        return
    keys = settings.signing_keys()
    if not settings.requires_signed_intake:
        words = "REQUIRE_SIGNED_INTAKE is false: whoever can write to Redis can place an order"
        remedy = "give producers PRODUCER_SIGNING_KEY, then unset REQUIRE_SIGNED_INTAKE"
        yield Finding(Level.PROBLEM, "signatures", words, remedy)
    elif KeyRole.PRODUCER not in keys:
        words = (
            "PRODUCER_SIGNING_KEY is not set here: without it workers take no order of a producer"
        )
        remedy = "`execution secrets` makes one: give it to workers and producers"
        yield Finding(Level.PROBLEM, "signatures", words, remedy)
    if KeyRole.SERVICE not in keys:
        words = "TASK_SIGNING_KEY is not set here: the key is in the database, and in its dumps"
        remedy = "set TASK_SIGNING_KEY_FILE for workers, beat and operators alike"
        yield Finding(Level.NOTE, "signatures", words, remedy)


def _arbitrage(settings: Settings) -> Iterator[Finding]:
    """Nothing where nobody asks for it and its settings make sense."""
    now = datetime.now(UTC)
    try:
        planned = plan(settings, ExchangeMapper(settings.symbol_overrides), now)
    except (ConfigurationError, RequestRefused) as error:
        remedy = "correct the NAV_ settings: groups that are open are not moved on until then"
        yield Finding(Level.PROBLEM, "NAV arbitrage", str(error), remedy)
        return
    if planned.coins is None:
        if planned.enabled:
            words = "enabled, and nobody has said what a share holds: nothing is watched"
            remedy = "set NAV_COINS_PER_SHARE and NAV_COINS_AS_OF"
            yield Finding(Level.PROBLEM, "NAV arbitrage", words, remedy)
        return
    stale = planned.coins.problem(now.date(), planned.freshness.coins_max_age_days)
    if stale is not None:
        remedy = "set NAV_COINS_PER_SHARE and NAV_COINS_AS_OF anew"
        yield Finding(Level.PROBLEM, "NAV arbitrage", stale, remedy)
    pair = f"{planned.pair.trust} against {planned.pair.spot}, {planned.mode}"
    does = "acts on signals" if planned.enabled else "observes, and does not act"
    yield Finding(Level.NOTE, "NAV arbitrage", f"{pair}: {does}")


def _database(settings: Settings) -> Iterator[Finding]:
    if settings.database_url is None:
        remedy = "run `execution up`, or set DATABASE_URL"
        yield Finding(Level.PROBLEM, "PostgreSQL", "DATABASE_URL is not set", remedy)
        return
    store = Store(settings.require_database_url(), application_name="doctor")
    with closing(store):
        try:
            with store.statement() as connection:
                yield from _server(connection)
                if (finding := _schema(connection)) is not None:
                    yield finding
                    return
                yield from _stamp(connection, settings)
                yield from _clocks(connection)
                yield from _brokers(connection, settings)
                yield from _force_paper(connection, settings)
                yield from _controls(connection, settings)
                yield from _orders(connection)
        except StoreUnavailable as error:
            remedy = "start it, or correct DATABASE_URL"
            yield Finding(Level.PROBLEM, "PostgreSQL", f"does not answer: {error}", remedy)
        except ConfigurationError as error:
            yield Finding(Level.PROBLEM, "PostgreSQL", str(error), "correct DATABASE_URL")


def _server(connection: Connection) -> Iterator[Finding]:
    before = datetime.now(UTC)
    row = connection.execute(
        text(
            """
            SELECT current_setting('server_version') AS version,
                current_setting('server_version_num')::int AS number, clock_timestamp() AS now,
                (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb') AS timescale
            """
        )
    ).one()
    extension = "without TimescaleDB: plain tables"
    if row.timescale is not None:
        extension = f"with TimescaleDB {row.timescale}"
    yield Finding(Level.OK, "PostgreSQL", f"{row.version} answers, {extension}")
    if row.number < _OLDEST_POSTGRESQL:
        words = f"{row.version} is older than 15"
        yield Finding(Level.PROBLEM, "PostgreSQL", words, "upgrade it")
    apart = max(before - row.now, row.now - datetime.now(UTC))
    if apart > _CLOCKS_APART:
        words = f"its clock and this machine's are {apart.total_seconds():.1f} s apart"
        yield Finding(Level.PROBLEM, "clock", words, _SYNCHRONISE)


def _schema(connection: Connection) -> Finding | None:
    """What is wrong with the schema; None when it is the newest."""
    there, newest = migrate.revision(connection), migrate.head()
    if there == newest:
        return None
    words = "has no tables yet" if there is None else f"is at migration {there}, not {newest}"
    return Finding(Level.PROBLEM, "PostgreSQL", words, "run `execution migrate`")


def _stamp(connection: Connection, settings: Settings) -> Iterator[Finding]:
    row = connection.execute(text("SELECT environment, accounts FROM environment_stamp")).first()
    if row is None:
        return
    if row.environment != settings.execution_environment:
        words = f"holds orders of {row.environment}, and this is {settings.execution_environment}"
        yield Finding(Level.PROBLEM, "PostgreSQL", words, "use a database of its own for each")
    for broker, account in row.accounts.items():
        yield Finding(Level.OK, broker, f"this database's orders are of account {account}")
        others = sorted(set(_owned(connection, broker)) - {account})
        if others:
            names = ", ".join(others)
            yield Finding(Level.OK, broker, f"its login owns further accounts: {names}")


def _clocks(connection: Connection) -> Iterator[Finding]:
    """Processes, on this machine or others, whose clocks are far from the database's."""
    for row in clocks.measured(connection):
        ahead = timedelta(seconds=row.ahead)
        if abs(ahead) > ALERT_BEYOND:
            words = why_not_send(ahead) or f"this worker's clock is {in_words(ahead)}"
            yield Finding(Level.PROBLEM, "clock", f"{row.process}: {words}", _SYNCHRONISE)


def _owned(connection: Connection, broker: str) -> Iterable[str]:
    rows = connection.execute(
        text("SELECT account FROM broker_accounts WHERE broker = :broker AND owned"),
        {"broker": broker},
    )
    return [row.account for row in rows]


def _brokers(connection: Connection, settings: Settings) -> Iterator[Finding]:
    statuses = sessions.statuses(connection, settings.session_timeout)
    for broker in BrokerName:
        status = statuses.get(broker)
        if broker in VARIABLES and (missing := _missing(settings, broker)):
            then = _WITHOUT_A_BROKER[settings.on_failure_default]
            words = f"not configured here ({', '.join(missing)}): its orders {then}"
            yield Finding(Level.NOTE, broker, words)
        if status is None or status.status is None:
            remedy = f"start a worker of the queue `{broker.queue}` (`execution up` runs all)"
            yield Finding(Level.PROBLEM, broker, "no worker serves it", remedy)
        elif status.status is SessionStatus.LIVE_READY:
            yield Finding(Level.OK, broker, "connected")
        elif status.status is SessionStatus.NO_CREDENTIALS:
            yield Finding(Level.NOTE, broker, f"its worker says: {status.detail}")
        else:
            remedy = "orders wait for the grace, then go where on_failure says"
            yield Finding(Level.PROBLEM, broker, f"not connected: {status.detail}", remedy)
        if status is not None and status.breaker is not BreakerState.CLOSED:
            remedy = "it closes by itself once the venue's health is good; see `execution brokers`"
            words = f"its circuit breaker is {status.breaker}"
            yield Finding(Level.PROBLEM, broker, words, remedy)


def _force_paper(connection: Connection, settings: Settings) -> Iterator[Finding]:
    """Each worker obeys its own setting: say so where they differ."""
    workers = sessions.paper_only(connection, settings.session_timeout)
    with_it = [name for name, forced in workers.items() if forced]
    without = [name for name, forced in workers.items() if not forced]
    if with_it and without:
        words = f"set for {', '.join(with_it)}, and not for {', '.join(without)}"
    elif without and settings.force_paper_trading:
        words = f"set here, and not for {', '.join(without)}"
    elif with_it and not settings.force_paper_trading:
        words = f"not set here, and set for {', '.join(with_it)}"
    else:
        return
    remedy = "set it alike for all and restart them: each obeys its own"
    yield Finding(Level.PROBLEM, "forced paper", f"FORCE_PAPER_TRADING is {words}", remedy)


def _missing(settings: Settings, broker: BrokerName) -> list[str]:
    stood_in = {name.strip().upper() for name in settings.ledger_brokers.split(",")}
    if settings.ledger_broker_url and broker in stood_in:
        return []
    return [name.upper() for name in VARIABLES[broker] if getattr(settings, name) is None]


def _controls(connection: Connection, settings: Settings) -> Iterator[Finding]:
    for row in controls.states(connection):
        if row["state"] != TradingState.ACTIVE:
            where = "every broker" if row["scope"] == EVERYWHERE else row["scope"]
            words = f"{row['state']} for {where}: {row['reason'] or 'no reason was given'}"
            yield Finding(Level.NOTE, "trading", words, "`execution resume` ends it")
    production = settings.execution_environment is Environment.PRODUCTION
    if production and not controls.limits(connection):
        words = "none is set: whatever a producer asks for is sent"
        yield Finding(Level.NOTE, "limits", words, "`execution limits set`; see docs/limits.md")


def _orders(connection: Connection) -> Iterator[Finding]:
    row = connection.execute(
        text(
            """
            SELECT count(*) FILTER (WHERE state = 'UNKNOWN') AS unknown,
                count(*) FILTER (WHERE due_at < clock_timestamp() - interval '1 minute') AS late
            FROM orders WHERE due_at IS NOT NULL
            """
        )
    ).one()
    open_alerts = len(reading.alerts(connection, 1000, settled=False))
    if row.unknown:
        words = f"{row.unknown} in UNKNOWN: what became of them at the broker is not known yet"
        remedy = "`execution alerts`; `execution resolve ID` settles one by hand"
        yield Finding(Level.PROBLEM, "orders", words, remedy)
    if row.late:
        words = f"{row.late} overdue by more than a minute: recovery does not run, or has no worker"
        remedy = "look for beat and a worker of the queue `recovery`; `execution recover` runs it"
        yield Finding(Level.PROBLEM, "orders", words, remedy)
    if open_alerts:
        yield Finding(Level.NOTE, "alerts", f"{open_alerts} open: see `execution alerts`")
    if not (row.unknown or row.late or open_alerts):
        yield Finding(Level.OK, "orders", "none is stuck or in doubt, and there are no open alerts")


def unusable(error: ConfigurationError) -> Finding:
    """A configuration that cannot even be read."""
    return Finding(Level.PROBLEM, "configuration", str(error), "correct the variable")
