"""Ids that a bracket's child gets are no producer's to take: the stop would never be placed."""

from __future__ import annotations

from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

_NAME = "order_requests_childs_ids_check"
# A child's ids are UUIDs of version 5, and its request is recorded at step 2, which no producer can
# set. Everybody else's are of version 7.
_CHECK = """
step = 2 OR (
    substr(request_id::text, 15, 1) <> '5'
    AND coalesce(substr(order_id::text, 15, 1), '') <> '5'
    AND (outcome = 'REFUSED' OR client_order_id !~ '^.{22}-(tp|sl|fl)$'))
"""


def upgrade() -> None:
    op.create_check_constraint(op.f(_NAME), "order_requests", _CHECK)


def downgrade() -> None:
    op.drop_constraint(op.f(_NAME), "order_requests")
