"""What a producer may ask for: valid requests, their one canonical form, and refusals in words."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execution.domain.errors import RequestRefused
from execution.domain.payloads import fingerprint
from execution.domain.requests import OrderRequest, parse
from execution.domain.vocabulary import (
    AssetClass,
    ExecutionMode,
    OnFailure,
    OrderType,
    Side,
    TimeInForce,
)

Payload = dict[str, Any]
BASE: Payload = {"client_order_id": "a-1", "symbol": "SPY", "side": "BUY", "quantity": "1"}
FIELDS = sorted(OrderRequest.model_fields)
PRICES = {
    OrderType.MARKET: [],
    OrderType.LIMIT: ["limit_price"],
    OrderType.STOP: ["stop_price"],
    OrderType.STOP_LIMIT: ["limit_price", "stop_price"],
    OrderType.TRAILING_STOP: ["trail_amount"],
    OrderType.MARKET_ON_CLOSE: [],
    OrderType.LIMIT_ON_CLOSE: ["limit_price"],
}

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(15, 4000).map(lambda digits: -(10**digits))
    | st.floats()
    | st.text(st.characters(codec=None), max_size=30)
    | st.sampled_from(
        ["1", "-1", "0.5", "1e5", "NaN", "BUY", "GTD", "2026-01-02T03:04:05Z", "\x00"]
    )
)
json_values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
# Mostly the names of real fields, so that their rules are reached; and names of anything else.
json_objects = st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=20), json_values)
numbers = st.decimals(
    min_value=Decimal("1e-18"), max_value=Decimal(10) ** 15 - 1, places=18, allow_nan=False
)
times = st.builds(
    lambda days, seconds, minutes: (
        datetime(1, 1, 2, tzinfo=timezone(timedelta(minutes=minutes)))
        + timedelta(days=days, seconds=seconds)
    ),
    st.integers(0, 3_652_000),
    st.integers(0, 86_399),
    st.integers(-14 * 60, 14 * 60),
)


@st.composite
def requests(draw: st.DrawFn) -> OrderRequest:
    """Any valid request."""
    order_type = draw(st.sampled_from(OrderType))
    payload: Payload = {
        "client_order_id": draw(st.from_regex(r"[A-Za-z0-9_-]{1,36}", fullmatch=True)),
        "symbol": draw(st.text(min_size=1, max_size=64)),
        "side": draw(st.sampled_from(Side)),
        "order_type": order_type,
        "quantity": draw(numbers),
        **{name: draw(numbers) for name in PRICES[order_type]},
    }
    for name in ("take_profit_price", "stop_loss_price", "reference_price"):
        payload[name] = draw(st.none() | numbers)
    profit, loss = payload["take_profit_price"], payload["stop_loss_price"]
    if profit is not None and loss is not None and (profit - loss) * payload["side"].sign <= 0:
        payload["stop_loss_price"] = None
    payload["time_in_force"] = draw(st.none() | st.sampled_from(TimeInForce))
    if payload["time_in_force"] is TimeInForce.GTD:
        payload["expires_at"] = draw(times)
    labels = st.from_regex(r"[A-Za-z0-9_.:-]{1,64}", fullmatch=True)
    payload |= {
        "asset_class": draw(st.none() | st.sampled_from(AssetClass)),
        "account": draw(st.none() | labels),
        "strategy": draw(st.none() | labels),
        "outside_rth": draw(st.booleans()),
        "reduce_only": draw(st.booleans()),
        "execution_mode": draw(st.none() | st.sampled_from(ExecutionMode)),
        "on_failure": draw(st.sampled_from(OnFailure)),
    }
    return parse(payload)


def refusal(**changes: Any) -> str:
    """Why a request with these changes is refused."""
    with pytest.raises(RequestRefused) as refused:
        parse(BASE | changes)
    return str(refused.value)


@given(json_objects)
def test_any_json_is_taken_or_refused(payload: Payload) -> None:
    """Whatever a producer sends gives a request or a refusal, and never another exception."""
    try:
        request = parse(payload)
    except RequestRefused as refused:
        message = str(refused)
        assert message.isprintable()
        assert message.partition(":")[0]
    else:
        assert isinstance(request, OrderRequest)


@given(st.sampled_from(FIELDS), json_values)
def test_refusal_names_the_field(name: str, value: Any) -> None:
    """One bad field in a good request is the one that the refusal names first."""
    try:
        parse(BASE | {"order_type": "MARKET"} | {name: value})
    except RequestRefused as refused:
        named = str(refused).partition(":")[0]
        # Another type or time in force asks for a price, or an expiry, that is then missing.
        followed = {"order_type", "time_in_force"} & {name}
        assert named == name or followed


@pytest.mark.parametrize(
    "moment",
    ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+00:01"],
)
def test_time_beyond_the_calendar_is_refused(moment: str) -> None:
    """A time that has no UTC equivalent is refused like any other that makes no sense."""
    assert refusal(time_in_force="GTD", expires_at=moment).startswith("expires_at:")


def test_unknown_field_with_a_surrogate_is_named() -> None:
    """A field whose name is half a character is refused as unknown, in printable words."""
    assert "is not a known field" in refusal(**{"\ud800": 1})


@given(requests())
def test_canonical_form_reads_back(request: OrderRequest) -> None:
    """parse(canonical(x)) is x, and the canonical form is plain JSON."""
    canonical = request.canonical()
    assert parse(json.loads(json.dumps(canonical, allow_nan=False))) == request
    assert parse(canonical).canonical() == canonical


@given(requests(), st.integers(0, 5), st.randoms(use_true_random=False))
def test_equal_meaning_has_one_fingerprint(request: OrderRequest, zeros: int, random: Any) -> None:
    """Trailing zeros, spelled-out defaults, key order and the price of reference do not count."""
    canonical = request.canonical()
    spelled = request.model_dump(mode="json") | canonical
    quantity = canonical["quantity"]
    spelled["quantity"] = quantity + ("" if "." in quantity else ".") + "0" * (zeros + 1)
    for name in ("limit_price", "stop_price", "trail_amount"):
        if spelled[name] is not None:
            spelled[name] = f"+{canonical[name]}"
    spelled["reference_price"] = "12.5"
    items = list(spelled.items())
    random.shuffle(items)
    again = parse(dict(items))
    assert fingerprint(again.canonical()) == fingerprint(canonical)


@pytest.mark.parametrize(
    ("named", "reduce_only", "default", "expected"),
    [
        (None, False, OnFailure.PAPER, OnFailure.PAPER),
        (None, False, OnFailure.REJECT, OnFailure.REJECT),
        (None, False, OnFailure.WAIT, OnFailure.WAIT),
        (None, True, OnFailure.PAPER, OnFailure.PAPER),
        (None, True, OnFailure.REJECT, OnFailure.WAIT),
        ("paper", False, OnFailure.REJECT, OnFailure.PAPER),
        ("reject", False, OnFailure.PAPER, OnFailure.REJECT),
        ("reject", True, OnFailure.WAIT, OnFailure.REJECT),
    ],
)
def test_what_a_request_leaves_to_the_desk(
    named: str | None,
    reduce_only: bool,  # noqa: FBT001 - a table's column
    default: OnFailure,
    expected: OnFailure,
) -> None:
    """A name wins; a default rejects nothing that reduces risk."""
    fields = {"on_failure": named} if named else {}
    request = parse(BASE | {"reduce_only": reduce_only} | fields)
    assert request.names_on_failure is (named is not None)
    assert request.with_on_failure(default).on_failure is expected


@pytest.mark.parametrize(
    ("change", "value"),
    [("quantity", "2"), ("side", "SELL"), ("symbol", "QQQ"), ("strategy", "x"), ("account", "b")],
)
def test_other_meaning_has_another_fingerprint(change: str, value: str) -> None:
    """A request that asks for something else has another fingerprint."""
    asked, other = parse(BASE), parse(BASE | {change: value})
    assert fingerprint(asked.canonical()) != fingerprint(other.canonical())


def test_defaults() -> None:
    """A bare request is a MARKET order that falls back to paper."""
    request = parse(BASE)
    assert (request.order_type, request.on_failure) == (OrderType.MARKET, OnFailure.PAPER)
    assert (request.time_in_force, request.execution_mode, request.expires_at) == (None,) * 3
    assert request.canonical() == BASE


@pytest.mark.parametrize(
    ("quantity", "value"),
    [
        ("0.5", "0.5"),
        (5, "5"),
        ("+7", "7"),
        ("007.50", "7.5"),
        ("999999999999999.999999999999999999", "999999999999999.999999999999999999"),
        ("0.000000000000000001", "0.000000000000000001"),
        ("1.0000000000000000000000", "1"),
        (Decimal("1E+3"), "1000"),
    ],
)
def test_numbers_are_exact(quantity: object, value: str) -> None:
    """A decimal string or a whole number is taken to its last digit."""
    request = parse(BASE | {"quantity": quantity})
    assert request.quantity == Decimal(value)
    assert request.canonical()["quantity"] == value


@pytest.mark.parametrize(
    ("quantity", "rule"),
    [
        (0.5, "decimal string"),
        (True, "decimal string"),
        (None, "decimal string"),
        ({}, "decimal string"),
        ("", "plain decimal"),
        ("1e5", "plain decimal"),
        ("NaN", "plain decimal"),
        ("Infinity", "plain decimal"),
        ("1_000", "plain decimal"),
        (" 1", "plain decimal"),
        ("1\n", "plain decimal"),
        (".5", "plain decimal"),
        ("٣", "plain decimal"),
        ("1" * 41, "plain decimal"),
        (10**400, "plain decimal"),
        (Decimal("NaN"), "plain decimal"),
        ("0", "greater than 0"),
        ("-1", "greater than 0"),
        ("1000000000000000", "below 1e15"),
        ("0.0000000000000000001", "18 decimals"),
    ],
)
def test_numbers_that_are_refused(quantity: object, rule: str) -> None:
    """What is not a plain positive decimal in range is refused with the rule."""
    message = refusal(quantity=quantity)
    assert message.startswith("quantity: ")
    assert rule in message


@pytest.mark.parametrize("order_type", OrderType)
def test_prices_follow_the_type(order_type: OrderType) -> None:
    """Each order type takes its own prices, misses none of them and takes no other."""
    mine = dict.fromkeys(PRICES[order_type], "2")
    request = parse(BASE | mine | {"order_type": order_type.value})
    assert request.order_type is order_type
    for name in mine:
        rest = {key: value for key, value in mine.items() if key != name}
        assert refusal(order_type=order_type, **rest).startswith(f"{name}: ")
    for name in {"limit_price", "stop_price", "trail_amount"} - mine.keys():
        message = refusal(order_type=order_type, **mine, **{name: "2"})
        assert message.startswith(f'{name}: "2" not allowed for order_type {order_type}')


def test_a_trail_is_an_amount_or_a_percentage() -> None:
    """TRAILING_STOP takes exactly one of the two."""
    trail = {"order_type": "TRAILING_STOP"}
    assert parse(BASE | trail | {"trail_percent": "1.5"}).trail_percent == Decimal("1.5")
    assert "exactly one" in refusal(**trail)
    assert "exactly one" in refusal(**trail, trail_amount="1", trail_percent="1")


def test_gtd_and_expiry_go_together() -> None:
    """GTD needs expires_at and nothing else takes it; it is kept in UTC."""
    assert refusal(time_in_force="GTD").startswith("expires_at: ")
    assert refusal(expires_at="2026-01-02T03:04:05Z").startswith("expires_at: ")
    request = parse(BASE | {"time_in_force": "GTD", "expires_at": "2026-01-02T03:04:05+02:00"})
    assert request.expires_at == datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC)
    assert request.canonical()["expires_at"] == "2026-01-02T01:04:05+00:00"


@pytest.mark.parametrize(
    "moment", ["2026-01-02T03:04:05", "2026-01-02", "soon", 1767323045, [], ""]
)
def test_times_without_a_zone_are_refused(moment: object) -> None:
    """A time is ISO 8601 with its offset: anything else could mean another moment."""
    message = refusal(time_in_force="GTD", expires_at=moment)
    assert message.startswith("expires_at: ")
    assert "UTC offset" in message


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("client_order_id", "a b"),
        ("client_order_id", "a\n"),
        ("client_order_id", "x" * 37),
        ("client_order_id", ""),
        ("client_order_id", 7),
        ("symbol", ""),
        ("symbol", "x" * 65),
        ("side", "buy"),
        ("side", "HOLD"),
        ("order_type", "ICEBERG"),
        ("time_in_force", "FOREVER"),
        ("asset_class", "BOND"),
        ("account", "a/b"),
        ("strategy", "s" * 65),
        ("outside_rth", 1),
        ("reduce_only", "true"),
        ("execution_mode", "paper"),
        ("on_failure", "PAPER"),
    ],
)
def test_bad_values_are_refused_by_name(field: str, value: object) -> None:
    """A value out of its rule is refused under the field's name."""
    assert refusal(**{field: value}).startswith(f"{field}: ")


