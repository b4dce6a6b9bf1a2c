"""`execution metrics`: the Prometheus endpoint, in a process of its own."""

from __future__ import annotations

import signal
import threading
from typing import Annotated

import typer

from execution import logs
from execution.metrics.serving import PORT, serve
from execution.supervisor.control import connected_settings


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(metrics)


def metrics(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = PORT,
    address: Annotated[
        str, typer.Option(help="Address to listen on; there is no password.")
    ] = "127.0.0.1",
) -> None:
    """Answer Prometheus at http://ADDRESS:PORT/metrics until it is told to end."""
    settings = connected_settings()
    logs.configure(settings.log_level)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    serve(settings, address, port, stopping)
