"""The users of Redis and what each may do, as the lines of an ACL file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from enum import StrEnum

_CONNECT = "+ping +hello +auth +select +client|setinfo +client|setname +quit +reset"
_LISTEN = "+subscribe +unsubscribe +psubscribe +punsubscribe"
_TOGETHER = "+multi +exec +discard"
# Kombu's tables of which queues take an exchange's messages. Each declares what it uses: who could
# write to the others would break their readers, or have messages copied into lists of its own.
_BINDINGS = "~_kombu.binding*"
_INTAKE_BINDINGS = (
    "~_kombu.binding.orders ~_kombu.binding_permanent.orders "
    "~_kombu.binding.celery ~_kombu.binding_permanent.celery"
)
_MONITORED_BINDINGS = (
    "~_kombu.binding.celery.pidbox ~_kombu.binding_permanent.celery.pidbox "
    "~_kombu.binding.reply.celery.pidbox ~_kombu.binding_permanent.reply.celery.pidbox "
    "~_kombu.binding.celeryev ~_kombu.binding_permanent.celeryev"
)
# The intake: `celery` is where Celery puts what names no queue; a message with a priority goes into
# a list of its own, named by the queue, two control characters and a digit.
_INTAKE = "~orders ~orders??[1-9] ~celery ~celery??[1-9]"
# Remote control (to be asked) and task events, of database 0. Who subscribes to a pattern needs it
# letter by letter.
_MONITORED = "&/0.celery.pidbox &/0.celeryev/*"
_CHANNELS = "&orders &fills &fills.live &fills.paper"
# Scripts can run for ever, and nothing but SCRIPT KILL ends them: nobody runs any.
_NEVER = "-@scripting"


class User(StrEnum):
    """Who connects, by the name it logs in with."""

    WORK = "work"
    """Workers, beat, and people who run `recover`."""
    PRODUCE = "produce"
    """Producers: they put orders, cancels and changes into the intake's queue and hear of them."""
    CONSUME = "consume"
    """Consumers of fills and of orders' states: they listen."""
    MONITOR = "monitor"
    """Flower: task events, the workers' answers, how long the queues are."""
    METRICS = "metrics"
    """`execution metrics`: how long the lists are, and which there are."""
    FEED = "feed"
    """The example price feed of `execution up`: it writes quotes."""
    HEALTH = "health"
    """The container's health check."""
    BREAK_GLASS = "breakglass"
    """A person in an emergency, and no process: ends scripts and connections, changes users."""


RULES: Mapping[User, str] = {
    User.WORK: (
        "~orders* ~recovery* ~ibkr* ~mt4* ~binance* ~paper* ~celery* ~unacked* ~*celery.pidbox* "
        "~spent:* ~restored:* ~quotes* ~shortable* ~book:* ~trades:* "
        f"{_BINDINGS} {_MONITORED} {_CHANNELS} "
        f"+@read +@write +@pubsub +@transaction +@connection -@dangerous +info {_NEVER}"
    ),
    User.PRODUCE: (
        f"{_INTAKE} {_CHANNELS} {_CONNECT} {_LISTEN} {_TOGETHER} +lpush +llen {_NEVER} "
        # No set where a list belongs, and no list where a set does: workers could not read it.
        f"({_INTAKE_BINDINGS} resetchannels -@all +sadd +smembers)"
    ),
    User.CONSUME: f"{_CHANNELS} {_CONNECT} {_LISTEN}",
    User.MONITOR: (
        f"{_MONITORED} {_CONNECT} {_LISTEN} {_TOGETHER} +unwatch +publish +info {_NEVER} "
        # The lists that answers to it come in, named by an id; then kombu's tables, each by the
        # commands of its type alone: one of another type would keep workers from connecting.
        "(~[0-9a-f]*.reply.celery.pidbox* ~celeryev* resetchannels -@all "
        "+brpop +del +llen +exists +pexpire) "
        f"({_MONITORED_BINDINGS} resetchannels -@all +sadd +srem +smembers +exists) "
        "(~_kombu.binding_deadlines resetchannels -@all +watch +zadd +zrem +zrangebyscore) "
        # How long the queues are, and how much is unacknowledged, and nothing else of them.
        "(~* resetchannels -@all +llen +hlen)"
    ),
    User.METRICS: f"~* {_CONNECT} +info +scan +llen +hlen",
    User.FEED: f"~quotes* {_CONNECT} +hset +hget +hgetall",
    User.HEALTH: "+ping",
    User.BREAK_GLASS: (
        f"{_CONNECT} +info +acl +client +script|kill +script|flush +function|kill +slowlog +config "
        "+shutdown"
    ),
}


SERVER_LIMITS: Mapping[str, str] = {
    # Full, it refuses messages, which workers and producers outlive; it throws none away.
    "maxmemory": "1gb",
    "maxmemory-policy": "noeviction",
    # What all connections may hold together in their buffers; the largest are closed first.
    "maxmemory-clients": "25%",
    # A message is no larger than 2 MiB (workers/envelope.py).
    "proto-max-bulk-len": "4mb",
    "client-query-buffer-limit": "16mb",
    # Who subscribes and does not read is closed.
    "client-output-buffer-limit": "normal 64mb 32mb 60 replica 256mb 64mb 60 pubsub 32mb 8mb 60",
    # Values that Valkey 9 sends without a copy count in no client's limit (valkey-io/valkey#2396,
    # seen with 9.1.2): copy all.
    "min-string-size-avoid-copy-reply": "1073741824",
}
"""Settings of the server that bound what one connection can use up."""


def acl_file(passwords: Mapping[User, str]) -> str:
    """An ACL file with these users; the passwords in it are hashed, and nobody else may log in.

    Generated passwords only: a fast hash of a chosen one can be guessed.
    """
    return "\n".join(["user default reset off", *user_lines(passwords)]) + "\n"


def user_lines(passwords: Mapping[User, str]) -> list[str]:
    """The users' lines of an ACL file, or of a server's configuration."""
    lines = []
    for user, password in passwords.items():
        digest = hashlib.sha256(password.encode()).hexdigest()
        lines.append(f"user {user} reset on #{digest} {RULES[user]}")
    return lines
