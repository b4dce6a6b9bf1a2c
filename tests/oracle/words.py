"""How the same thing is spelled at different places, and small comparisons."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tests.oracle.facts import STEPS, Row

RELATIVE = Decimal("1e-18")


def grouped(rows: Iterable[Row], key: str) -> defaultdict[Any, list[Row]]:
    """Rows by the value of one column."""
    groups: defaultdict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row[key]].append(row)
    return groups


def when(row: Row) -> tuple[datetime, int]:
    """What one statement wrote may bear one time; then the steps' own order decides."""
    return row["at"], STEPS.index(row["step"]) if row["step"] in STEPS else -1


def letters(symbol: str) -> str:
    """A symbol without what venues put between its parts."""
    return "".join(char for char in symbol.upper() if char.isalnum())


def execution_key(row: Row) -> tuple[str, str, str]:
    """What identifies an execution within a venue."""
    return letters(row["symbol"]), row["side"], row["execution_id"]


def is_booked(fill: Row) -> bool:
    """Whether a person booked it: it is no venue's execution, and of no order."""
    return str(fill["execution_id"]).startswith("booking-")


def mode_fits(row: Row) -> bool:
    """True if exactly what is at the broker PAPER is of the mode PAPER."""
    return bool((row["broker"] == "PAPER") == (row["execution_mode"] == "PAPER"))


def in_order(numbers: Sequence[int]) -> bool:
    """True when each number first comes after all smaller ones; repeats may come any time."""
    firsts = list(dict.fromkeys(numbers))
    return firsts == sorted(firsts)


def path(states: Iterable[str]) -> str:
    """States as a line of text."""
    return " -> ".join(states)


def plain(value: object) -> object:
    """A column as a message spells it."""
    if isinstance(value, Decimal):
        text = format(value, "f")
        text = text.rstrip("0").rstrip(".") if "." in text else text
        return "0" if text == "-0" else text
    if isinstance(value, datetime):
        moment = value.astimezone(UTC).isoformat(timespec="microseconds")
        return moment.removesuffix("+00:00") + "Z"
    return value


def parse(text: str) -> dict[str, Any]:
    """The JSON object in a text, numbers as Decimal; an empty one when there is none."""
    try:
        value = json.loads(text, parse_float=Decimal)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def sequence_of(text: str) -> int | None:
    """A message's sequence; None when it has none."""
    sequence = parse(text).get("sequence")
    return sequence if isinstance(sequence, int) else None


def as_message(row: Row) -> str:
    """An event's row as the text that Redis carries."""
    return json.dumps({**row["payload"], "sequence": row["sequence"]})


def names(text: str, quantity: Decimal) -> bool:
    """True if a text names a quantity, as a number of its own."""
    number = re.escape(str(plain(quantity)))
    return re.search(rf"(?<![\d.]){number}(?:\.0+)?(?!\d|\.\d)", text) is not None


def concerns(alert: Row, *order_ids: str) -> bool:
    """True if an alert is about one of some orders."""
    return alert["order_id"] in order_ids or any(one in alert["key"] for one in order_ids)
