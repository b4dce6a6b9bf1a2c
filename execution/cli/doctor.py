"""`execution doctor`: what is configured, what is reachable, what is missing."""

from __future__ import annotations

from dataclasses import asdict

import typer
from rich.console import Console

from execution.cli.orders import Json
from execution.cli.output import print_json
from execution.domain.errors import ConfigurationError
from execution.supervisor.control import connected_settings

_STYLES = {"ok": "green", "note": "yellow", "PROBLEM": "bold red"}


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(doctor)


def doctor(as_json: Json = False) -> None:
    """Say in words what is configured, what is reachable and what is missing; 1 for a problem."""
    from execution.doctor import (  # noqa: PLC0415 - Alembic is slow to import
        Level,
        examine,
        unusable,
    )

    try:
        findings = list(examine(connected_settings()))
    except ConfigurationError as error:
        findings = [unusable(error)]
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        console = Console(soft_wrap=True, highlight=False, markup=False)
        for finding in findings:
            console.print(f"{finding.level:8}", style=_STYLES[finding.level], end="")
            console.print(f"{finding.what:14}{finding.said}")
            if finding.remedy is not None:
                console.print(f"{'':22}→ {finding.remedy}")
    if any(finding.level is Level.PROBLEM for finding in findings):
        raise typer.Exit(1)
