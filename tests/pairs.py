"""Fleets that trade the pair at both simulated venues, and how a test brings them to a signal."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import redis

from execution.events.lending import LendingCache
from tests.fleet import Fleet, wait_until
from tests.venues import BinanceVenue, IbGatewayVenue

COINS = Decimal("0.0008")
SPOT = ("62500", "62501")
"""A share is worth 50 dollars."""
CHEAP, FAIR, DEAR = ("44.99", "45.01"), ("50.02", "50.04"), ("54.99", "55.01")
WINDOW = 4
OVER = {"CLOSED", "UNWOUND"}
SETTINGS = {
    "NAV_ARBITRAGE_ENABLED": "true",
    "NAV_HOURS": "always",
    "NAV_INTERVAL": "1m",
    "NAV_WINDOW": str(WINDOW),
    # Their signals are far beyond what a market does.
    "NAV_FARTHEST_Z": "1000000",
    "NAV_LARGEST_MOVE": "10",
    # Tests say when the pair is looked at.
    "NAV_POLL": "3600",
    "NAV_COINS_PER_SHARE": str(COINS),
    "NAV_COINS_AS_OF": datetime.now(UTC).date().isoformat(),
    "NAV_ANNUAL_FEE": "0",
    "NAV_SHORT_SPOT": "inventory",
    "NAV_LEG_LIMIT": "6",
    "BREAKER_THRESHOLD": "100000",
}


def pair_fleet(
    database_url: str,
    redis_url: str,
    home: Path,
    environment: Mapping[str, str] | None = None,
) -> Fleet:
    """Workers of both venues' brokers and of the intake; the clock runs."""
    return Fleet(
        database_url,
        redis_url,
        home,
        queues=("orders", "ibkr", "binance", "paper"),
        venue=(IbGatewayVenue, BinanceVenue),
        environment={**SETTINGS, **(environment or {})},
    )


