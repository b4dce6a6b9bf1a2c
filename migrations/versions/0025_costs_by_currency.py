"""What a position has cost, by currency, and its profit after costs.

Until now commissions of every currency were added to each other, and a fee in the base asset was in
neither commission nor profit. Each position is folded anew from its fills: a fee in the base asset
leaves at the execution's price, and is a commission of that worth.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Context, Decimal, localcontext
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_TABLES = {"positions": "f.broker <> 'PAPER'", "paper_positions": "f.broker = 'PAPER'"}
_KEY = "(f.account, f.broker, f.symbol)"
_BATCH = 5_000
# Every cost is in the instrument's currency, so only its name was missing.
_SIMPLE = """
    coalesce(f.commission, 0) = 0 OR f.quantity = 0
    OR (f.currency IS NOT NULL AND coalesce(f.commission_currency, f.currency) = f.currency)
"""


def upgrade() -> None:
    for table in _TABLES:
        op.add_column(
            table,
            sa.Column(
                "costs",
                JSONB,
                nullable=False,
                server_default="{}",
                comment="everything paid, by currency, amounts as text; `commission` is part of it",
            ),
        )
        op.add_column(
            table,
            sa.Column(
                "net_pnl",
                sa.Numeric(asdecimal=True),
                sa.Computed("realised_pnl - commission", persisted=True),
                comment="in the instrument's currency; costs in others are beside it",
            ),
        )
    op.add_column(
        "fills",
        sa.Column("position_costs", JSONB, comment="of its position after this fill"),
    )
    for table, of in _TABLES.items():
        _name_the_currency(table, of)
        for key in _mixed(of):
            _fold(table, key)


def _name_the_currency(table: str, of: str) -> None:
    """Positions whose costs are all in the instrument's own currency keep their figures."""
    op.execute(
        f"""
        WITH plain AS (
            SELECT f.account, f.broker, f.symbol FROM fills f WHERE {of}
            GROUP BY 1, 2, 3 HAVING bool_and({_SIMPLE})
        ), running AS (
            SELECT f.fill_id, sum(CASE WHEN f.quantity > 0 THEN coalesce(f.commission, 0)
                    ELSE 0 END) OVER (PARTITION BY f.account, f.broker, f.symbol
                    ORDER BY f.executed_at, f.fill_id) AS paid,
                max(f.currency) OVER (PARTITION BY f.account, f.broker, f.symbol) AS currency
            FROM fills f JOIN plain USING (account, broker, symbol)
            WHERE f.positioned_at IS NOT NULL
        )
        UPDATE fills f SET position_costs = CASE WHEN r.paid = 0 THEN '{{}}'::jsonb
            ELSE jsonb_build_object(r.currency, trim_scale(r.paid)::text) END
        FROM running r WHERE r.fill_id = f.fill_id
        """  # noqa: S608
    )
    op.execute(
        f"""
        UPDATE {table} p SET costs = f.position_costs
        FROM fills f WHERE f.fill_id = p.last_fill_id AND f.position_costs IS NOT NULL
        """  # noqa: S608
    )


def _mixed(of: str) -> Sequence[Mapping[str, Any]]:
    """Positions with a cost in another currency, or in the base asset."""
    return (
        op.get_bind()
        .execute(
            sa.text(
                f"""
                SELECT f.account, f.broker, f.symbol FROM fills f WHERE {of}
                GROUP BY 1, 2, 3 HAVING NOT bool_and({_SIMPLE})
                """  # noqa: S608
            )
        )
        .mappings()
        .all()
    )


