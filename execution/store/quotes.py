"""`quotes`: what venues quoted, as it was heard."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import Connection, text

from execution.domain.reports import Quote
from execution.store.rows import to_json


def record(connection: Connection, quotes: Sequence[Quote]) -> None:
    """Append quotes."""
    rows = [{name: to_json(getattr(quote, name)) for name in Quote.__slots__} for quote in quotes]
    connection.execute(
        text(
            """
            INSERT INTO quotes (at, symbol, bid, ask, source)
            SELECT q.at, q.symbol, q.bid, q.ask, q.source
            FROM jsonb_to_recordset(CAST(:rows AS jsonb))
                AS q(at timestamptz, symbol text, bid numeric, ask numeric, source text)
            """
        ),
        {"rows": json.dumps(rows)},
    )
