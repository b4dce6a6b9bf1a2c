"""The lock of those who stop orders is a table's; producers add no events; settled means dated."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

_CHANGE = """
CREATE OR REPLACE FUNCTION risk_controls_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    {lock};
    UPDATE risk_controls SET version = version + 1;
    RETURN NULL;
END $$
"""
# An event that is none stopped its stream: publishing could not pass over it.
_SET_ASIDE = """
WITH wrong AS (
    DELETE FROM events WHERE json_typeof(payload) <> 'object' OR payload ->> 'event_id' IS NULL
        OR stream NOT IN ('orders', 'fills')
    RETURNING event_id, stream, payload::text AS body
)
INSERT INTO dead_letters (queue, task, message_id, reason, headers, body, size)
SELECT 'table events', left(stream, 64), event_id::text, 'it is no message of the service', '{}',
    left(body, 2000), length(body)
FROM wrong
"""
_OTHERS = (
    (
        "UPDATE order_requests SET payload = jsonb_build_object('unreadable', payload) "
        "WHERE jsonb_typeof(payload) <> 'object'"
    ),
    (
        "UPDATE order_commands SET payload = jsonb_build_object('unreadable', payload) "
        "WHERE jsonb_typeof(payload) <> 'object'"
    ),
    (
        "UPDATE order_requests SET outcome = 'REFUSED', due_at = NULL, reason = 'it had no id' "
        "WHERE outcome = 'ACCEPTED' AND (order_id IS NULL OR client_order_id IS NULL)"
    ),
)
_SETTLED = """
UPDATE order_commands SET settled_at = received_at WHERE outcome = 'DONE' AND settled_at IS NULL
"""
_CHECKS = (
    (
        "events",
        "events_payload_check",
        "json_typeof(payload) = 'object' AND payload ->> 'event_id' IS NOT NULL",
    ),
    ("events", "events_stream_check", "stream IN ('orders', 'fills')"),
    ("order_commands", "order_commands_payload_check", "jsonb_typeof(payload) = 'object'"),
    ("order_requests", "order_requests_payload_check", "jsonb_typeof(payload) = 'object'"),
    (
        "order_commands",
        "order_commands_settled_check",
        "outcome <> 'DONE' OR settled_at IS NOT NULL",
    ),
    (
        "order_requests",
        "order_requests_accepted_check",
        "outcome <> 'ACCEPTED' OR (order_id IS NOT NULL AND client_order_id IS NOT NULL)",
    ),
)


def upgrade() -> None:
    op.create_table(
        "order_gate",
        sa.Column("single", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("single", name=op.f("order_gate_pkey")),
        comment="only locked, never filled: no order is sent while it is shut",
    )
    op.execute(_CHANGE.format(lock="LOCK TABLE order_gate IN EXCLUSIVE MODE"))
    op.execute(_SET_ASIDE)
    for statement in (*_OTHERS, _SETTLED):
        op.execute(statement)
    for table, name, condition in _CHECKS:
        op.create_check_constraint(op.f(name), table, condition)


def downgrade() -> None:
    for table, name, _ in _CHECKS:
        op.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    lock = "PERFORM pg_advisory_xact_lock(hashtextextended('risk_controls', 0))"
    op.execute(_CHANGE.format(lock=lock))
    op.drop_table("order_gate")
