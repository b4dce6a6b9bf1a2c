"""`candles`: what venues traded, interval by interval; a later answer corrects an earlier one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, text

from execution.domain.market_data import Candle
from execution.domain.vocabulary import BrokerName
from execution.store.rows import to_json


def record(
    connection: Connection,
    broker: BrokerName,
    symbol: str,
    interval: str,
    candles: Sequence[Candle],
) -> None:
    """Keep candles, in one statement."""
    rows = [{name: to_json(getattr(one, name)) for name in Candle.__slots__} for one in candles]
    connection.execute(
        text(
            """
            INSERT INTO candles (broker, symbol, interval, opened_at, open, high, low, close,
                volume)
            SELECT :broker, :symbol, :interval, c.opened_at, c.open, c.high, c.low, c.close,
                c.volume
            FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS c(opened_at timestamptz,
                open numeric, high numeric, low numeric, close numeric, volume numeric)
            ON CONFLICT (broker, symbol, interval, opened_at) DO UPDATE
                SET (open, high, low, close, volume, fetched_at) = (excluded.open, excluded.high,
                    excluded.low, excluded.close, excluded.volume, clock_timestamp())
            """
        ),
        {"broker": broker, "symbol": symbol, "interval": interval, "rows": json.dumps(rows)},
    )


def latest(connection: Connection, symbol: str, interval: str, limit: int) -> list[dict[str, Any]]:
    """The newest candles of a symbol, oldest first."""
    rows = connection.execute(
        text(
            """
            SELECT * FROM (
                SELECT opened_at, open, high, low, close, volume, broker, fetched_at FROM candles
                WHERE symbol = :symbol AND interval = :interval
                ORDER BY opened_at DESC LIMIT :limit
            ) newest ORDER BY opened_at
            """
        ),
        {"symbol": symbol, "interval": interval, "limit": limit},
    ).mappings()
    return [dict(row) for row in rows]
