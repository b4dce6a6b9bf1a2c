"""Builds facts for the oracle as a healthy system leaves them, and ways to spoil them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from tests import oracle
from tests.oracle import Facts, Message, Venue
from tests.oracle.words import plain

Dict = dict[str, Any]
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def at(seconds: int) -> datetime:
    """A moment of the scene."""
    return NOON + timedelta(seconds=seconds)


class Scene:
    """Builds facts as a healthy system leaves them, row by row."""

    def __init__(self) -> None:
        self.facts = Facts(messages=[], unbroken=True)
        self.venue_orders: list[Dict] = []
        self.executions: list[Dict] = []
        self.paper_orders: list[Dict] = []
        self.paper_executions: list[Dict] = []

    def request(self, name: str, reason: str | None = None, **payload: str) -> None:
        """A request, REFUSED when there is a reason, and its message."""
        order_id = None if reason else f"order-{name}"
        outcome = "REFUSED" if reason else "ACCEPTED"
        self.facts.requests.append(
            {
                "request_id": f"request-{name}",
                "client_order_id": name,
                "payload": {"client_order_id": name} | payload,
                "outcome": outcome,
                "reason": reason,
                "order_id": order_id,
            }
        )
        self.tell("orders", outcome, name, order_id=order_id, reason=reason)

    def order(self, name: str, attempts: list[Dict], states: list[str], **columns: Any) -> None:
        """An order with its attempts, its history and the messages of its states."""
        last = attempts[-1]
        row = {
            "order_id": f"order-{name}",
            "client_order_id": name,
            "symbol": "BTC-USDT",
            "asset_class": "CRYPTO",
            "side": "BUY",
            "quantity": last["quantity"],
            "requested_quantity": last["quantity"],
            "broker": last["broker"],
            "requested_broker": attempts[0]["broker"],
            "execution_mode": last["execution_mode"],
            "environment": "practice",
            "account": "main",
            "state": states[-1],
            "reason": None,
            "filled_quantity": Decimal(0),
            "average_price": None,
            "strategy": None,
            "reduce_only": False,
            "parent_order_id": None,
            "role": None,
            "take_profit_price": None,
            "stop_loss_price": None,
        } | columns
        self.facts.orders.append(row)
        for number, attempt in enumerate(attempts, start=1):
            ids = {"attempt_id": f"attempt-{attempt['venue_order_id']}", "attempt_no": number}
            self.facts.attempts.append(
                {"order_id": row["order_id"], "leg": 0, "environment": "practice"}
                | {"account": "main", "intent_at": at(1), "filled_quantity": Decimal(0)}
                | attempt
                | ids
            )
        lived = [*states, *states[-1:] * len(oracle.STEPS)]
        full = row["state"] == "FILLED"
        for number, step in enumerate(oracle.STEPS if full else oracle.STEPS[:4]):
            index = 0 if number < 3 else number - 2
            state = lived[index] if full else (states[0] if number < 3 else states[-1])
            self.facts.history.append(
                {"order_id": row["order_id"], "at": at(number), "step": step, "state": state}
            )
            if state == "UNKNOWN":
                sending = {"at": at(number - 1), "step": "submit_order", "state": "SUBMITTING"}
                self.facts.history.insert(-1, {"order_id": row["order_id"]} | sending)
        for state in states:
            mode = {"broker": row["broker"], "execution_mode": row["execution_mode"]}
            self.tell("orders", state, name, order_id=row["order_id"], state=state, **mode)
        if len(attempts) > 1:
            self.tell("orders", "REROUTED", name, order_id=row["order_id"])

    def fill(self, name: str, known_as: str, number: int, **columns: Any) -> None:
        """One execution: at the venue, in the reports, in the fills and on the stream."""
        order = next(row for row in self.facts.orders if row["client_order_id"] == name)
        paper = order["broker"] == "PAPER"
        said = {
            "execution_id": f"X{number}",
            "symbol": order["symbol"],
            "side": order["side"],
            "executed_at": at(10 + number),
            "venue_order_id": known_as,
        } | {key: columns[key] for key in ("quantity", "price")}
        paid = {} if paper else {"commission": Decimal("0.25"), "commission_currency": "USDT"}
        (self.paper_executions if paper else self.executions).append(said | paid)
        same = {
            key: order[key]
            for key in ("broker", "environment", "account", "execution_mode", "order_id")
        }
        none = {"commission": None, "commission_currency": None}
        report = said | none | paid | same | {"report_id": number, "applied_at": at(20)}
        self.facts.reports.append(report | {"kind": "TRADE"})
        fill = report | {
            "fill_id": number,
            "attempt_id": f"attempt-{known_as}",
            "currency": "USDT",
            "multiplier": Decimal(1),
            "status": "GOOD",
            "revised": None,
            "positioned_at": at(21),
        }
        fill |= columns
        self.facts.fills.append(fill)
        payload = {key: fill.get(key, order.get(key)) for key in oracle.FILL_KEYS}
        payload |= {"last_quantity": fill["quantity"], "last_price": fill["price"]}
        text = {key: plain(value) for key, value in payload.items()}
        self.tell("fills", "FILL", name, **text)

    def tell(self, stream: str, kind: str, name: str, **fields: Any) -> None:
        """A numbered message, heard on its channels."""
        keys = oracle.FILL_KEYS if stream == "fills" else oracle.ORDER_KEYS
        number = 1 + sum(row["stream"] == stream for row in self.facts.events)
        event_id = f"event-{stream}-{number}"
        payload: Dict = dict.fromkeys(sorted(keys - {"sequence"})) | {"client_order_id": name}
        payload |= {key: value for key, value in fields.items() if key != "sequence"}
        payload |= {"schema": 1, "event_id": event_id, "type": kind}
        self.facts.events.append(
            {
                "event_id": event_id,
                "stream": stream,
                "sequence": number,
                "type": kind,
                "order_id": payload["order_id"],
                "payload": payload,
            }
        )
        text = json.dumps(payload | {"sequence": number})
        mode = str(payload["execution_mode"]).lower()
        channels = [stream] if stream == "orders" else ["fills", f"fills.{mode}"]
        assert self.facts.messages is not None
        self.facts.messages += [Message(channel, text) for channel in channels]

    def done(self) -> Facts:
        """The facts, with streams and venues closed."""
        for stream in oracle.STREAMS:
            last = sum(row["stream"] == stream for row in self.facts.events)
            self.facts.streams.append(
                {"stream": stream, "last_sequence": last, "published_sequence": last}
            )
        self.facts.venues = [
            Venue(frozenset({"PAPER"}), self.paper_orders, self.paper_executions),
            Venue(frozenset({"BINANCE", "IBKR"}), self.venue_orders, self.executions),
        ]
        return self.facts


def venue_order(
    known_as: str,
    quantity: str,
    state: str = "FILLED",
    side: str = "BUY",
    symbol: str = "BTC-USDT",
    **more: Any,
) -> Dict:
    """An order as a ledger shows it."""
    return {
        "venue_order_id": known_as,
        "broker_order_id": f"B-{known_as[0]}",
        "symbol": symbol,
        "side": side,
        "quantity": Decimal(quantity),
        "filled_quantity": Decimal(quantity if state == "FILLED" else 0),
        "state": state,
        **more,
    }


def attempt(known_as: str, broker: str, quantity: str, state: str, filled: str = "0") -> Dict:
    """An attempt's own columns."""
    return {
        "venue_order_id": known_as,
        "broker": broker,
        "execution_mode": "PAPER" if broker == "PAPER" else "LIVE",
        "quantity": Decimal(quantity),
        "filled_quantity": Decimal(filled),
        "state": state,
    }


