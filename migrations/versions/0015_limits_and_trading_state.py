"""Limits, trading states, who changed them, and a version that every change raises."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_NOW = sa.text("clock_timestamp()")
_TIME = sa.TIMESTAMP(timezone=True)
_KINDS = (
    "max_quantity",
    "max_notional",
    "max_position",
    "max_exposure",
    "max_open_orders",
    "max_orders_per_second",
    "price_collar",
    "repeat_window",
)
# Whoever commits the intent to send holds this lock shared: a change waits for those that were
# judged before it, and whoever comes later sees the change. It is taken before any row's lock, or
# the two could wait for each other.
_GUARD = """
CREATE FUNCTION risk_controls_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('risk_controls', 0));
    UPDATE risk_controls SET version = version + 1;
    RETURN NULL;
END $$
"""
_TABLES = ("risk_limits", "trading_states")


def upgrade() -> None:
    op.create_table(
        "risk_controls",
        sa.Column("single", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.Column("version", sa.BigInteger, nullable=False, server_default="0"),
        sa.CheckConstraint("single", name=op.f("risk_controls_single_row_check")),
        sa.PrimaryKeyConstraint("single", name=op.f("risk_controls_pkey")),
    )
    op.create_table(
        "risk_limits",
        sa.Column("limit_id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("broker", sa.Text, comment="null: every broker"),
        sa.Column("strategy", sa.Text, comment="null: every strategy, and none"),
        sa.Column("symbol", sa.Text, comment="null: every symbol"),
        sa.Column("value", sa.Numeric, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("set_by", sa.Text, nullable=False),
        sa.Column("set_at", _TIME, nullable=False, server_default=_NOW),
        sa.CheckConstraint(
            f"kind IN ({', '.join(repr(kind) for kind in _KINDS)})",
            name=op.f("risk_limits_kind_check"),
        ),
        sa.CheckConstraint(
            "value >= 0 AND value < 1e15", name=op.f("risk_limits_value_range_check")
        ),
        sa.PrimaryKeyConstraint("limit_id", name=op.f("risk_limits_pkey")),
        sa.UniqueConstraint(
            "kind",
            "broker",
            "strategy",
            "symbol",
            name=op.f("risk_limits_kind_broker_strategy_symbol_key"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_table(
        "risk_rates",
        sa.Column("limit_id", sa.BigInteger, nullable=False),
        sa.Column(
            "sent_at", ARRAY(_TIME), nullable=False, comment="intents of the second before the last"
        ),
        sa.ForeignKeyConstraint(
            ["limit_id"],
            ["risk_limits.limit_id"],
            name=op.f("risk_rates_limit_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("limit_id", name=op.f("risk_rates_pkey")),
    )
    op.create_table(
        "trading_states",
        sa.Column("scope", sa.Text, nullable=False, comment="a broker, or * for all"),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("changed_by", sa.Text, nullable=False),
        sa.Column("changed_at", _TIME, nullable=False, server_default=_NOW),
        sa.Column(
            "halted_until",
            _TIME,
            comment="end of the last halt: what was accepted before it is not sent",
        ),
        sa.CheckConstraint(
            "state IN ('ACTIVE', 'REDUCING', 'HALTED')", name=op.f("trading_states_state_check")
        ),
        sa.PrimaryKeyConstraint("scope", name=op.f("trading_states_pkey")),
    )
    op.create_table(
        "risk_changes",
        sa.Column("change_id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("at", _TIME, nullable=False, server_default=_NOW),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False, comment="set, remove, halt, resume"),
        sa.Column("what", JSONB, nullable=False),
        sa.Column("reason", sa.Text),
        sa.PrimaryKeyConstraint("change_id", name=op.f("risk_changes_pkey")),
    )
    op.create_index(
        "orders_open",
        "orders",
        ["symbol", "account"],
        postgresql_where=sa.text(
            "state IN ('SUBMITTING', 'SUBMITTED', 'PARTIALLY_FILLED', 'UNKNOWN')"
        ),
    )
    op.create_index(
        "orders_filled_by_strategy",
        "orders",
        ["strategy", "symbol"],
        postgresql_where=sa.text("strategy IS NOT NULL AND filled_quantity > 0"),
    )
    op.execute("INSERT INTO risk_controls (version) VALUES (0)")
    op.execute(_GUARD)
    for table in _TABLES:
        op.execute(
            f"CREATE TRIGGER {table}_change BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE "
            f"ON {table} FOR EACH STATEMENT EXECUTE FUNCTION risk_controls_change()"
        )


def downgrade() -> None:
    op.drop_index("orders_filled_by_strategy", "orders")
    op.drop_index("orders_open", "orders")
    for table in (*_TABLES, "risk_rates", "risk_changes", "risk_controls"):
        op.execute(f"DROP TABLE {table} CASCADE")
    op.execute("DROP FUNCTION risk_controls_change()")
