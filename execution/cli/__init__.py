"""The command line `execution`: for people at a terminal and for scripts (`--json`)."""

from __future__ import annotations

import sys

import typer

from execution import logs
from execution.cli import (
    access,
    alerts,
    arbitrage,
    booking,
    database,
    dead_letters,
    doctor,
    environment,
    examples,
    history,
    instructions,
    limits,
    market,
    metrics,
    orders,
    reconciling,
    recovering,
    resolving,
    service,
    trading,
)
from execution.cli.output import guard_streams, print_line
from execution.domain.errors import ExecutionError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # it would print what was typed as it is
    help="Durable order execution: no order lost, no order sent twice.",
)
service.register(app, after_ready=examples.show)
orders.register(app)
instructions.register(app)
market.register(app)
alerts.register(app)
dead_letters.register(app)
history.register(app)
trading.register(app)
limits.register(app)
arbitrage.register(app)
recovering.register(app)
reconciling.register(app)
resolving.register(app)
booking.register(app)
database.register(app)
access.register(app)
doctor.register(app)
metrics.register(app)
environment.register(app)


def main() -> None:
    """Run a command. Exit status 0 done, 1 refused or failed (reason on stderr), 2 wrong usage."""
    guard_streams()
    logs.configure("WARNING")
    try:
        app()
    except (ExecutionError, TimeoutError) as error:
        print_line(f"execution: {error}", error=True)
        sys.exit(1)
