"""What a paper order does at a look: types, times in force, prices, sizes, and always the rules."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execution.domain.paper.matching import match
from execution.domain.paper.order import PaperOrder
from execution.domain.paper.slippage import Slippage, SlippageModel, seeded_draw
from execution.domain.paper.trading import Matched, PaperRules
from execution.domain.reports import Quote
from execution.domain.vocabulary import OrderState, OrderType, Side, TimeInForce

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
CLOSE = datetime(2026, 1, 2, 21, tzinfo=UTC)
RULES = PaperRules(
    Slippage("fixed", Decimal("0.001"), seeded_draw(1)),
    quote_max_age=timedelta(seconds=10),
    price_wait=timedelta(seconds=30),
)
TERMS: dict[OrderType, dict[str, Decimal]] = {
    OrderType.MARKET: {},
    OrderType.LIMIT: {"limit_price": Decimal(100)},
    OrderType.STOP: {"stop_price": Decimal(100)},
    OrderType.STOP_LIMIT: {"stop_price": Decimal(100), "limit_price": Decimal(100)},
    OrderType.TRAILING_STOP: {"trail_amount": Decimal(5)},
    OrderType.MARKET_ON_CLOSE: {},
    OrderType.LIMIT_ON_CLOSE: {"limit_price": Decimal(100)},
}


def new(order_type: OrderType, **changes: Any) -> PaperOrder:
    """A GTC order to BUY ten, accepted at NOON."""
    standard: dict[str, Any] = {
        "venue_order_id": "v" * 22,
        "client_order_id": "a-1",
        "symbol": "SPY",
        "side": Side.BUY,
        "order_type": order_type,
        "quantity": Decimal(10),
        "time_in_force": TimeInForce.GTC,
        "accepted_at": NOON,
    }
    return PaperOrder(**(standard | changes))


def quote(bid: str, ask: str, at: datetime = NOON) -> Quote:
    """A quote of SPY."""
    return Quote("SPY", Decimal(bid), Decimal(ask), at, "test")


def after(seconds: float) -> datetime:
    """So long after NOON."""
    return NOON + timedelta(seconds=seconds)


def only_price(matched: Matched) -> Decimal:
    """The price of the one fill of an order that is filled."""
    (fill,) = matched.fills
    assert matched.order.state is OrderState.FILLED
    assert fill.quantity == matched.order.quantity
    return fill.price


# What MARKET is priced on.


@pytest.mark.parametrize(
    ("age", "terms", "price", "reason"),
    [
        (9.999, {"reference_price": Decimal(200), "rerouted": True}, "100.1", None),
        (10, {"reference_price": Decimal(200)}, "200.2", "priced on its reference_price"),
        (
            10,
            {"reference_price": Decimal(200), "rerouted": True},
            "200.2",
            "priced on its reference_price",
        ),
        (11, {"rerouted": True}, "100.1", "priced on a stale quote, 11 s old"),
    ],
)
def test_market_takes_the_best_price_there_is(
    age: float, terms: dict[str, Any], price: str, reason: str | None
) -> None:
    """A fresh quote, else the reference price, else a stale quote in place of a live order."""
    order = new(OrderType.MARKET, **terms)
    matched = match(order, quote("99", "101", NOON - timedelta(seconds=age)), NOON, RULES)
    assert only_price(matched) == Decimal(price)
    assert matched.order.reason == reason
    assert matched.fills[0].executed_at == NOON
    is_stale = reason is not None and "stale" in reason
    assert matched.stale_by == (timedelta(seconds=age) if is_stale else None)


@pytest.mark.parametrize("known", [None, quote("99", "101", NOON - timedelta(minutes=1))])
@pytest.mark.parametrize("tif", TimeInForce)
def test_market_waits_for_a_price_then_is_rejected(known: Quote | None, tif: TimeInForce) -> None:
    """Whatever its time in force: the wait is the venue's, before the order meets a market."""
    order = new(OrderType.MARKET, time_in_force=tif)
    assert match(order, known, after(29.999), RULES).order is order
    ended = match(order, known, after(30), RULES)
    assert ended.order.state is OrderState.REJECTED
    assert ended.order.reason == (
        "no price for SPY within 30 s: no fresh quote and no reference_price"
    )
    assert not ended.fills


