"""`execution env`: the addresses of the running service, for a shell."""

from __future__ import annotations

import shlex

import typer

from execution.supervisor.control import connected_settings


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""

    @app.command()
    def env() -> None:
        """Print the servers' addresses, passwords included, for `eval "$(execution env)"`."""
        settings = connected_settings()
        for name, value in (
            ("DATABASE_URL", settings.require_database_url()),
            ("REDIS_URL", settings.require_redis_url()),
        ):
            typer.echo(f"export {name}={shlex.quote(value)}")
