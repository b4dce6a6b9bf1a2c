"""Steps that have left their change to a later one, when that one cannot write it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from execution.domain.errors import StoreUnavailable
from execution.store.finishing import Rested, Taken
from tasks import update_positions

from .an_order import an_order


class Away:
    """A database that is away."""

    def brief(self) -> Any:
        raise StoreUnavailable("no server")


@pytest.fixture(autouse=True)
def _away(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = SimpleNamespace(store=Away(), timing=None)
    monkeypatch.setattr(update_positions, "context", lambda: shared)


def test_what_is_recorded_is_gone_on_with() -> None:
    """From step 5 on: a retry of step 7 would not find its turn."""
    assert update_positions._finish(Rested(an_order(), (), (0.0, 0.0))) is None


def test_what_is_recorded_nowhere_is_tried_again() -> None:
    """Recovery asks the venue for it, should the retry come to nothing."""
    said: Any = SimpleNamespace(executions=())
    with pytest.raises(StoreUnavailable):
        update_positions._finish(Taken(an_order(), said, uuid4(), (0.0, 0.0, 0.0)))
