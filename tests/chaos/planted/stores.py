"""Mistakes about failing stores, wrong clocks and readings that nobody should believe."""

from __future__ import annotations

from tests.chaos.planted.bug import Bug, Edit

_STORES = "tests/chaos/test_failing_stores.py"
_CLOCK = "tests/hosts/test_clock.py"
_READINGS = "tests/integration/test_nav_implausible.py"

BUGS = (
    Bug(
        "a server that crashes in a statement is a defect, not a store that is away",
        "execution/store/engine.py",
        "    return is_lost(cause) or isinstance(cause, _MAY_HEAL)",
        "    return isinstance(cause, _MAY_HEAL)",
        ("tests/unit/test_store_errors.py",),
    ),
    Bug(
        "an intake that fails for a reason nobody foresaw acknowledges its message",
        "workers/unrecorded.py",
        """        waiting: Held = self.message.held
        waiting.again(error)
""",
        """        waiting: Held = self.message.held
        self.acknowledge()
        return
""",
        (f"{_STORES}::test_what_cannot_be_recorded_is_kept",),
    ),
    Bug(
        "a message that no task can read is acknowledged though its refusal was not recorded",
        "workers/receiving.py",
        """            message.held.again(error)
            return
""",
        """            structlog.get_logger().error("request not recorded yet", error=repr(error))
            message.ack_log_error(logging.getLogger(__name__), self._consumer.connection_errors)
            return
""",
        (f"{_STORES}::test_what_no_task_can_read_is_recorded",),
    ),
    Bug(
        "a message that Redis hands over and does not list is dropped",
        "workers/transport.py",
        """            self._unlisted[delivery_tag] = message
            super(redis.QoS, self).append(message, delivery_tag)
""",
        "            raise\n",
        ("tests/integration/test_transport.py",),
    ),
    Bug(
        "an error reply of Redis ends the worker",
        "celeryconfig.py",
        "broker_channel_error_retry = True",
        "broker_channel_error_retry = False",
        (f"{_STORES}::test_redis_refuses",),
    ),
    Bug(
        "a state file that the disk does not take ends the supervisor's threads",
        "execution/supervisor/state.py",
        "        except OSError as error:\n            if self._retrying is None:",
        "        except KeyError as error:\n            if self._retrying is None:",
        ("tests/integration/test_supervisor.py::test_full_disk_ends_no_keeper",),
    ),
    Bug(
        "a machine's own clock decides which sweep is one of yesterday",
        "workers/in_place.py",
        "        if expires is None or now() <=",
        "        if expires is None or datetime.now(UTC) <=",
        (f"{_CLOCK}::test_the_sweep_is_no_sweep_of_yesterday",),
        also=(
            Edit(
                "workers/in_place.py",
                "from datetime import UTC\n",
                "from datetime import UTC, datetime\n",
            ),
        ),
    ),
    Bug(
        "a worker whose clock is hours off sends all the same",
        "execution/domain/clocks.py",
        "    if ahead is None or abs(ahead) <= STOP_BEYOND:",
        "    if True or abs(ahead) <= STOP_BEYOND:",
        (f"{_CLOCK}::test_nothing_new_is_sent_live",),
    ),
    Bug(
        "a pooler in transaction mode is taken for PostgreSQL",
        "execution/store/pooling.py",
        "            if others == pid or mine != pid:",
        "            if others == pid and mine != pid:",
        ("tests/hosts/test_pooling.py",),
    ),
    Bug(
        "a spin-off is the signal of a lifetime",
        "execution/domain/arbitrage/plausible.py",
        "    if score is not None and score.z.copy_abs() > bounds.farthest_z:",
        "    if score is None and bounds.farthest_z < 0:",
        (f"{_READINGS}::test_a_spin_off_is_no_signal",),
    ),
    Bug(
        "an exit by time waits for an observation",
        "execution/arbitrage/moving.py",
        "            if self._is_due(stored, now):",
        "            if False and self._is_due(stored, now):",
        (f"{_READINGS}::test_an_exit_by_time_needs_no_judgement",),
    ),
    Bug(
        "twenty days across a change of clocks are an hour short",
        "execution/domain/arbitrage/holding.py",
        "    return here - then",
        "    return now - entered_at if here != then else here - then",
        ("tests/unit/test_nav_detector.py::test_longest_holding_across_a_change_of_clocks",),
    ),
)
