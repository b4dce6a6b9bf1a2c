"""Venues at which an order can be changed only by whoever is connected as its sender was."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class Channelled(Protocol):
    """A broker whose workers share several such identities, one of which is this connection's."""

    @property
    def channel(self) -> int | None:
        """Which one; None while it has none, or where there is only one to be had."""
