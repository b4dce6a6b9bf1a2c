"""Makes tests/operations/release/: what a release left in its stores, with work under way.

`python -m tests.operations.release_dump FOLDER` runs the checked-out release: a database with
orders in every situation, what its venue remembers, and the messages that are still in Redis. The
next release's tests/operations/test_upgrade.py goes on with it. Make it anew when a release is out,
from its own checkout.
"""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import redis
from sqlalchemy.engine import make_url

from execution.store.migrate import upgrade
from execution.supervisor.binaries import postgres_folder
from execution.supervisor.postgres import EmbeddedPostgres
from execution.supervisor.supervisor import Supervisor
from execution.supervisor.valkey import EmbeddedValkey
from tests.fleet import Fleet, wait_until

BITCOIN = {"symbol": "BTC-USDT", "side": "BUY", "quantity": "3"}
SHARES = {"symbol": "SPY", "side": "BUY", "quantity": "4"}
KEY = "a key of a test that signs nothing anywhere else"


def main() -> None:
    """Make the folder that is named."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        home = Path(name) / "servers"
        home.mkdir(mode=0o700)
        postgres, valkey = EmbeddedPostgres(home), EmbeddedValkey(home)
        with Supervisor([postgres.spec(), valkey.spec()], home):
            url = postgres.create_database("release")
            upgrade(url)
            fleet = Fleet(url, valkey.url, Path(name) / "fleet")
            with fleet:
                _use(fleet)
            _queue(fleet)
            with closing(redis.Redis.from_url(valkey.url)) as client:
                items: list[Any] = client.lrange("orders", 0, -1)
            (folder / "orders.jsonl").write_text(_anywhere(b"\n".join(items).decode()) + "\n")
            shutil.copy(Path(name) / "fleet" / "venue.jsonl", folder / "venue.jsonl")
            dump(url, folder / "database.sql")
        postgres.destroy()


def _use(fleet: Fleet) -> None:
    """Bring orders into every situation, and leave them there."""
    client = fleet.client
    client.place(**BITCOIN, client_order_id="live-filled")
    fleet.await_state("live-filled", "FILLED")
    client.place(**BITCOIN, client_order_id="live-part", order_type="LIMIT", limit_price="60000")
    fleet.await_state("live-part", "SUBMITTED")
    fleet.venue.control("POST", "liquidity", {"symbol": "BTC-USDT", "size": "1"})
    fleet.set_prices({"BTC-USDT": ("59990", "59995")})
    fleet.await_state("live-part", "PARTIALLY_FILLED")
    fleet.set_prices({"BTC-USDT": ("64000", "64001")})
    client.place(**BITCOIN, client_order_id="live-rests", order_type="LIMIT", limit_price="61000")
    fleet.await_state("live-rests", "SUBMITTED")
    client.place(**SHARES, client_order_id="paper-rests", order_type="LIMIT", limit_price="500")
    fleet.await_state("paper-rests", "SUBMITTED")
    client.place(
        **SHARES, client_order_id="bracket", take_profit_price="650", stop_loss_price="550"
    )
    fleet.await_state("bracket", "FILLED")
    wait_until(
        lambda: (
            fleet.query(
                """SELECT count(*) AS n FROM orders
            WHERE parent_order_id IS NOT NULL AND state = 'SUBMITTED' AND due_at IS NULL"""
            )[0]["n"]
            == 2
        ),
        what="its children",
    )
    client.place(**SHARES, client_order_id="waits", on_failure="wait")
    wait_until(
        lambda: fleet.query("SELECT 1 FROM alerts WHERE kind = 'WAITING'"), what="its broker"
    )
    # Taken by the venue, which nobody can ask any more.
    fleet.venue.arm("drop_reply", on="submit")
    fleet.venue.arm("drop_request", on="query", times=1000)
    limit = {"order_type": "LIMIT", "limit_price": "50000"}
    client.place(**BITCOIN, **limit, client_order_id="unknown")
    wait_until(
        lambda: (fleet.order("unknown") or {"state": ""})["state"] == "UNKNOWN", what="the doubt"
    )


def _queue(fleet: Fleet) -> None:
    """What comes in once the release has been stopped."""
    fleet.client.place(**SHARES, client_order_id="recorded")
    fleet.send(**SHARES, client_order_id="in-redis")
    fleet.client.cancel("waits", cancel_id="cancel-waits")
    fleet.client.close()
    fleet.celery.close()


def dump(url: str, file: Path) -> None:
    """The database as SQL that a superuser can run in an empty one; the key in it is no secret."""
    made = subprocess.run(
        [
            str(postgres_folder() / "pg_dump"),
            *("--no-owner", "--no-privileges", "--dbname", _plain(url)),
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    made = re.sub(
        r"(COPY public\.signing_keys [^\n]*\n\d+\t)[^\t]+", lambda found: found[1] + KEY, made
    )
    made = re.sub(r"^\\(un)?restrict .*\n", "", made, flags=re.MULTILINE)
    file.write_text(_anywhere(made), encoding="utf-8")


def _anywhere(text: str) -> str:
    """Without the name of the host that it was made on."""
    return re.sub(rf"\b{re.escape(socket.gethostname())}\b", "host", text)


def restore(url: str, file: Path) -> None:
    """Run such SQL."""
    subprocess.run(
        [
            str(postgres_folder() / "psql"),
            *("--quiet", "--no-psqlrc", "--set", "ON_ERROR_STOP=1", "--output", "/dev/null"),
            *("--dbname", _plain(url), "--file", str(file)),
        ],
        check=True,
    )


def _plain(url: str) -> str:
    address: Any = make_url(url).set(drivername="postgresql")
    return str(address.render_as_string(hide_password=False))


if __name__ == "__main__":
    main()
