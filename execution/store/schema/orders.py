"""What was asked for and how it stands: requests, orders, attempts, commands, history."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from execution.store.schema.columns import NOW, NUMBER, TIME, UUID_, metadata, positive

order_requests = sa.Table(
    "order_requests",
    metadata,
    sa.Column("request_id", UUID_, primary_key=True),
    sa.Column("client_order_id", sa.Text),
    sa.Column("received_at", TIME, nullable=False, server_default=NOW),
    sa.Column("payload", JSONB, nullable=False),
    sa.Column("payload_hash", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("order_id", UUID_),
    sa.Column("step", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("spec", JSONB, comment="the order as step 1 made it, for step 2 to insert"),
    sa.Column("due_at", TIME, comment="when recovery sends the request on again"),
    sa.Column("resends", sa.Integer, nullable=False, server_default="0"),
    sa.CheckConstraint("outcome IN ('ACCEPTED', 'REFUSED')", name="outcome"),
    sa.CheckConstraint("jsonb_typeof(payload) = 'object'", name="payload"),
    sa.CheckConstraint(
        "outcome <> 'ACCEPTED' OR (order_id IS NOT NULL AND client_order_id IS NOT NULL)",
        name="accepted",
    ),
    # A child's ids: whoever took one of them would keep a bracket's stop from being placed.
    sa.CheckConstraint(
        "step > 0 OR (substr(request_id::text, 15, 1) <> '5'"
        " AND coalesce(substr(order_id::text, 15, 1), '') <> '5'"
        " AND (outcome = 'REFUSED' OR client_order_id !~ '^.{22}-(tp|sl|fl)$'))",
        name="childs_ids",
    ),
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
    sa.Column("order_id", UUID_, primary_key=True),
    sa.Column("client_order_id", sa.Text, nullable=False, unique=True),
    sa.Column("symbol", sa.Text, nullable=False),
    sa.Column("asset_class", sa.Text, nullable=False),
    sa.Column("side", sa.Text, nullable=False),
    sa.Column("order_type", sa.Text, nullable=False),
    sa.Column("quantity", NUMBER, nullable=False, comment="what is being worked, fitted"),
    sa.Column("requested_quantity", NUMBER, nullable=False),
    sa.Column("limit_price", NUMBER),
    sa.Column("stop_price", NUMBER),
    sa.Column("trail_amount", NUMBER),
    sa.Column("trail_percent", NUMBER),
    sa.Column("take_profit_price", NUMBER),
    sa.Column("stop_loss_price", NUMBER),
    sa.Column("time_in_force", sa.Text, nullable=False),
    sa.Column("expires_at", TIME),
    sa.Column("outside_rth", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("post_only", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("reduce_only", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("reference_price", NUMBER),
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
    sa.Column("filled_quantity", NUMBER, nullable=False, server_default="0"),
    sa.Column("average_price", NUMBER),
    sa.Column("strategy", sa.Text),
    sa.Column("parent_order_id", UUID_, sa.ForeignKey("orders.order_id")),
    sa.Column("role", sa.Text, comment="of a child: TAKE_PROFIT or STOP_LOSS"),
    sa.Column("group_id", UUID_, comment="orders that stand and fall together"),
    sa.Column("version", sa.Integer, nullable=False, server_default="1"),
    sa.Column("step", sa.SmallInteger, nullable=False, comment="the last step completed"),
    sa.Column("due_at", TIME, comment="when recovery sends the next step again"),
    sa.Column("resends", sa.Integer, nullable=False, server_default="0"),
    sa.Column("created_at", TIME, nullable=False),
    sa.Column("updated_at", TIME, nullable=False, server_default=NOW),
    positive("quantity"),
    positive("requested_quantity"),
    sa.CheckConstraint("filled_quantity >= 0 AND filled_quantity < 1e16", name="filled_range"),
    sa.CheckConstraint("(broker = 'PAPER') = (execution_mode = 'PAPER')", name="mode"),
)

sa.Index("orders_due", orders.c.due_at, postgresql_where=sa.text("due_at IS NOT NULL"))

sa.Index("orders_created_at", orders.c.created_at)

sa.Index(
    "orders_parent",
    orders.c.parent_order_id,
    postgresql_where=sa.text("parent_order_id IS NOT NULL"),
)

# What limits are judged by; bracket children among them are left out there.
sa.Index(
    "orders_open",
    orders.c.symbol,
    orders.c.account,
    postgresql_where=sa.text("state IN ('SUBMITTING', 'SUBMITTED', 'PARTIALLY_FILLED', 'UNKNOWN')"),
)

# What may still fill against a position, and only reduce it.
sa.Index(
    "orders_reducing",
    orders.c.symbol,
    orders.c.broker,
    postgresql_where=sa.text(
        "reduce_only AND state NOT IN ('FILLED', 'CANCELLED', 'REJECTED', 'EXPIRED')"
    ),
)

sa.Index(
    "orders_filled_by_strategy",
    orders.c.strategy,
    orders.c.symbol,
    postgresql_where=sa.text("strategy IS NOT NULL AND filled_quantity > 0"),
)

order_attempts = sa.Table(
    "order_attempts",
    metadata,
    sa.Column("attempt_id", UUID_, primary_key=True),
    sa.Column("order_id", UUID_, sa.ForeignKey("orders.order_id"), nullable=False),
    sa.Column("attempt_no", sa.SmallInteger, nullable=False),
    sa.Column("leg", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("broker", sa.Text, nullable=False),
    sa.Column("environment", sa.Text, nullable=False),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("execution_mode", sa.Text, nullable=False),
    sa.Column("venue_order_id", sa.Text, nullable=False, unique=True),
    sa.Column("broker_order_id", sa.Text),
    sa.Column("quantity", NUMBER, nullable=False),
    sa.Column("filled_quantity", NUMBER, nullable=False, server_default="0"),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("error_code", sa.Text),
    sa.Column("intent_at", TIME, comment="when the intent to send was committed; null: never"),
    sa.Column("intents", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("send_by", TIME, comment="the venue refuses a send that comes later"),
    sa.Column("lease_owner", UUID_, comment="the session that is sending it"),
    sa.Column("lease_until", TIME),
    sa.Column("watcher", UUID_, comment="the session that waits for its fills"),
    sa.Column("reported_state", sa.Text, comment="what the venue last said"),
    sa.Column("reported_quantity", NUMBER, comment="filled, as the venue last said"),
    sa.Column("reported_reason", sa.Text),
    sa.Column("replacement", JSONB, comment="terms of the attempt that follows this one"),
    sa.Column("closes", sa.Text, comment="the venue's own position that it closes"),
    sa.Column("one_cancels_other", UUID_, comment="its group at the venue: one ends the others"),
    sa.Column(
        "reduced",
        NUMBER,
        nullable=False,
        server_default="0",
        comment="of its quantity, what the venue took off for fills of others of its group",
    ),
    sa.Column("cancel_asked_at", TIME, comment="of a bracket's child: when we asked for its end"),
    sa.Column("end_cause", sa.Text, comment="of a bracket's child: why it ended"),
    sa.Column(
        "outdated",
        sa.Boolean,
        nullable=False,
        server_default=sa.false(),
        comment="of a bracket's child: its prices have changed, and another is to take its place",
    ),
    sa.Column("claimed", NUMBER, comment="reduce-only: of the position, while it waits for room"),
    sa.Column("claimed_at", TIME, comment="since when it has waited for room"),
    sa.Column("created_at", TIME, nullable=False, server_default=NOW),
    sa.Column("updated_at", TIME, nullable=False, server_default=NOW),
    sa.UniqueConstraint("order_id", "attempt_no", "leg"),
    positive("quantity"),
    sa.CheckConstraint("(broker = 'PAPER') = (execution_mode = 'PAPER')", name="mode"),
)

sa.Index(
    "order_attempts_waiting",
    order_attempts.c.broker,
    order_attempts.c.watcher,
    postgresql_where=sa.text("state IN ('SUBMITTED', 'PARTIALLY_FILLED')"),
)

sa.Index(
    "order_attempts_group",
    order_attempts.c.one_cancels_other,
    postgresql_where=sa.text("one_cancels_other IS NOT NULL"),
)

order_commands = sa.Table(
    "order_commands",
    metadata,
    sa.Column("command_id", UUID_, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("client_order_id", sa.Text),
    sa.Column("external_id", sa.Text, comment="the producer's cancel_id or modify_id"),
    sa.Column("received_at", TIME, nullable=False, server_default=NOW),
    sa.Column("payload", JSONB, nullable=False),
    sa.Column("payload_hash", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("sent_at", TIME, comment="a modify: its intent was committed; a cancel: first sent"),
    sa.Column("sends", sa.Integer, nullable=False, server_default="0"),
    sa.Column("last_send_at", TIME, comment="when it last set out for its venue"),
    sa.Column("fitted", JSONB, comment="a modify: its terms as the venue takes them"),
    sa.Column("ours", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("settled_at", TIME),
    sa.Column("due_at", TIME),
    sa.Column("resends", sa.Integer, nullable=False, server_default="0"),
    sa.CheckConstraint("kind IN ('CANCEL', 'MODIFY')", name="kind"),
    sa.CheckConstraint("outcome IN ('PENDING', 'DONE', 'REFUSED')", name="outcome"),
    sa.CheckConstraint("jsonb_typeof(payload) = 'object'", name="payload"),
    # Producers cannot set that column, and so cannot record a command as done.
    sa.CheckConstraint("outcome <> 'DONE' OR settled_at IS NOT NULL", name="settled"),
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

order_events = sa.Table(
    "order_events",
    metadata,
    sa.Column("order_id", UUID_, nullable=False),
    sa.Column("at", TIME, nullable=False, server_default=NOW),
    sa.Column("step", sa.Text),
    sa.Column("state", sa.Text),
    sa.Column("broker", sa.Text),
    sa.Column("attempt_no", sa.SmallInteger),
    sa.Column("detail", JSONB, nullable=False, server_default="{}"),
)

sa.Index("order_events_order_id_at", order_events.c.order_id, order_events.c.at)

# What has happened since a moment; a hypertable has this index by itself, under this name.
sa.Index("order_events_at_idx", order_events.c.at.desc())