@pytest.mark.parametrize(
    ("side", "profit", "loss", "where"),
    [
        ("BUY", "12", "8", None),
        ("SELL", "8", "12", None),
        ("BUY", "12", None, None),
        ("SELL", None, "12", None),
        ("BUY", "8", "12", "above"),
        ("SELL", "12", "8", "below"),
        ("BUY", "8", "8.0", "above"),
    ],
)
def test_brackets_are_the_right_way_round(
    side: str, profit: str | None, loss: str | None, where: str | None
) -> None:
    """A BUY takes its profit above its stop, a SELL below; either may be left out."""
    bracket: Payload = {"side": side, "take_profit_price": profit, "stop_loss_price": loss}
    if where is None:
        assert parse(BASE | bracket).is_bracket
    else:
        rule = f"must be {where} stop_loss_price for a {side}"
        assert refusal(**bracket) == f'take_profit_price: "{profit}" {rule}'
    assert not parse(BASE).is_bracket


def test_missing_and_unknown_fields() -> None:
    """A missing field is called required, an unknown one not known."""
    with pytest.raises(RequestRefused, match="side: missing, it is required"):
        parse({key: value for key, value in BASE.items() if key != "side"})
    assert refusal(colour="red") == 'colour: "red" is not a known field'
    assert refusal(**{"a b": 1}) == '"a b": 1 is not a known field'


