"""What became of the money: positions, their prices, profits and costs."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

from tests.oracle.case import Case
from tests.oracle.facts import Row
from tests.oracle.words import RELATIVE

_GRID = 10**40


@dataclass(slots=True)
class Walk:
    """An average-cost walk in exact fractions: what is held, what it cost, what was earned."""

    quantity: Fraction = Fraction(0)
    cost: Fraction = Fraction(0)
    earned: Fraction = Fraction(0)
    fees: Fraction = Fraction(0)
    costs: dict[str, Fraction] = field(default_factory=dict)

    def trade(self, signed: Fraction, price: Fraction) -> None:
        """Trade `signed` units: what goes against the holding leaves at its average cost."""
        against = self.quantity * signed < 0
        leaving = min(abs(signed), abs(self.quantity)) if against else Fraction(0)
        if leaving:
            direction = 1 if signed > 0 else -1
            share = self.cost * leaving / abs(self.quantity)
            # A long's cost is positive, a short's negative: proceeds and cost meet with one sign.
            self.earned += -direction * leaving * price - share
            self.quantity += direction * leaving
            self.cost = _on_grid(self.cost - share) if self.quantity else Fraction(0)
            signed -= direction * leaving
        self.quantity += signed
        self.cost += signed * price

    def pay(self, amount: Fraction, currency: str) -> None:
        """Something was paid, whatever for."""
        self.costs[currency] = self.costs.get(currency, Fraction(0)) + amount

    def pay_in_kind(self, amount: Fraction, price: Fraction) -> None:
        """A commission in what is traded leaves at the execution's price, and is worth that."""
        self.trade(-amount, price)
        self.fees += amount * price

    @property
    def average(self) -> Fraction:
        """What a unit of the holding cost."""
        return self.cost / self.quantity if self.quantity else Fraction(0)


def check_positions(case: Case) -> None:
    """Each position is what its fills add up to, once, in the table of its mode."""
    rows: dict[tuple[str, str, str], Row] = {}
    tables = (
        ("positions", False, case.facts.positions),
        ("paper_positions", True, case.facts.paper_positions),
    )
    for table, paper, held in tables:
        for row in held:
            key = (row["account"], row["broker"], row["symbol"])
            name = f"{table} {'/'.join(key)}"
            case.expect((row["broker"] == "PAPER") == paper, f"{name}: in the wrong table")
            case.expect(key not in rows, f"{name}: there twice")
            rows[key] = row
    fills: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for fill in case.facts.fills:
        fills[fill["account"], fill["broker"], fill["symbol"]].append(fill)
        text = f"fill {fill['execution_id']}: is in no position"
        case.expect(fill["positioned_at"] is not None, text)
    for key in rows.keys() | fills.keys():
        _position(case, "/".join(key), rows.get(key), fills.get(key, []))


def _position(case: Case, name: str, row: Row | None, fills: list[Row]) -> None:
    if row is None:
        case.problem(f"position {name}: missing")
        return
    walk, turnover = Walk(), Fraction(0)
    for fill in sorted(fills, key=lambda item: (item["executed_at"], item["fill_id"])):
        quantity, price = Fraction(fill["quantity"]), Fraction(fill["price"])
        walk.trade(quantity if fill["side"] == "BUY" else -quantity, price)
        turnover += abs(quantity * price)
        if not fill["commission"] or not quantity:
            continue
        paid, unit = Fraction(fill["commission"]), fill["commission_currency"] or fill["currency"]
        walk.pay(paid, unit or "?")
        if unit == _base_of(case, fill):
            walk.pay_in_kind(paid, price)
        elif unit == fill["currency"]:
            walk.fees += paid
    multipliers = {fill["multiplier"] for fill in fills} or {row["multiplier"]}
    case.expect(multipliers == {row["multiplier"]}, f"position {name}: multiplier differs")
    multiplier, slack = Fraction(row["multiplier"]), Fraction(RELATIVE)
    # A rounded average carries an error of the size of prices, not of what is left of them.
    scale = turnover * multiplier
    costs = {name: _decimal(amount) for name, amount in walk.costs.items() if amount}
    noted = {name: Decimal(amount) for name, amount in row["costs"].items()}
    case.expect(noted == costs, f"position {name}: costs {noted}, but {costs} by its fills")
    net = row["realised_pnl"] - row["commission"]
    case.expect(row["net_pnl"] == net, f"position {name}: net_pnl {row['net_pnl']}, not {net}")
    for key, expected, tolerance in (
        ("quantity", walk.quantity, Fraction(0)),
        ("commission", walk.fees, Fraction(0)),
        ("average_price", walk.average, slack * abs(walk.average)),
        ("realised_pnl", walk.earned * multiplier, slack * scale),
    ):
        if abs(Fraction(row[key]) - expected) > tolerance:
            text = f"position {name}: {key} {row[key]}, but {_decimal(expected)} by its fills"
            case.problem(text)


def _base_of(case: Case, fill: Row) -> str | None:
    """The base asset of a crypto pair; nothing else can be held less by a commission."""
    order = case.orders.get(fill["order_id"])
    if order is not None and order["asset_class"] != "CRYPTO":
        return None
    base, dash, _ = fill["symbol"].partition("-")
    return base if dash else None


def _on_grid(value: Fraction) -> Fraction:
    """Forty decimals: else the denominators of a long history grow without bound."""
    return Fraction(round(value * _GRID), _GRID)


def _decimal(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)
