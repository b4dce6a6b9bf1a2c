"""The process behind `execution metrics`: answers scrapes, and measures history meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

import structlog
from prometheus_client import CollectorRegistry
from sqlalchemy.exc import SQLAlchemyError

from execution.clock_watch import ClockWatch
from execution.domain.errors import ConfigurationError, StoreUnavailable
from execution.events.connection import connect
from execution.metrics.collector import ServiceCollector
from execution.metrics.listening import MetricsServer
from execution.settings import Settings
from execution.store import measuring
from execution.store.engine import Store

logger = structlog.get_logger(__name__)

PORT = 9808
INTERVAL = 5.0
"""Seconds from one piece of measuring to the next, when there is no more to do."""


def serve(settings: Settings, address: str, port: int, stopping: threading.Event) -> None:
    """Serve `http://ADDRESS:PORT/metrics` until `stopping` is set.

    Servers that are away, or have no tables yet, are waited for: scrapes say so meanwhile.
    Raises ConfigurationError when the address cannot be listened on, or settings name no servers.
    """
    registry = CollectorRegistry()
    url = settings.require_database_url()
    with (
        closing(connect(settings.require_redis_url())) as client,
        closing(Store(url, pool_size=3, application_name="metrics")) as store,
        ExitStack() as stack,
    ):
        collector = ServiceCollector(store, client, settings.session_timeout)
        registry.register(collector)
        stack.callback(_watched_clock(store).stop)
        with _listening(address, port, registry):
            while not stopping.is_set():
                if not measure(store, collector):
                    stopping.wait(INTERVAL)


def _watched_clock(store: Store) -> ClockWatch:
    watch = ClockWatch(store, "metrics")
    watch.start()
    return watch


def measure(store: Store, collector: ServiceCollector) -> bool:
    """Measure a piece of history, and delete what is too old; True when more is left to do."""
    try:
        return measuring.measure(store) or measuring.prune(store) > 0
    except (StoreUnavailable, SQLAlchemyError) as error:
        collector.measuring_errors += 1
        logger.warning("history not measured", error=str(error).partition("\n")[0])
        return False


@contextmanager
def _listening(address: str, port: int, registry: CollectorRegistry) -> Iterator[None]:
    try:
        server = MetricsServer(address, port, registry)
    except OSError as error:
        raise ConfigurationError(f"cannot listen on {address}:{port}: {error}") from error
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    logger.info("serving metrics", address=address, port=port)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
