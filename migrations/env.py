"""Alembic's entry: runs migrations on a connection handed in, or on DATABASE_URL."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection, create_engine, pool

from execution.settings import load
from execution.store.schema import metadata

# TimescaleDB makes indexes and schemas of its own; comparing them would drop them.
_FOREIGN_SCHEMAS = ("_timescaledb", "timescaledb_")


def _ours(_object: object, name: str | None, kind: str, *_: object) -> bool:
    return not (kind == "table" and (name or "").startswith(_FOREIGN_SCHEMAS))


def run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=metadata, include_object=_ours)
    with context.begin_transaction():
        context.run_migrations()


handed_in = context.config.attributes.get("connection")
if handed_in is not None:
    run(handed_in)
else:
    engine = create_engine(load().require_database_url(), poolclass=pool.NullPool)
    with engine.connect() as opened:
        run(opened)
        opened.commit()
