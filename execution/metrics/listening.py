"""The socket behind `execution metrics`: connections that end, and how many there are.

prometheus_client's own server has a thread for each connection and no time limit: connections that
say nothing use up threads and descriptors, and scrapes end. Nobody has a token here, so strangers
cannot be told from Prometheus before they ask; those that have not asked make room for each other.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from contextlib import suppress
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import structlog
from prometheus_client import CollectorRegistry, make_wsgi_app

logger = structlog.get_logger(__name__)

ASKING_SECONDS = 10.0
"""From the beginning of a connection to the end of its request's headers; a body is never read."""
ANSWERING_SECONDS = 30.0
MOST_ASKING = 64
MOST_ANSWERING = 8


class MetricsServer(ThreadingMixIn, WSGIServer):
    """Answers scrapes of `registry` on an address, each in a thread. OSError: it is taken."""

    daemon_threads = True
    request_queue_size = MOST_ASKING

    def __init__(self, address: str, port: int, registry: CollectorRegistry) -> None:
        self._lock = threading.Lock()
        self._asking: dict[socket.socket, float] = {}
        self._answering: dict[socket.socket, float] = {}
        found = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        self.address_family = found[0][0]
        super().__init__((address, port), _Handler)
        self.set_app(make_wsgi_app(registry))

    def process_request(self, request: Any, client_address: Any) -> None:
        """Begin with a connection; the oldest that has not asked yet makes room for it."""
        with self._lock:
            if len(self._asking) >= MOST_ASKING:
                _end(next(iter(self._asking)), self._asking)
            self._asking[request] = time.monotonic() + ASKING_SECONDS
        super().process_request(request, client_address)

    def asked(self, request: socket.socket) -> bool:
        """Its headers are complete; False when too many are answered already."""
        with self._lock:
            if self._asking.pop(request, None) is None or len(self._answering) >= MOST_ANSWERING:
                return False
            self._answering[request] = time.monotonic() + ANSWERING_SECONDS
            return True

    def service_actions(self) -> None:
        """End what takes too long; called twice a second."""
        now = time.monotonic()
        with self._lock:
            for connections in (self._asking, self._answering):
                for request in [one for one, limit in connections.items() if limit < now]:
                    _end(request, connections)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._asking.pop(request, None)
            self._answering.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A peer that goes away is no error of ours; what is one stands in the scrape's answer."""
        del request
        logger.info("scrape broken off", client=str(client_address), error=repr(sys.exception()))


class _Handler(WSGIRequestHandler):
    server: MetricsServer

    def parse_request(self) -> bool:
        """Read the headers; whether the request is to be answered."""
        if not super().parse_request():
            return False
        if not self.server.asked(self.connection):
            self.send_error(503)
            return False
        return True

    def log_message(self, *_: Any) -> None:
        """Say nothing of single requests."""


def _end(request: socket.socket, connections: dict[socket.socket, float]) -> None:
    """Let whoever reads or writes there see its end; its thread closes it."""
    del connections[request]
    with suppress(OSError):  # it is over by itself
        request.shutdown(socket.SHUT_RDWR)
