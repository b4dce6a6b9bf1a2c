"""The same id with the same meaning is the same request, also across releases."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text

from execution.domain.mapping import ExchangeMapper
from execution.domain.payloads import fingerprint
from execution.domain.vocabulary import OnFailure
from execution.intake import Intake
from execution.store.engine import Store

from .stored import TIMING

PAYLOAD = {"client_order_id": "o-1", "symbol": "SPY", "side": "BUY", "quantity": "3"}


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A fresh database."""
    store = Store(database_url)
    yield store
    store.close()


@pytest.fixture
def intake(store: Store) -> Intake:
    """The intake of workers and clients."""
    return Intake(store, ExchangeMapper(), TIMING.step)


@pytest.mark.parametrize(
    "spelled",
    [{"time_in_force": "DAY"}, {"order_type": "MARKET"}, {"quantity": "3.0"}],
)
def test_spelled_otherwise(intake: Intake, spelled: dict[str, Any]) -> None:
    """What is the default may be said; numbers and names may be written in their other ways."""
    first = intake.receive(PAYLOAD)
    again = intake.receive(PAYLOAD | spelled)
    assert (again.outcome, again.order_id) == ("ACCEPTED", first.order_id), again.reason


def test_kept_by_an_earlier_release(store: Store, intake: Intake) -> None:
    """One that is kept in a form of its own is compared by what it means today."""
    first = intake.receive(PAYLOAD)
    kept = PAYLOAD | {"time_in_force": "DAY", "order_type": "MARKET"}
    with store.transaction() as connection:
        connection.execute(
            text(
                "UPDATE order_requests SET payload = CAST(:kept AS jsonb), payload_hash = :digest"
            ),
            {"kept": json.dumps(kept), "digest": fingerprint(kept)},
        )
    again = intake.receive(PAYLOAD)
    assert (again.outcome, again.order_id) == ("ACCEPTED", first.order_id), again.reason
    other = intake.receive(PAYLOAD | {"quantity": "4"})
    assert other.outcome == "REFUSED"
    assert "another payload" in (other.reason or "")


def under(store: Store, default: OnFailure) -> Intake:
    """The intake of a desk with that ON_FAILURE_DEFAULT."""
    return Intake(store, ExchangeMapper(), TIMING.step, default)


def decided(store: Store, default: OnFailure) -> None:
    """Step 1 has made an order of the request, under that default."""
    with store.transaction() as connection:
        connection.execute(
            text(
                """
                UPDATE order_requests
                SET spec = jsonb_build_object(
                    'order', jsonb_build_object('on_failure', CAST(:default AS text)))
                """
            ),
            {"default": default.value},
        )


@pytest.mark.parametrize("then", OnFailure)
@pytest.mark.parametrize("now", OnFailure)
@pytest.mark.parametrize("made", [False, True])
def test_the_default_changes(store: Store, then: OnFailure, now: OnFailure, *, made: bool) -> None:
    """The same payload stays the same order, whatever the setting was and is."""
    first = under(store, then).receive(PAYLOAD)
    if made:
        decided(store, then)
    again = under(store, now).receive(PAYLOAD)
    assert (again.outcome, again.order_id) == ("ACCEPTED", first.order_id), again.reason


@pytest.mark.parametrize("default", OnFailure)
@pytest.mark.parametrize("now", OnFailure)
def test_the_default_spelled_out(store: Store, default: OnFailure, now: OnFailure) -> None:
    """What the default was may be said later; another choice is another payload, every time."""
    first = under(store, default).receive(PAYLOAD)
    decided(store, default)
    for named in OnFailure:
        for _ in range(2):
            again = under(store, now).receive(PAYLOAD | {"on_failure": named.value})
            same = named is default
            assert again.outcome == ("ACCEPTED" if same else "REFUSED"), (named, again.reason)
            assert (again.order_id == first.order_id) is same


@pytest.mark.parametrize("named", OnFailure)
def test_what_was_named_and_is_the_default_now(store: Store, named: OnFailure) -> None:
    """It may be left out, too."""
    first = under(store, OnFailure.PAPER).receive(PAYLOAD | {"on_failure": named.value})
    again = under(store, named).receive(PAYLOAD)
    assert (again.outcome, again.order_id) == ("ACCEPTED", first.order_id), again.reason


def test_paper_asked_for_by_name_is_kept(store: Store) -> None:
    """It must not turn into whatever the default is when step 1 comes to it."""
    receipt = under(store, OnFailure.REJECT).receive(PAYLOAD | {"on_failure": "paper"})
    with store.transaction() as connection:
        kept = connection.execute(text("SELECT payload FROM order_requests")).scalar_one()
    assert receipt.outcome == "ACCEPTED"
    assert kept["on_failure"] == "paper"


def test_a_name_that_an_earlier_release_left_out(store: Store) -> None:
    """It kept no `paper`, said or not: to say it is the same, and so is to leave it out."""
    first = under(store, OnFailure.PAPER).receive(PAYLOAD)
    decided(store, OnFailure.PAPER)
    for payload in (PAYLOAD, PAYLOAD | {"on_failure": "paper"}):
        again = under(store, OnFailure.REJECT).receive(payload)
        assert (again.outcome, again.order_id) == ("ACCEPTED", first.order_id), again.reason
