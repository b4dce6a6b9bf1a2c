"""`execution migrate`: brings the database to the newest schema."""

from __future__ import annotations

import typer

from execution.supervisor.control import owner_settings


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""

    @app.command()
    def migrate() -> None:
        """Bring the database to the newest schema."""
        from execution.store.engine import translated  # noqa: PLC0415
        from execution.store.migrate import upgrade  # noqa: PLC0415 - Alembic is slow to import

        with translated():
            upgrade(owner_settings().require_database_url())
