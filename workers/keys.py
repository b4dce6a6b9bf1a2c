"""The keys of this process: for task messages, and for the history of orders."""

from __future__ import annotations

from functools import cache

from execution.domain.history import HistoryKey
from execution.service_keys import history_keys, service_signer
from execution.settings import current
from execution.signing import Signer
from workers.context import context


@cache
def signer() -> Signer:
    """Made at the first call; raises as `service_signer` does."""
    return service_signer(current(), lambda: context().store)


@cache
def history_key() -> HistoryKey:
    """What history is sealed with; raises as `service_signer` does."""
    return history_keys(current(), lambda: context().store)[0]