def _fold(table: str, key: Mapping[str, Any]) -> None:
    bind, values = op.get_bind(), dict(key)
    mine = f"{_KEY} = (:account, :broker, :symbol)"
    multiplier = bind.execute(
        sa.text(f"SELECT multiplier FROM {table} f WHERE {mine} FOR UPDATE"),  # noqa: S608
        values,
    ).scalar_one_or_none()
    if multiplier is None:
        return  # nothing of it is in a position yet
    fills = bind.execute(
        sa.text(
            f"""
            SELECT f.* FROM fills f WHERE {mine} AND f.positioned_at IS NOT NULL
            ORDER BY f.executed_at, f.fill_id
            """  # noqa: S608
        ),
        values,
    ).all()
    after: dict[str, Any] | None = None
    rows = []
    for row in _walk(fills, multiplier):
        after = row
        rows.append(row)
        if len(rows) == _BATCH:
            _settle(rows)
            rows = []
    _settle(rows)
    if after is None:
        return
    figures = {name.removeprefix("position_"): value for name, value in after.items()}
    bind.execute(
        sa.text(
            f"""
            UPDATE {table} f SET quantity = :quantity, average_price = :average_price,
                realised_pnl = :realised_pnl, commission = :commission,
                costs = CAST(:costs AS jsonb)
            WHERE {mine}
            """  # noqa: S608
        ),
        values | figures | {"costs": json.dumps(figures["costs"])},
    )


def _settle(rows: Sequence[dict[str, Any]]) -> None:
    op.get_bind().execute(
        sa.text(
            """
            UPDATE fills f SET (position_quantity, position_average_price, position_realised_pnl,
                position_commission, position_costs) = (s.position_quantity,
                s.position_average_price, s.position_realised_pnl, s.position_commission,
                s.position_costs)
            FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS s(fill_id bigint,
                position_quantity numeric, position_average_price numeric,
                position_realised_pnl numeric, position_commission numeric, position_costs jsonb)
            WHERE f.fill_id = s.fill_id
            """
        ),
        {"rows": json.dumps(rows)},
    )


def _walk(fills: Sequence[Any], multiplier: Decimal) -> Iterator[dict[str, Any]]:
    """A position after each of its fills: average cost, as it was folded at this migration."""
    held = average = realised = commission = Decimal(0)
    costs: dict[str, Decimal] = {}
    with localcontext(Context(prec=80)):
        for fill in fills:
            paid = fill.commission if fill.quantity and fill.commission else Decimal(0)
            unit = fill.commission_currency or fill.currency
            trades = [fill.quantity if fill.side == "BUY" else -fill.quantity]
            if paid and unit is not None and unit == fill.base_asset:
                trades.append(-paid)
                commission += paid * fill.price * multiplier
            elif paid and unit == fill.currency:
                commission += paid
            for signed in trades:
                if signed:
                    held, average, realised = _trade(
                        (held, average, realised), signed, fill.price, multiplier
                    )
            if paid:
                name = unit or "?"
                costs[name] = costs.get(name, Decimal(0)) + paid
            yield {
                "fill_id": fill.fill_id,
                "position_quantity": _plain(held),
                "position_average_price": _plain(average),
                "position_realised_pnl": _plain(realised),
                "position_commission": _plain(commission),
                "position_costs": {name: _plain(one) for name, one in costs.items() if one},
            }


def _trade(
    before: tuple[Decimal, Decimal, Decimal], signed: Decimal, price: Decimal, multiplier: Decimal
) -> tuple[Decimal, Decimal, Decimal]:
    held, average, realised = before
    after = held + signed
    if held * signed >= 0:
        average = Context(prec=28).divide(abs(held) * average + abs(signed) * price, abs(after))
    else:
        closed = min(abs(held), abs(signed))
        realised += (price - average) * closed * multiplier * (1 if held > 0 else -1)
        if abs(held) < abs(signed):
            average = price
    return after, average if after else Decimal(0), realised


def _plain(value: Decimal) -> str:
    text = format(value, "f")
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


def downgrade() -> None:
    op.drop_column("fills", "position_costs")
    for table in _TABLES:
        op.drop_column(table, "net_pnl")
        op.drop_column(table, "costs")