@pytest.mark.parametrize("bad", [("101", "99"), ("NaN", "101"), ("99", "Infinity")])
def test_a_quote_that_is_none(bad: tuple[str, str]) -> None:
    """A crossed quote, or one that is no number, is no quote: nothing fills or triggers on it."""
    for order_type in OrderType:
        order = new(order_type, **TERMS[order_type])
        assert match(order, quote(*bad), NOON, RULES).order is order


# Limits.


@pytest.mark.parametrize(
    ("side", "market", "price"),
    [
        (Side.BUY, ("99.98", "100.01"), None),
        (Side.BUY, ("99.98", "100"), "100"),
        (Side.BUY, ("98", "99"), "98.5985"),
        (Side.SELL, ("99.99", "100.02"), None),
        (Side.SELL, ("100", "100.02"), "100"),
        (Side.SELL, ("101", "102"), "101.3985"),
    ],
)
def test_limit(side: Side, market: tuple[str, str], price: str | None) -> None:
    """A BUY looks at the ask and a SELL at the bid; slippage never takes it past its limit."""
    order = new(OrderType.LIMIT, side=side, limit_price=Decimal(100))
    matched = match(order, quote(*market), NOON, RULES)
    if price is None:
        assert matched.order is order
    else:
        assert only_price(matched) == Decimal(price)


def test_limit_rests_without_a_fresh_quote() -> None:
    """No reference price and no stale quote moves a limit, whoever it stands in for."""
    order = new(
        OrderType.LIMIT,
        limit_price=Decimal(100),
        reference_price=Decimal(50),
        rerouted=True,
    )
    assert match(order, quote("49", "50", NOON - timedelta(seconds=10)), NOON, RULES).order is order
    assert match(order, None, NOON + timedelta(days=400), RULES).order is order


# Times in force.


@pytest.mark.parametrize("order_type", [kind for kind in OrderType if "CLOSE" not in kind])
def test_an_order_ends_before_it_fills(order_type: OrderType) -> None:
    """At its end nothing fills any more, whatever the market; a moment earlier it does."""
    for tif, reason in (
        (TimeInForce.DAY, "DAY: its session closed at 2026-01-02T21:00:00Z"),
        (TimeInForce.GTD, "GTD: it stood until 2026-01-02T21:00:00Z"),
    ):
        order = new(order_type, time_in_force=tif, ends_at=CLOSE, **TERMS[order_type])
        order = replace(order, triggered_at=NOON)
        before = CLOSE - timedelta(microseconds=1)
        assert match(order, quote("100", "100", before), before, RULES).fills
        ended = match(order, quote("100", "100", before), CLOSE, RULES)
        assert (ended.order.state, ended.order.reason) == (OrderState.EXPIRED, reason)
        assert not ended.fills


@pytest.mark.parametrize(
    ("tif", "known", "reason"),
    [
        (TimeInForce.IOC, None, "IOC: no fresh quote"),
        (TimeInForce.FOK, quote("1", "2", NOON - timedelta(seconds=10)), "FOK: no fresh quote"),
        (TimeInForce.IOC, quote("100", "101"), "IOC: not marketable at 100 / 101"),
        (TimeInForce.FOK, quote("100", "101"), "FOK: not marketable at 100 / 101"),
    ],
)
def test_immediate_limit(tif: TimeInForce, known: Quote | None, reason: str) -> None:
    """IOC and FOK limits do at once what they can, and are over."""
    order = new(OrderType.LIMIT, limit_price=Decimal(100), time_in_force=tif)
    ended = match(order, known, NOON, RULES)
    assert (ended.order.state, ended.order.reason) == (OrderState.CANCELLED, reason)
    assert match(order, quote("98", "99"), NOON, RULES).order.state is OrderState.FILLED


def test_immediate_stop_waits_for_its_trigger() -> None:
    """IOC and FOK begin when a stop is reached; until then it rests."""
    order = new(
        OrderType.STOP_LIMIT,
        stop_price=Decimal(100),
        limit_price=Decimal(99),
        time_in_force=TimeInForce.IOC,
    )
    assert match(order, quote("98", "99"), NOON, RULES).order is order
    assert match(order, None, NOON, RULES).order is order
    assert match(order, quote("99", "100"), NOON, RULES).order.state is OrderState.CANCELLED


# Depth.


