"""C2xx: what each failure of a submit proves, and the fence around a late one."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from execution.domain.errors import (
    BrokerRejected,
    BrokerUnavailable,
    OutcomeUnknown,
    RejectionScope,
    TooLate,
)
from execution.domain.ports import Broker
from execution.domain.vocabulary import OrderState
from simulators.faults import FaultKind

from .harness import (
    Ability,
    Trait,
    VenueHarness,
    doubling,
    eventually,
    has_trait,
    needs,
    new_attempt,
)


@needs(FaultKind.REJECT)
async def test_c201_rejected(harness: VenueHarness, broker: Broker) -> None:
    """C201: a refusal is about that order: it says nothing of the venue."""
    await _is_refused(harness, broker, RejectionScope.ORDER)


@needs(FaultKind.REJECT, Ability.HALTS)
async def test_c214_market_closed(harness: VenueHarness, broker: Broker) -> None:
    """C214: a closed market is its symbol's state: it says nothing of the order or the venue."""
    await _is_refused(harness, broker, RejectionScope.SYMBOL)


@needs(FaultKind.REJECT, Ability.REFUSES_EVERYBODY)
async def test_c213_everybody_is_rejected(harness: VenueHarness, broker: Broker) -> None:
    """C213: a refusal of whatever the account sends is the venue's."""
    await _is_refused(harness, broker, RejectionScope.VENUE)


async def _is_refused(harness: VenueHarness, broker: Broker, scope: RejectionScope) -> None:
    """BrokerRejected with reason, code and scope, and nothing is held."""
    refusal = harness.refusal(scope)
    await harness.arm(FaultKind.REJECT, **refusal)
    attempt = new_attempt(harness)
    with pytest.raises(BrokerRejected, match=refusal["reason"]) as caught:
        await broker.submit(attempt)
    assert caught.value.scope is scope
    assert caught.value.code == refusal["code"]
    assert (await harness.ledger()).count(attempt) == 0
    found = await broker.find(attempt)
    if found is not None:
        assert has_trait(harness, Trait.KEEPS_REFUSED)
        assert found.state is OrderState.REJECTED
        assert found.filled_quantity == 0


@needs(FaultKind.DROP_REPLY)
async def test_c202_reply_dropped(harness: VenueHarness, broker: Broker) -> None:
    """C202: an accepted order whose answer is lost is OutcomeUnknown, held once, and found."""
    await harness.arm(FaultKind.DROP_REPLY)
    attempt = new_attempt(harness)
    with pytest.raises(OutcomeUnknown):
        await broker.submit(attempt)
    found = await broker.find(attempt)
    assert (await harness.ledger()).count(attempt) == 1
    assert found is not None
    assert found.state is OrderState.FILLED


@needs(FaultKind.DROP_REQUEST)
async def test_c203_request_dropped(harness: VenueHarness, broker: Broker) -> None:
    """C203: a connection dropped before acceptance is OutcomeUnknown, and nothing is sent again."""
    await harness.arm(FaultKind.DROP_REQUEST)
    attempt = new_attempt(harness)
    with pytest.raises(OutcomeUnknown):
        await broker.submit(attempt)
    assert await harness.fired(FaultKind.DROP_REQUEST) == 1
    assert (await harness.ledger()).count(attempt) == 0


@needs(FaultKind.DROP_REPLY)
async def test_c204_no_hidden_retry(harness: VenueHarness, broker: Broker) -> None:
    """C204: no lost answer makes the library send again, on a used connection either."""
    for _ in range(3):
        await broker.submit(new_attempt(harness))
        await broker.find(new_attempt(harness))
        await harness.arm(FaultKind.DROP_REPLY)
        attempt = new_attempt(harness)
        with pytest.raises(OutcomeUnknown):
            await broker.submit(attempt)
        assert (await harness.ledger()).count(attempt) == 1


@needs(FaultKind.DELAY_REPLY)
async def test_c205_answer_late(harness: VenueHarness, impatient: Broker) -> None:
    """C205: an answer that takes too long is OutcomeUnknown, and the order is held once."""
    await harness.arm(FaultKind.DELAY_REPLY, seconds=4 * harness.answer_seconds)
    attempt = new_attempt(harness)
    with pytest.raises(OutcomeUnknown):
        await impatient.submit(attempt)

    async def held() -> bool:
        return (await harness.ledger()).count(attempt) == 1

    await eventually(held)


