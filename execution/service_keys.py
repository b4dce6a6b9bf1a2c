"""Keys of the service: what signs its own messages, and what its history is sealed with."""

from __future__ import annotations

from collections.abc import Callable

from execution.domain.history import HistoryKey
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
    keys[KeyRole.SERVICE] = _service_keys(settings, store)
    return Signer(keys, settings.task_signature_lifetime)


def history_keys(settings: Settings, store: Callable[[], Store]) -> list[HistoryKey]:
    """Return the keys that seal and verify history, the one in use first; raises as above.

    They are made of the service's signing keys: whoever reads those from the database can seal.
    """
    return [HistoryKey.of(key) for key in _service_keys(settings, store)]


def _service_keys(settings: Settings, store: Callable[[], Store]) -> list[str]:
    return settings.signing_keys().get(KeyRole.SERVICE) or signing_keys.load(store())
