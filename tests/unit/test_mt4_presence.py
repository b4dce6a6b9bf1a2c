"""Who is served: one terminal, lately heard, of the right account."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from mt4_bridge.presence import AccountState, Presence, Snapshot
from mt4_bridge.wire import Record

STALE = 10.0
ACCOUNT = AccountState(
    login="1",
    server="Demo",
    company="",
    currency="USD",
    balance=Decimal(1),
    equity=Decimal(1),
    margin=Decimal(0),
    free_margin=Decimal(1),
    leverage=100,
    demo=True,
    connected=True,
    trade_allowed=True,
)
SNAPSHOT = Snapshot(account=ACCOUNT, symbols={}, open_tickets={}, offset=7200, taken_at=0)


class Watch:
    """A monotonic clock that stands until it is moved."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch() -> Watch:
    """A clock at rest."""
    return Watch()


@pytest.fixture
def presence(watch: Watch) -> Presence:
    """A bridge bound to account 1@Demo, with its snapshot."""
    return Presence(STALE, watch, "1@Demo", SNAPSHOT)


def _hello(terminal: str, instance: str) -> Record:
    return Record("HELLO", {"terminal": terminal, "instance": instance})


def test_nobody(watch: Watch) -> None:
    """Before the first poll nothing can be believed."""
    assert Presence(STALE, watch).problems() == [
        "no terminal has been heard since the bridge started"
    ]


def test_one_terminal(presence: Presence) -> None:
    """One that speaks is served."""
    speaker = presence.heard(_hello("a", "1"))
    assert presence.serves(speaker)
    assert presence.problems() == []


def test_stale(presence: Presence, watch: Watch) -> None:
    """The last heartbeat may be as old as the limit, and no older."""
    presence.heard(_hello("a", "1"))
    watch.now += STALE
    assert presence.problems() == []
    watch.now += 0.1
    assert presence.problems() == ["the terminal was last heard 10.1 s ago"]


def test_a_restarted_terminal_is_no_second_one(presence: Presence, watch: Watch) -> None:
    """The instance before has gone silent: the new one is served at once."""
    presence.heard(_hello("a", "1"))
    watch.now += 0.5
    assert presence.serves(presence.heard(_hello("a", "2")))
    assert presence.problems() == []


@pytest.mark.parametrize("other", ["a", "b"])
def test_two_at_once(presence: Presence, watch: Watch, other: str) -> None:
    """An older one that goes on speaking is a rival, with the same journal or another."""
    presence.heard(_hello("a", "1"))
    watch.now += 0.5
    newest = presence.heard(_hello(other, "2"))
    watch.now += 0.5
    oldest = presence.heard(_hello("a", "1"))
    assert not presence.serves(newest)
    assert not presence.serves(oldest)
    assert "2 terminals speak at once" in presence.problems()[0]


def test_two_until_one_has_been_silent_for_long(presence: Presence, watch: Watch) -> None:
    """The conflict ends when one of them has not been heard for as long as a heartbeat lasts."""
    presence.heard(_hello("a", "1"))
    presence.heard(_hello("b", "2"))
    presence.heard(_hello("a", "1"))
    for _ in range(3):
        watch.now += STALE / 2
        newest = presence.heard(_hello("b", "2"))
    assert presence.serves(newest)


def test_the_older_may_stay(presence: Presence, watch: Watch) -> None:
    """When it is the newer one that is stopped, the older is served again."""
    presence.heard(_hello("a", "1"))
    presence.heard(_hello("b", "2"))
    for _ in range(3):
        watch.now += STALE / 2
        oldest = presence.heard(_hello("a", "1"))
    assert presence.serves(oldest)
    assert presence.problems() == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"login": "2"}, "logged in to 2@Demo, and this bridge's database belongs to 1@Demo"),
        ({"connected": False}, "no connection to its trade server"),
        ({"trade_allowed": False}, "may not trade"),
    ],
)
def test_reasons(presence: Presence, changes: dict[str, object], words: str) -> None:
    """Each has its own words."""
    presence.heard(_hello("a", "1"))
    presence.snapshot = replace(SNAPSHOT, account=replace(ACCOUNT, **changes))  # type: ignore[arg-type]
    (reason,) = presence.problems()
    assert words in reason


def test_what_may_not_trade_can_be_believed(presence: Presence) -> None:
    """Questions go on while AutoTrading is off."""
    presence.heard(_hello("a", "1"))
    presence.snapshot = replace(SNAPSHOT, account=replace(ACCOUNT, trade_allowed=False))
    assert presence.doubts() == []


def test_an_unknown_clock_dates_nothing(presence: Presence) -> None:
    """Without the server's offset no time can be told."""
    presence.heard(_hello("a", "1"))
    presence.snapshot = replace(SNAPSHOT, offset=None)
    assert "clock is not known" in presence.doubts()[0]
