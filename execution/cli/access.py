"""`execution secrets` and `execution roles`: passwords, and what each of their owners may do."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from execution.cli.output import print_line, print_lines
from execution.domain.errors import ConfigurationError
from execution.supervisor.control import owner_settings
from execution.supervisor.secrets import Secrets


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command()(secrets)
    app.command()(roles)


def secrets(
    folder: Annotated[Path, typer.Argument(help="Where to, for docker-compose.yml: secrets")],
) -> None:
    """Make the files that docker-compose.yml reads; what is there is kept."""
    from execution.secret_files import GIVEN, make  # noqa: PLC0415 - brings in the database driver

    made = make(folder)
    print_line(f"made {len(made)} files in {folder}: {', '.join(made)}" if made else "all is there")
    print_line(f"yours to fill in, if you have them: {', '.join(GIVEN)}")


def roles(
    apply: Annotated[bool, typer.Option("--apply", help="Do it, instead of showing it.")] = False,
    passwords: Annotated[
        Path | None, typer.Option(help="Folder with files postgres_password_work and so on.")
    ] = None,
    embedded: Annotated[
        bool, typer.Option("--embedded", help="With the passwords that `execution up` has made.")
    ] = False,
) -> None:
    """Show the SQL that gives each database user what it needs and no more, or run it.

    Run it again after each migration. It connects by DATABASE_URL, as the database's owner.
    """
    from sqlalchemy import create_engine  # noqa: PLC0415 - SQLAlchemy is slow to import
    from sqlalchemy.pool import NullPool  # noqa: PLC0415

    from execution.secret_files import role_passwords  # noqa: PLC0415
    from execution.store import roles as store_roles  # noqa: PLC0415
    from execution.store.engine import translated  # noqa: PLC0415
    from execution.store.privileges import Role  # noqa: PLC0415

    if (passwords is not None or embedded) and not apply:
        raise ConfigurationError("passwords go with --apply: they are not shown")
    given = {} if passwords is None else role_passwords(passwords)
    settings = owner_settings()
    if embedded:
        home = Secrets(settings.execution_home)
        given = {role: home.token(role) for role in Role}
    url = settings.require_database_url()
    database = create_engine(url, poolclass=NullPool)
    with translated(), database.begin() as connection:
        if apply:
            store_roles.apply(connection, given)
            print_line(f"roles: {', '.join(Role)}; passwords set: {len(given)}")
        else:
            text = ";\n".join(store_roles.current_statements(connection)) + ";"
            print_lines(text.splitlines())
