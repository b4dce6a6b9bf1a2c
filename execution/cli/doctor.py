"""`execution doctor`: what is configured, what is reachable, what is missing."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict

import typer
from sqlalchemy.exc import SQLAlchemyError

from execution.cli.orders import Json
from execution.cli.output import make_console, print_json, styled
from execution.cli.stamped import as_stamped
from execution.domain.errors import ConfigurationError, ExecutionError
from execution.findings import Level
from execution.supervisor.control import connected_settings

_STYLES = {"ok": "green", "note": "yellow", "PROBLEM": "bold red"}


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(doctor)


def doctor(as_json: Json = False) -> None:
    """Say in words what is configured, what is reachable and what is missing; 1 for a problem."""
    from execution.doctor import examine, unusable  # noqa: PLC0415 - Alembic is slow to import

    try:
        settings = connected_settings()
        with suppress(ExecutionError, SQLAlchemyError):  # it says itself what is wrong with it
            settings = as_stamped(settings)
        findings = list(examine(settings))
    except ConfigurationError as error:
        findings = [unusable(error)]
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        console = make_console(soft_wrap=True)
        for finding in findings:
            level = styled(f"{finding.level:8}", _STYLES[finding.level])
            console.print(level + styled(f"{finding.what:14}{finding.said}"))
            if finding.remedy is not None:
                console.print(styled(f"{'':22}→ {finding.remedy}"))
    if any(finding.level is Level.PROBLEM for finding in findings):
        raise typer.Exit(1)
