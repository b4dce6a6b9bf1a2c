"""The guard between paper and live holds for two writers at once, and for changes of an attempt."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_GUARD = """
CREATE OR REPLACE FUNCTION guard_paper_and_live() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    {first}
    IF NEW.execution_mode = 'PAPER' AND EXISTS (
        SELECT FROM order_attempts
        WHERE order_id = NEW.order_id AND execution_mode = 'LIVE'
          AND attempt_id <> NEW.attempt_id
          AND NOT (state = 'REJECTED' AND filled_quantity = 0)
    ) THEN
        RAISE EXCEPTION 'order %: a paper attempt may follow a live one only when that one was '
            'definitely refused or never left', NEW.order_id USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.execution_mode = 'LIVE' AND EXISTS (
        SELECT FROM order_attempts
        WHERE order_id = NEW.order_id AND execution_mode = 'PAPER'
          AND attempt_id <> NEW.attempt_id
    ) THEN
        RAISE EXCEPTION 'order %: a live attempt may not follow a paper one', NEW.order_id
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
"""
# Whoever adds an attempt to the order at the same time waits here, and then sees this one. Not a
# lock of the order's row: where order and attempt are made by one statement there is none yet.
_ALONE = "PERFORM pg_advisory_xact_lock(hashtextextended(NEW.order_id::text, 0));"
_CHANGED = """
    IF TG_OP = 'UPDATE' THEN
        RAISE EXCEPTION 'attempt %: what it is, paper or live, and whose, does not change',
            NEW.attempt_id USING ERRCODE = 'check_violation';
    END IF;
"""
_ON_CHANGE = """
CREATE TRIGGER order_attempts_paper_or_live BEFORE UPDATE ON order_attempts FOR EACH ROW
    WHEN ((NEW.order_id, NEW.broker, NEW.execution_mode)
        IS DISTINCT FROM (OLD.order_id, OLD.broker, OLD.execution_mode))
    EXECUTE FUNCTION guard_paper_and_live()
"""


def upgrade() -> None:
    op.execute(_GUARD.format(first=_CHANGED + "    " + _ALONE))
    op.execute(_ON_CHANGE)


def downgrade() -> None:
    op.execute("DROP TRIGGER order_attempts_paper_or_live ON order_attempts")
    op.execute(_GUARD.format(first=""))
