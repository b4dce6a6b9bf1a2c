"""`nav_observations`: one row for each interval of a pair, and the window that begins with it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from execution.domain.arbitrage.legs import Pair
from execution.domain.arbitrage.prices import Observation
from execution.domain.arbitrage.signals import Assessment

_OBSERVED = (
    "trust_price",
    "spot_price",
    "spot_currency",
    "conversion",
    "coins_per_share",
    "coins_as_of",
)


def record(
    connection: Connection,
    pair: Pair,
    interval: str,
    assessment: Assessment,
    declined: str | None = None,
) -> bool:
    """Keep an observation and how it was judged; False where its interval has one already.

    `interval` is the name of the interval's length (`Interval.name`). The first observation stays:
    what was judged and perhaps traded on is not overwritten. `declined` is why its signal is not
    acted on.
    """
    seen, score, signal = assessment.observation, assessment.score, assessment.signal
    values = {
        **{name: getattr(seen, name) for name in _OBSERVED},
        "trust_symbol": pair.trust,
        "spot_symbol": pair.spot,
        "interval": interval,
        "interval_at": seen.interval,
        "observed_at": seen.at,
        "nav_per_share": assessment.nav_per_share,
        "spread": assessment.spread,
        "z": score and score.z,
        "mean": score and score.mean,
        "standard_deviation": score and score.standard_deviation,
        "window_size": score and score.observations,
        "action": signal and signal.action,
        "direction": signal and signal.direction,
        "reason": assessment.quiet or (signal and signal.exit_reason),
        "declined": declined,
    }
    parameters = ", ".join(f":{name}" for name in values)
    inserted = connection.execute(
        text(
            f"""
            INSERT INTO nav_observations ({", ".join(values)}) VALUES ({parameters})
            ON CONFLICT (trust_symbol, spot_symbol, interval, interval_at) DO NOTHING
            """
        ),
        values,
    )
    return inserted.rowcount == 1


def last_window(
    connection: Connection, pair: Pair, interval: str, size: int, before: datetime | None = None
) -> list[Observation]:
    """The newest `size` observations of a pair, oldest first: what a detector starts with.

    With `before` only those of earlier intervals: what the one of that interval is judged by.
    """
    rows = connection.execute(
        text(
            f"""
            SELECT * FROM (
                SELECT interval_at, observed_at, {", ".join(_OBSERVED)} FROM nav_observations
                WHERE trust_symbol = :trust AND spot_symbol = :spot AND interval = :interval
                  AND interval_at < COALESCE(:before, CAST('infinity' AS timestamptz))
                ORDER BY interval_at DESC LIMIT :size
            ) newest ORDER BY interval_at
            """
        ),
        {
            "trust": pair.trust,
            "spot": pair.spot,
            "interval": interval,
            "before": before,
            "size": size,
        },
    ).mappings()
    return [
        Observation(
            interval=row["interval_at"],
            at=row["observed_at"],
            **{name: row[name] for name in _OBSERVED},
        )
        for row in rows
    ]


def observations(
    connection: Connection, pair: Pair, interval: str, limit: int
) -> list[dict[str, Any]]:
    """The newest rows of a pair, oldest first, as they are stored."""
    rows = connection.execute(
        text(
            """
            SELECT * FROM (
                SELECT * FROM nav_observations
                WHERE trust_symbol = :trust AND spot_symbol = :spot AND interval = :interval
                ORDER BY interval_at DESC LIMIT :limit
            ) newest ORDER BY interval_at
            """
        ),
        {"trust": pair.trust, "spot": pair.spot, "interval": interval, "limit": limit},
    ).mappings()
    return [dict(row) for row in rows]
