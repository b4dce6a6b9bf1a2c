"""What this process signs task messages with, and verifies them by."""

from __future__ import annotations

from functools import cache

from execution.service_keys import service_signer
from execution.settings import current
from execution.signing import Signer
from workers.context import context


@cache
def signer() -> Signer:
    """Made at the first call; raises as `service_signer` does."""
    return service_signer(current(), lambda: context().store)
