"""An HTTP proxy that writes fields of a venue's answers so that nobody can read them."""

from __future__ import annotations

import json
import threading
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

_HOP = frozenset({"connection", "content-length", "host", "transfer-encoding", "accept-encoding"})
_TIMEOUT = 30.0


class GarblingProxy:
    """Passes requests on to `upstream`; see `garble`. Ends with its `with`."""

    def __init__(self) -> None:
        self.upstream = ""
        self._fields: dict[str, Any] = {}
        self._having = ""
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

            def _pass_on(self) -> None:
                proxy.pass_on(self)

            do_GET = do_POST = do_DELETE = do_PUT = _pass_on  # noqa: N815 - the library's

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def garble(self, having: str, **fields: Any) -> None:
        """From now on every JSON object that has the key `having` has these values as well."""
        self._having, self._fields = having, fields

    def clear(self) -> None:
        """Pass everything on as it is."""
        self._fields = {}

    def pass_on(self, request: BaseHTTPRequestHandler) -> None:
        """Ask upstream, and answer what it says."""
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        upstream = urlsplit(self.upstream)
        line = HTTPConnection(upstream.hostname or "", upstream.port, timeout=_TIMEOUT)
        try:
            headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP}
            line.request(request.command, request.path, body or None, headers)
            answer = line.getresponse()
            said = self._garbled(answer.read())
            request.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in _HOP:
                    request.send_header(name, value)
            request.send_header("Content-Length", str(len(said)))
            request.end_headers()
            request.wfile.write(said)
        except OSError:
            request.close_connection = True
        finally:
            line.close()

    def _garbled(self, said: bytes) -> bytes:
        if not self._fields:
            return said
        try:
            return json.dumps(self._in(json.loads(said))).encode()
        except ValueError:
            return said

    def _in(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._in(item) for item in value]
        if not isinstance(value, dict):
            return value
        inside = {name: self._in(item) for name, item in value.items()}
        return inside | self._fields if self._having in inside else inside
