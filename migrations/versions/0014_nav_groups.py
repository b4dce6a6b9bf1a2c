"""Groups of orders of the NAV arbitrage, what stopped a signal, and what accounts hold."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_NOW = sa.text("clock_timestamp()")
_TIME = sa.TIMESTAMP(timezone=True)
_UUID = postgresql.UUID(as_uuid=True)
_STATES = "'OPENING', 'OPEN', 'CLOSING', 'CLOSED', 'UNWINDING', 'UNWOUND', 'WAITING'"


def upgrade() -> None:
    op.create_table(
        "account_balances",
        sa.Column("broker", sa.Text, nullable=False),
        sa.Column("account", sa.Text, nullable=False, comment="as the venue names it"),
        sa.Column(
            "balances", postgresql.JSONB, nullable=False, comment="amounts by currency, as text"
        ),
        sa.Column("heard_at", _TIME, nullable=False, server_default=_NOW),
        sa.PrimaryKeyConstraint("broker", "account", name=op.f("account_balances_pkey")),
    )
    op.add_column(
        "nav_observations",
        sa.Column("declined", sa.Text, comment="why a signal was not acted on"),
    )
    _groups()
    _legs()
    op.create_table(
        "nav_group_events",
        sa.Column("group_id", _UUID, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("at", _TIME, nullable=False, server_default=_NOW),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.PrimaryKeyConstraint("group_id", "version", name=op.f("nav_group_events_pkey")),
        sa.ForeignKeyConstraint(
            ["group_id"], ["nav_groups.group_id"], name=op.f("nav_group_events_group_id_fkey")
        ),
    )
    op.create_table(
        "nav_looks",
        sa.Column("trust_symbol", sa.Text, nullable=False),
        sa.Column("spot_symbol", sa.Text, nullable=False),
        sa.Column("interval", sa.Text, nullable=False),
        sa.Column("looked_at", _TIME, nullable=False),
        sa.Column("said", sa.Text, nullable=False, comment="what the last look came to"),
        sa.PrimaryKeyConstraint(
            "trust_symbol", "spot_symbol", "interval", name=op.f("nav_looks_pkey")
        ),
    )


def _groups() -> None:
    op.create_table(
        "nav_groups",
        sa.Column("group_id", _UUID, nullable=False, comment="derived from pair and interval"),
        sa.Column("trust_symbol", sa.Text, nullable=False),
        sa.Column("spot_symbol", sa.Text, nullable=False),
        sa.Column("interval", sa.Text, nullable=False),
        sa.Column("interval_at", _TIME, nullable=False),
        sa.Column("direction", sa.Text, nullable=False),
        sa.Column("execution_mode", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False, server_default="OPENING"),
        sa.Column("phase", sa.Text, nullable=False, server_default="OPENING"),
        sa.Column("reason", sa.Text, comment="of the state"),
        sa.Column("entered_at", _TIME, nullable=False, comment="when the pair was observed"),
        sa.Column("trust_price", sa.Numeric, nullable=False),
        sa.Column("spot_price", sa.Numeric, nullable=False),
        sa.Column(
            "conversion",
            sa.Numeric,
            comment="dollars per unit of the spot's currency, at entry",
        ),
        sa.Column("coins_per_share", sa.Numeric, nullable=False),
        sa.Column("spread", sa.Numeric, nullable=False),
        sa.Column("z", sa.Numeric, nullable=False),
        sa.Column(
            "unhedged_coins", sa.Numeric, nullable=False, comment="of the trust leg, less a step"
        ),
        sa.Column("exit_reason", sa.Text, comment="why the detector wants it closed"),
        sa.Column("pnl", sa.Numeric, comment="in dollars, once it is over"),
        sa.Column(
            "uncounted", postgresql.JSONB, comment="commissions in currencies without a price"
        ),
        sa.Column("version", sa.Integer, nullable=False, server_default="1"),
        sa.Column("phase_since", _TIME, nullable=False, server_default=_NOW),
        sa.Column("created_at", _TIME, nullable=False, server_default=_NOW),
        sa.Column("updated_at", _TIME, nullable=False, server_default=_NOW),
        sa.Column("ended_at", _TIME, comment="when it was over for the first time"),
        sa.PrimaryKeyConstraint("group_id", name=op.f("nav_groups_pkey")),
        sa.UniqueConstraint(
            "trust_symbol",
            "spot_symbol",
            "interval",
            "interval_at",
            name=op.f("nav_groups_trust_symbol_spot_symbol_interval_interval_at_key"),
        ),
        sa.CheckConstraint(f"state IN ({_STATES})", name=op.f("nav_groups_state_check")),
        sa.CheckConstraint(
            "execution_mode IN ('LIVE', 'PAPER')", name=op.f("nav_groups_mode_check")
        ),
        sa.CheckConstraint(
            "phase = state OR state = 'WAITING'", name=op.f("nav_groups_phase_check")
        ),
    )
    op.create_index(
        "nav_groups_one",
        "nav_groups",
        ["trust_symbol", "spot_symbol"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index("nav_groups_updated_at", "nav_groups", ["updated_at"])


def _legs() -> None:
    op.create_table(
        "nav_group_legs",
        sa.Column("group_id", _UUID, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("client_order_id", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False, comment="TRUST or SPOT"),
        sa.Column("purpose", sa.Text, nullable=False, comment="OPENING or REDUCING"),
        sa.Column("side", sa.Text, nullable=False),
        sa.Column("quantity", sa.Numeric, nullable=False),
        sa.Column("placed_at", _TIME, nullable=False, server_default=_NOW),
        sa.PrimaryKeyConstraint("group_id", "number", name=op.f("nav_group_legs_pkey")),
        sa.UniqueConstraint("client_order_id", name=op.f("nav_group_legs_client_order_id_key")),
        sa.ForeignKeyConstraint(
            ["group_id"], ["nav_groups.group_id"], name=op.f("nav_group_legs_group_id_fkey")
        ),
        sa.CheckConstraint(
            "quantity > 0 AND quantity < 1e15", name=op.f("nav_group_legs_quantity_range_check")
        ),
        sa.CheckConstraint("role IN ('TRUST', 'SPOT')", name=op.f("nav_group_legs_role_check")),
        sa.CheckConstraint(
            "purpose IN ('OPENING', 'REDUCING')", name=op.f("nav_group_legs_purpose_check")
        ),
    )


def downgrade() -> None:
    for table in ("nav_looks", "nav_group_events", "nav_group_legs", "nav_groups"):
        op.drop_table(table)
    op.drop_column("nav_observations", "declined")
    op.drop_table("account_balances")
