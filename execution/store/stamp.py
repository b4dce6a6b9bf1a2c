"""The stamp of the database: which environment and which accounts its orders are of."""

from __future__ import annotations

from sqlalchemy import Connection, text

from execution.domain.errors import ConfigurationError
from execution.domain.vocabulary import BrokerName, Environment


def environment(connection: Connection) -> Environment | None:
    """Which environment the database's orders are of; None before the first process came."""
    found = connection.execute(text("SELECT environment FROM environment_stamp")).scalar()
    return None if found is None else Environment(found)


def verify(connection: Connection, environment: Environment) -> None:
    """Stamp a new database, or compare.

    Raises ConfigurationError when the database belongs to the other environment.
    """
    connection.execute(
        text(
            """
            INSERT INTO environment_stamp (environment) VALUES (:environment)
            ON CONFLICT DO NOTHING
            """
        ),
        {"environment": environment},
    )
    stamped = connection.execute(text("SELECT environment FROM environment_stamp")).scalar_one()
    if stamped != environment:
        raise ConfigurationError(
            f"EXECUTION_ENVIRONMENT is {environment}, but this database holds orders of "
            f"{stamped}: use a database of its own for each"
        )


def verify_account(connection: Connection, broker: BrokerName, account: str) -> None:
    """Stamp the account that a broker's key belongs to, as the venue names it, or compare.

    Raises ConfigurationError when orders of another account were sent from this database.
    """
    stamped = connection.execute(
        text(
            """
            UPDATE environment_stamp
            SET accounts = jsonb_build_object(CAST(:broker AS text), CAST(:account AS text))
                || accounts
            RETURNING accounts ->> :broker
            """
        ),
        {"broker": broker, "account": account},
    ).scalar_one()
    if stamped != account:
        raise ConfigurationError(
            f"{broker}: the key belongs to account {account}, but this database holds orders of "
            f"{stamped}: use a database of its own for each"
        )
