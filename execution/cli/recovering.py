"""`execution recover`: the workers' sweep, by hand."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict

import redis
import typer

from execution.cli.messages import Messages
from execution.cli.orders import Json
from execution.cli.output import print_json, print_line
from execution.cli.stamped import open_verified_store
from execution.domain.errors import EventsUnavailable
from execution.domain.mapping import ExchangeMapper
from execution.domain.order_changes import Timing
from execution.events.connection import connect
from execution.events.publisher import Publisher
from execution.recovering import Sweep
from execution.supervisor.control import connected_settings

_WORDS = {
    "requests": "requests sent on",
    "orders": "orders sent on",
    "commands": "cancels and modifies sent on",
    "orphans": "executions of no order of ours booked",
    "rerouted": "orders turned to paper",
    "doubted": "orders now UNKNOWN, for nobody serves their broker",
    "families": "brackets to be looked at",
    "published": "events published",
}


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(recover)


def recover(as_json: Json = False) -> None:
    """Send on now whatever has stood still, and publish what waits, until nothing more is due.

    Workers do the same by themselves every few seconds. Without any worker the messages stay in
    their queues until one comes.
    """
    settings = connected_settings()
    timing = Timing(
        step=settings.step_deadline,
        submit_window=settings.submit_window,
        lease=settings.submit_window + settings.broker_call_timeout,
    )
    with (
        closing(open_verified_store()) as store,
        closing(connect(settings.require_redis_url())) as client,
        Messages(settings, store) as messages,
    ):
        _require(client)
        sweep = Sweep(
            store=store,
            mapper=ExchangeMapper(settings.symbol_overrides),
            timing=timing,
            unserved_grace=settings.unserved_queue_grace,
            unprotected_after=settings.unprotected_after,
            unprotected_flatten=settings.unprotected_flatten,
            messages=messages,
            force_paper=settings.force_paper_trading,
        )
        done = asdict(sweep.to_the_end())
        done["published"] = Publisher(store, client, timing.step).drain()
    if as_json:
        print_json(done)
        return
    said = [f"{_WORDS[name]}: {count}" for name, count in done.items() if count]
    print_line("; ".join(said) or "nothing was due")


def _require(client: redis.Redis) -> None:
    """Find out that Redis is away before anything is put off for having been sent."""
    try:
        client.ping()
    except redis.RedisError as error:
        raise EventsUnavailable(f"Redis does not answer: {error}") from error
