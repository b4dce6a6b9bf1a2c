"""What each code and each exception says of a request: one test a row, and nothing left out."""

from __future__ import annotations

from collections.abc import Iterator

import aiohttp
import ccxt
import pytest

from execution.domain.errors import (
    AccessRefused,
    BrokerError,
    BrokerRejected,
    BrokerUnavailable,
    CredentialsRefused,
    OutcomeUnknown,
    RateLimited,
    RejectionScope,
    TooLate,
)
from workers.adapters.binance import outcomes
from workers.adapters.binance.outcomes import Answer, Outcome

PORT: dict[Outcome, type[BrokerError]] = {
    Outcome.REFUSED: BrokerRejected,
    Outcome.IMPOSSIBLE: BrokerRejected,
    Outcome.CLOSED: BrokerRejected,
    Outcome.HALTED: BrokerRejected,
    Outcome.ABSENT: BrokerRejected,
    Outcome.UNAVAILABLE: BrokerUnavailable,
    Outcome.LATE: TooLate,
    Outcome.LIMITED: RateLimited,
    Outcome.KEY: CredentialsRefused,
    Outcome.SHUT_OUT: AccessRefused,
    Outcome.UNKNOWN: OutcomeUnknown,
}
# The rows once more, told apart by what must not be confused: a definite no, nothing taken, doubt.
DOUBT = {-1000, -1001, -1006, -1007, -1008, -1010, -2021}
NOTHING_TAKEN = {-1002, -1003, -1015, -1016, -1021, -1022, -1033, -1034, -1035, -1099}
NOTHING_TAKEN |= {-2014, -2015}


def answered(status: int, code: int | None, message: str = "words") -> ccxt.BaseError:
    """An exception with an answer of Binance's."""
    error = ccxt.ExchangeError("binance said no")
    error.answer = Answer(status, code, message)
    return error


@pytest.mark.parametrize("code", sorted(outcomes.CODES))
def test_code(code: int) -> None:
    """A code means to a change what it must."""
    error = outcomes.of_change(answered(400, code))
    if code in DOUBT:
        assert type(error) is OutcomeUnknown
    elif code in NOTHING_TAKEN:
        assert isinstance(error, BrokerUnavailable)
    else:
        assert isinstance(error, BrokerRejected)
        assert error.code == str(code)
    assert type(error) is PORT[outcomes.CODES[code]]


@pytest.mark.parametrize("code", sorted(outcomes.CODES))
def test_code_to_a_question(code: int) -> None:
    """A question that is not answered proves nothing, whatever the code."""
    assert isinstance(outcomes.of_question(answered(400, code)), BrokerUnavailable)


@pytest.mark.parametrize("words", sorted(outcomes.MESSAGES))
def test_message(words: str) -> None:
    """Where the code alone does not tell, its message does."""
    error = outcomes.of_change(answered(400, -2010, f"{words} and more"))
    assert type(error) is PORT[outcomes.MESSAGES[words]]


def test_a_duplicate_is_no_refusal() -> None:
    """Binance says that it holds an order of this id."""
    error = outcomes.of_change(answered(400, -2010, "Duplicate order sent."))
    assert type(error) is OutcomeUnknown


@pytest.mark.parametrize("name", sorted(outcomes.FILTERS))
def test_filter(name: str) -> None:
    """A filter of the order's own terms is for good; one of the market is for now."""
    error = outcomes.of_change(answered(400, -1013, f"Filter failure: {name}"))
    assert isinstance(error, BrokerRejected)
    always = {"PRICE_FILTER", "LOT_SIZE", "MARKET_LOT_SIZE", "MIN_NOTIONAL", "NOTIONAL"}
    always |= {"TRAILING_DELTA", "ICEBERG_PARTS"}
    scope = RejectionScope.TERMS if name in always else RejectionScope.ORDER
    assert error.scope is scope


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize("code", [None, -1003, -2010, -1021])
def test_a_server_error_proves_nothing(status: int, code: int | None) -> None:
    """Whatever its body says."""
    assert type(outcomes.of_change(answered(status, code))) is OutcomeUnknown


@pytest.mark.parametrize(("status", "kind"), [(403, AccessRefused), (418, RateLimited)])
def test_status_without_a_code(status: int, kind: type[BrokerError]) -> None:
    """The firewall and the ban stand before the venue."""
    assert type(outcomes.of_change(answered(status, None))) is kind


@pytest.mark.parametrize("code", [None, 0, -1003, -2010])
@pytest.mark.parametrize("status", [403, 451])
def test_what_stands_before_the_venue_took_nothing(status: int, code: int | None) -> None:
    """Whatever its body says; in words, without the page that it may be."""
    error = outcomes.of_change(answered(status, code, "<html>403 ERROR</html>"))
    assert type(error) is AccessRefused
    assert f"HTTP {status}" in str(error)
    assert "html" not in str(error)


@pytest.mark.parametrize(("status", "code"), [(400, -9999), (400, None), (404, None), (307, None)])
def test_what_nobody_knows_is_unknown(status: int, code: int | None) -> None:
    """An unlisted code, or none at all."""
    assert type(outcomes.of_change(answered(status, code))) is OutcomeUnknown


def _exceptions(kind: type[BaseException] = ccxt.BaseError) -> Iterator[type[BaseException]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _exceptions(below)


SENT_NOTHING = {"ArgumentsRequired", "NotSupported", "BadSymbol", "ExchangeClosedByUser"}
SENT_NOTHING |= {"AuthenticationError", "PermissionDenied", "AccountNotEnabled"}
SENT_NOTHING |= {"AccountSuspended", "DDoSProtection", "RateLimitExceeded"}


@pytest.mark.parametrize("kind", sorted(set(_exceptions()), key=str))
def test_exception(kind: type[BaseException]) -> None:
    """Without an answer, only what ccxt raises before it sends is certain."""
    error = outcomes.of_change(kind("binance GET https://host/path?signature=abc"))
    if kind.__name__ in SENT_NOTHING:
        assert not isinstance(error, OutcomeUnknown)
    else:
        assert type(error) is OutcomeUnknown
    assert "signature" not in str(error)


def test_no_connection_is_nothing_sent() -> None:
    """Nobody listened, so nobody has it."""
    refused = OSError(111, "Connection refused")
    key = aiohttp.client_reqrep.ConnectionKey(
        "h", 1, is_ssl=False, ssl=True, proxy=None, proxy_auth=None, proxy_headers_hash=None
    )
    error = ccxt.ExchangeNotAvailable("binance POST https://host/order")
    error.__cause__ = aiohttp.ClientConnectorError(key, refused)
    assert type(outcomes.of_change(error)) is BrokerUnavailable
