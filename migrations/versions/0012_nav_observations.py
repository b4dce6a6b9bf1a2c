"""What was observed of a trust and its coin: the window that the NAV detector judges by."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_NOW = sa.text("clock_timestamp()")
_TIME = sa.TIMESTAMP(timezone=True)
_POSITIVE = ("trust_price", "spot_price", "conversion", "coins_per_share")


def upgrade() -> None:
    op.create_table(
        "nav_observations",
        sa.Column("trust_symbol", sa.Text, nullable=False),
        sa.Column("spot_symbol", sa.Text, nullable=False),
        sa.Column("interval", sa.Text, nullable=False, comment="its length: 1d, 15m"),
        sa.Column(
            "interval_at",
            _TIME,
            nullable=False,
            comment="a day's close, or an interval's beginning",
        ),
        sa.Column("observed_at", _TIME, nullable=False),
        sa.Column("trust_price", sa.Numeric, nullable=False, comment="dollars per share"),
        sa.Column("spot_price", sa.Numeric, nullable=False, comment="per coin, in spot_currency"),
        sa.Column("spot_currency", sa.Text, nullable=False),
        sa.Column(
            "conversion",
            sa.Numeric,
            comment="dollars per unit of spot_currency; null: taken for dollars",
        ),
        sa.Column("coins_per_share", sa.Numeric, nullable=False, comment="accrued to observed_at"),
        sa.Column("coins_as_of", sa.Date, nullable=False),
        sa.Column("nav_per_share", sa.Numeric, nullable=False, comment="dollars"),
        sa.Column("spread", sa.Numeric, nullable=False, comment="trust_price / nav_per_share - 1"),
        sa.Column("z", sa.Numeric, comment="null while the window is not full, or flat"),
        sa.Column("mean", sa.Numeric, comment="of the window before"),
        sa.Column("standard_deviation", sa.Numeric, comment="of the window before, as of a sample"),
        sa.Column("window_size", sa.Integer, comment="observations in the window before"),
        sa.Column("action", sa.Text, comment="ENTER, EXIT, or null: no signal"),
        sa.Column("direction", sa.Text),
        sa.Column("reason", sa.Text, comment="why there is no signal, or why to exit"),
        sa.Column("recorded_at", _TIME, nullable=False, server_default=_NOW),
        *(
            sa.CheckConstraint(
                f"{name} > 0 AND {name} < 1e15", name=op.f(f"nav_observations_{name}_range_check")
            )
            for name in _POSITIVE
        ),
        sa.PrimaryKeyConstraint(
            "trust_symbol",
            "spot_symbol",
            "interval",
            "interval_at",
            name=op.f("nav_observations_pkey"),
        ),
    )
    op.execute(
        """
        DO $$ BEGIN
            IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
                PERFORM create_hypertable('nav_observations', 'interval_at', migrate_data => true);
            END IF;
        END $$
        """
    )


def downgrade() -> None:
    op.drop_table("nav_observations")