def test_many_problems_are_counted() -> None:
    """A refusal shows five problems and says how many more there are."""
    message = refusal(**{f"field_{number}": 1 for number in range(9)})
    assert message.count("is not a known field") == 5
    assert message.endswith("; and 4 more")


@pytest.mark.parametrize("asset_class", AssetClass)
def test_time_in_force_by_default(asset_class: AssetClass) -> None:
    """FX and CRYPTO stand until cancelled, the rest for the day; what is asked for wins."""
    default = TimeInForce.GTC if asset_class in {"FX", "CRYPTO"} else TimeInForce.DAY
    assert parse(BASE).effective_time_in_force(asset_class) is default
    asked = parse(BASE | {"time_in_force": "IOC"})
    assert asked.effective_time_in_force(asset_class) is TimeInForce.IOC


UTC_OFFSET = "must be an ISO 8601 time with its UTC offset"
NEEDS_GTD = "required for time_in_force GTD, and only then"
TRAIL = {"order_type": "TRAILING_STOP"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"quantity": None}, 'quantity: None must be a decimal string such as "0.5"'),
        ({"quantity": "1e5"}, 'quantity: "1e5" must be a plain decimal number such as "0.5"'),
        ({"quantity": "0"}, 'quantity: "0" must be greater than 0 and below 1e15'),
        (
            {"quantity": f"0.{'0' * 18}1"},
            f'quantity: "0.{"0" * 18}1" must have at most 18 decimals',
        ),
        ({"expires_at": "soon"}, f'expires_at: "soon" {UTC_OFFSET}'),
        ({"expires_at": "2026-01-02"}, f'expires_at: "2026-01-02" {UTC_OFFSET}'),
        ({"expires_at": 5}, f"expires_at: 5 {UTC_OFFSET}"),
        ({"expires_at": "2026-01-02T03:04:05Z"}, f'expires_at: "2026-01-02T03:04:05Z" {NEEDS_GTD}'),
        ({"time_in_force": "GTD"}, f"expires_at: None {NEEDS_GTD}"),
        (
            {"expires_at": "9999-12-31T23:59:59-23:59"},
            'expires_at: "9999-12-31T23:59:59-23:59" must be a time that exists in UTC',
        ),
        (
            TRAIL,
            "trail_amount: None exactly one of trail_amount, trail_percent goes with a trail",
        ),
        ({"side": "buy"}, "side: \"buy\" must be 'BUY' or 'SELL'"),
    ],
)
def test_word_for_word(changes: Payload, message: str) -> None:
    """A refusal reads as one line: the field, what was sent, the rule."""
    assert refusal(**changes) == message


