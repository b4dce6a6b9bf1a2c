"""What a command of MT4 that is not DONE means: the order's fault, the server's, or doubt."""

from __future__ import annotations

from decimal import Decimal

import pytest

from execution.domain.errors import (
    BrokerError,
    BrokerRejected,
    BrokerUnavailable,
    OutcomeUnknown,
    RateLimited,
    RejectionScope,
    TooLate,
)
from execution.domain.trading_rules import TradingRules
from workers.adapters.answers import Unread
from workers.adapters.mt4 import wire

SERVER = ("2", "3", "129", "130", "134", "135", "136", "138", "140", "148", "149", "150")
EVERYBODY = ("5", "64", "65", "133")
TERMS = ("131", "147")
BUSY = ("4", "146")
SAYS_NOTHING = ("0", "1", "6", "7", "9", "128", "137", "139", "142", "143")
TERMINAL = {
    "4051": RejectionScope.ORDER,
    "4106": RejectionScope.TERMS,
    "4107": RejectionScope.ORDER,
    "4108": RejectionScope.ORDER,
    "4110": RejectionScope.ORDER,
    "4111": RejectionScope.ORDER,
}


def command(code: str, *, sent: str = "YES", kind: str = "PLACE") -> dict[str, str]:
    """A command that failed with a code."""
    return {"outcome": "FAILED", "sent": sent, "code": code, "kind": kind, "reason": "words"}


@pytest.mark.parametrize(
    ("code", "scope"),
    [
        *((code, RejectionScope.ORDER) for code in SERVER),
        *((code, RejectionScope.VENUE) for code in EVERYBODY),
        *((code, RejectionScope.TERMS) for code in TERMS),
        ("132", RejectionScope.SYMBOL),
    ],
)
def test_the_server_s_no(code: str, scope: RejectionScope) -> None:
    """A definite no to the order; a closed market (132) is a state of the symbol."""
    error = wire.refusal(command(code))
    assert isinstance(error, BrokerRejected)
    assert (error.code, error.scope) == (code, scope)


@pytest.mark.parametrize("code", BUSY)
@pytest.mark.parametrize("sent", ["YES", "NO"])
def test_a_busy_server_refuses_no_order(code: str, sent: str) -> None:
    """It took nothing from anybody just then: that is the broker failing."""
    error = wire.refusal(command(code, sent=sent))
    assert type(error) is BrokerUnavailable
    assert code in str(error)


@pytest.mark.parametrize("code", SAYS_NOTHING)
@pytest.mark.parametrize("sent", ["YES", "MAYBE"])
def test_a_code_that_proves_nothing(code: str, sent: str) -> None:
    """Once it was sent none of these permits another send, or paper, whoever calls it failed."""
    assert type(wire.refusal(command(code, sent=sent))) is OutcomeUnknown


def test_no_connection_before_the_send() -> None:
    """The same code, where the terminal has not even tried."""
    assert type(wire.refusal(command("6", sent="NO"))) is BrokerUnavailable


@pytest.mark.parametrize("code", ["8", "141"])
def test_too_many_requests(code: str) -> None:
    """We have to hold ourselves back; the venue is well."""
    assert type(wire.refusal(command(code))) is RateLimited


@pytest.mark.parametrize(("code", "scope"), TERMINAL.items())
def test_the_terminal_s_own_no(code: str, scope: RejectionScope) -> None:
    """It never left, and would not another time: refused, not tried again for ever."""
    error = wire.refusal(command(code, sent="NO"))
    assert isinstance(error, BrokerRejected)
    assert (error.code, error.scope) == (code, scope)


@pytest.mark.parametrize("code", ["4109", "4112"])
def test_a_terminal_that_may_not_trade(code: str) -> None:
    """Trading is switched off there: nobody's order goes out."""
    assert type(wire.refusal(command(code, sent="NO"))) is BrokerUnavailable


@pytest.mark.parametrize(
    ("code", "kind", "expected"),
    [
        ("expired", "PLACE", TooLate),
        ("closed", "CLOSE", TooLate),
        ("not_in_journal", "PLACE", BrokerUnavailable),
    ],
)
def test_what_never_left(code: str, kind: str, expected: type[BrokerError]) -> None:
    """Too late, or what it was about is gone: it may be tried otherwise."""
    assert type(wire.refusal(command(code, sent="NO", kind=kind))) is expected


def test_what_is_not_there_after_a_long_look() -> None:
    """Nobody sends it again on the word of a search."""
    error = wire.refusal(command("absent"))
    assert isinstance(error, BrokerRejected)
    assert error.scope is RejectionScope.ORDER


def test_doubt() -> None:
    """The terminal is finding out."""
    assert type(wire.refusal(command("128") | {"outcome": "UNKNOWN"})) is OutcomeUnknown


def test_one_position_that_cannot_be_read_hides_no_other() -> None:
    """What is not understood concerns its own ticket; it is noted, and the rest is held."""
    at = wire.Market("EURUSD", "EURUSD.x", Decimal(100_000), TradingRules("EURUSD"))
    login = wire.login({"account": "1", "currency": "USD"})
    good = {"symbol": "EURUSD.x", "lots": "0.2", "side": "BUY"}
    unread = Unread()
    tickets = [good, good | {"side": "SIDEWAYS"}, good | {"lots": "many"}]
    (held,) = wire.positions(tickets, {"EURUSD.x": at}, login, unread)
    assert held.quantity == 20_000
    assert len(unread.take()) == 2
