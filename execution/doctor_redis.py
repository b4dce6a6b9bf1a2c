"""What `execution doctor` finds of Redis."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import cast

import redis

from execution.events import lists
from execution.events.connection import connect
from execution.findings import Finding, Level
from execution.settings import Settings

_NEARLY_FULL = 0.9


def examine_redis(settings: Settings) -> Iterator[Finding]:
    """Look at the server, its settings and the lists that hold messages."""
    if settings.redis_url is None:
        remedy = "run `execution up`, or set REDIS_URL"
        yield Finding(Level.PROBLEM, "Redis", "REDIS_URL is not set", remedy)
        return
    client = connect(settings.require_redis_url())
    with closing(client):
        try:
            yield from _redis_server(client)
            yield from _messages(client)
        except redis.exceptions.NoPermissionError as error:
            remedy = "nothing, for a producer; else use the workers' address: `execution env`"
            yield Finding(Level.NOTE, "Redis", f"answers; this user may not look: {error}", remedy)
        except redis.RedisError as error:
            remedy = "start it, or correct REDIS_URL"
            yield Finding(Level.PROBLEM, "Redis", f"does not answer: {error}", remedy)


def _redis_server(client: redis.Redis) -> Iterator[Finding]:
    said = client.info()
    name = "Valkey" if "valkey_version" in said else "Redis"
    version = said.get("valkey_version") or said.get("redis_version")
    refusal = _refusal(client)
    if refusal is None:
        yield Finding(Level.OK, "Redis", f"{name} {version} answers")
    else:
        words = f"{name} {version} answers, and refuses messages: {refusal}"
        remedy = (
            "let REDIS_URL name the primary, raise maxmemory or free space, as it says: workers "
            "go on by themselves; until then bare producers get an error"
        )
        yield Finding(Level.PROBLEM, "Redis", words, remedy)
    used, most = int(said.get("used_memory", 0)), int(said.get("maxmemory", 0))
    if refusal is None and most and used >= _NEARLY_FULL * most:
        words = f"uses {used / most:.0%} of its maxmemory; beyond it, it refuses messages"
        yield Finding(Level.NOTE, "Redis", words, "raise maxmemory, or start more workers")
    try:
        kept = cast("dict[str, str]", client.config_get("maxmemory-policy", "appendonly"))
    except redis.ResponseError:  # this user may not ask
        kept = {}
    policy = said.get("maxmemory_policy") or kept.get("maxmemory-policy", "noeviction")
    if policy != "noeviction":
        words = f"may throw messages away: maxmemory-policy is {policy}"
        yield Finding(Level.PROBLEM, "Redis", words, "set maxmemory-policy noeviction")
    if kept.get("appendonly") == "no":
        words = "keeps no append-only file: a restart costs its messages, which recovery sends anew"
        yield Finding(Level.NOTE, "Redis", words)


def _messages(client: redis.Redis) -> Iterator[Finding]:
    """Every list that holds messages; what lies in one that no worker reads stays there."""
    try:
        lengths = lists.lengths(client)
    except redis.exceptions.NoPermissionError:
        return  # this user may not look
    waiting: dict[str, int] = {}
    for name, length in lengths.items():
        queue = lists.queue_of(name)
        if queue is None:
            words = f"{length} messages in the list {lists.shown(name)}, which no worker reads"
            remedy = (
                "have their sender name the queue `orders`, without a separator or prefix of its "
                "own, and send them again; then delete the list"
            )
            yield Finding(Level.PROBLEM, "queues", words, remedy)
        else:
            waiting[queue] = waiting.get(queue, 0) + length
    if waiting:
        words = ", ".join(f"{length} in {queue}" for queue, length in sorted(waiting.items()))
        yield Finding(Level.OK, "queues", f"messages that no worker has taken yet: {words}")


def _refusal(client: redis.Redis) -> str | None:
    """The server's words when it accepts nothing now: a replica, out of memory, a full disk."""
    try:
        client.set("spent:doctor", "", px=1)
    except redis.exceptions.NoPermissionError:
        return None  # it was not asked: this user may not write
    except redis.ResponseError as error:
        return str(error)
    return None
