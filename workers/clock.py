"""Beat with a sign of life of its own; see `workers.heartbeat`."""

from __future__ import annotations

from typing import Any

import structlog
from celery import beat

from execution.clock_watch import ClockWatch
from execution.settings import current
from execution.store.engine import Store
from workers import heartbeat


class Scheduler(beat.Scheduler):
    """What `beat_scheduler` names. The sweep is due every few seconds, so it ticks that often.

    It keeps no file: what is due every few seconds is due after a restart, and a file is one more
    thing that a full disk could end beat with.
    """

    def setup_schedule(self) -> None:
        """Take the schedule from the settings."""
        super().setup_schedule()
        settings = current()
        if settings.database_url is None:
            structlog.get_logger().warning("DATABASE_URL is not set: beat goes by its own clock")
        else:
            url = settings.require_database_url()
            ClockWatch(Store(url, pool_size=1, application_name="beat"), "beat").start()
        self.merge_inplace(self.app.conf.beat_schedule)

    def tick(self, *arguments: Any, **options: Any) -> float:
        """Send what is due; seconds until the next look."""
        pause: float = super().tick(*arguments, **options)
        heartbeat.touch(heartbeat.VARIABLE)
        return pause
