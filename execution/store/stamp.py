"""The stamp of the database: which environment its orders are of."""

from __future__ import annotations

from sqlalchemy import Connection, text

from execution.domain.errors import ConfigurationError
from execution.domain.vocabulary import Environment


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
