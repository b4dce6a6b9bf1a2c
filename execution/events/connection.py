"""How every part of us connects to Redis: with time-outs, so that nothing waits for ever."""

from __future__ import annotations

import redis


def connect(url: str) -> redis.Redis:
    """A client with a pool; a lost connection is noticed within seconds."""
    return redis.Redis.from_url(
        url,
        socket_timeout=5,
        socket_connect_timeout=5,
        socket_keepalive=True,
        health_check_interval=30,
    )
