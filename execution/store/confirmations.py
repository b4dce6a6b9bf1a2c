"""What the looks at a pair came to, and readings that were confirmed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, text

from execution.domain.arbitrage.legs import Pair
from execution.domain.arbitrage.plausible import Confirmation
from execution.store import alerts


@dataclass(frozen=True, slots=True)
class Doubted:
    """A reading that is to be confirmed."""

    spread: Decimal
    coins_per_share: Decimal
    coins_as_of: date


def unjudged(
    connection: Connection, pair: Pair, interval: str, why: str, doubted: Doubted | None
) -> None:
    """Keep why the last reading was no observation, after `groups.looked`; alert for a doubted."""
    connection.execute(
        text(
            """
            UPDATE nav_looks SET unjudged = :why, doubted_spread = :spread,
                doubted_coins = :coins, doubted_coins_as_of = :as_of
            WHERE trust_symbol = :trust AND spot_symbol = :spot AND interval = :interval
            """
        ),
        {
            "trust": pair.trust,
            "spot": pair.spot,
            "interval": interval,
            "why": why,
            "spread": doubted and doubted.spread,
            "coins": doubted and doubted.coins_per_share,
            "as_of": doubted and doubted.coins_as_of,
        },
    )
    if doubted is not None:
        words = (
            f"{_key(pair)}: {why}. Nothing is judged by it until `execution arbitrage confirm`: "
            "look for a split or a distribution of the trust, and for a wrong quote"
        )
        alerts.alert(connection, alerts.NAV_READING, _key(pair), words, renew=True)


def judged(connection: Connection, pair: Pair, interval: str) -> None:
    """Say that the last reading was an observation."""
    connection.execute(
        text(
            """
            UPDATE nav_looks SET unjudged = NULL, doubted_spread = NULL, doubted_coins = NULL,
                doubted_coins_as_of = NULL
            WHERE trust_symbol = :trust AND spot_symbol = :spot AND interval = :interval
            """
        ),
        {"trust": pair.trust, "spot": pair.spot, "interval": interval},
    )
    alerts.resolve(connection, alerts.NAV_READING, _key(pair))


def doubted(connection: Connection, pair: Pair, interval: str) -> tuple[str, Doubted] | None:
    """The reading that is to be confirmed, and why; None where there is none."""
    row = connection.execute(
        text(
            """
            SELECT unjudged, doubted_spread, doubted_coins, doubted_coins_as_of FROM nav_looks
            WHERE trust_symbol = :trust AND spot_symbol = :spot AND interval = :interval
              AND doubted_spread IS NOT NULL
            """
        ),
        {"trust": pair.trust, "spot": pair.spot, "interval": interval},
    ).one_or_none()
    if row is None:
        return None
    reading = Doubted(row.doubted_spread, row.doubted_coins, row.doubted_coins_as_of)
    return row.unjudged, reading


def confirm(
    connection: Connection, pair: Pair, reading: Doubted, evidence: str, by: str
) -> datetime:
    """Keep that a level is right, with how `by` knows; when that was."""
    at: datetime = connection.execute(
        text(
            """
            INSERT INTO nav_confirmations (trust_symbol, spot_symbol, spread, coins_per_share,
                coins_as_of, evidence, confirmed_by)
            VALUES (:trust, :spot, :spread, :coins, :as_of, :evidence, :by) RETURNING at
            """
        ),
        {
            "trust": pair.trust,
            "spot": pair.spot,
            "spread": reading.spread,
            "coins": reading.coins_per_share,
            "as_of": reading.coins_as_of,
            "evidence": evidence,
            "by": by,
        },
    ).scalar_one()
    return at


def newest(connection: Connection, pair: Pair) -> Confirmation | None:
    """The last level of a pair that was confirmed."""
    row: Any = connection.execute(
        text(
            """
            SELECT at, spread, coins_per_share, coins_as_of FROM nav_confirmations
            WHERE trust_symbol = :trust AND spot_symbol = :spot ORDER BY at DESC LIMIT 1
            """
        ),
        {"trust": pair.trust, "spot": pair.spot},
    ).one_or_none()
    if row is None:
        return None
    return Confirmation(row.at, row.spread, row.coins_per_share, row.coins_as_of)


def _key(pair: Pair) -> str:
    return f"{pair.trust} against {pair.spot}"