def test_depth_fills_in_parts() -> None:
    """Each quote gives its size once; the next one gives it again; the sum is never exceeded."""
    rules = replace(RULES, depth=Decimal(4))
    first = match(new(OrderType.MARKET), quote("99", "101"), NOON, rules)
    assert [fill.quantity for fill in first.fills] == [Decimal(4)]
    assert first.order.state is OrderState.PARTIALLY_FILLED
    again = match(first.order, quote("99", "101"), after(1), rules)
    assert again.order is first.order
    second = match(first.order, quote("99", "101", after(1)), after(1), rules)
    third = match(second.order, quote("99", "101", after(2)), after(2), rules)
    assert [fill.quantity for fill in (*second.fills, *third.fills)] == [Decimal(4), Decimal(2)]
    assert third.order.state is OrderState.FILLED
    assert third.order.executions == 3


def test_a_quote_gives_its_size_once_when_the_setting_grows() -> None:
    """What was taken of a quote adds up, so a larger size gives only the difference."""
    market, order = quote("99", "101"), new(OrderType.MARKET)
    for depth, filled in ((4, 4), (6, 6), (6, 6), (9, 9)):
        rules = replace(RULES, depth=Decimal(depth))
        order = match(order, market, after(1), rules).order
        assert order.filled_quantity == filled


def test_what_is_filled_in_part_is_never_rejected() -> None:
    """The rest of a MARKET order waits for the next quote, as long as its time in force allows."""
    rules = replace(RULES, depth=Decimal(4))
    part = match(new(OrderType.MARKET), quote("99", "101"), NOON, rules).order
    assert match(part, quote("99", "101"), after(3600), rules).order is part


def test_a_reference_price_has_no_size() -> None:
    """Depth is of quotes; a reference price fills whole."""
    rules = replace(RULES, depth=Decimal(4))
    order = new(OrderType.MARKET, reference_price=Decimal(100))
    assert only_price(match(order, None, NOON, rules)) == Decimal("100.1")


@pytest.mark.parametrize("order_type", [OrderType.MARKET, OrderType.LIMIT])
def test_depth_with_ioc_and_fok(order_type: OrderType) -> None:
    """IOC takes what there is and cancels the rest; FOK takes all or nothing."""
    rules = replace(RULES, depth=Decimal(4))
    terms: dict[str, Any] = {"limit_price": Decimal(105)} if order_type is OrderType.LIMIT else {}
    ioc = match(
        new(order_type, time_in_force=TimeInForce.IOC, **terms), quote("99", "101"), NOON, rules
    )
    assert (ioc.order.state, ioc.order.filled_quantity) == (OrderState.CANCELLED, Decimal(4))
    assert ioc.order.reason == "IOC: only 4 of 10 could be filled"
    fok = match(
        new(order_type, time_in_force=TimeInForce.FOK, **terms), quote("99", "101"), NOON, rules
    )
    assert (fok.order.state, fok.fills) == (OrderState.CANCELLED, ())
    assert fok.order.reason == "FOK: only 4 of 10 could be filled"


def test_execution_size_splits_a_fill() -> None:
    """No execution is larger than the setting; each has its own number, so its own draw."""
    uniform = Slippage("uniform", Decimal("0.001"), seeded_draw(1))
    rules = replace(RULES, slippage=uniform, execution_size=Decimal(4))
    matched = match(new(OrderType.MARKET), quote("99", "101"), NOON, rules)
    assert [fill.quantity for fill in matched.fills] == [Decimal(4), Decimal(4), Decimal(2)]
    assert [fill.price for fill in matched.fills] == [
        uniform.price(quote("99", "101"), Side.BUY, f"a-1:{number}") for number in (1, 2, 3)
    ]
    assert len({fill.price for fill in matched.fills}) == 3


# On the close.


def at_close(order_type: OrderType, **changes: Any) -> PaperOrder:
    """An on-close order of the session that ends at CLOSE."""
    return new(order_type, closes_at=CLOSE, **(TERMS[order_type] | changes))


def test_on_close_rests_until_the_close() -> None:
    """However good the market is before the close."""
    last = CLOSE - timedelta(microseconds=1)
    for order_type in (OrderType.MARKET_ON_CLOSE, OrderType.LIMIT_ON_CLOSE):
        order = at_close(order_type)
        assert match(order, quote("49", "50", last), last, RULES).order is order


