"""The steps' names, and the queue each runs on."""

from __future__ import annotations

import pytest

from execution.domain.lifecycle import INTAKE_QUEUE, Step
from execution.domain.vocabulary import BrokerName

QUEUES = {"IBKR": "ibkr", "MT4": "mt4", "BINANCE": "binance", "PAPER": "paper"}


def test_names() -> None:
    """A step is known by one name, in tables and as a task."""
    assert Step.CREATE_ORDER.label == "create_order"
    assert Step.PUBLISH_FILL_EVENT.task == "tasks.publish_fill_event"


@pytest.mark.parametrize("broker", BrokerName)
@pytest.mark.parametrize("step", Step)
def test_queue(step: Step, broker: BrokerName) -> None:
    """What needs no broker runs with the intake, the rest on the broker's own queue."""
    own = QUEUES[broker]
    assert broker.queue == own
    assert step.queue(broker) == (INTAKE_QUEUE if step in {1, 2} else own)


def test_control_queue() -> None:
    """What only one of a broker's workers can do runs there; the first two steps anywhere."""
    queues = [step.queue(BrokerName.IBKR, 2) for step in Step]
    assert queues == [INTAKE_QUEUE, INTAKE_QUEUE, *["ibkr.2"] * 6]
