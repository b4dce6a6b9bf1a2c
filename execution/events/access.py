"""The users of Redis and what each may do, as the lines of an ACL file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from enum import StrEnum

_CONNECT = "+ping +hello +auth +select +client|setinfo +client|setname +quit +reset"
_LISTEN = "+subscribe +unsubscribe +psubscribe +punsubscribe"
_SEND = (
    "+multi +exec +discard +watch +unwatch +eval +evalsha +script|load +script|exists "
    "+time +lpush +llen +sadd +smembers +zadd +exists"
)
# kombu's table of which queue takes an exchange's messages.
_BINDINGS = "~_kombu.binding*"
# Remote control (to be asked) and task events, of database 0. Who subscribes to a pattern needs it
# letter by letter.
_MONITORED = "&/0.celery.pidbox &/0.celeryev/*"
_CHANNELS = "&orders &fills &fills.live &fills.paper"


class User(StrEnum):
    """Who connects, by the name it logs in with."""

    WORK = "work"
    """Workers, beat, and people who run `recover`."""
    PRODUCE = "produce"
    """Producers: they put orders, cancels and changes into the intake's queue and hear of them."""
    CONSUME = "consume"
    """Consumers of fills and of orders' states: they listen."""
    MONITOR = "monitor"
    """Flower and metrics: task events, the workers' answers, how long the queues are."""
    HEALTH = "health"
    """The container's health check."""


RULES: Mapping[User, str] = {
    User.WORK: (
        "~orders* ~recovery* ~ibkr* ~mt4* ~binance* ~paper* ~celery* ~unacked* ~*celery.pidbox* "
        "~spent:* ~restored:* ~quotes* ~shortable* ~book:* ~trades:* "
        f"{_BINDINGS} {_MONITORED} {_CHANNELS} "
        "+@read +@write +@pubsub +@transaction +@connection +eval +evalsha +script|load "
        "+script|exists +time -@dangerous +info"
    ),
    User.PRODUCE: (f"~orders* {_BINDINGS} {_CHANNELS} {_CONNECT} {_SEND} {_LISTEN}"),
    User.CONSUME: f"{_CHANNELS} {_CONNECT} {_LISTEN}",
    User.MONITOR: (
        f"~*celery.pidbox* ~celeryev* {_BINDINGS} {_MONITORED} {_CONNECT} {_SEND} {_LISTEN} "
        "+publish +brpop +zrangebyscore +zrem +srem +del +hset +hdel +hget +pexpire +info "
        # How long the queues are, and how much is unacknowledged, and nothing else of them.
        "(~* resetchannels -@all +llen +hlen)"
    ),
    User.HEALTH: "+ping",
}


def acl_file(passwords: Mapping[User, str]) -> str:
    """An ACL file with these users; the passwords in it are hashed, and nobody else may log in.

    Generated passwords only: a fast hash of a chosen one can be guessed.
    """
    lines = ["user default reset off"]
    for user, password in passwords.items():
        digest = hashlib.sha256(password.encode()).hexdigest()
        lines.append(f"user {user} reset on #{digest} {RULES[user]}")
    return "\n".join(lines) + "\n"