def an_alert(kind: str, order_id: str | None, message: str, key: str = "") -> Dict:
    """An open alert."""
    return {
        "kind": kind,
        "key": key or str(order_id),
        "order_id": order_id,
        "message": message,
        "resolved_at": None,
    }


def position(broker: str, quantity: str, average: str, realised: str, commission: str) -> Dict:
    """A row of `positions` or `paper_positions`."""
    return {
        "account": "main",
        "broker": broker,
        "symbol": "BTC-USDT",
        "multiplier": Decimal(1),
        "quantity": Decimal(quantity),
        "average_price": Decimal(average),
        "realised_pnl": Decimal(realised),
        "commission": Decimal(commission),
        "net_pnl": Decimal(realised) - Decimal(commission),
        "costs": {"USDT": commission} if Decimal(commission) else {},
    }


def running(quantity: str, price: str, total: str, leaves: str, average: str) -> Dict:
    """A fill's figures: its own, and its order's as of it."""
    return {
        "quantity": Decimal(quantity),
        "price": Decimal(price),
        "cumulative_quantity": Decimal(total),
        "leaves_quantity": Decimal(leaves),
        "average_price": Decimal(average),
        "order_state": "PARTIALLY_FILLED" if Decimal(leaves) else "FILLED",
    }


def row(rows: list[Any], **wanted: Any) -> Dict:
    """The one row with these columns."""
    (found,) = (item for item in rows if all(item.get(k) == v for k, v in wanted.items()))
    assert isinstance(found, dict)
    return found


def editable(rows: Any) -> list[Dict]:
    """Rows that are typed as read-only, to be spoiled."""
    return list(rows)


def ledger(facts: Facts, paper: bool = False) -> Venue:  # noqa: FBT001, FBT002 - which of the two
    """The paper book, or the other venue."""
    return facts.venues[0 if paper else 1]


def put(rows: Any, item: Dict) -> None:
    """Append to rows that are typed as read-only."""
    rows.append(item)


Spoil = Callable[[Facts], object]


def set_in(rows: str, where: Dict, **values: Any) -> Spoil:
    """Overwrite columns of one row."""
    return lambda facts: row(getattr(facts, rows), **where).update(values)


def drop(rows: str, **where: Any) -> Spoil:
    """Leave one row out."""
    return lambda facts: getattr(facts, rows).remove(row(getattr(facts, rows), **where))


def set_at_venue(rows: str, where: Dict, **values: Any) -> Spoil:
    """Overwrite fields of one of the ledger's."""
    return lambda facts: row([*getattr(ledger(facts), rows)], **where).update(values)


def drop_at_venue(rows: str, **where: Any) -> Spoil:
    """Leave one of the ledger's out."""
    return lambda facts: getattr(ledger(facts), rows).remove(
        row([*getattr(ledger(facts), rows)], **where)
    )
