"""The accounts that a broker's login owns; what is live is of one of them, by its real name.

Until now an order's `account` was a label: every live order went to the one account of its broker,
and positions and limits were kept apart by label. The rows of that time become the real account's
when a session first says which that is (`execution.store.accounts`). Workers of the release before
may run beside those of this one meanwhile: the triggers give what they write its real account too.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_TIME = sa.TIMESTAMP(timezone=True)
_BOOKED = ("execution_reports", "fills", "positions")

# A name that was never an account of the login is a label of the release before, or an alias.
_FUNCTIONS = """
CREATE FUNCTION name_the_real_account() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE own text;
BEGIN
    SELECT account INTO own FROM broker_accounts
    WHERE broker = NEW.broker AND alias IS NOT NULL AND NOT EXISTS (
        SELECT FROM broker_accounts WHERE broker = NEW.broker AND account = NEW.account);
    IF own IS NOT NULL THEN
        NEW.account := own;
    END IF;
    RETURN NEW;
END $$;
CREATE FUNCTION name_the_account_meant() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE own text;
BEGIN
    SELECT account INTO own FROM broker_accounts
    WHERE broker = NEW.broker AND NEW.account IN ('main', alias);
    IF own IS NOT NULL THEN
        NEW.account := own;
    END IF;
    RETURN NEW;
END $$;
"""


def upgrade() -> None:
    op.create_table(
        "broker_accounts",
        sa.Column("broker", sa.Text, nullable=False),
        sa.Column("account", sa.Text, nullable=False, comment="as the venue names it"),
        sa.Column("owned", sa.Boolean, nullable=False, comment="by the login that connected last"),
        sa.Column("alias", sa.Text, comment="of the default account: what we call it, beside main"),
        sa.Column("since", _TIME, nullable=False, server_default=sa.text("clock_timestamp()")),
        sa.Column(
            "converted", JSONB, comment="labels of the release before that became this account"
        ),
        sa.Column("converted_at", _TIME),
        sa.PrimaryKeyConstraint("broker", "account", name=op.f("broker_accounts_pkey")),
    )
    op.create_index(
        "broker_accounts_default",
        "broker_accounts",
        ["broker"],
        unique=True,
        postgresql_where=sa.text("alias IS NOT NULL"),
    )
    op.execute(_FUNCTIONS)
    for table in _BOOKED:
        op.execute(
            f"""
            CREATE TRIGGER {table}_account BEFORE INSERT ON {table}
                FOR EACH ROW WHEN (NEW.broker <> 'PAPER')
                EXECUTE FUNCTION name_the_real_account()
            """
        )
    op.execute(
        """
        CREATE TRIGGER order_attempts_account BEFORE INSERT ON order_attempts
            FOR EACH ROW WHEN (NEW.broker <> 'PAPER')
            EXECUTE FUNCTION name_the_account_meant()
        """
    )
    op.execute(
        """
        CREATE TRIGGER order_attempts_account_sent BEFORE UPDATE OF intent_at ON order_attempts
            FOR EACH ROW WHEN (NEW.broker <> 'PAPER' AND OLD.intent_at IS NULL
                AND NEW.intent_at IS NOT NULL)
            EXECUTE FUNCTION name_the_real_account()
        """
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER order_attempts_account_sent ON order_attempts")
    for table in ("order_attempts", *_BOOKED):
        op.execute(f"DROP TRIGGER {table}_account ON {table}")
    op.execute("DROP FUNCTION name_the_account_meant()")
    op.execute("DROP FUNCTION name_the_real_account()")
    op.drop_table("broker_accounts")