@pytest.mark.parametrize("moment", ["2026-01-02\x0003:04:05+00:00", "2026-01-02\n03:04:05+00:00"])
def test_a_time_that_cannot_be_printed(moment: str) -> None:
    """Python reads any character between date and time; what has no print is no time here."""
    assert "UTC offset" in refusal(time_in_force="GTD", expires_at=moment)


@pytest.mark.parametrize("quantity", [10**15, -(10**15), 10**5000], ids=["15", "-15", "5000"])
def test_integers_that_are_too_large(quantity: int) -> None:
    """An integer that Python would not even print is refused in the same words."""
    assert refusal(quantity=quantity).endswith('must be a plain decimal number such as "0.5"')


@pytest.mark.parametrize(("count", "more"), [(5, ""), (6, "; and 1 more")])
def test_five_problems_are_shown(count: int, more: str) -> None:
    """Five are all of five; of six there is one more."""
    names = [f"field_{number}" for number in range(count)]
    shown = "; ".join(f"{name}: 1 is not a known field" for name in names[:5])
    assert refusal(**dict.fromkeys(names, 1)) == shown + more


@pytest.mark.parametrize(("length", "quoted"), [(60, False), (64, False), (65, True)])
def test_long_names_of_fields(length: int, quoted: bool) -> None:  # noqa: FBT001
    """A name that could be one is shown as it is, a longer one like any text."""
    assert refusal(**{"f" * length: 1}).startswith('"' if quoted else "f" * length + ":")
