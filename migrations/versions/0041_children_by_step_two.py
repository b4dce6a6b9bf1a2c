"""A bracket's child is inserted by step 2, as any order: its request is at step 1 before that."""

from __future__ import annotations

from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None

_NAME = "order_requests_childs_ids_check"
# Producers add requests at step 0 alone (execution/store/privileges.py).
_CHECK = """
{step} OR (
    substr(request_id::text, 15, 1) <> '5'
    AND coalesce(substr(order_id::text, 15, 1), '') <> '5'
    AND (outcome = 'REFUSED' OR client_order_id !~ '^.{{22}}-(tp|sl|fl)$'))
"""


def upgrade() -> None:
    _replace("step > 0")


def downgrade() -> None:
    op.execute(
        "UPDATE order_requests SET step = 2 WHERE step = 1 AND substr(order_id::text, 15, 1) = '5'"
    )
    _replace("step = 2")


def _replace(step: str) -> None:
    op.drop_constraint(op.f(_NAME), "order_requests")
    op.create_check_constraint(op.f(_NAME), "order_requests", _CHECK.format(step=step))