class PairRun:
    """Brings a fleet's pair to a signal and waits for what becomes of its group."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.trust, self.spot = fleet.venues

    def quote(self, trust: tuple[str, str]) -> None:
        """Set both markets, fresh."""
        self.fleet.set_prices({"GBTC": trust, "BTC-USDT": SPOT})

    def lend(self, shares: int) -> None:
        """So many shares of the trust can be borrowed at its venue, and its worker has said so."""
        self.trust.control("POST", "shortable", {"symbol": "GBTC", "shares": shares})
        with closing(redis.Redis.from_url(self.fleet.redis_url)) as client:
            cache = LendingCache(client)

            def told() -> bool:
                cache.want(["GBTC"])
                said = cache.get("GBTC")
                return said is not None and said.shares == shares

            wait_until(told, what="the word on GBTC")

    def remember(self) -> None:
        """A past of small spreads around nothing, so that the next large one is a signal."""
        self.fleet.query("DELETE FROM nav_observations RETURNING 1")
        # So that this minute may have another.
        self.fleet.query(
            "UPDATE nav_groups SET interval_at = created_at - interval '1 year' RETURNING 1"
        )
        for ago in range(1, WINDOW + 1):
            price = Decimal(50) * (1 + Decimal(ago % 2) / 1000)
            self.fleet.query(
                """INSERT INTO nav_observations (trust_symbol, spot_symbol, interval, interval_at,
                    observed_at, trust_price, spot_price, spot_currency, coins_per_share,
                    coins_as_of, nav_per_share, spread)
                SELECT 'GBTC', 'BTC-USDT', '1m', at, at, %s, 62500, 'USDT', %s, at, 50, %s
                FROM (SELECT date_trunc('minute', now()) - %s * interval '1 minute' AS at) t
                ON CONFLICT DO NOTHING RETURNING 1""",
                price,
                COINS,
                price / 50 - 1,
                ago,
            )

    def look(self) -> None:
        """Let a worker look at the pair once, by a message."""
        self.fleet.look_at_pair()

    def enter(self, trust: tuple[str, str] = CHEAP) -> str:
        """Bring about a signal to enter, and give the group's id once it is there."""
        known = {row["group_id"] for row in self.groups()}
        self.quote(trust)

        def opened() -> str | None:
            new = [row["group_id"] for row in self.groups() if row["group_id"] not in known]
            return new[0] if new else None

        found: str = self._until(trust, opened, "a group")
        return found

    def exit(self, group_id: str) -> None:
        """Bring about a signal to exit."""
        self._until(FAIR, lambda: self.group(group_id)["exit_reason"], "the wish to exit")

    def _until(
        self, trust: tuple[str, str], found: Callable[[], Any], what: str, timeout: float = 60
    ) -> Any:
        """Look again and again, with fresh prices, until it has come about.

        Each time at another past: a look that came late may have seen the prices of before.
        """
        last = 0.0

        def there() -> Any:
            nonlocal last
            if time.monotonic() - last > 1:
                self.quote(trust)
                self.remember()
                self.look()
                last = time.monotonic()
            return found()

        return wait_until(there, timeout, what)

    def groups(self) -> list[dict[str, Any]]:
        """All groups, oldest first."""
        return self.fleet.query("SELECT * FROM nav_groups ORDER BY created_at")

    def group(self, group_id: str) -> dict[str, Any]:
        """One of them."""
        (row,) = self.fleet.query("SELECT * FROM nav_groups WHERE group_id = %s", group_id)
        return row

    def legs(self, group_id: str) -> list[dict[str, Any]]:
        """Its orders, oldest first, with how they stand."""
        return self.fleet.query(
            """SELECT l.*, o.state, o.filled_quantity, o.execution_mode, o.average_price, o.order_id
            FROM nav_group_legs l LEFT JOIN orders o USING (client_order_id)
            WHERE l.group_id = %s ORDER BY number""",
            group_id,
        )

    def states(self, group_id: str) -> list[str]:
        """The states that it went through."""
        rows = self.fleet.query(
            "SELECT state FROM nav_group_events WHERE group_id = %s ORDER BY version", group_id
        )
        return [row["state"] for row in rows]

    def reasons(self, group_id: str) -> str:
        """Why it was unwound."""
        rows = self.fleet.query(
            """SELECT reason FROM nav_group_events WHERE group_id = %s AND state = 'UNWINDING'
            ORDER BY version""",
            group_id,
        )
        return "; ".join(row["reason"] for row in rows)

    def alerts(self, group_id: str) -> list[str]:
        """What a person is told of it now."""
        rows = self.fleet.query(
            """SELECT message FROM alerts
            WHERE kind = 'NAV_GROUP' AND key = %s AND resolved_at IS NULL""",
            str(group_id),
        )
        return [row["message"] for row in rows]

    def until(self, group_id: str, *states: str, timeout: float = 60) -> dict[str, Any]:
        """The group once it is in one of some states; prices are kept fresh meanwhile."""
        found: dict[str, Any] = wait_until(
            lambda: (row := self.group(group_id))["state"] in states and row,
            timeout,
            f"group {group_id} {states}",
        )
        return found

    def net(self, group_id: str) -> dict[str, Decimal]:
        """What the executions of a group left at the venues, by symbol, by their own ledgers."""
        ids = {
            row["venue_order_id"]
            for row in self.fleet.query(
                """SELECT a.venue_order_id FROM nav_group_legs l JOIN orders o
                USING (client_order_id) JOIN order_attempts a USING (order_id)
                WHERE l.group_id = %s""",
                group_id,
            )
        }
        left: dict[str, Decimal] = {}
        for venue in self.fleet.venues:
            for one in venue.executions():
                if one["venue_order_id"] not in ids:
                    continue
                sign = 1 if one["side"] == "BUY" else -1
                held = left.get(one["symbol"], Decimal(0)) + sign * Decimal(one["quantity"])
                left[one["symbol"]] = held
        return left
