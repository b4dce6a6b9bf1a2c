"""The TWS wire: frames, fields, numbers, and placeOrder as ib_insync encodes it."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.ib_gateway.requests import PlaceOrder, read_place_order
from simulators.ib_gateway.wire import BadMessage, Fields, frame, read_frame, spell, split, tidy


async def _load() -> Any:
    """Import ib_insync in a running loop: it takes the loop that it finds."""
    import ib_insync  # noqa: PLC0415

    return ib_insync


ibi: Any = asyncio.run(_load())


def read(data: bytes) -> list[bytes | None]:
    """Every frame in `data`, and the end."""

    async def reading() -> list[bytes | None]:
        reader = asyncio.StreamReader()
        reader.feed_data(data)
        reader.feed_eof()
        found = [await read_frame(reader)]
        while found[-1] is not None:
            found.append(await read_frame(reader))
        return found

    return asyncio.run(reading())


@pytest.mark.parametrize(
    ("value", "spelled"),
    [
        (None, ""),
        (True, "1"),
        (False, "0"),
        (7, "7"),
        ("as it is", "as it is"),
        (Decimal("95.50"), "95.5"),
        (Decimal("1E+5"), "100000"),
        (Decimal("1E-8"), "0.00000001"),
        (Decimal("-3.0"), "-3"),
        (Decimal(0), "0"),
    ],
)
def test_spelling(value: Any, spelled: str) -> None:
    """Numbers go out in plain digits, without zeros at their end."""
    assert spell(value) == spelled


@settings(max_examples=20, deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"))))
def test_frames_come_back(fields: list[str]) -> None:
    """What is framed is read again, field by field, and nothing after it."""
    if fields:
        body, end = read(frame(fields))
        assert split(body or b"") == fields
        assert end is None


@settings(deadline=None)
@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**15), max_value=10**15))
def test_numbers_come_back(value: Decimal) -> None:
    """A decimal is read as the number it was, whatever form it came in."""
    assert Fields([tidy(value)]).number() == value
    assert Fields([str(value)]).number() == value


def test_frames_in_pieces() -> None:
    """Two frames in a row are two; half of one at the end is none."""
    two = frame(["1", "2"]) + frame(["3"])
    assert read(two) == [b"1\x002\0", b"3\0", None]
    assert read(two[:-1]) == [b"1\x002\0", None]


def test_too_long() -> None:
    """A frame that announces more than TWS takes is refused before it is read."""
    with pytest.raises(BadMessage, match="4294967295"):
        read(b"\xff\xff\xff\xff")


@pytest.mark.parametrize("body", [b"", b"no end", b"1\0no end"])
def test_no_message(body: bytes) -> None:
    """A message has fields, and the last one ends, too."""
    with pytest.raises(BadMessage):
        split(body)


def test_empty_and_unset() -> None:
    """Empty and unset fields are no values."""
    fields = Fields(["", "2147483647", "", "1.7976931348623157E308", "", "1"])
    assert (fields.integer(), fields.integer(-1)) == (0, -1)
    assert (fields.number(), fields.number()) == (None, None)
    assert (fields.flag(), fields.flag()) == (False, True)


@pytest.mark.parametrize("text", ["x", "nan", "Infinity", "1,5"])
def test_bad_numbers(text: str) -> None:
    """What is no number is refused by name."""
    with pytest.raises(BadMessage, match=text):
        Fields([text]).number()


def test_past_the_end() -> None:
    """A message that ends too early says so."""
    with pytest.raises(BadMessage, match="after 1"):
        Fields(["1"]).skip(2)


def encoded(contract: Any, order: Any) -> PlaceOrder:
    """What a placeOrder of ib_insync says."""
    sent: list[str] = []
    client = ibi.client.Client(ibi.wrapper.Wrapper(None))
    client.connState, client._serverVersion = client.CONNECTED, 176
    client.sendMsg = sent.append
    client.placeOrder(12, contract, order)
    return read_place_order(sent[0].split("\0")[:-1])


FULL = {
    "tif": "GTD",
    "goodTillDate": "20261218 16:00:00 UTC",
    "goodAfterTime": "20261217 16:00:00 UTC",
    "ocaGroup": "group",
    "ocaType": 2,
    "account": "DU1",
    "orderRef": "ref",
    "transmit": False,
    "parentId": 11,
    "outsideRth": True,
}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"deltaNeutralOrderType": "MKT", "deltaNeutralConId": 5},
        {"scalePriceIncrement": 0.5, "scaleInitLevelSize": 10},
        {"hedgeType": "F", "hedgeParam": "x"},
        {"conditions": [("PriceCondition", {"price": 5.0, "conId": 1, "exch": "SMART"})]},
        {"algoStrategy": "Twap", "algoParams": [("a", "1"), ("b", "2")]},
    ],
)
def test_place_order(more: dict[str, Any]) -> None:
    """Every field is where it belongs, whatever else the message has before it."""
    terms = dict(more)
    if "algoParams" in terms:
        terms["algoParams"] = [ibi.TagValue(*pair) for pair in terms["algoParams"]]
    if "conditions" in terms:
        terms["conditions"] = [getattr(ibi, name)(**said) for name, said in terms["conditions"]]
    order = ibi.Order(
        action="SELL",
        totalQuantity=100,
        orderType="TRAIL",
        trailStopPrice=90.5,
        trailingPercent=2.5,
        whatIf=bool(more),
        **FULL,
        **terms,
    )
    asked = encoded(ibi.Stock("SPY", "SMART", "USD", conId=756733), order)
    assert (asked.order_id, asked.described.con_id, asked.described.symbol) == (12, 756733, "SPY")
    assert (asked.action, asked.quantity, asked.order_type) == ("SELL", Decimal(100), "TRAIL")
    assert (asked.tif, asked.good_till) == (FULL["tif"], FULL["goodTillDate"])
    assert (asked.oca_group, asked.oca_type) == ("group", 2)
    assert (asked.account, asked.order_ref, asked.parent_id) == ("DU1", "ref", 11)
    assert (asked.transmit, asked.outside_rth, asked.what_if) == (False, True, bool(more))
    assert asked.good_after == FULL["goodAfterTime"]
    assert asked.trail_stop_price == Decimal("90.5")
    assert asked.trailing_percent == Decimal("2.5")
    understood = {"deltaNeutralOrderType", "deltaNeutralConId"}
    assert bool(asked.beyond) == bool(more.keys() - understood)


def test_place_a_combination() -> None:
    """Legs are read over, so that what follows is in its place."""
    legs = [
        ibi.ComboLeg(conId=number, ratio=1, action="BUY", exchange="SMART") for number in (1, 2)
    ]
    bag = ibi.Bag(symbol="SPY", exchange="SMART", currency="USD", comboLegs=legs)
    order = ibi.LimitOrder(
        "BUY",
        1,
        5.25,
        tif="DAY",
        whatIf=True,
        orderComboLegs=[ibi.OrderComboLeg(1.0), ibi.OrderComboLeg(2.0)],
        smartComboRoutingParams=[ibi.TagValue("NonGuaranteed", "1")],
    )
    asked = encoded(bag, order)
    assert (asked.described.sec_type, asked.limit_price) == ("BAG", Decimal("5.25"))
    assert asked.what_if


def test_place_an_option() -> None:
    """A contract is read whole, its right in one letter."""
    option = ibi.Option("SPY", "20261218", 600.5, "CALL", "SMART", "100", "USD")
    asked = encoded(option, ibi.MarketOrder("BUY", 3, tif="DAY"))
    described = asked.described
    assert (described.expiry, described.strike, described.right) == (
        "20261218",
        Decimal("600.5"),
        "C",
    )
    assert (described.multiplier, described.exchange, described.currency) == ("100", "SMART", "USD")
    assert (asked.limit_price, asked.aux_price) == (None, None)
