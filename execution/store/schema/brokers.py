"""What is said of brokers: sessions, circuit breakers, alerts, the database's stamp."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from execution.store.schema.columns import NOW, NUMBER, TIME, UUID_, metadata

broker_sessions = sa.Table(
    "broker_sessions",
    metadata,
    sa.Column("session_id", UUID_, primary_key=True),
    sa.Column("broker", sa.Text, nullable=False),
    sa.Column("worker", sa.Text, nullable=False, comment="host and process id"),
    sa.Column("account", sa.Text),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("detail", sa.Text),
    sa.Column("since", TIME, nullable=False, server_default=NOW),
    sa.Column("started_at", TIME, nullable=False, server_default=NOW),
    sa.Column("heartbeat_at", TIME, nullable=False, server_default=NOW),
    sa.Column("ended_at", TIME),
    sa.Column(
        "force_paper",
        sa.Boolean,
        nullable=False,
        server_default=sa.false(),
        comment="sends nothing new to a live broker",
    ),
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
    sa.Column("opened_at", TIME),
    sa.Column("probe_owner", UUID_),
    sa.Column("probe_until", TIME),
    sa.Column("updated_at", TIME, nullable=False, server_default=NOW),
)

alerts = sa.Table(
    "alerts",
    metadata,
    sa.Column("alert_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("at", TIME, nullable=False, server_default=NOW),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False, comment="one alert for each kind and key"),
    sa.Column("order_id", UUID_),
    sa.Column("broker", sa.Text),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("resolved_at", TIME),
    sa.UniqueConstraint("kind", "key"),
)

sa.Index("alerts_open", alerts.c.kind, postgresql_where=sa.text("resolved_at IS NULL"))

reconciliations = sa.Table(
    "reconciliations",
    metadata,
    sa.Column("reconciliation_id", UUID_, primary_key=True),
    sa.Column("broker", sa.Text, nullable=False),
    sa.Column("asked_by", sa.Text, nullable=False),
    sa.Column("asked_at", TIME, nullable=False, server_default=NOW),
    sa.Column("finished_at", TIME),
    sa.Column("found", JSONB, comment="open orders, whether positions stood still, breaks"),
    sa.Column("problem", sa.Text, comment="why it could not be done"),
)

environment_stamp = sa.Table(
    "environment_stamp",
    metadata,
    sa.Column("single", sa.Boolean, primary_key=True, server_default=sa.true()),
    sa.Column("environment", sa.Text, nullable=False),
    sa.Column("accounts", JSONB, nullable=False, server_default="{}"),
    sa.Column("stamped_at", TIME, nullable=False, server_default=NOW),
    sa.CheckConstraint("single", name="single_row"),
)

broker_accounts = sa.Table(
    "broker_accounts",
    metadata,
    sa.Column("broker", sa.Text, primary_key=True),
    sa.Column("account", sa.Text, primary_key=True, comment="as the venue names it"),
    sa.Column("owned", sa.Boolean, nullable=False, comment="by the login that connected last"),
    sa.Column("alias", sa.Text, comment="of the default account: what we call it, beside main"),
    sa.Column("since", TIME, nullable=False, server_default=NOW),
    sa.Column("converted", JSONB, comment="labels of the release before that became this account"),
    sa.Column("converted_at", TIME),
)

sa.Index(
    "broker_accounts_default",
    broker_accounts.c.broker,
    unique=True,
    postgresql_where=sa.text("alias IS NOT NULL"),
)

ibkr_order_ids = sa.Table(
    "ibkr_order_ids",
    metadata,
    sa.Column("client_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("order_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column(
        "venue_order_id",
        sa.Text,
        comment="the attempt that has it; none when TWS has given it to another order",
    ),
    sa.Column("taken_at", TIME, nullable=False, server_default=NOW),
    sa.UniqueConstraint("venue_order_id"),
)

ibkr_client_ids = sa.Table(
    "ibkr_client_ids",
    metadata,
    sa.Column("endpoint", sa.Text, primary_key=True, comment="host and port of TWS"),
    sa.Column("account", sa.Text, primary_key=True),
    sa.Column("client_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("session_id", UUID_, comment="who has it, for as long as that session's heart beats"),
    sa.Column("leased_at", TIME, nullable=False, server_default=NOW),
)

venue_contracts = sa.Table(
    "venue_contracts",
    metadata,
    sa.Column("broker", sa.Text, primary_key=True),
    sa.Column("contract_id", sa.Text, primary_key=True, comment="the venue's own: IBKR's conId"),
    sa.Column("symbol", sa.Text, nullable=False, comment="ours"),
    sa.Column("asset_class", sa.Text, comment="none for a kind that is not traded here"),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("multiplier", NUMBER, nullable=False),
    sa.Column("named_at", TIME, nullable=False, server_default=NOW),
    sa.UniqueConstraint("broker", "symbol"),
)

account_balances = sa.Table(
    "account_balances",
    metadata,
    sa.Column("broker", sa.Text, primary_key=True),
    sa.Column("account", sa.Text, primary_key=True, comment="as the venue names it"),
    sa.Column("balances", JSONB, nullable=False, comment="amounts by currency, as text"),
    sa.Column("heard_at", TIME, nullable=False, server_default=NOW),
)

account_snapshots = sa.Table(
    "account_snapshots",
    metadata,
    sa.Column("broker", sa.Text, primary_key=True),
    sa.Column("account", sa.Text, primary_key=True, comment="as the venue names it"),
    sa.Column("at", TIME, primary_key=True, server_default=NOW),
    sa.Column("as_of", TIME, nullable=False, comment="the venue's time of the last change"),
    sa.Column("balances", JSONB, nullable=False, comment="amounts by currency, as text"),
)

venue_pauses = sa.Table(
    "venue_pauses",
    metadata,
    sa.Column("broker", sa.Text, primary_key=True),
    sa.Column("endpoint", sa.Text, primary_key=True, comment="the venue's address"),
    sa.Column("until", TIME, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("heard_at", TIME, nullable=False, server_default=NOW),
)