@needs(FaultKind.DELAY, Ability.UNFENCED)
async def test_c206_arrives_after_the_timeout(
    harness: VenueHarness, broker: Broker, impatient: Broker
) -> None:
    """C206: an unfenced order can arrive after we gave up: absence is no proof without a fence."""
    for margin in doubling(0.1):
        await harness.arm(FaultKind.DELAY, seconds=harness.answer_seconds + margin)
        attempt = new_attempt(harness)
        with pytest.raises(OutcomeUnknown):
            await impatient.submit(attempt)
        if await broker.find(attempt) is None:
            break  # else it had arrived before it was asked for

    async def arrived() -> bool:
        with suppress(BrokerUnavailable):  # it shows in one of the venue's lists before another
            return await broker.find(attempt) is not None
        return False

    await eventually(arrived)
    assert (await harness.ledger()).count(attempt) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@needs(FaultKind.ERROR_REPLY)
async def test_c207_internal_error(harness: VenueHarness, broker: Broker, status: int) -> None:
    """C207: an internal error proves nothing: OutcomeUnknown, or what the venue shows if asked."""
    await harness.arm(FaultKind.ERROR_REPLY, status=status)
    attempt = new_attempt(harness)
    try:
        said = await broker.submit(attempt)
    except OutcomeUnknown:
        pass
    else:
        assert said.state is OrderState.FILLED
    assert (await harness.ledger()).count(attempt) == 1


@needs(FaultKind.UNAVAILABLE, Ability.SAYS_IT_TOOK_NOTHING)
async def test_c208_says_it_took_nothing(harness: VenueHarness, broker: Broker) -> None:
    """C208: a venue that says it took nothing is BrokerUnavailable, and holds nothing."""
    await harness.arm(FaultKind.UNAVAILABLE)
    attempt = new_attempt(harness)
    with pytest.raises(BrokerUnavailable):
        await broker.submit(attempt)
    assert (await harness.ledger()).count(attempt) == 0


@needs(Ability.RESTART)
async def test_c209_nobody_there(harness: VenueHarness, broker: Broker) -> None:
    """C209: a submit to a venue that is gone never leaves: BrokerUnavailable."""
    await harness.stop()
    attempt = new_attempt(harness)
    with pytest.raises(BrokerUnavailable):
        await broker.submit(attempt)
    await harness.start()
    await broker.connect()
    assert await broker.find(attempt) is None


@needs(FaultKind.DISCONNECT)
async def test_c210_disconnected(harness: VenueHarness, broker: Broker) -> None:
    """C210: a venue that drops everybody leaves every submit under way unknown, and unsent."""
    await harness.arm(FaultKind.DELAY, seconds=5)
    waiting = new_attempt(harness)
    pending = asyncio.create_task(broker.submit(waiting))

    async def under_way() -> bool:
        return await harness.fired(FaultKind.DELAY) == 1

    await eventually(under_way)
    await harness.arm(FaultKind.DISCONNECT, on="submit")
    other = new_attempt(harness)
    with pytest.raises(OutcomeUnknown):
        await broker.submit(other)
    with pytest.raises(OutcomeUnknown):
        await pending
    ledger = await harness.ledger()
    assert (ledger.count(waiting), ledger.count(other)) == (0, 0)


@needs(FaultKind.REJECT, FaultKind.DROP_REPLY)
async def test_c211_works_after_errors(harness: VenueHarness, broker: Broker) -> None:
    """C211: after every failure the next order goes through on the same adapter."""
    for kind, error in (
        (FaultKind.REJECT, BrokerRejected),
        (FaultKind.DROP_REPLY, OutcomeUnknown),
    ):
        await harness.arm(kind)
        with pytest.raises(error):
            await broker.submit(new_attempt(harness))
        attempt = new_attempt(harness)
        await broker.submit(attempt)
        assert (await harness.ledger()).count(attempt) == 1