@pytest.mark.parametrize(
    ("quoted", "looked", "price", "reason"),
    [
        (-9.999, 0.25, "99.0990", None),
        (0.1, 0.25, "99.0990", None),
        (-1, 3600, "99.0990", None),
        (3600, 3600, "99.0990", "priced 3600 s after the close"),
        (-10, 0.25, None, None),
    ],
)
def test_closing_quote(quoted: float, looked: float, price: str | None, reason: str | None) -> None:
    """The first quote seen at or after the close that is not QUOTE_MAX_AGE before it.

    Whoever looks late still takes the last quote before the close, if that is the last one.
    """
    known = quote("98", "100", CLOSE + timedelta(seconds=quoted))
    for order_type in (OrderType.MARKET_ON_CLOSE, OrderType.LIMIT_ON_CLOSE):
        order = at_close(order_type)
        matched = match(order, known, CLOSE + timedelta(seconds=looked), RULES)
        if price is None:
            assert matched.order is order
        else:
            assert only_price(matched) == Decimal(price)
            assert matched.order.reason == reason


def test_no_closing_quote() -> None:
    """After PAPER_PRICE_WAIT a MARKET_ON_CLOSE is rejected, a LIMIT_ON_CLOSE expires."""
    reason = "no price for SPY at the close, nor within 30 s of it"
    known = quote("99", "99", CLOSE - timedelta(seconds=10))
    for order_type, state in (
        (OrderType.MARKET_ON_CLOSE, OrderState.REJECTED),
        (OrderType.LIMIT_ON_CLOSE, OrderState.EXPIRED),
    ):
        order = at_close(order_type, reference_price=Decimal(1), rerouted=True)
        assert match(order, known, CLOSE + timedelta(seconds=29.9), RULES).order is order
        ended = match(order, known, CLOSE + timedelta(seconds=30), RULES).order
        assert (ended.state, ended.reason) == (state, reason)


def test_limit_on_close_outside_its_limit() -> None:
    """It has one chance: the closing quote."""
    ended = match(
        at_close(OrderType.LIMIT_ON_CLOSE), quote("99", "100.5", CLOSE), CLOSE, RULES
    ).order
    assert ended.state is OrderState.EXPIRED
    assert ended.reason == "not within its limit at the close: 99 / 100.5"


def test_depth_at_the_close() -> None:
    """What one closing quote cannot fill is over."""
    rules = replace(RULES, depth=Decimal(4))
    matched = match(at_close(OrderType.MARKET_ON_CLOSE), quote("99", "101", CLOSE), CLOSE, rules)
    assert [fill.quantity for fill in matched.fills] == [Decimal(4)]
    assert matched.order.state is OrderState.EXPIRED
    assert matched.order.reason == "6 of 10 unfilled at the close"


def test_on_close_that_is_good_till_an_earlier_date() -> None:
    """GTD ends an on-close order like any other."""
    ends_at = CLOSE - timedelta(hours=1)
    order = at_close(OrderType.MARKET_ON_CLOSE, time_in_force=TimeInForce.GTD, ends_at=ends_at)
    assert match(order, quote("99", "101", CLOSE), CLOSE, RULES).order.state is OrderState.EXPIRED


# What holds for every order and every market.

prices = st.decimals(min_value=80, max_value=120, places=2)
sizes = st.decimals(min_value="0.01", max_value=30, places=2)


@st.composite
def walks(draw: st.DrawFn) -> list[tuple[Quote | None, datetime]]:
    """Looks at a market, later and later, some without a fresh quote."""
    now, known, looks = NOON, None, []
    for _ in range(draw(st.integers(1, 12))):
        now += timedelta(seconds=draw(st.integers(0, 7)))
        if draw(st.booleans()):
            bid, ask = sorted([draw(prices), draw(prices)])
            known = Quote("SPY", bid, ask, now, "test")
        looks.append((known, now))
    return looks


@st.composite
def orders(draw: st.DrawFn) -> PaperOrder:
    """Any order."""
    order_type = draw(st.sampled_from(OrderType))
    tif = draw(st.sampled_from(TimeInForce))
    end = after(draw(st.integers(1, 60)))
    terms: dict[str, Any] = {name: draw(prices) for name in TERMS[order_type]}
    if order_type is OrderType.TRAILING_STOP:
        trail = draw(st.sampled_from(["trail_amount", "trail_percent"]))
        terms = {trail: draw(st.decimals(min_value="0.01", max_value=10, places=2))}
    return new(
        order_type,
        side=draw(st.sampled_from(Side)),
        quantity=draw(sizes),
        time_in_force=tif,
        reference_price=draw(st.none() | prices),
        rerouted=draw(st.booleans()),
        ends_at=end if tif in {TimeInForce.DAY, TimeInForce.GTD} else None,
        closes_at=after(20) if "CLOSE" in order_type else None,
        **terms,
    )


