"""The simulated Binance's keys, signatures and receive window."""

from __future__ import annotations

import pytest

from simulators.binance.errors import ApiError
from simulators.binance.parameters import Parameters
from simulators.binance.security import (
    check_key,
    check_signature,
    check_time,
    sign,
    signed_payload,
)

QUERY = "symbol=BTCUSDT&side=BUY&type=LIMIT&timestamp=1499827319559"
# The signatures below are by: openssl dgst -sha256 -hmac secret
WHOLE = "a2fd708c632b70215f376104b178405bc544f45f35fd81fda7e7cd40f24ccd88"
SPLIT = "c0786be159a507c34b9c9d62f0885aaa39474807a54704d9b5a7fba1fd2acdd7"
NOW = 1_700_000_000_000


def _code(error: pytest.ExceptionInfo[ApiError]) -> int:
    return error.value.code


@pytest.mark.parametrize(
    ("query", "body", "signature"),
    [
        (QUERY, "", WHOLE),
        ("", QUERY, WHOLE),
        ("symbol=BTCUSDT&side=BUY", "type=LIMIT&timestamp=1499827319559", SPLIT),
    ],
)
def test_signature(query: str, body: str, signature: str) -> None:
    """Query and body are signed as one text, joined by nothing."""
    assert sign("secret", signed_payload(query, body)) == signature
    sent = f"{body}&signature={signature}" if body else f"{query}&signature={signature}"
    source = (query, sent) if body else (sent, "")
    check_signature(Parameters(*source), "secret", *source)
    upper = tuple(part.replace(signature, signature.upper()) for part in source)
    check_signature(Parameters(*upper), "secret", *upper)


def test_exact_bytes() -> None:
    """Two spellings of one request have two signatures."""
    signature = sign("secret", b"symbols=%5B%22BTCUSDT%22%5D")
    other = f'symbols=["BTCUSDT"]&signature={signature}'
    with pytest.raises(ApiError) as error:
        check_signature(Parameters(other), "secret", other, "")
    assert _code(error) == -1022


def test_no_signature() -> None:
    """A signed endpoint needs one."""
    with pytest.raises(ApiError, match="'signature' was not sent") as error:
        check_signature(Parameters(QUERY), "secret", QUERY, "")
    assert _code(error) == -1102


@pytest.mark.parametrize(
    ("sent", "code"), [(None, -2014), ("", -2014), ("white space", -2014), ("other", -2015)]
)
def test_key(sent: str | None, code: int) -> None:
    """A key that is none and a key that is not ours are two answers, both 401."""
    check_key("key", "key")
    with pytest.raises(ApiError) as error:
        check_key(sent, "key")
    assert (_code(error), error.value.status) == (code, 401)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        (f"timestamp={NOW}", None),
        (f"timestamp={NOW - 5000}", None),
        (f"timestamp={NOW - 5001}", -1021),
        (f"timestamp={NOW - 59_000}&recvWindow=60000", None),
        (f"timestamp={NOW - 8}&recvWindow=7", -1021),
        (f"timestamp={NOW - 8}&recvWindow=8.5", None),
        (f"timestamp={NOW + 999}", None),
        (f"timestamp={NOW + 1000}", -1021),
        (f"timestamp={NOW * 1000}", None),
        (f"timestamp={(NOW - 6000) * 1000}", -1021),
        (f"timestamp={NOW}&recvWindow=60001", -1131),
        ("recvWindow=5000", -1102),
        ("timestamp=soon", -1100),
    ],
)
def test_receive_window(query: str, code: int | None) -> None:
    """Too old and too young are refused; the window is the client's, five seconds by default."""
    if code is None:
        check_time(Parameters(query), NOW)
        return
    with pytest.raises(ApiError) as error:
        check_time(Parameters(query), NOW)
    assert _code(error) == code
