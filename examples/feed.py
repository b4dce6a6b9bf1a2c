"""The example price feed: real daily closes of GBTC and BTC, plausible prices for the rest.

Once a second it writes a fresh quote of every example symbol. GBTC and BTC walk through the last
year of closes in gbtc_btc_daily.csv, a day every ten seconds; the others swing 0.1 % around a fixed
price, so that orders resting near it are filled within a quarter of a minute.
"""

from __future__ import annotations

import csv
import json
import math
import signal
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import structlog

from execution import logs
from execution.domain.errors import ConfigurationError, EventsUnavailable
from execution.domain.reports import Quote
from execution.domain.vocabulary import Environment
from execution.events.connection import connect
from execution.events.quotes import QuoteCache
from execution.settings import load

FOLDER = Path(__file__).parent
FIRST_DAY = "2021-03-31"
TICKS_PER_DAY = 10
SOURCE = "example-feed"


def closes() -> list[tuple[Decimal, Decimal]]:
    """The (GBTC, BTC) closes in US dollars from FIRST_DAY on, oldest first."""
    with (FOLDER / "gbtc_btc_daily.csv").open(encoding="utf-8") as file:
        return [
            (Decimal(row["gbtc_close_usd"]), Decimal(row["btc_close_usd"]))
            for row in csv.DictReader(file)
            if row["date"] >= FIRST_DAY
        ]


def prices() -> Iterator[dict[str, tuple[Decimal, Decimal]]]:
    """For each tick the (mid, spread) of every symbol, without end."""
    days = closes()
    fixed = json.loads((FOLDER / "prices.json").read_text(encoding="utf-8"))
    tick = 0
    while True:
        # Back and forth, so that the walk has no jump at its ends.
        day, step = divmod(tick, TICKS_PER_DAY)
        there = day % (2 * (len(days) - 1))
        index = there if there < len(days) - 1 else 2 * (len(days) - 1) - there
        following = index + 1 if there < len(days) - 1 else index - 1
        part = Decimal(step) / TICKS_PER_DAY
        gbtc, btc = (
            now + (then - now) * part
            for now, then in zip(days[index], days[following], strict=True)
        )
        swing = Decimal(round(math.sin(tick / 2) * 1000)) / 1_000_000
        found = {
            "GBTC": (round(gbtc, 2), Decimal("0.02")),
            "BTC-USDT": (round(btc, 2), Decimal("0.02")),
        }
        for symbol, price in fixed.items():
            mid = Decimal(price["mid"])
            digits = -int(mid.as_tuple().exponent)
            found[symbol] = (round(mid * (1 + swing), digits), Decimal(price["spread"]))
        yield found
        tick += 1


def quotes(found: dict[str, tuple[Decimal, Decimal]], now: datetime) -> list[Quote]:
    """Quotes around the mids."""
    return [
        Quote(symbol, mid - spread / 2, mid + spread / 2, now, SOURCE)
        for symbol, (mid, spread) in found.items()
    ]


def main() -> None:
    """Write quotes once a second until SIGTERM; a Redis that is away is waited for."""
    settings = load()
    logs.configure(settings.log_level)
    if settings.execution_environment is not Environment.PRACTICE:
        raise ConfigurationError("made-up prices are for practice only")
    cache = QuoteCache(connect(settings.require_redis_url()))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit())
    for found in prices():
        try:
            cache.put(quotes(found, datetime.now(UTC)))
        except EventsUnavailable as error:
            structlog.get_logger().warning("quotes not written", error=str(error))
        time.sleep(1)


if __name__ == "__main__":
    main()
