"""`trading_rules`: what each venue takes of each instrument, as its own worker last heard it."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

from sqlalchemy import Connection, text

from execution.domain.trading_rules import TradingRules
from execution.domain.vocabulary import BrokerName
from execution.store.statements import Link, Prepared

_FRESH_SECONDS = 30.0

_LOAD = Prepared("SELECT rules FROM trading_rules WHERE broker = :broker AND symbol = :symbol")


def record(connection: Connection, broker: BrokerName, rules: Sequence[TradingRules]) -> int:
    """Keep rules, as many as there are, in one statement; returns how many are new or changed."""
    if not rules:
        return 0
    rows = [{"symbol": rule.symbol, "rules": rule.as_json()} for rule in rules]
    return connection.execute(
        text(
            """
            INSERT INTO trading_rules (broker, symbol, rules)
            SELECT :broker, r.symbol, r.rules
            FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(symbol text, rules jsonb)
            ON CONFLICT (broker, symbol) DO UPDATE
                SET rules = excluded.rules, updated_at = clock_timestamp()
                WHERE trading_rules.rules IS DISTINCT FROM excluded.rules
            """
        ),
        {"broker": broker, "rows": json.dumps(rows)},
    ).rowcount


def load(link: Link, broker: BrokerName, symbol: str) -> TradingRules | None:
    """What is known of an instrument at a venue; None when nothing is."""
    row = _LOAD.one(link, {"broker": broker, "symbol": symbol})
    return None if row is None else TradingRules.from_json(row.rules)


class RulesCache:
    """`load`, asked once in a while for each instrument: rules change rarely.

    Nothing hangs on its being up to date: the broker's own worker fits every order again.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[BrokerName, str], tuple[float, TradingRules | None]] = {}

    def get(self, link: Link, broker: BrokerName, symbol: str) -> TradingRules | None:
        """What was known of an instrument within the last half minute."""
        now, key = time.monotonic(), (broker, symbol)
        asked_at, rules = self._known.get(key, (-_FRESH_SECONDS, None))
        if now - asked_at >= _FRESH_SECONDS:
            rules = load(link, broker, symbol)
            self._known[key] = (now, rules)
        return rules
