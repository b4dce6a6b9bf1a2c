"""Steps go by what a broker can do, and never by which one it is."""

from __future__ import annotations

import ast

import pytest

from execution.domain.vocabulary import BrokerName
from execution.supervisor.services import project_root

STEPS = sorted(path.name for path in (project_root() / "tasks").glob("*.py"))
# It takes on what routing has turned to paper, and nothing else.
ROUTING = {"reroute_to_paper.py"}


def compared(source: str) -> list[int]:
    """Lines that compare something with one of the brokers."""
    names = {f"BrokerName.{name}" for name in BrokerName.__members__}
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Compare)
        and names & {ast.unparse(one) for one in (node.left, *node.comparators)}
    ]


@pytest.mark.parametrize("name", STEPS)
def test_no_step_asks_which_broker_it_is(name: str) -> None:
    """Capabilities say what differs; so paper takes the way of live orders."""
    source = (project_root() / "tasks" / name).read_text(encoding="utf-8")
    assert name in ROUTING or compared(source) == []


def test_it_would_be_seen() -> None:
    """In an if, a while, an expression."""
    assert compared("x = 1\nif order.broker is not BrokerName.PAPER: pass") == [2]
    assert compared("y = a and (b or order.broker == BrokerName.IBKR)") == [1]
