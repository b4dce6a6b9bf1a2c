"""What signs the service's own messages: every step, and what operators have workers do."""

from __future__ import annotations

from collections.abc import Callable

from execution.settings import Settings
from execution.signing import KeyRole, Signer
from execution.store import signing_keys
from execution.store.engine import Store


def service_signer(settings: Settings, store: Callable[[], Store]) -> Signer:
    """Return a signer that holds every key of these settings.

    TASK_SIGNING_KEY where it is set, else the database's own key: steps are signed always. `store`
    is asked for in the second case only. Raises StoreUnavailable as long as the database cannot be
    asked, ConfigurationError without any key.
    """
    keys = settings.signing_keys()
    if not keys.get(KeyRole.SERVICE):
        keys[KeyRole.SERVICE] = signing_keys.load(store())
    return Signer(keys, settings.task_signature_lifetime)
