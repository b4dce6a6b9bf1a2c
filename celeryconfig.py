"""Celery's settings. PostgreSQL is the truth and a message a wake-up call: see docs."""

from datetime import timedelta
from typing import Any

from kombu import Queue

from execution.events.lists import PRIORITIES, QUEUES
from execution.settings import current

_settings = current()

broker_url = _settings.require_redis_url()
broker_transport = "workers.transport:Transport"
broker_connection_retry_on_startup = True
broker_connection_max_retries = None  # a worker waits for Redis, however long
broker_channel_error_retry = True  # and for one that refuses: workers/consumer.py
broker_transport_options = {
    # Prefetched messages of a worker that was killed come back after this. Longer than any
    # countdown here, or the same message would run twice.
    "visibility_timeout": 300,
    # Kombu's Redis has a list for each step of priority. A producer with steps of its own puts a
    # message into any of these ten: all are read, the lowest first.
    "priority_steps": list(PRIORITIES),
    "socket_timeout": 30,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    "health_check_interval": 25,
}

task_serializer = "json"
result_serializer = "json"
accept_content = ["json"]
result_backend = None
result_expires = None  # or beat would want to clean a backend up
task_ignore_result = True
task_store_errors_even_if_ignored = False

task_default_queue = "orders"
task_queues = [
    Queue(name)
    # Celery's default queue: workers of `orders` serve it too, for messages that name no queue.
    for name in QUEUES
]
task_create_missing_queues = False
task_routes = {
    "tasks.place_order": {"queue": "orders"},
    "tasks.cancel_order": {"queue": "orders"},
    "tasks.modify_order": {"queue": "orders"},
    # A queue of its own: however long the intake's is, recovery runs.
    "tasks.recover_orders": {"queue": "recovery"},
    "tasks.move_groups": {"queue": "recovery"},
    "tasks.watch_nav": {"queue": "recovery"},
    "tasks.create_order": {"queue": "orders"},
    "tasks.persist_order": {"queue": "orders"},
    "tasks.reroute_to_paper": {"queue": "paper"},
    # Binance is the one source of these so far.
    "tasks.fetch_*": {"queue": "binance"},
}

worker_prefetch_multiplier = 4
worker_consumer = "workers.consumer:Consumer"
worker_send_task_events = True
task_send_sent_event = True
worker_hijack_root_logger = False
worker_enable_remote_control = True  # to be asked, not to be told: workers/remote_control.py
worker_cancel_long_running_tasks_on_connection_loss = False

timezone = "UTC"
enable_utc = True

beat_scheduler = "workers.clock:Scheduler"


def _every(interval: timedelta, task: str) -> dict[str, Any]:
    """One that was not fetched before the next is due is of no use any more."""
    seconds = interval.total_seconds()
    return {
        "task": task,
        "schedule": timedelta(seconds=seconds),
        "options": {"expires": max(5.0, seconds)},
    }


beat_schedule = {
    "recover-orders": _every(_settings.recovery_interval, "tasks.recover_orders"),
    # Whether or not the arbitrage is watched now: what it began is brought to its end.
    "move-groups": _every(_settings.recovery_interval, "tasks.move_groups"),
}
if _settings.nav_coins_per_share is not None:
    beat_schedule["watch-nav"] = _every(_settings.nav_poll, "tasks.watch_nav")
