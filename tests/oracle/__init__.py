"""The independent judge: what the venues hold against what the database and Redis say of it.

It imports nothing of the project, so that a mistake there cannot hide itself here: the rules are
written down a second time, from the published interface, and differently. `judge` expects a system
at rest (nothing in flight); orders that rest at a venue are fine with `allow_open`.
"""

from tests.oracle.facts import (
    CHANNELS,
    FILL_KEYS,
    ORDER_KEYS,
    STEPS,
    STREAMS,
    Facts,
    Message,
    Row,
    Venue,
    Verdict,
)
from tests.oracle.judging import judge, judge_facts, load
from tests.oracle.tap import EventTap

__all__ = [
    "CHANNELS",
    "FILL_KEYS",
    "ORDER_KEYS",
    "STEPS",
    "STREAMS",
    "EventTap",
    "Facts",
    "Message",
    "Row",
    "Venue",
    "Verdict",
    "judge",
    "judge_facts",
    "load",
]