@needs(FaultKind.DROP_REPLY)
async def test_c212_one_failure_among_many(harness: VenueHarness, broker: Broker) -> None:
    """C212: one lost answer among ten concurrent submits is that one order's doubt alone."""
    attempts = [new_attempt(harness) for _ in range(10)]
    unlucky = attempts[3]
    await harness.arm(FaultKind.DROP_REPLY, venue_order_id=unlucky.venue_order_id)
    answers = await asyncio.gather(
        *(broker.submit(attempt) for attempt in attempts), return_exceptions=True
    )
    failed = [
        attempt
        for attempt, answer in zip(attempts, answers, strict=True)
        if isinstance(answer, OutcomeUnknown)
    ]
    ledger = await harness.ledger()
    if has_trait(harness, Trait.ONE_CONNECTION):
        assert unlucky in failed
        unsent = [
            attempt
            for attempt, answer in zip(attempts, answers, strict=True)
            if isinstance(answer, BrokerUnavailable)
        ]
        assert all(ledger.count(attempt) == 0 for attempt in unsent)
        attempts = [one for one in attempts if one is unlucky or one not in [*failed, *unsent]]
    else:
        assert failed == [unlucky]
    assert all(ledger.count(attempt) == 1 for attempt in attempts)


@needs(Ability.FENCE)
async def test_c220_too_late(harness: VenueHarness, broker: Broker) -> None:
    """C220: what is sent after `send_by` is not taken, which is no refusal of the order."""
    attempt = new_attempt(harness, send_by=datetime.now(UTC) - timedelta(seconds=30))
    with pytest.raises(TooLate):
        await broker.submit(attempt)
    assert await broker.find(attempt) is None
    assert (await harness.ledger()).count(attempt) == 0


@needs(Ability.FENCE)
async def test_c221_in_time(harness: VenueHarness, broker: Broker) -> None:
    """C221: what is sent before `send_by` is taken."""
    attempt = new_attempt(harness, send_by=datetime.now(UTC) + timedelta(seconds=5))
    await broker.submit(attempt)
    assert (await harness.ledger()).count(attempt) == 1


@needs(Ability.FENCE, FaultKind.DELAY, Ability.FENCE_IN_TRANSIT)
async def test_c222_late_in_transit(harness: VenueHarness, broker: Broker) -> None:
    """C222: what was sent in time and comes late is refused by the venue's clock."""
    for margin in doubling(harness.answer_seconds / 4):
        await harness.clear()
        await harness.arm(FaultKind.DELAY, seconds=2 * margin)
        attempt = new_attempt(harness, send_by=datetime.now(UTC) + timedelta(seconds=margin))
        with pytest.raises((TooLate, OutcomeUnknown)):
            await broker.submit(attempt)
        assert (await harness.ledger()).count(attempt) == 0
        if await harness.fired(FaultKind.DELAY):
            break  # else it was late before it could be sent


@needs(Ability.FENCE, FaultKind.DELAY, Ability.FENCE_IN_TRANSIT)
async def test_c223_absence_is_proof(
    harness: VenueHarness, broker: Broker, impatient: Broker
) -> None:
    """C223: absent after `send_by` and `absence_proven_after` is absent for ever."""
    for margin in doubling(0.05):
        await harness.clear()
        delay = timedelta(seconds=harness.answer_seconds + margin + 0.2)
        await harness.arm(FaultKind.DELAY, seconds=delay.total_seconds())
        arrives = datetime.now(UTC) + delay
        send_by = datetime.now(UTC) + timedelta(seconds=margin)
        attempt = new_attempt(harness, send_by=send_by)
        with pytest.raises((TooLate, OutcomeUnknown)) as given_up:
            await impatient.submit(attempt)
        if await harness.fired(FaultKind.DELAY):
            assert given_up.type is OutcomeUnknown
            break  # else it was late before it could be sent
    proven_at = send_by + broker.capabilities.absence_proven_after

    async def proven_and_arrived() -> bool:
        return datetime.now(UTC) > max(proven_at, arrives + timedelta(seconds=0.1))

    await eventually(proven_and_arrived)
    assert await broker.find(attempt) is None
    assert (await harness.ledger()).count(attempt) == 0
