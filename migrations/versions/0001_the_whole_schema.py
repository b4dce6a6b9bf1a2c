"""The whole schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:

    op.create_table(
        "alerts",
        sa.Column("alert_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column(
            "at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False, comment="one alert for each kind and key"),
        sa.Column("order_id", sa.UUID(), nullable=True),
        sa.Column("broker", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("resolved_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("alert_id", name=op.f("alerts_pkey")),
        sa.UniqueConstraint("kind", "key", name=op.f("alerts_kind_key_key")),
    )
    op.create_table(
        "breakers",
        sa.Column("broker", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="CLOSED", nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False, comment="in a row"),
        sa.Column("total_failures", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("opened_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("probe_owner", sa.UUID(), nullable=True),
        sa.Column("probe_until", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column(
            "updated_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("broker", name=op.f("breakers_pkey")),
    )
    op.create_table(
        "broker_sessions",
        sa.Column("session_id", sa.UUID(), nullable=False),
        sa.Column("broker", sa.Text(), nullable=False),
        sa.Column("worker", sa.Text(), nullable=False, comment="host and process id"),
        sa.Column("account", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column(
            "since",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column(
            "started_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column(
            "heartbeat_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("ended_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("session_id", name=op.f("broker_sessions_pkey")),
    )
    op.create_index(
        "broker_sessions_broker", "broker_sessions", ["broker", "heartbeat_at"], unique=False
    )
    op.create_table(
        "environment_stamp",
        sa.Column("single", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column(
            "accounts", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False
        ),
        sa.Column(
            "stamped_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint("single", name=op.f("environment_stamp_single_row_check")),
        sa.PrimaryKeyConstraint("single", name=op.f("environment_stamp_pkey")),
    )
    op.create_table(
        "events",
        sa.Column("event_no", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("event_id", sa.UUID(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column(
            "sequence",
            sa.BigInteger(),
            nullable=True,
            comment="null until published; gap-free per stream",
        ),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("order_id", sa.UUID(), nullable=True),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column(
            "created_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("event_no", name=op.f("events_pkey")),
        sa.UniqueConstraint("event_id", name=op.f("events_event_id_key")),
        sa.UniqueConstraint("stream", "sequence", name=op.f("events_stream_sequence_key")),
    )
    op.create_index(
        "events_unsequenced",
        "events",
        ["event_no"],
        unique=False,
        postgresql_where=sa.text("sequence IS NULL"),
    )
    op.create_table(
        "order_events",
        sa.Column("order_id", sa.UUID(), nullable=False),
        sa.Column(
            "at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("step", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=True),
        sa.Column("broker", sa.Text(), nullable=True),
        sa.Column("attempt_no", sa.SmallInteger(), nullable=True),
        sa.Column(
            "detail", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False
        ),
    )
    op.create_index("order_events_order_id_at", "order_events", ["order_id", "at"], unique=False)
    op.create_table(
        "order_requests",
        sa.Column("request_id", sa.UUID(), nullable=False),
        sa.Column("client_order_id", sa.Text(), nullable=True),
        sa.Column(
            "received_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("payload_hash", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("order_id", sa.UUID(), nullable=True),
        sa.Column("step", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column(
            "spec",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="the order as step 1 made it, for step 2 to insert",
        ),
        sa.Column(
            "due_at",
            sa.TIMESTAMP(timezone=True),
            nullable=True,
            comment="when recovery sends the request on again",
        ),
        sa.Column("resends", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint(
            "outcome IN ('ACCEPTED', 'REFUSED')", name=op.f("order_requests_outcome_check")
        ),
        sa.PrimaryKeyConstraint("request_id", name=op.f("order_requests_pkey")),
        sa.UniqueConstraint(
            "client_order_id",
            "payload_hash",
            name=op.f("order_requests_client_order_id_payload_hash_key"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_index(
        "order_requests_client_order_id_accepted",
        "order_requests",
        ["client_order_id"],
        unique=True,
        postgresql_where=sa.text("outcome = 'ACCEPTED'"),
    )
    op.create_index(
        "order_requests_due",
        "order_requests",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index(
        "order_requests_order_id",
        "order_requests",
        ["order_id"],
        unique=True,
        postgresql_where=sa.text("outcome = 'ACCEPTED'"),
    )
    op.create_index("order_requests_received_at", "order_requests", ["received_at"], unique=False)
    op.create_table(
        "orders",
        sa.Column("order_id", sa.UUID(), nullable=False),
        sa.Column("client_order_id", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("asset_class", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("order_type", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(), nullable=False, comment="what is being worked, fitted"),
        sa.Column("requested_quantity", sa.Numeric(), nullable=False),
        sa.Column("limit_price", sa.Numeric(), nullable=True),
        sa.Column("stop_price", sa.Numeric(), nullable=True),
        sa.Column("trail_amount", sa.Numeric(), nullable=True),
        sa.Column("trail_percent", sa.Numeric(), nullable=True),
        sa.Column("take_profit_price", sa.Numeric(), nullable=True),
        sa.Column("stop_loss_price", sa.Numeric(), nullable=True),
        sa.Column("time_in_force", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("outside_rth", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("reduce_only", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("reference_price", sa.Numeric(), nullable=True),
        sa.Column("on_failure", sa.Text(), nullable=False),
        sa.Column("instrument", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("requested_broker", sa.Text(), nullable=False),
        sa.Column("broker", sa.Text(), nullable=False),
        sa.Column("execution_mode", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True, comment="of the state"),
        sa.Column(
            "route_reason",
            sa.Text(),
            nullable=True,
            comment="why it is not at the broker asked for",
        ),
        sa.Column("broker_order_id", sa.Text(), nullable=True),
        sa.Column("attempt_no", sa.SmallInteger(), server_default="1", nullable=False),
        sa.Column("filled_quantity", sa.Numeric(), server_default="0", nullable=False),
        sa.Column("average_price", sa.Numeric(), nullable=True),
        sa.Column("strategy", sa.Text(), nullable=True),
        sa.Column("parent_order_id", sa.UUID(), nullable=True),
        sa.Column("role", sa.Text(), nullable=True, comment="of a child: TAKE_PROFIT or STOP_LOSS"),
        sa.Column(
            "group_id", sa.UUID(), nullable=True, comment="orders that stand and fall together"
        ),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("step", sa.SmallInteger(), nullable=False, comment="the last step completed"),
        sa.Column(
            "due_at",
            sa.TIMESTAMP(timezone=True),
            nullable=True,
            comment="when recovery sends the next step again",
        ),
        sa.Column("resends", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "updated_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "(broker = 'PAPER') = (execution_mode = 'PAPER')", name=op.f("orders_mode_check")
        ),
        sa.CheckConstraint(
            "filled_quantity >= 0 AND filled_quantity < 1e16",
            name=op.f("orders_filled_range_check"),
        ),
        sa.CheckConstraint(
            "quantity > 0 AND quantity < 1e15", name=op.f("orders_quantity_range_check")
        ),
        sa.CheckConstraint(
            "requested_quantity > 0 AND requested_quantity < 1e15",
            name=op.f("orders_requested_quantity_range_check"),
        ),
        sa.ForeignKeyConstraint(
            ["parent_order_id"], ["orders.order_id"], name=op.f("orders_parent_order_id_fkey")
        ),
        sa.PrimaryKeyConstraint("order_id", name=op.f("orders_pkey")),
        sa.UniqueConstraint("client_order_id", name=op.f("orders_client_order_id_key")),
    )
    op.create_index("orders_created_at", "orders", ["created_at"], unique=False)
    op.create_index(
        "orders_due",
        "orders",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_table(
        "paper_orders",
        sa.Column("venue_order_id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(), nullable=False),
        sa.Column("filled_quantity", sa.Numeric(), server_default="0", nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("accepted_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "terms",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="type, prices, time in force",
        ),
        sa.PrimaryKeyConstraint("venue_order_id", name=op.f("paper_orders_pkey")),
    )
    op.create_index(
        "paper_orders_open",
        "paper_orders",
        ["account"],
        unique=False,
        postgresql_where=sa.text("state IN ('SUBMITTED', 'PARTIALLY_FILLED')"),
    )
    op.create_table(
        "paper_positions",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("broker", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("asset_class", sa.Text(), nullable=True),
        sa.Column("multiplier", sa.Numeric(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("quantity", sa.Numeric(), nullable=False),
        sa.Column("average_price", sa.Numeric(), nullable=False),
        sa.Column("realised_pnl", sa.Numeric(), nullable=False),
        sa.Column("commission", sa.Numeric(), nullable=False),
        sa.Column("last_executed_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("last_fill_id", sa.BigInteger(), nullable=True),
        sa.Column(
            "updated_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("account", "broker", "symbol", name=op.f("paper_positions_pkey")),
    )
    op.create_table(
        "positions",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("broker", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("asset_class", sa.Text(), nullable=True),
        sa.Column("multiplier", sa.Numeric(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("quantity", sa.Numeric(), nullable=False),
        sa.Column("average_price", sa.Numeric(), nullable=False),
        sa.Column("realised_pnl", sa.Numeric(), nullable=False),
        sa.Column("commission", sa.Numeric(), nullable=False),
        sa.Column("last_executed_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("last_fill_id", sa.BigInteger(), nullable=True),
        sa.Column(
            "updated_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("account", "broker", "symbol", name=op.f("positions_pkey")),
    )
    op.create_table(
        "quotes",
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("bid", sa.Numeric(), nullable=False),
        sa.Column("ask", sa.Numeric(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
    )
    op.create_index("quotes_symbol_at", "quotes", ["symbol", "at"], unique=False)
    op.create_table(
        "streams",
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("last_sequence", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("published_sequence", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("stream", name=op.f("streams_pkey")),
    )
    op.create_table(
        "order_attempts",
        sa.Column("attempt_id", sa.UUID(), nullable=False),
        sa.Column("order_id", sa.UUID(), nullable=False),
        sa.Column("attempt_no", sa.SmallInteger(), nullable=False),
        sa.Column("leg", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("broker", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("execution_mode", sa.Text(), nullable=False),
        sa.Column("venue_order_id", sa.Text(), nullable=False),
        sa.Column("broker_order_id", sa.Text(), nullable=True),
        sa.Column("quantity", sa.Numeric(), nullable=False),
        sa.Column("filled_quantity", sa.Numeric(), server_default="0", nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column(
            "intent_at",
            sa.TIMESTAMP(timezone=True),
            nullable=True,
            comment="when the intent to send was committed; null: never",
        ),
        sa.Column("intents", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column(
            "send_by",
            sa.TIMESTAMP(timezone=True),
            nullable=True,
            comment="the venue refuses a send that comes later",
        ),
        sa.Column(
            "lease_owner", sa.UUID(), nullable=True, comment="the session that is sending it"
        ),
        sa.Column("lease_until", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column(
            "watcher", sa.UUID(), nullable=True, comment="the session that waits for its fills"
        ),
        sa.Column("reported_state", sa.Text(), nullable=True, comment="what the venue last said"),
        sa.Column(
            "reported_quantity",
            sa.Numeric(),
            nullable=True,
            comment="filled, as the venue last said",
        ),
        sa.Column("reported_reason", sa.Text(), nullable=True),
        sa.Column(
            "created_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "(broker = 'PAPER') = (execution_mode = 'PAPER')",
            name=op.f("order_attempts_mode_check"),
        ),
        sa.CheckConstraint(
            "quantity > 0 AND quantity < 1e15", name=op.f("order_attempts_quantity_range_check")
        ),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.order_id"], name=op.f("order_attempts_order_id_fkey")
        ),
        sa.PrimaryKeyConstraint("attempt_id", name=op.f("order_attempts_pkey")),
        sa.UniqueConstraint(
            "order_id", "attempt_no", "leg", name=op.f("order_attempts_order_id_attempt_no_leg_key")
        ),
        sa.UniqueConstraint("venue_order_id", name=op.f("order_attempts_venue_order_id_key")),
    )
    op.create_index(
        "order_attempts_waiting",
        "order_attempts",
        ["broker", "watcher"],
        unique=False,
        postgresql_where=sa.text("state IN ('SUBMITTED', 'PARTIALLY_FILLED')"),
    )
    op.create_table(
        "paper_executions",
        sa.Column("execution_id", sa.Text(), nullable=False),
        sa.Column("venue_order_id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(), nullable=False),
        sa.Column("price", sa.Numeric(), nullable=False),
        sa.Column("executed_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["venue_order_id"],
            ["paper_orders.venue_order_id"],
            name=op.f("paper_executions_venue_order_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("execution_id", name=op.f("paper_executions_pkey")),
    )
    op.create_index(
        "paper_executions_executed_at", "paper_executions", ["executed_at"], unique=False
    )
    op.create_index(
        "paper_executions_venue_order_id", "paper_executions", ["venue_order_id"], unique=False
    )
    op.create_table(
        "execution_reports",
        sa.Column("report_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("broker", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("execution_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("execution_mode", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(), nullable=False),
        sa.Column("price", sa.Numeric(), nullable=False),
        sa.Column("commission", sa.Numeric(), nullable=True),
        sa.Column("commission_currency", sa.Text(), nullable=True),
        sa.Column("corrects", sa.Text(), nullable=True),
        sa.Column("executed_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("venue_order_id", sa.Text(), nullable=True),
        sa.Column("broker_order_id", sa.Text(), nullable=True),
        sa.Column("order_id", sa.UUID(), nullable=True),
        sa.Column("attempt_id", sa.UUID(), nullable=True),
        sa.Column(
            "received_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("applied_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "price > -1e15 AND price < 1e15", name=op.f("execution_reports_price_range_check")
        ),
        sa.CheckConstraint(
            "quantity >= 0 AND quantity < 1e16", name=op.f("execution_reports_quantity_range_check")
        ),
        sa.ForeignKeyConstraint(
            ["attempt_id"],
            ["order_attempts.attempt_id"],
            name=op.f("execution_reports_attempt_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.order_id"], name=op.f("execution_reports_order_id_fkey")
        ),
        sa.PrimaryKeyConstraint("report_id", name=op.f("execution_reports_pkey")),
        sa.UniqueConstraint(
            "broker",
            "environment",
            "account",
            "symbol",
            "side",
            "execution_id",
            "kind",
            name="execution_reports_identity_key",
        ),
    )
    op.create_index("execution_reports_order_id", "execution_reports", ["order_id"], unique=False)
    op.create_index(
        "execution_reports_unapplied",
        "execution_reports",
        ["received_at"],
        unique=False,
        postgresql_where=sa.text("applied_at IS NULL"),
    )
    op.create_table(
        "fills",
        sa.Column("fill_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("report_id", sa.BigInteger(), nullable=False),
        sa.Column("order_id", sa.UUID(), nullable=True),
        sa.Column("attempt_id", sa.UUID(), nullable=True),
        sa.Column("broker", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("execution_id", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(), nullable=False),
        sa.Column("price", sa.Numeric(), nullable=False),
        sa.Column("commission", sa.Numeric(), nullable=True),
        sa.Column("commission_currency", sa.Text(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("multiplier", sa.Numeric(), nullable=False),
        sa.Column("execution_mode", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="GOOD", nullable=False),
        sa.Column("cumulative_quantity", sa.Numeric(), nullable=True),
        sa.Column("leaves_quantity", sa.Numeric(), nullable=True),
        sa.Column("average_price", sa.Numeric(), nullable=True),
        sa.Column("order_state", sa.Text(), nullable=True),
        sa.Column("executed_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column(
            "recorded_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column(
            "revised", sa.Text(), nullable=True, comment="kind of the last report that changed it"
        ),
        sa.Column("revisions", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column(
            "announced_at",
            sa.TIMESTAMP(timezone=True),
            nullable=True,
            comment="when its FILL message was written",
        ),
        sa.Column("positioned_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(broker = 'PAPER') = (execution_mode = 'PAPER')", name=op.f("fills_mode_check")
        ),
        sa.CheckConstraint(
            "status IN ('GOOD', 'CORRECTED', 'BUSTED')", name=op.f("fills_status_check")
        ),
        sa.ForeignKeyConstraint(
            ["attempt_id"], ["order_attempts.attempt_id"], name=op.f("fills_attempt_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.order_id"], name=op.f("fills_order_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["report_id"], ["execution_reports.report_id"], name=op.f("fills_report_id_fkey")
        ),
        sa.PrimaryKeyConstraint("fill_id", name=op.f("fills_pkey")),
        sa.UniqueConstraint(
            "broker",
            "environment",
            "account",
            "symbol",
            "side",
            "execution_id",
            name="fills_identity_key",
        ),
        sa.UniqueConstraint("report_id", name=op.f("fills_report_id_key")),
    )
    op.create_index("fills_order_id", "fills", ["order_id"], unique=False)
    op.create_index(
        "fills_position", "fills", ["account", "broker", "symbol", "executed_at"], unique=False
    )
    op.create_index(
        "fills_unpositioned",
        "fills",
        ["recorded_at"],
        unique=False,
        postgresql_where=sa.text("positioned_at IS NULL"),
    )


def downgrade() -> None:

    op.drop_index(
        "fills_unpositioned", table_name="fills", postgresql_where=sa.text("positioned_at IS NULL")
    )
    op.drop_index("fills_position", table_name="fills")
    op.drop_index("fills_order_id", table_name="fills")
    op.drop_table("fills")
    op.drop_index(
        "execution_reports_unapplied",
        table_name="execution_reports",
        postgresql_where=sa.text("applied_at IS NULL"),
    )
    op.drop_index("execution_reports_order_id", table_name="execution_reports")
    op.drop_table("execution_reports")
    op.drop_index("paper_executions_venue_order_id", table_name="paper_executions")
    op.drop_index("paper_executions_executed_at", table_name="paper_executions")
    op.drop_table("paper_executions")
    op.drop_index(
        "order_attempts_waiting",
        table_name="order_attempts",
        postgresql_where=sa.text("state IN ('SUBMITTED', 'PARTIALLY_FILLED')"),
    )
    op.drop_table("order_attempts")
    op.drop_table("streams")
    op.drop_index("quotes_symbol_at", table_name="quotes")
    op.drop_table("quotes")
    op.drop_table("positions")
    op.drop_table("paper_positions")
    op.drop_index(
        "paper_orders_open",
        table_name="paper_orders",
        postgresql_where=sa.text("state IN ('SUBMITTED', 'PARTIALLY_FILLED')"),
    )
    op.drop_table("paper_orders")
    op.drop_index("orders_due", table_name="orders", postgresql_where=sa.text("due_at IS NOT NULL"))
    op.drop_index("orders_created_at", table_name="orders")
    op.drop_table("orders")
    op.drop_index("order_requests_received_at", table_name="order_requests")
    op.drop_index(
        "order_requests_order_id",
        table_name="order_requests",
        postgresql_where=sa.text("outcome = 'ACCEPTED'"),
    )
    op.drop_index(
        "order_requests_due",
        table_name="order_requests",
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.drop_index(
        "order_requests_client_order_id_accepted",
        table_name="order_requests",
        postgresql_where=sa.text("outcome = 'ACCEPTED'"),
    )
    op.drop_table("order_requests")
    op.drop_index("order_events_order_id_at", table_name="order_events")
    op.drop_table("order_events")
    op.drop_index(
        "events_unsequenced", table_name="events", postgresql_where=sa.text("sequence IS NULL")
    )
    op.drop_table("events")
    op.drop_table("environment_stamp")
    op.drop_index("broker_sessions_broker", table_name="broker_sessions")
    op.drop_table("broker_sessions")
    op.drop_table("breakers")
    op.drop_table("alerts")
