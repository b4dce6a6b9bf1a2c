"""Asking the bridge: requests, in a small pool of threads, never twice by itself.

What an answer proves is decided here and nowhere else. From 400 on the bridge has taken nothing,
but for 5xx that are not its own word, and 202 and silence prove nothing (mt4_bridge/README.md).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any

import requests
from urllib3.exceptions import NewConnectionError

from execution.domain.errors import (
    BrokerError,
    BrokerRejected,
    BrokerUnavailable,
    CredentialsRefused,
    OutcomeUnknown,
    RejectionScope,
    TooLate,
)

Json = Mapping[str, Any]

_THREADS = 4


class Bridge:
    """A client of the bridge at `url`; `timeout` (seconds) holds for connecting and for answers."""

    def __init__(self, url: str, token: str, timeout: float) -> None:
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"}
        self._timeout = timeout
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="mt4-bridge")
        self._own = threading.local()

    def close(self) -> None:
        """Let go of the threads; what is under way ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def change(self, path: str, body: Json, wait: float) -> Json:
        """POST a command once, and wait so long for its outcome: the command as it stands."""
        headers = {"Idempotency-Key": str(body["id"])}
        arguments = {"json": dict(body), "params": {"wait": f"{wait:g}"}, "headers": headers}
        try:
            status, answer = await self._request("POST", path, **arguments)
        except requests.RequestException as error:
            raise _of_silence(error) from error
        if status == HTTPStatus.OK:
            return answer
        if status == HTTPStatus.ACCEPTED:
            raise OutcomeUnknown("the terminal has not said yet what became of it")
        raise _of_refusal(status, answer)

    async def ask(self, path: str, *, absent: str | None = None, **query: str) -> Json | None:
        """GET; None when the bridge answers 404 with the code `absent`, else BrokerUnavailable."""
        try:
            status, answer = await self._request("GET", path, params=query)
        except requests.RequestException as error:
            raise BrokerUnavailable(f"the bridge does not answer ({_words(error)})") from error
        if status == HTTPStatus.OK:
            return answer
        if status == HTTPStatus.NOT_FOUND and absent is not None and answer.get("code") == absent:
            return None
        if status == HTTPStatus.UNAUTHORIZED:
            raise _of_refusal(status, answer)
        reasons = answer.get("reasons") or [answer.get("reason") or f"HTTP {status}"]
        raise BrokerUnavailable(f"the bridge says: {'; '.join(map(str, reasons))}")

    async def _request(self, method: str, path: str, **options: Any) -> tuple[int, Json]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, lambda: self._send(method, path, options))

    def _send(self, method: str, path: str, options: Mapping[str, Any]) -> tuple[int, Json]:
        headers = self._headers | options.get("headers", {})
        reply = self._session().request(
            method,
            f"{self._url}/{path}",
            **{**options, "headers": headers},
            timeout=self._timeout,
            allow_redirects=False,
        )
        try:
            answer = reply.json()
        except requests.JSONDecodeError:
            answer = {}
        return reply.status_code, answer if isinstance(answer, dict) else {}

    def _session(self) -> requests.Session:
        """One for each thread: a session is not made for several."""
        session: requests.Session | None = getattr(self._own, "session", None)
        if session is None:
            session = self._own.session = requests.Session()
            session.trust_env = False  # loopback must not go through an HTTP proxy
        return session


def _of_silence(error: requests.RequestException) -> BrokerError:
    """A connection that was never made carried nothing; anything else may have."""
    never = isinstance(error, requests.ConnectTimeout) or (
        isinstance(error, requests.ConnectionError) and _refused_connection(error)
    )
    if never:
        return BrokerUnavailable(f"no connection to the bridge ({_words(error)})")
    return OutcomeUnknown(f"the bridge's answer did not come ({_words(error)})")


def _refused_connection(error: BaseException) -> bool:
    """Whether the innermost reason is that there was no connection to begin with."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, NewConnectionError):
            return True
        inner = seen.args[0] if seen.args and isinstance(seen.args[0], BaseException) else None
        reason = getattr(seen, "reason", None)
        seen = inner or (reason if isinstance(reason, BaseException) else None)
    return False


def _of_refusal(status: int, answer: Json) -> BrokerError:
    code, reason = answer.get("code"), str(answer.get("reason") or f"HTTP {status}")
    said = f"the bridge says: {reason}"
    match status, code:
        case (HTTPStatus.UNAUTHORIZED, _):
            return CredentialsRefused(f"{said}. Look at MT4_BRIDGE_TOKEN")
        case (HTTPStatus.SERVICE_UNAVAILABLE, "terminal_away"):
            return BrokerUnavailable(said)
        case (HTTPStatus.GONE, _):
            return TooLate(said)
        case (HTTPStatus.NOT_FOUND, "unknown_symbol") | (HTTPStatus.UNPROCESSABLE_ENTITY, _):
            return BrokerRejected(said, code=str(code), scope=RejectionScope.TERMS)
        case (HTTPStatus.NOT_FOUND, "unknown_order"):
            return BrokerRejected(said, code=str(code))
    # 409: the id stands for another command, or the same one in other words: it may be there.
    return OutcomeUnknown(f"the bridge answered {status} {code}: {reason}")


def _words(error: requests.RequestException) -> str:
    return type(error).__name__
