"""What the tables share: metadata with names for constraints, and column types."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import UUID

metadata = sa.MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    }
)

UUID_ = UUID(as_uuid=True)

TIME = sa.TIMESTAMP(timezone=True)

NOW = sa.text("clock_timestamp()")

# NUMERIC without a scale keeps digits exactly as they came; the checks keep NaN and infinity out.
NUMBER = sa.Numeric(asdecimal=True)


def positive(column: str) -> sa.CheckConstraint:
    """Keep a quantity above 0 and below 1e15, which NaN and infinity are not."""
    return sa.CheckConstraint(f"{column} > 0 AND {column} < 1e15", name=f"{column}_range")
