"""docs/paper.md: its worked examples happen exactly as they are told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from execution.domain.decimals import plain
from execution.domain.instruments import Instrument
from execution.domain.paper import triggers
from execution.domain.paper.matching import match
from execution.domain.paper.order import PaperOrder, accept, needs_session
from execution.domain.paper.slippage import Slippage, seeded_draw
from execution.domain.paper.trading import Matched, PaperRules
from execution.domain.ports import Attempt
from execution.domain.reports import Quote
from execution.domain.vocabulary import (
    AssetClass,
    BrokerName,
    OrderState,
    OrderType,
    Side,
    TimeInForce,
)
from execution.market_calendar import ExchangeCalendars
from execution.settings import Settings, load

DOCUMENT = Path(__file__).parents[2] / "docs" / "paper.md"
NEW_YORK = ZoneInfo("America/New_York")
BLOCK = re.compile(r"^```paper(?P<settings>[^\n]*)\n(?P<story>.*?)^```$", re.MULTILINE | re.DOTALL)
ORDER = re.compile(
    r"(?P<side>\w+) (?P<quantity>\d+) (?P<symbol>\w+) (?P<order_type>\w+)(?P<terms>.*) "
    r"at (?:(?P<date>\S+) )?(?P<time>\S+)"
)
LOOK = re.compile(
    r"(?P<time>\S+)\s+(?:-|(?P<bid>\S+) / (?P<ask>\S+)(?: @(?P<quoted>\S+))?)\s+-> (?P<told>.*)"
)


def stories() -> Iterator[object]:
    """Each example: its settings and its lines."""
    for number, found in enumerate(BLOCK.finditer(DOCUMENT.read_text(encoding="utf-8")), start=1):
        order, *looks = found["story"].strip().splitlines()
        yield pytest.param(found["settings"].split(), order, looks, id=f"{number}-{order}")


def moment(date: str | None, time: str) -> datetime:
    """A time of day in New York."""
    read = datetime.fromisoformat(f"{date or '2026-01-02'}T{time}")
    return read.replace(tzinfo=NEW_YORK).astimezone(UTC)


def accepted(line: str) -> tuple[PaperOrder, str | None]:
    """The order of an example's first line, and its date."""
    found = ORDER.fullmatch(line)
    assert found, line
    words = found["terms"].split()
    prices = {
        name: Decimal(value) for name, _, value in (word.partition("=") for word in words) if value
    }
    (tif,) = (word for word in words if word in set(TimeInForce))
    now = moment(found["date"], found["time"])
    attempt = Attempt(
        attempt_id=UUID(int=1),
        order_id=UUID(int=2),
        client_order_id="example",
        broker=BrokerName.PAPER,
        account="main",
        venue_order_id="v" * 22,
        instrument=Instrument(found["symbol"], AssetClass.EQUITY, "USD"),
        side=Side(found["side"]),
        order_type=OrderType(found["order_type"]),
        quantity=Decimal(found["quantity"]),
        time_in_force=TimeInForce(tif),
        limit_price=prices.get("limit_price"),
        stop_price=prices.get("stop_price"),
        trail_amount=prices.get("trail_amount"),
        trail_percent=prices.get("trail_percent"),
        reference_price=prices.get("reference_price"),
        rerouted="rerouted" in words,
    )
    session = ExchangeCalendars().close_after(attempt.instrument, now)
    return accept(attempt, now, session if needs_session(attempt) else None), found["date"]


def venue(settings: list[str], monkeypatch: pytest.MonkeyPatch) -> PaperRules:
    """The venue's rules by the default settings and an example's own."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, _, value in (word.partition("=") for word in settings):
        monkeypatch.setenv(name, value)
    loaded = load()
    return PaperRules(
        Slippage(loaded.paper_slippage_model, loaded.paper_slippage, seeded_draw(1)),
        quote_max_age=loaded.quote_max_age,
        price_wait=loaded.paper_price_wait,
        depth=loaded.paper_depth,
        execution_size=loaded.paper_execution_size,
    )


def telling(before: PaperOrder, matched: Matched) -> str:
    """What became of an order, in the words of the document."""
    order = matched.order
    if order.state is before.state and not matched.fills:
        trailing = order.order_type is OrderType.TRAILING_STOP
        stop = triggers.stop_price(order) if trailing else None
        return "rests" if stop is None else f"rests, stop {plain(stop)}"
    fills = " + ".join(f"{plain(fill.quantity)} at {plain(fill.price)}" for fill in matched.fills)
    told = f"{order.state} {fills}".strip()
    return f"{told}: {order.reason}" if order.reason else told


@pytest.mark.parametrize(("settings", "line", "looks"), list(stories()))
def test_example(
    settings: list[str], line: str, looks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An example happens as it is told."""
    order, date = accepted(line)
    rules = venue(settings, monkeypatch)
    quote: Quote | None = None
    for look in looks:
        found = LOOK.fullmatch(look)
        assert found, look
        now = moment(date, found["time"])
        if found["bid"]:
            at = moment(date, found["quoted"] or found["time"])
            quote = Quote(order.symbol, Decimal(found["bid"]), Decimal(found["ask"]), at, "doc")
        matched = match(order, quote, now, rules)
        assert f"{look.split('->')[0]}-> {telling(order, matched)}" == look
        order = matched.order


def test_every_type_and_time_in_force_has_an_example() -> None:
    """The document shows all seven types, and every end an order can come to."""
    text = "".join(found["story"] for found in BLOCK.finditer(DOCUMENT.read_text(encoding="utf-8")))
    for word in (*OrderType, "DAY", "GTC", "IOC", "FOK"):
        assert f" {word} " in text, word
    for state in OrderState:
        if state.is_final:
            assert f"-> {state}" in text, state


def test_slippage_table() -> None:
    """The prices of the table of models."""
    market = Quote("SPY", Decimal(99), Decimal(101), datetime(2026, 1, 2, tzinfo=UTC), "doc")
    fixed = Slippage("fixed", Decimal("0.001"), lambda _: Decimal(0))
    uniform = replace(fixed, model="uniform")
    none = replace(fixed, model="none")
    assert [fixed.price(market, side, "") for side in Side] == [Decimal("100.1"), Decimal("99.9")]
    assert [uniform.price(market, side, "") for side in Side] == [Decimal("99.9")] * 2
    highest = replace(uniform, draw=lambda _: Decimal(1))
    assert highest.price(market, Side.BUY, "") == Decimal("100.1")
    assert [none.price(market, side, "") for side in Side] == [Decimal(100)] * 2


def test_settings_table() -> None:
    """The table names real settings with their real defaults."""
    loaded = load()
    rows = re.findall(r"^\| `([A-Z_]+)` \| (\S*) ?\|", DOCUMENT.read_text("utf-8"), re.MULTILINE)
    assert len(rows) == 7
    for name, default in rows:
        value = getattr(loaded, name.lower())
        if default and name in {"PAPER_PRICE_WAIT", "QUOTE_MAX_AGE"}:
            assert value.total_seconds() == float(default)
        else:
            assert default.strip("`") == ("" if value is None else str(value))
