"""Runs the bridge as a process: `python -m mt4_bridge`. The environment configures it."""

from __future__ import annotations

import logging
import socket
import sys

import structlog
import uvicorn

from mt4_bridge.bridge import Bridge
from mt4_bridge.errors import ConfigurationError
from mt4_bridge.server import config_of
from mt4_bridge.settings import load


def main() -> int:
    """Serve until SIGTERM or SIGINT; one line of JSON on stdout says where.

    Exit status 2: the environment is wrong, and stderr says how.
    """
    try:
        settings = load()
        bridge = Bridge(settings)
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    _log(settings.log_level)
    listener = socket.create_server((settings.host, settings.port))
    sys.stdout.write(f'{{"port": {listener.getsockname()[1]}}}\n')
    sys.stdout.flush()
    uvicorn.Server(config_of(bridge)).run(sockets=[listener])
    return 0


def _log(level: str) -> None:
    """One JSON object a line on standard error, ours and the libraries'."""
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processor=structlog.processors.JSONRenderer(), foreign_pre_chain=shared
        )
    )
    logging.getLogger().handlers = [handler]
    logging.getLogger().setLevel(level)


if __name__ == "__main__":
    sys.exit(main())
