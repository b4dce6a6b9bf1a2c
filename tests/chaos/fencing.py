"""`make fencing`: a worker is stopped in the moment of its send, and goes on when it is too late.

In each round one of two workers stops itself (SIGSTOP) between the commit of its intent and the
send. Its lease runs out, the other asks the venue, sends and fills. Then the first goes on and
sends: the venue must refuse it, by `send_by` alone, since this venue takes the same id twice.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

from benchmarks.servers import servers
from tests.fleet import Fleet, wait_until

POINT = "submit_order:before_send"
TIMINGS = {"SUBMIT_WINDOW": "1", "BROKER_CALL_TIMEOUT": "1", "STEP_DEADLINE": "1"}
WITHIN = 60.0


def late_send(fleet: Fleet) -> None:
    """One round; AssertionError when the late send did anything."""
    name = f"late-{uuid4().hex[:12]}"
    fleet.arm_point(POINT, "stop")
    fleet.client.place("BTC-USDT", "BUY", "1", client_order_id=name, on_failure="wait")
    wait_until(lambda: fleet.fired(POINT), WITHIN, "a worker to stop")
    (fired,) = fleet.faults.glob(f"{POINT}.fired.*")
    stopped = int(fired.suffix[1:])
    try:
        filled = fleet.await_state(name, "FILLED", timeout=WITHIN)
    finally:
        os.kill(stopped, signal.SIGCONT)
    (attempt,) = fleet.query("SELECT * FROM order_attempts WHERE order_id = %s", filled["order_id"])
    theirs = attempt["venue_order_id"]

    def refused() -> bool:
        refusals = fleet.venue.control("GET", "ledger")["refusals"]
        return {"venue_order_id": theirs, "code": "too_late"} in refusals

    wait_until(refused, WITHIN, "the late send to be refused")
    fleet.disarm_point(POINT)
    held = [order for order in fleet.venue.orders() if order["venue_order_id"] == theirs]
    assert len(held) == 1, f"{name}: {len(held)} orders at the venue"
    assert attempt["intents"] == 2, f"{name}: {attempt['intents']} intents"


def fleet_of(database_url: str, redis_url: str, home: Path) -> Fleet:
    """Two workers for one broker, so that one can take over from the other."""
    return Fleet(
        database_url,
        redis_url,
        home,
        queues=("orders", "binance", "paper"),
        twins=("binance",),
        environment={**TIMINGS, "BREAKER_THRESHOLD": "100000"},
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.fencing", description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    rounds = parser.parse_args(arguments).rounds
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # ends what was started, too
    home, began, done = Path(tempfile.mkdtemp(prefix="fencing-")), time.monotonic(), 0
    home.chmod(0o755)
    try:
        with (
            servers(home / "servers") as running,
            fleet_of(running.database("fencing"), running.valkey.url, home / "fleet") as fleet,
        ):
            for _ in range(rounds):
                late_send(fleet)
                done += 1
                print(f"round {done}: fenced after {time.monotonic() - began:.0f} s", flush=True)
            fleet.judge()
    except AssertionError as problem:
        print(f"PROBLEM in round {done + 1}: {problem}")
        return 1
    finally:
        shutil.rmtree(home, ignore_errors=True)
    print(
        f"{done} rounds: {done} workers stopped past their lease, {done} late sends refused, "
        f"0 doubled, in {time.monotonic() - began:.0f} s"
    )
    print(json.dumps({"rounds": done, "late_sends_refused": done, "doubled": 0}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
