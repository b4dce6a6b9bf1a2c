"""What the gateway says, message by message, but for orders: see `order_messages`.

Each function gives the fields of one message; the first is its id. The order of the fields is that
of the TWS API at server version 176.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal

from simulators.ib_gateway.contracts import Contract, full_form
from simulators.ib_gateway.hours import HOURS, trading_hours
from simulators.ib_gateway.listings import RULES, Rule
from simulators.ib_gateway.portfolio import Holding
from simulators.ib_gateway.records import Trade
from simulators.ib_gateway.spelling import Spelling
from simulators.ib_gateway.wire import UNSET_DOUBLE, Value, rounded

Message = Sequence[Value]

_ORDER_TYPES = (
    "ACTIVETIM,AD,ADJUST,ALERT,ALLOC,AON,AVGCOST,BASKET,COND,CONDORDER,DAY,DEACT,DEACTDIS,DEACTEOD,"
    "GAT,GTC,GTD,GTT,HID,IOC,LIT,LMT,MIT,MKT,OCA,OPG,SCALE,STP,STPLMT,TRAIL,TRAILLIT,TRAILLMT,"
    "WHATIF"
)


def error(request_id: int, code: int, text: str) -> Message:
    """An error, a warning or a notice; the id is an order's, a request's, or -1 for neither."""
    return (4, 2, request_id, code, text, "")


def next_valid_id(order_id: int) -> Message:
    """The lowest order id that this client may use."""
    return (9, 1, order_id)


def managed_accounts(accounts: Iterable[str]) -> Message:
    """The accounts, with a comma after each but the last."""
    return (15, 1, ",".join(accounts))


def current_time(now: datetime) -> Message:
    """The gateway's clock, in whole seconds."""
    return (49, 1, int(now.timestamp()))


def execution(request_id: int, trade: Trade, contract: Contract, spelling: Spelling) -> Message:
    """An execution; the id is -1 unless it answers reqExecutions."""
    message = (
        11,
        request_id,
        trade.order_id,
        *full_form(contract, trade.exchange),
        trade.execution_id,
        spelling.time(trade.executed_at),
        trade.account,
        trade.exchange,
        "BOT" if trade.side == "BUY" else "SLD",
        Decimal(0) if trade.kind == "BUST" else trade.quantity,
        trade.price,
        trade.perm_id,
        trade.client_id,
        0,  # liquidation
        trade.cumulative_quantity,
        rounded(trade.average_price),
        trade.venue_order_id or "",
        "",  # evRule
        "",  # evMultiplier
        "",  # modelCode
        2,  # lastLiquidity: removed
    )
    return spelling.written(message)


def commission(trade: Trade) -> Message:
    """What an execution cost; realized profit only where it closed something."""
    realized = UNSET_DOUBLE if trade.realized is None else rounded(trade.realized)
    return (
        59,
        1,
        trade.execution_id,
        trade.commission,
        trade.commission_currency,
        realized,
        UNSET_DOUBLE,  # yield
        "",  # yieldRedemptionDate
    )


def position(account: str, contract: Contract, quantity: Decimal, cost: Decimal) -> Message:
    """A position; the cost is of one share or contract, multiplier and commissions included."""
    fields = full_form(contract, "")
    return (61, 3, account, *fields, quantity, rounded(cost))


def position_multi(
    request_id: int, account: str, contract: Contract, quantity: Decimal, cost: Decimal
) -> Message:
    """A position, as reqPositionsMulti wants it."""
    fields = full_form(contract, "")
    return (71, 1, request_id, account, *fields, quantity, rounded(cost), "")


def portfolio(account: str, contract: Contract, held: Holding, mark: Decimal) -> Message:
    """A position with its value at the price `mark`."""
    quantity, cost, realized = held.quantity, held.cost, held.realized
    value = quantity * mark * contract.factor
    return (
        7,
        8,
        contract.con_id,
        contract.symbol,
        contract.sec_type,
        contract.expiry,
        contract.strike,
        contract.right,
        contract.multiplier,
        contract.primary_exchange or contract.exchange,
        contract.currency,
        contract.local_symbol,
        contract.trading_class,
        quantity,
        mark,
        rounded(value),
        rounded(cost),
        rounded(value - quantity * cost),
        rounded(realized),
        account,
    )


def contract_details(request_id: int, contract: Contract, exchange: str, now: datetime) -> Message:
    """Everything there is to know of a contract."""
    hours = HOURS[contract.hours]
    shares = contract.sec_type == "STK"
    size, suggested = ("0.0001", "100") if shares else ("1", "1")
    last = contract.expiry
    if last:
        last = f"{last} {hours.liquid_closes:%H:%M} {hours.zone}"
    return (
        10,
        request_id,
        contract.symbol,
        contract.sec_type,
        last,
        contract.strike,
        contract.right,
        exchange,
        contract.currency,
        contract.local_symbol,
        contract.trading_class if shares else contract.symbol,
        contract.trading_class,
        contract.con_id,
        contract.min_tick,
        contract.multiplier,
        _ORDER_TYPES + (",LOC,MOC" if shares else ""),
        ",".join(contract.exchanges),
        contract.magnifier,
        contract.under_con_id,
        contract.name,
        contract.primary_exchange,
        contract.contract_month,
        "",  # industry
        "",  # category
        "",  # subcategory
        hours.zone,
        trading_hours(contract.hours, now, liquid=False),
        trading_hours(contract.hours, now, liquid=True),
        "",  # evRule
        0,  # evMultiplier
        0,  # secIdList
        1,  # aggGroup
        contract.under_symbol,
        contract.under_sec_type,
        ",".join([str(contract.market_rule)] * len(contract.exchanges)),
        contract.expires or contract.expiry,
        contract.stock_type,
        size,
        size,
        suggested,
    )


def option_chain(
    request_id: int,
    exchange: str,
    underlying: Contract,
    series: tuple[str, Sequence[str]],
    strikes: Sequence[Decimal],
) -> Message:
    """The expirations and strikes of a class at one exchange."""
    root, expiries = series
    return (
        75,
        request_id,
        exchange,
        underlying.con_id,
        root,
        "100",
        len(expiries),
        *expiries,
        len(strikes),
        *strikes,
    )


def market_rule(rule: Rule) -> Message:
    """From which price on which increment holds."""
    increments = [value for pair in rule.increments for value in pair]
    return (93, rule.rule_id, len(rule.increments), *increments)


def symbol_samples(request_id: int, contracts: Sequence[Contract]) -> Message:
    """Contracts that match a pattern."""
    samples: list[Value] = []
    for contract in contracts:
        derived = ("OPT",) if contract.sec_type == "STK" else ()
        samples += [
            contract.con_id,
            contract.symbol,
            contract.sec_type,
            contract.primary_exchange or contract.exchange,
            contract.currency,
            len(derived),
            *derived,
            contract.name,
            "",  # issuerId
        ]
    return (79, request_id, len(contracts), *samples)


def knows_rule(rule_id: int) -> Rule | None:
    """The market rule of that id."""
    return RULES.get(rule_id)
