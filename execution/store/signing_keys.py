"""The key that this database's workers sign steps with, where no TASK_SIGNING_KEY is set."""

from __future__ import annotations

from sqlalchemy import text

from execution.domain.errors import ConfigurationError
from execution.store.engine import Store


def load(store: Store) -> list[str]:
    """Return the keys, the newest first. StoreUnavailable; ConfigurationError when there is none.

    `execution migrate` makes the first one. Only the roles `work` and `migrate` may read it.
    """
    with store.statement() as connection:
        keys = connection.execute(text("SELECT key FROM signing_keys ORDER BY key_id DESC"))
        found = list(keys.scalars())
    if not found:
        raise ConfigurationError("table signing_keys is empty: set TASK_SIGNING_KEY")
    return found
