"""The Celery application: `celery -A workers.app worker -Q binance -P threads`."""

from __future__ import annotations

import gc

from celery import Celery, signals

from execution import logs
from execution.settings import current
from execution.signed_messages import signed_by
from workers import celery_clock, heartbeat, keys, registry, remote_control
from workers.bootsteps import BrokerSessions

celery_clock.install()

app = celery_clock.Application(
    "execution",
    config_source="celeryconfig",
    events="workers.task_events:Events",
    amqp=signed_by(keys.signer),
    include=[
        "tasks.place_order",
        "tasks.create_order",
        "tasks.persist_order",
        "tasks.connect_gateway",
        "tasks.submit_order",
        "tasks.await_fill",
        "tasks.persist_fill",
        "tasks.update_positions",
        "tasks.publish_fill_event",
        "tasks.reroute_to_paper",
        "tasks.cancel_order",
        "tasks.modify_order",
        "tasks.execute_command",
        "tasks.fit_bracket",
        "tasks.recover_orders",
        "tasks.market_data",
        "tasks.arbitrage",
        "tasks.reconcile_broker",
    ],
)
app.steps["worker"].update({BrokerSessions, heartbeat.Heartbeat})


@app.on_after_finalize.connect
def _without_builtins(sender: Celery, **_: object) -> None:
    """Take Celery's own tasks away: they run and send whatever tasks their arguments name."""
    for name in [name for name in sender.tasks if name.startswith("celery.")]:
        del sender.tasks[name]


@signals.setup_logging.connect
def _configure_logging(**_: object) -> None:
    logs.configure(current().log_level)


@signals.worker_init.connect
def _begin(**_: object) -> None:
    remote_control.limit()
    heartbeat.forget()


@signals.worker_ready.connect
def _say_ready(**_: object) -> None:
    """Touch the file that EXECUTION_READY_FILE names, for whoever waits for this worker."""
    # What is loaded by now stays: looking through all of it again and again finds nothing.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    heartbeat.touch_at_last(heartbeat.READY_VARIABLE)


@signals.worker_shutdown.connect
def _close_sessions(**_: object) -> None:
    registry.stop_all()
