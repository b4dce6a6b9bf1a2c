"""An execution is known by the venue's own names, and its cost may be revised.

Until now our spelling of a symbol was part of what tells executions apart. Where a venue spelt it
anew (a renamed company, a future's local symbol) one execution became two rows. Those stay as they
are, since orders and positions have counted both: the later ones have their old spelling in their
key, and an alert names each.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_OLD = ("broker", "environment", "account", "symbol", "side", "execution_id")
_NEW = ("broker", "environment", "account", "instrument_key", "side", "execution_id")
_MORE = {"execution_reports": (("kind",), ("kind", "revision")), "fills": ((), ())}
_KEY = "the venue's own instrument, where its execution ids are unique per instrument; else empty"


def upgrade() -> None:
    for table in _MORE:
        op.add_column(
            table,
            sa.Column("instrument_key", sa.Text, nullable=False, server_default="", comment=_KEY),
        )
    op.add_column(
        "execution_reports",
        sa.Column(
            "revision",
            sa.SmallInteger,
            nullable=False,
            server_default="0",
            comment="of a commission or correction that came again with other values",
        ),
    )
    for table, (before, after) in _MORE.items():
        op.drop_constraint(f"{table}_identity_key", table)
        # Binance alone numbers its trades per symbol, and writes BTC-USDT as BTCUSDT.
        op.execute(
            f"UPDATE {table} SET instrument_key = replace(symbol, '-', '') "  # noqa: S608
            "WHERE broker = 'BINANCE'"
        )
        same = ", ".join((*_NEW, *before))
        op.execute(
            f"""
            WITH numbered AS (
                SELECT report_id, row_number() OVER (PARTITION BY {same}
                    ORDER BY order_id IS NULL, report_id) AS number
                FROM {table}
            )
            UPDATE {table} t SET instrument_key = '=' || t.symbol FROM numbered n
            WHERE n.report_id = t.report_id AND n.number > 1
            """  # noqa: S608
        )
        op.create_unique_constraint(f"{table}_identity_key", table, [*_NEW, *after])
    op.execute(
        """
        INSERT INTO alerts (kind, key, order_id, broker, message)
        SELECT 'COUNTED_TWICE', broker || ':' || report_id, order_id, broker,
            'execution ' || execution_id || ' (' || side || ' ' || trim_scale(quantity) || ' at '
            || trim_scale(price) || ') was counted as ' || symbol
            || ' though it is in the books under another spelling'
        FROM fills WHERE instrument_key = '=' || symbol
        """
    )


def downgrade() -> None:
    op.execute("DELETE FROM alerts WHERE kind = 'COUNTED_TWICE'")
    # What came again with other values has no room; the fills have what it said.
    op.execute("DELETE FROM execution_reports WHERE revision > 0")
    for table, (before, _) in _MORE.items():
        op.drop_constraint(f"{table}_identity_key", table)
        op.create_unique_constraint(f"{table}_identity_key", table, [*_OLD, *before])
        op.drop_column(table, "instrument_key")
    op.drop_column("execution_reports", "revision")