@st.composite
def venues(draw: st.DrawFn) -> PaperRules:
    """Any rules."""
    models: list[SlippageModel] = ["fixed", "uniform", "none"]
    model = draw(st.sampled_from(models))
    rate = draw(st.decimals(min_value=0, max_value="0.2", places=3))
    return replace(
        RULES,
        slippage=Slippage(model, rate, seeded_draw(draw(st.integers(0, 99)))),
        depth=draw(st.none() | sizes),
        execution_size=draw(st.none() | st.decimals(min_value=1, max_value=30, places=2)),
    )


def run(
    order: PaperOrder, looks: list[tuple[Quote | None, datetime]], rules: PaperRules
) -> list[Matched]:
    """Everything that became of an order."""
    history = []
    for known, now in looks:
        matched = match(order, known, now, rules)
        history.append(matched)
        order = matched.order
    return history


@given(orders(), walks(), venues())
def test_never_more_than_ordered(
    order: PaperOrder, looks: list[tuple[Quote | None, datetime]], rules: PaperRules
) -> None:
    """The fills add up to filled_quantity, never above quantity; FILLED is exactly all of it."""
    filled, pieces = Decimal(0), 0
    for matched in run(order, looks, rules):
        filled += sum(fill.quantity for fill in matched.fills)
        pieces += len(matched.fills)
        now = matched.order
        assert all(fill.quantity > 0 for fill in matched.fills)
        assert now.filled_quantity == filled <= order.quantity
        assert now.executions == pieces
        assert (now.state is OrderState.FILLED) == (filled == order.quantity)
        assert (now.state is OrderState.SUBMITTED) <= (filled == 0)


@given(orders(), walks(), venues())
def test_a_limit_is_kept(
    order: PaperOrder, looks: list[tuple[Quote | None, datetime]], rules: PaperRules
) -> None:
    """No execution of an order with a limit is worse than its limit, slippage included."""
    for matched in run(order, looks, rules):
        for fill in matched.fills:
            assert order.limit_price is None or (
                (order.limit_price - fill.price) * order.side.sign >= 0
            )


@given(orders(), walks(), venues())
def test_all_or_nothing(
    order: PaperOrder, looks: list[tuple[Quote | None, datetime]], rules: PaperRules
) -> None:
    """A FOK order ends with all of its quantity or none, in one look; IOC trades in one look."""
    history = [matched for matched in run(order, looks, rules) if matched.fills]
    if order.time_in_force is TimeInForce.FOK:
        assert all(matched.order.state is OrderState.FILLED for matched in history)
    if order.is_immediate:
        assert len(history) <= 1
        assert all(matched.order.state.is_final for matched in history)


@given(orders(), walks(), venues())
def test_the_same_again(
    order: PaperOrder, looks: list[tuple[Quote | None, datetime]], rules: PaperRules
) -> None:
    """The same order, market and seed make the same history: nothing else decides."""
    assert run(order, looks, rules) == run(replace(order), list(looks), rules)


@given(orders(), walks(), venues())
def test_the_end_is_the_end(
    order: PaperOrder, looks: list[tuple[Quote | None, datetime]], rules: PaperRules
) -> None:
    """What has ended changes no more, and nothing fills at or after its end."""
    ended: PaperOrder | None = None
    for matched, (_, now) in zip(run(order, looks, rules), looks, strict=True):
        assert ended is None or matched.order is ended
        if matched.order.state.is_final and ended is None:
            ended = matched.order
        if order.ends_at is not None and now >= order.ends_at:
            assert not matched.fills
            assert matched.order.state.is_final


@given(orders(), walks(), venues())
def test_a_trigger_is_for_good_and_a_trail_never_gives_way(
    order: PaperOrder, looks: list[tuple[Quote | None, datetime]], rules: PaperRules
) -> None:
    """A stop that was reached stays so; a trail's extreme moves in the order's favour only."""
    last = order
    for matched in run(order, looks, rules):
        now = matched.order
        assert last.triggered_at is None or now.triggered_at == last.triggered_at
        if last.trail_extreme is not None and now.trail_extreme is not None:
            assert (last.trail_extreme - now.trail_extreme) * order.side.sign >= 0
        if matched.fills and "STOP" in order.order_type:
            assert now.triggered_at is not None
        last = now
