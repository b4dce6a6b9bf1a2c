"""`execution env`: the addresses of the running service, for a shell."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from execution.cli.output import print_line
from execution.supervisor.control import connected_settings, producer_settings


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""

    @app.command()
    def env(
        producer: Annotated[
            bool, typer.Option("--producer", help="As a producer, who may place orders and read.")
        ] = False,
    ) -> None:
        """Print the servers' addresses, passwords included, for `eval "$(execution env)"`."""
        settings = producer_settings() if producer else connected_settings()
        key = settings.producer_signing_key
        for name, value in (
            ("DATABASE_URL", settings.require_database_url()),
            ("REDIS_URL", settings.require_redis_url()),
            ("PRODUCER_SIGNING_KEY", None if key is None else key.get_secret_value()),
        ):
            if value is not None:
                print_line(f"export {name}={shlex.quote(value)}")
