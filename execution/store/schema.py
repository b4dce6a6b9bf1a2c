"""Every table. What must be unique lives in plain tables; append-only history in hypertables."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, UUID

metadata = sa.MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    }
)

_uuid = UUID(as_uuid=True)
_time = sa.TIMESTAMP(timezone=True)
_now = sa.text("clock_timestamp()")
# NUMERIC without a scale keeps digits exactly as they came; the checks keep NaN and infinity out.
_number = sa.Numeric(asdecimal=True)


def _positive(column: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(f"{column} > 0 AND {column} < 1e15", name=f"{column}_range")


def _position_table(name: str) -> sa.Table:
    return sa.Table(
        name,
        metadata,
        sa.Column("account", sa.Text, primary_key=True),
        sa.Column("broker", sa.Text, primary_key=True),
        sa.Column("symbol", sa.Text, primary_key=True),
        sa.Column("asset_class", sa.Text),
        sa.Column("multiplier", _number, nullable=False),
        sa.Column("currency", sa.Text),
        sa.Column("quantity", _number, nullable=False),
        sa.Column("average_price", _number, nullable=False),
        sa.Column("realised_pnl", _number, nullable=False),
        sa.Column("commission", _number, nullable=False),
        sa.Column("last_executed_at", _time),
        sa.Column("last_fill_id", sa.BigInteger),
        sa.Column("updated_at", _time, nullable=False, server_default=_now),
    )


order_requests = sa.Table(
    "order_requests",
    metadata,
    sa.Column("request_id", _uuid, primary_key=True),
    sa.Column("client_order_id", sa.Text),
    sa.Column("received_at", _time, nullable=False, server_default=_now),
    sa.Column("payload", JSONB, nullable=False),
    sa.Column("payload_hash", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("order_id", _uuid),
    sa.Column("step", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("spec", JSONB, comment="the order as step 1 made it, for step 2 to insert"),
    sa.Column("due_at", _time, comment="when recovery sends the request on again"),
    sa.Column("resends", sa.Integer, nullable=False, server_default="0"),
    sa.CheckConstraint("outcome IN ('ACCEPTED', 'REFUSED')", name="outcome"),
    # Malformed requests may have no id; the same one again is still the same one.
    sa.UniqueConstraint("client_order_id", "payload_hash", postgresql_nulls_not_distinct=True),
)
# An id belongs to the first request accepted under it; a refused one leaves it free.
sa.Index(
    "order_requests_client_order_id_accepted",
    order_requests.c.client_order_id,
    unique=True,
    postgresql_where=sa.text("outcome = 'ACCEPTED'"),
)
sa.Index(
    "order_requests_due",
    order_requests.c.due_at,
    postgresql_where=sa.text("due_at IS NOT NULL"),
)
sa.Index(
    "order_requests_order_id",
    order_requests.c.order_id,
    unique=True,
    postgresql_where=sa.text("outcome = 'ACCEPTED'"),
)
sa.Index("order_requests_received_at", order_requests.c.received_at)

orders = sa.Table(
    "orders",
    metadata,
    sa.Column("order_id", _uuid, primary_key=True),
    sa.Column("client_order_id", sa.Text, nullable=False, unique=True),
    sa.Column("symbol", sa.Text, nullable=False),
    sa.Column("asset_class", sa.Text, nullable=False),
    sa.Column("side", sa.Text, nullable=False),
    sa.Column("order_type", sa.Text, nullable=False),
    sa.Column("quantity", _number, nullable=False, comment="what is being worked, fitted"),
    sa.Column("requested_quantity", _number, nullable=False),
    sa.Column("limit_price", _number),
    sa.Column("stop_price", _number),
    sa.Column("trail_amount", _number),
    sa.Column("trail_percent", _number),
    sa.Column("take_profit_price", _number),
    sa.Column("stop_loss_price", _number),
    sa.Column("time_in_force", sa.Text, nullable=False),
    sa.Column("expires_at", _time),
    sa.Column("outside_rth", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("reduce_only", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("reference_price", _number),
    sa.Column("on_failure", sa.Text, nullable=False),
    sa.Column("instrument", JSONB, nullable=False),
    sa.Column("environment", sa.Text, nullable=False),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("requested_broker", sa.Text, nullable=False),
    sa.Column("broker", sa.Text, nullable=False),
    sa.Column("execution_mode", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, comment="of the state"),
    sa.Column("route_reason", sa.Text, comment="why it is not at the broker asked for"),
    sa.Column("broker_order_id", sa.Text),
    sa.Column("attempt_no", sa.SmallInteger, nullable=False, server_default="1"),
    sa.Column("filled_quantity", _number, nullable=False, server_default="0"),
    sa.Column("average_price", _number),
    sa.Column("strategy", sa.Text),
    sa.Column("parent_order_id", _uuid, sa.ForeignKey("orders.order_id")),
    sa.Column("role", sa.Text, comment="of a child: TAKE_PROFIT or STOP_LOSS"),
    sa.Column("group_id", _uuid, comment="orders that stand and fall together"),
    sa.Column("version", sa.Integer, nullable=False, server_default="1"),
    sa.Column("step", sa.SmallInteger, nullable=False, comment="the last step completed"),
    sa.Column("due_at", _time, comment="when recovery sends the next step again"),
    sa.Column("resends", sa.Integer, nullable=False, server_default="0"),
    sa.Column("created_at", _time, nullable=False),
    sa.Column("updated_at", _time, nullable=False, server_default=_now),
    _positive("quantity"),
    _positive("requested_quantity"),
    sa.CheckConstraint("filled_quantity >= 0 AND filled_quantity < 1e16", name="filled_range"),
    sa.CheckConstraint("(broker = 'PAPER') = (execution_mode = 'PAPER')", name="mode"),
)
sa.Index("orders_due", orders.c.due_at, postgresql_where=sa.text("due_at IS NOT NULL"))
sa.Index("orders_created_at", orders.c.created_at)

order_attempts = sa.Table(
    "order_attempts",
    metadata,
    sa.Column("attempt_id", _uuid, primary_key=True),
    sa.Column("order_id", _uuid, sa.ForeignKey("orders.order_id"), nullable=False),
    sa.Column("attempt_no", sa.SmallInteger, nullable=False),
    sa.Column("leg", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("broker", sa.Text, nullable=False),
    sa.Column("environment", sa.Text, nullable=False),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("execution_mode", sa.Text, nullable=False),
    sa.Column("venue_order_id", sa.Text, nullable=False, unique=True),
    sa.Column("broker_order_id", sa.Text),
    sa.Column("quantity", _number, nullable=False),
    sa.Column("filled_quantity", _number, nullable=False, server_default="0"),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("error_code", sa.Text),
    sa.Column("intent_at", _time, comment="when the intent to send was committed; null: never"),
    sa.Column("intents", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("send_by", _time, comment="the venue refuses a send that comes later"),
    sa.Column("lease_owner", _uuid, comment="the session that is sending it"),
    sa.Column("lease_until", _time),
    sa.Column("watcher", _uuid, comment="the session that waits for its fills"),
    sa.Column("reported_state", sa.Text, comment="what the venue last said"),
    sa.Column("reported_quantity", _number, comment="filled, as the venue last said"),
    sa.Column("reported_reason", sa.Text),
    sa.Column("created_at", _time, nullable=False, server_default=_now),
    sa.Column("updated_at", _time, nullable=False, server_default=_now),
    sa.UniqueConstraint("order_id", "attempt_no", "leg"),
    _positive("quantity"),
    sa.CheckConstraint("(broker = 'PAPER') = (execution_mode = 'PAPER')", name="mode"),
)
sa.Index(
    "order_attempts_waiting",
    order_attempts.c.broker,
    order_attempts.c.watcher,
    postgresql_where=sa.text("state IN ('SUBMITTED', 'PARTIALLY_FILLED')"),
)

order_commands = sa.Table(
    "order_commands",
    metadata,
    sa.Column("command_id", _uuid, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("client_order_id", sa.Text),
    sa.Column("external_id", sa.Text, comment="the producer's cancel_id or modify_id"),
    sa.Column("received_at", _time, nullable=False, server_default=_now),
    sa.Column("payload", JSONB, nullable=False),
    sa.Column("payload_hash", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("sent_at", _time, comment="a modify: when its intent was committed"),
    sa.Column("settled_at", _time),
    sa.Column("due_at", _time),
    sa.Column("resends", sa.Integer, nullable=False, server_default="0"),
    sa.CheckConstraint("kind IN ('CANCEL', 'MODIFY')", name="kind"),
    sa.CheckConstraint("outcome IN ('PENDING', 'DONE', 'REFUSED')", name="outcome"),
    sa.UniqueConstraint(
        "kind",
        "client_order_id",
        "external_id",
        "payload_hash",
        name="order_commands_identity_key",
        postgresql_nulls_not_distinct=True,
    ),
)
# One id is one command; another payload under it is refused.
sa.Index(
    "order_commands_taken",
    order_commands.c.kind,
    order_commands.c.client_order_id,
    order_commands.c.external_id,
    unique=True,
    postgresql_where=sa.text("outcome <> 'REFUSED'"),
)
sa.Index(
    "order_commands_pending",
    order_commands.c.client_order_id,
    postgresql_where=sa.text("outcome = 'PENDING'"),
)

execution_reports = sa.Table(
    "execution_reports",
    metadata,
    sa.Column("report_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("broker", sa.Text, nullable=False),
    sa.Column("environment", sa.Text, nullable=False),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("symbol", sa.Text, nullable=False),
    sa.Column("side", sa.Text, nullable=False),
    sa.Column("execution_id", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("execution_mode", sa.Text, nullable=False),
    sa.Column("quantity", _number, nullable=False),
    sa.Column("price", _number, nullable=False),
    sa.Column("commission", _number),
    sa.Column("commission_currency", sa.Text),
    sa.Column("corrects", sa.Text),
    sa.Column("executed_at", _time, nullable=False),
    sa.Column("venue_order_id", sa.Text),
    sa.Column("broker_order_id", sa.Text),
    sa.Column("order_id", _uuid, sa.ForeignKey("orders.order_id")),
    sa.Column("attempt_id", _uuid, sa.ForeignKey("order_attempts.attempt_id")),
    sa.Column("received_at", _time, nullable=False, server_default=_now),
    sa.Column("applied_at", _time),
    # A late commission carries the id of its execution, so the kind is part of what is unique.
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
    sa.CheckConstraint("quantity >= 0 AND quantity < 1e16", name="quantity_range"),
    sa.CheckConstraint("price > -1e15 AND price < 1e15", name="price_range"),
)
sa.Index(
    "execution_reports_unapplied",
    execution_reports.c.received_at,
    postgresql_where=sa.text("applied_at IS NULL"),
)
sa.Index("execution_reports_order_id", execution_reports.c.order_id)

fills = sa.Table(
    "fills",
    metadata,
    sa.Column("fill_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column(
        "report_id",
        sa.BigInteger,
        sa.ForeignKey("execution_reports.report_id"),
        nullable=False,
        unique=True,
    ),
    sa.Column("order_id", _uuid, sa.ForeignKey("orders.order_id")),
    sa.Column("attempt_id", _uuid, sa.ForeignKey("order_attempts.attempt_id")),
    sa.Column("broker", sa.Text, nullable=False),
    sa.Column("environment", sa.Text, nullable=False),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("symbol", sa.Text, nullable=False),
    sa.Column("side", sa.Text, nullable=False),
    sa.Column("execution_id", sa.Text, nullable=False),
    sa.Column("quantity", _number, nullable=False),
    sa.Column("price", _number, nullable=False),
    sa.Column("commission", _number),
    sa.Column("commission_currency", sa.Text),
    sa.Column("currency", sa.Text),
    sa.Column("base_asset", sa.Text, comment="crypto: a commission in it reduces the position"),
    sa.Column("multiplier", _number, nullable=False),
    sa.Column("execution_mode", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False, server_default="GOOD"),
    sa.Column("cumulative_quantity", _number),
    sa.Column("leaves_quantity", _number),
    sa.Column("average_price", _number),
    sa.Column("order_state", sa.Text),
    sa.Column("executed_at", _time, nullable=False),
    sa.Column("recorded_at", _time, nullable=False, server_default=_now),
    sa.Column("revised", sa.Text, comment="kind of the last report that changed it"),
    sa.Column("revisions", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("announced_at", _time, comment="when its FILL message was written"),
    sa.Column("positioned_at", _time),
    sa.UniqueConstraint(
        "broker",
        "environment",
        "account",
        "symbol",
        "side",
        "execution_id",
        name="fills_identity_key",
    ),
    sa.CheckConstraint("status IN ('GOOD', 'CORRECTED', 'BUSTED')", name="status"),
    sa.CheckConstraint("(broker = 'PAPER') = (execution_mode = 'PAPER')", name="mode"),
)
sa.Index("fills_order_id", fills.c.order_id)
sa.Index(
    "fills_unpositioned",
    fills.c.recorded_at,
    postgresql_where=sa.text("positioned_at IS NULL"),
)
sa.Index("fills_position", fills.c.account, fills.c.broker, fills.c.symbol, fills.c.executed_at)

positions = _position_table("positions")
paper_positions = _position_table("paper_positions")

order_events = sa.Table(
    "order_events",
    metadata,
    sa.Column("order_id", _uuid, nullable=False),
    sa.Column("at", _time, nullable=False, server_default=_now),
    sa.Column("step", sa.Text),
    sa.Column("state", sa.Text),
    sa.Column("broker", sa.Text),
    sa.Column("attempt_no", sa.SmallInteger),
    sa.Column("detail", JSONB, nullable=False, server_default="{}"),
)
sa.Index("order_events_order_id_at", order_events.c.order_id, order_events.c.at)

events = sa.Table(
    "events",
    metadata,
    sa.Column("event_no", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("event_id", _uuid, nullable=False, unique=True),
    sa.Column("stream", sa.Text, nullable=False),
    sa.Column("sequence", sa.BigInteger, comment="null until published; gap-free per stream"),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("order_id", _uuid),
    # JSON, not JSONB: a message keeps the order of its keys.
    sa.Column("payload", sa.JSON, nullable=False),
    sa.Column("created_at", _time, nullable=False, server_default=_now),
    sa.UniqueConstraint("stream", "sequence"),
)
sa.Index(
    "events_unsequenced",
    events.c.event_no,
    postgresql_where=sa.text("sequence IS NULL"),
)

streams = sa.Table(
    "streams",
    metadata,
    sa.Column("stream", sa.Text, primary_key=True),
    sa.Column("last_sequence", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("published_sequence", sa.BigInteger, nullable=False, server_default="0"),
)

broker_sessions = sa.Table(
    "broker_sessions",
    metadata,
    sa.Column("session_id", _uuid, primary_key=True),
    sa.Column("broker", sa.Text, nullable=False),
    sa.Column("worker", sa.Text, nullable=False, comment="host and process id"),
    sa.Column("account", sa.Text),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("detail", sa.Text),
    sa.Column("since", _time, nullable=False, server_default=_now),
    sa.Column("started_at", _time, nullable=False, server_default=_now),
    sa.Column("heartbeat_at", _time, nullable=False, server_default=_now),
    sa.Column("ended_at", _time),
)
sa.Index("broker_sessions_broker", broker_sessions.c.broker, broker_sessions.c.heartbeat_at)

breakers = sa.Table(
    "breakers",
    metadata,
    sa.Column("broker", sa.Text, primary_key=True),
    sa.Column("state", sa.Text, nullable=False, server_default="CLOSED"),
    sa.Column("failures", sa.Integer, nullable=False, server_default="0", comment="in a row"),
    sa.Column("total_failures", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("reason", sa.Text),
    sa.Column("opened_at", _time),
    sa.Column("probe_owner", _uuid),
    sa.Column("probe_until", _time),
    sa.Column("updated_at", _time, nullable=False, server_default=_now),
)

alerts = sa.Table(
    "alerts",
    metadata,
    sa.Column("alert_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("at", _time, nullable=False, server_default=_now),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False, comment="one alert for each kind and key"),
    sa.Column("order_id", _uuid),
    sa.Column("broker", sa.Text),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("resolved_at", _time),
    sa.UniqueConstraint("kind", "key"),
)

environment_stamp = sa.Table(
    "environment_stamp",
    metadata,
    sa.Column("single", sa.Boolean, primary_key=True, server_default=sa.true()),
    sa.Column("environment", sa.Text, nullable=False),
    sa.Column("accounts", JSONB, nullable=False, server_default="{}"),
    sa.Column("stamped_at", _time, nullable=False, server_default=_now),
    sa.CheckConstraint("single", name="single_row"),
)

paper_orders = sa.Table(
    "paper_orders",
    metadata,
    sa.Column("venue_order_id", sa.Text, primary_key=True),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("symbol", sa.Text, nullable=False),
    sa.Column("side", sa.Text, nullable=False),
    sa.Column("quantity", _number, nullable=False),
    sa.Column("filled_quantity", _number, nullable=False, server_default="0"),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("accepted_at", _time, nullable=False),
    sa.Column("one_cancels_other", _uuid, comment="what one of these fills, the others give up"),
    sa.Column("terms", JSONB, nullable=False, comment="type, prices, time in force"),
    sa.Column(
        "version",
        sa.Integer,
        nullable=False,
        server_default="1",
        comment="grows with every change; a change is made only on the one that was read",
    ),
    sa.Column("executions", sa.Integer, nullable=False, server_default="0"),
    sa.Column("ends_at", _time, comment="when its time in force ends"),
    sa.Column("closes_at", _time, comment="the close that an on-close order waits for"),
    sa.Column("triggered_at", _time, comment="when its stop was reached"),
    sa.Column("taken_at", _time, comment="time of the quote it last filled on"),
    sa.Column(
        "trail_extreme",
        _number,
        comment="lowest ask (BUY) or highest bid (SELL) since a trailing stop was accepted",
    ),
    sa.Column(
        "taken_quantity",
        _number,
        nullable=False,
        server_default="0",
        comment="how much of that quote's size it has taken",
    ),
)
sa.Index(
    "paper_orders_open",
    paper_orders.c.account,
    postgresql_where=sa.text("state IN ('SUBMITTED', 'PARTIALLY_FILLED')"),
)

paper_executions = sa.Table(
    "paper_executions",
    metadata,
    sa.Column("execution_id", sa.Text, primary_key=True),
    sa.Column(
        "venue_order_id",
        sa.Text,
        sa.ForeignKey("paper_orders.venue_order_id"),
        nullable=False,
    ),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("quantity", _number, nullable=False),
    sa.Column("price", _number, nullable=False),
    sa.Column("executed_at", _time, nullable=False),
)
sa.Index("paper_executions_venue_order_id", paper_executions.c.venue_order_id)
sa.Index("paper_executions_executed_at", paper_executions.c.executed_at)

quotes = sa.Table(
    "quotes",
    metadata,
    sa.Column("at", _time, nullable=False),
    sa.Column("symbol", sa.Text, nullable=False),
    sa.Column("bid", _number, nullable=False),
    sa.Column("ask", _number, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
)
sa.Index("quotes_symbol_at", quotes.c.symbol, quotes.c.at)
