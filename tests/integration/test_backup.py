"""What docs/operations.md says of backups: dumped while in use, restored, and going on."""

from __future__ import annotations

import os
import subprocess
from contextlib import closing
from pathlib import Path
from uuid import uuid4

from sqlalchemy import text
from sqlalchemy.engine import make_url

from execution.client import OrderClient
from execution.settings import load
from execution.store.engine import Store
from execution.supervisor import binaries
from tests.fleet import Servers


def run(program: str, *arguments: str, url: str) -> None:
    """One of PostgreSQL's programs; the password goes by the environment."""
    address = make_url(url)
    environment = {
        "PATH": os.defpath,
        "PGHOST": str(address.query["host"]),
        "PGPORT": str(address.query["port"]),
        "PGUSER": str(address.username),
        "PGPASSWORD": str(address.password),
        "PGDATABASE": str(address.database),
    }
    subprocess.run(
        [str(binaries.postgres_folder() / program), *arguments],
        env=environment,
        check=True,
        capture_output=True,
        timeout=60,
    )


def test_dump_and_restore(servers: Servers, database_url: str, tmp_path: Path) -> None:
    """An accepted order is there again, the guards too, and the same request is still the same."""
    dump = tmp_path / "execution.dump"
    with closing(OrderClient(load(database_url=database_url, redis_url=servers.valkey.url))) as one:
        placed = one.place("SPY", "BUY", "1", client_order_id="kept")
        with closing(Store(database_url)) as store, store.transaction() as connection:
            connection.execute(text("UPDATE breakers SET failures = 1"))
            # Somebody is in the middle of something.
            run("pg_dump", "--format=custom", f"--file={dump}", url=database_url)
    name = f"restored_{uuid4().hex[:8]}"
    restored = servers.postgres.create_database(name)
    try:
        options = ("--exit-on-error", "--no-owner", "--no-acl", f"--dbname={name}")
        run("pg_restore", *options, str(dump), url=restored)
        settings = load(database_url=restored, redis_url=servers.valkey.url)
        with closing(OrderClient(settings)) as two:
            again = two.place("SPY", "BUY", "1", client_order_id="kept")
            assert again.order_id == placed.order_id
            assert not again.fresh
            assert two.place("SPY", "BUY", "2", client_order_id="kept").outcome == "REFUSED"
        with closing(Store(restored)) as store, store.transaction() as connection:
            triggers = "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal"
            assert connection.execute(text(triggers)).scalar_one() >= 1
            failures = "SELECT sum(failures) FROM breakers"
            assert connection.execute(text(failures)).scalar_one() == 0
    finally:
        servers.postgres.drop_database(name)
