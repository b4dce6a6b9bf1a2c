"""Mistakes that let somebody send, forge or stop an order without the right to."""

from __future__ import annotations

from tests.chaos.planted.bug import Bug

_MESSAGES = "tests/security/test_messages.py"
_FUZZ = "tests/security/test_fuzz.py"
_DATABASE = "tests/security/test_database.py"
_PROCESSES = "tests/security/test_processes.py"
_REDIS = "tests/security/test_redis.py"
_BRIDGE = "tests/security/test_bridge.py"

BUGS = (
    Bug(
        "what is embedded in an order's message is run after it",
        "workers/admission.py",
        "    embed = embed or {}\n",
        "    return None\n    embed = embed or {}\n",
        (_FUZZ,),
    ),
    Bug(
        "a producer's key signs steps",
        "workers/admission.py",
        "        if found.role is not KeyRole.SERVICE and task not in INTAKE:\n",
        "        if found.role is not KeyRole.SERVICE and task is None:\n",
        ("tests/unit/test_admission.py",),
    ),
    Bug(
        "a signature does not cover the headers that are obeyed",
        "execution/signing.py",
        "message.headers[name] for name in OBEYED if name in message.headers}",
        'message.headers[name] for name in OBEYED if name == "task"}',
        ("tests/unit/test_signing.py",),
    ),
    Bug(
        "Celery's own tasks stay registered, and run whatever their arguments name",
        "workers/app.py",
        """        del sender.tasks[name]
""",
        """        sender.tasks[name]
""",
        ("tests/security/test_registered.py",),
    ),
    Bug(
        "a compressed message is opened before it is known who sent it",
        "workers/envelope.py",
        """    if headers.get("compression"):
        return "it is compressed"
""",
        "",
        (f"{_MESSAGES}::test_poison",),
    ),
    Bug(
        "a producer's user of the database writes events",
        "execution/store/privileges.py",
        """    "environment_stamp": "environment",
}
""",
        """    "environment_stamp": "environment",
    "events": "event_id stream type order_id payload",
}
""",
        (f"{_DATABASE}::test_no_event_is_forged",),
    ),
    Bug(
        "a producer's user of the database sets the step of a request",
        "execution/store/privileges.py",
        'reason order_id\n        due_at""",',
        'reason order_id\n        due_at step spec""",',
        (f"{_DATABASE}::test_no_step_is_skipped",),
    ),
    Bug(
        "an accepted request is not judged again",
        "tasks/create_order.py",
        "        if request.client_order_id != found.client_order_id:\n",
        "        if request.client_order_id is None:\n",
        (f"{_DATABASE}::test_an_accepted_request_is_judged_again",),
    ),
    Bug(
        "everybody takes advisory locks",
        "execution/store/roles.py",
        '        yield f"REVOKE EXECUTE ON FUNCTION pg_catalog.{function} FROM PUBLIC"\n',
        "",
        (f"{_DATABASE}::test_nobody_else_can_lock",),
    ),
    Bug(
        "a halt waits for whoever keeps the gate open",
        "execution/store/order_gate.py",
        "        ended = _end_holders(connection)\n",
        "        ended = []\n",
        (f"{_DATABASE}::test_a_halt_does_not_wait_for_a_process_that_hangs",),
    ),
    Bug(
        "a user of the database opens as many connections as the server has",
        "execution/store/roles.py",
        "        most = -1 if share is None else",
        "        most = -1 if True else",
        (f"{_DATABASE}::test_connections_are_limited",),
    ),
    Bug(
        "Flower inherits everything that the shell holds",
        "execution/supervisor/services.py",
        "    watches = {**environments.system(os.environ), **stores.redis(User.MONITOR)}\n",
        "    watches = {**dict(os.environ), **stores.redis(User.MONITOR)}\n",
        (f"{_PROCESSES}::test_holds_its_own_secrets_and_no_others",),
    ),
    Bug(
        "Flower's API acts",
        "execution/supervisor/services.py",
        ', f"--port={port}", "--read_only=True"),',
        ', f"--port={port}"),',
        (f"{_PROCESSES}::test_flowers_api_changes_nothing",),
    ),
    Bug(
        "an order with a priority lies in a list that nobody reads",
        "celeryconfig.py",
        '    "priority_steps": list(PRIORITIES),\n',
        "",
        (f"{_PROCESSES}::test_no_message_is_left_unread",),
    ),
    Bug(
        "a producer's user of Redis runs scripts",
        "execution/events/access.py",
        '+lpush +llen {_NEVER} "',
        '+lpush +llen {_NEVER} +eval "',
        (_REDIS,),
    ),
    Bug(
        "an operator's command ignores what the database says of its environment",
        "execution/cli/stamped.py",
        '    if stamped is None or "execution_environment" in settings.model_fields_set:\n',
        "    if stamped is None or stamped:\n",
        ("tests/security/test_operators.py",),
    ),
    Bug(
        "the bridge opens connections that never end",
        "mt4_bridge/connections.py",
        "            min(strangers, key=lambda other: other.began).transport.abort()\n",
        "            pass\n",
        (f"{_BRIDGE}::test_descriptors_do_not_run_out",),
    ),
    Bug(
        "an id is printed as it is",
        "execution/cli/output.py",
        "    return Text(printable(value), style=style)\n",
        "    return Text(str(value), style=style)\n",
        ("tests/security/test_command_line.py",),
    ),
    Bug(
        "a name that ends like this machine's is this machine",
        "execution/venue_urls.py",
        "    except ValueError:\n        return False\n",
        '    except ValueError:\n        return host.endswith("localhost")\n',
        ("tests/security/test_addresses.py",),
    ),
    Bug(
        "in practice a way to the real venue through this machine counts as simulated",
        "workers/adapters/binance/adapter.py",
        "                clients.require_simulated(venue.client)\n",
        "                pass\n",
        ("tests/security/test_addresses.py",),
    ),
)
