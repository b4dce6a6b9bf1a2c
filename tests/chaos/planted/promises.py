"""Mistakes that lose orders, send them twice, or mix paper and live."""

from __future__ import annotations

from tests.chaos.planted.bug import Bug

_FIRST = "tests/chaos/test_first_faults.py"
_DUPLICATES = "tests/chaos/test_duplicates.py"
_ORDERS = "tests/acceptance/test_orders.py"

BUGS = (
    Bug(
        "no intent commit: the order is sent, and that it will be is not on disk",
        "tasks/submit_order.py",
        """    try:
        intended = shared.gate.intend(
            order,
            session.price_of,
            lambda link, order, controls: orders.commit_intent(
                link, order, session.session_id, shared.timing, controls
            ),
            venue_of(session, order),
        )
    except NotAllowed as refusal:
        not_allowed(task.app, order, refusal, step=Step.SUBMIT_ORDER)
        task.end_chain()
        return True
    except BrokerError as error:  # the rules, before anything was sent
        with shared.store.transaction() as connection:
            orders.back_to_gateway(connection, order, str(error), _AGAIN)
        task.end_chain()
        return True
    if intended is None:
        return False
    if intended.state is not OrderState.SUBMITTING:
        wait_for_room(task, intended, newly=intended.version != order.version)
        return True
    if order.reason is not None and order.state is OrderState.PENDING:
        with shared.store.transaction() as connection:
            alerts.resolve(connection, alerts.WAITING, order.order_id)
    _send_intended(""",
        """    intended = order
    _send_intended(""",
        (f"{_FIRST}::test_kill_on_either_side_of_the_send",),
    ),
    Bug(
        "a timeout is treated as a failure",
        "tasks/submit_order.py",
        "        _in_doubt(intended, str(error), _AGAIN, failed=True)",
        "        _never_left(task, intended, session, str(error))",
        (_ORDERS,),
    ),
    Bug(
        "no lease: whoever gets a second message asks and sends at once",
        "tasks/submit_order.py",
        "    return until is None or until < order.read_at",
        "    return True",
        (f"{_DUPLICATES}::test_every_message_at_once_on_the_way",),
    ),
    Bug(
        "no fence: the venue is not told until when it may take an order",
        "execution/domain/orders.py",
        "            send_by=self.attempt.send_by,",
        "            send_by=None,",
        ("tests/chaos/test_small_matrix.py::test_late_sends_are_fenced",),
    ),
    Bug(
        "absence is believed at once: sent again while the first may be on its way",
        "tasks/submit_order.py",
        "    if proof_at is not None and proof_at > held.read_at:",
        "    if False and proof_at:",
        (_ORDERS, _FIRST),
    ),
    Bug(
        "no duplicate check: a step does not look at the version it read",
        "execution/store/work.py",
        "            WHERE o.order_id = w.order_id AND o.version = w.version\n",
        "            WHERE o.order_id = w.order_id AND w.version > 0\n",
        (_DUPLICATES,),
    ),
    Bug(
        "no duplicate check: every submission of an id is a request of its own",
        "execution/intake.py",
        '        client_order_id = readable_id(payload.get("client_order_id"))\n        digest',
        """        client_order_id = readable_id(payload.get("client_order_id"))
        if client_order_id is not None:
            client_order_id = f"{client_order_id[:50]}.{os.urandom(4).hex()}"
        digest""",
        (f"{_DUPLICATES}::test_one_order_however_often_it_is_asked_for",),
    ),
    Bug(
        "a position is moved twice by one fill",
        "execution/store/positions.py",
        "            {_SELECT} WHERE f.positioned_at IS NULL AND {which}",
        "            {_SELECT} WHERE {which}",
        (f"{_DUPLICATES}::test_every_message_again",),
    ),
    Bug(
        "reroute while unknown: an order whose answer was lost goes to paper",
        "tasks/submit_order.py",
        "        _in_doubt(intended, str(error), _AGAIN, failed=True)",
        "        _refused(task, intended, BrokerRejected(str(error)))",
        (_ORDERS,),
    ),
    Bug(
        "an event is published before its number is committed",
        "execution/events/publisher.py",
        """            with self._store.direct() as link:
                waiting, more = outbox.number(link)
""",
        """            with self._store.brief() as link:
                waiting, more = outbox.number(link)
                if waiting:
                    outbox.publish_numbered(link, self._publish)
""",
        ("tests/integration/test_outbox.py",),
    ),
    Bug(
        "what is accepted is not due: a lost message is never missed",
        "execution/store/requests.py",
        "        :reason, :order_id, clock_timestamp() + CAST(:due AS interval))",
        "        :reason, :order_id, NULL)",
        (f"{_FIRST}::test_a_producer_that_stops_before_its_wake_up",),
    ),
    Bug(
        "the wake-up is sent before the request is committed",
        "execution/client.py",
        """        receipt = self._intake.receive(payload)
        reach("client:committed", receipt.client_order_id)
""",
        """        self._send("tasks.place_order", payload)
        reach("client:committed", payload["client_order_id"])
        receipt = self._intake.receive(payload)
""",
        ("tests/integration/test_client.py",),
    ),
)
