"""`execution arbitrage confirm`: a reading that looked implausible is right."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated

import typer

from execution.arbitrage.plan import plan
from execution.cli.operator import who
from execution.cli.orders import Json
from execution.cli.output import ask, print_json, print_line
from execution.cli.stamped import open_store, operators_settings
from execution.domain.decimals import plain
from execution.domain.errors import ExecutionError
from execution.domain.mapping import ExchangeMapper
from execution.store import confirmations
from execution.store.clock import database_time


def confirm(
    evidence: Annotated[str, typer.Option(help="How you, or the second source, know; it is kept.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Confirm the reading that is held back: from the next look on its level is believed.

    It counts until the next observation, for readings near it and with the same coins per share.
    """
    if not evidence.strip():
        raise ExecutionError("--evidence says how you know")
    settings = operators_settings()
    with closing(open_store()) as store:
        with store.transaction() as connection:
            now = database_time(connection)
            planned = plan(settings, ExchangeMapper(settings.symbol_overrides), now)
            held_back = confirmations.doubted(connection, planned.pair, planned.interval.name)
        if held_back is None:
            raise ExecutionError("no reading is held back")
        why, reading = held_back
        what = (
            f"{planned.pair.trust} against {planned.pair.spot}: spread {reading.spread:+.2%} with "
            f"{plain(reading.coins_per_share)} coins per share (as of {reading.coins_as_of})"
        )
        if not yes:
            print_line(what, error=True)
            print_line(f"held back: {why}", error=True)
            ask("Is it right?")
        with store.transaction() as connection:
            at = confirmations.confirm(connection, planned.pair, reading, evidence, who())
    if as_json:
        print_json({"at": at, "spread": reading.spread, "coins_per_share": reading.coins_per_share})
    else:
        print_line(f"confirmed: {what}")
