"""Beat with a sign of life of its own; see `workers.heartbeat`."""

from __future__ import annotations

from typing import Any

from celery.beat import PersistentScheduler

from workers import heartbeat


class Scheduler(PersistentScheduler):
    """What `beat_scheduler` names. The sweep is due every few seconds, so it ticks that often."""

    def tick(self, *arguments: Any, **options: Any) -> float:
        """Send what is due; seconds until the next look."""
        pause: float = super().tick(*arguments, **options)
        heartbeat.touch(heartbeat.VARIABLE)
        return pause
