"""`execution verify-history`: whether the history of orders is as it was sealed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import text

from execution.cli.orders import Json
from execution.cli.output import print_json, print_line
from execution.cli.stamped import open_store
from execution.domain.errors import ConfigurationError
from execution.service_keys import history_keys
from execution.store import sealing
from execution.store.sealing import Difference, Verified
from execution.supervisor.control import connected_settings

_MOST = 1_000


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(verify_history)


def verify_history(
    heads: Annotated[
        Path | None,
        typer.Option(help="A worker's log, or its lines of sealed heads, kept elsewhere."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Verify that no line of any order's history was changed, removed or inserted.

    Exits 1 when one was. Needs the key that sealed it: TASK_SIGNING_KEY, or the database's own.
    """
    exported = {} if heads is None else dict(_exported(heads))
    counted = Verified()
    with closing(open_store()) as store:
        keys = history_keys(connected_settings(), lambda: store)
        with store.transaction() as connection:
            connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            known = {key.key_id: key for key in keys}
            found = list(sealing.verify(connection, known, exported, counted))
    if as_json:
        print_json(_as_json(counted, found))
    else:
        for one in found[:_MOST]:
            where = "the seals" if one.order_id is None else f"order {one.order_id}"
            print_line(f"head {one.head_no}: {where}: {one.what}")
        print_line(_summary(counted, len(found), len(exported)))
    if found:
        raise typer.Exit(1)


def _summary(counted: Verified, differences: int, exported: int) -> str:
    upto = "" if counted.newest is None else f" up to {counted.newest.upto:%Y-%m-%d %H:%M:%S} UTC"
    outcome = f"{differences} differences" if differences else "all as it was sealed"
    compared = f", {exported} heads from elsewhere compared" if exported else ""
    return (
        f"{outcome}: {counted.lines} lines{upto} in {counted.heads} heads{compared}; "
        f"{counted.unsealed} lines are not sealed yet"
    )


def _as_json(counted: Verified, found: list[Difference]) -> dict[str, Any]:
    newest = counted.newest
    return {
        "heads": counted.heads,
        "lines": counted.lines,
        "unsealed": counted.unsealed,
        "newest": None
        if newest is None
        else {"head_no": newest.head_no, "upto": newest.upto, "digest": newest.digest.hex()},
        "differences": [
            {"head_no": one.head_no, "order_id": one.order_id, "what": one.what} for one in found
        ],
    }


def _exported(file: Path) -> Iterator[tuple[int, bytes]]:
    """Heads in a file: of each line that is JSON and says that history was sealed."""
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from error
    for line in lines:
        try:
            said = json.loads(line)
            if said["event"] == sealing.SEALED:
                yield int(said["head_no"]), bytes.fromhex(said["digest"])
        except (ValueError, KeyError, TypeError):
            continue
