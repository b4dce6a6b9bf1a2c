"""A span of time as settings take it: a bare number is seconds."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator


def _seconds(value: object) -> object:
    """A bare number is seconds; pydantic reads a bare string of digits as an ISO 8601 duration."""
    try:
        return timedelta(seconds=float(value)) if isinstance(value, str) else value
    except ValueError:
        raise ValueError("must be a number of seconds") from None
    except OverflowError:
        raise ValueError("must be a number of seconds in range") from None


Seconds = Annotated[timedelta, BeforeValidator(_seconds)]
