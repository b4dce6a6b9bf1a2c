"""Workers end a producer's transaction that holds an id for too long, by the owner's right."""

from __future__ import annotations

from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None

_NAME = "end_producers_transactions(interval)"
# By its owner's right, since no worker may end anybody's connection: the owner of the tables is
# made a member of the producers' role for it (execution/store/roles.py).
_CREATE = """
CREATE FUNCTION end_producers_transactions(longest interval) RETURNS integer
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT count(*) FILTER (WHERE pg_terminate_backend(pid))::integer FROM pg_stat_activity
    WHERE usename = 'execution_produce' AND datname = current_database()
        AND pid <> pg_backend_pid() AND xact_start < clock_timestamp() - longest
$$
"""


def upgrade() -> None:
    op.execute(_CREATE)
    op.execute(f"REVOKE EXECUTE ON FUNCTION {_NAME} FROM PUBLIC")
    # The sweep of recovery calls it, before anybody has given the roles their rights anew, too.
    op.execute(
        "DO $$ BEGIN IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'execution_work') THEN "
        f"GRANT EXECUTE ON FUNCTION {_NAME} TO execution_work; END IF; END $$"
    )


def downgrade() -> None:
    op.execute(f"DROP FUNCTION {_NAME}")
