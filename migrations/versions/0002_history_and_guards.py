"""Hypertables where TimescaleDB is, first rows, and the guard between paper and live."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_HYPERTABLES = {"order_events": "at", "quotes": "at"}

# Two writers cannot agree by convention alone; the database refuses what must never happen: a
# simulated fill beside a real one.
_GUARD = """
CREATE FUNCTION guard_paper_and_live() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.execution_mode = 'PAPER' AND EXISTS (
        SELECT FROM order_attempts
        WHERE order_id = NEW.order_id AND execution_mode = 'LIVE'
          AND NOT (state = 'REJECTED' AND filled_quantity = 0)
    ) THEN
        RAISE EXCEPTION 'order %: a paper attempt may follow a live one only when that one was '
            'definitely refused or never left', NEW.order_id USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.execution_mode = 'LIVE' AND EXISTS (
        SELECT FROM order_attempts
        WHERE order_id = NEW.order_id AND execution_mode = 'PAPER'
    ) THEN
        RAISE EXCEPTION 'order %: a live attempt may not follow a paper one', NEW.order_id
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER order_attempts_paper_and_live BEFORE INSERT ON order_attempts
    FOR EACH ROW EXECUTE FUNCTION guard_paper_and_live();
"""


def upgrade() -> None:
    for table, column in _HYPERTABLES.items():
        op.execute(
            f"""
            DO $$ BEGIN
                IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
                    PERFORM create_hypertable('{table}', '{column}', migrate_data => true);
                END IF;
            END $$
            """
        )
    op.execute(_GUARD)
    op.execute("INSERT INTO streams (stream) VALUES ('orders'), ('fills')")
    op.execute("INSERT INTO breakers (broker) VALUES ('IBKR'), ('MT4'), ('BINANCE'), ('PAPER')")


def downgrade() -> None:
    op.execute("DELETE FROM breakers")
    op.execute("DELETE FROM streams")
    op.execute("DROP TRIGGER order_attempts_paper_and_live ON order_attempts")
    op.execute("DROP FUNCTION guard_paper_and_live()")
