"""The cases that every terminal has to pass, the Expert Advisor and the one in Python."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from mt4_bridge.magic import magic_of
from simulators.mt4_terminal.crashes import CrashPoint
from simulators.mt4_terminal.hands import Keeps, close_by, fill_part, stop_out
from simulators.mt4_terminal.tickets import BUY, Ticket

from .rig import LONG_LOOK_SECONDS, Rig, ServerOptions, eventually, in_seconds, new_id

Run = Callable[[Rig], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Case:
    """One case: what it runs, and the trade server that it wants."""

    name: str
    run: Run
    server: ServerOptions = field(default_factory=ServerOptions)
    stale_after: float = 5.0
    healthy: bool = True


CASES: list[Case] = []


def case(**options: Any) -> Callable[[Run], Run]:
    """Add a coroutine to the cases; options as in `Case`."""

    def add(run: Run) -> Run:
        CASES.append(Case(run.__name__, run, **options))
        return run

    return add


@case()
async def market_order_fills(rig: Rig) -> None:
    """A market order is DONE, FILLED, one ticket under our id, and told everywhere alike."""
    status, body = await rig.place()
    assert (status, body["outcome"], body["state"], body["sent"]) == (200, "DONE", "FILLED", "YES")
    assert body["filled_lots"] == "1"
    (execution,) = body["executions"]
    assert execution["execution_id"] == f"O{body['ticket']}"
    assert Decimal(execution["price"]) == Decimal("1.1001")
    (order,) = rig.held(body["id"])
    assert (order["quantity"], order["state"]) == ("100000", "FILLED")
    (position,) = (await rig.ask("/positions"))[1]["tickets"]
    assert (position["order_id"], position["lots"], position["side"]) == (body["id"], "1", "BUY")
    await rig.agrees()


@case()
async def opposite_order_is_a_second_ticket(rig: Rig) -> None:
    """MT4 hedges: a SELL beside a BUY is another position, and each closes by itself."""
    _, bought = await rig.place()
    _, sold = await rig.place(side="SELL", lots="0.4")
    assert len((await rig.ask("/positions"))[1]["tickets"]) == 2
    for order, side in ((bought, "SELL"), (sold, "BUY")):
        status, closed = await rig.close(ticket=order["ticket"])
        assert (status, closed["outcome"], closed["state"]) == (200, "DONE", "FILLED")
        (execution,) = closed["executions"]
        assert (execution["execution_id"], execution["side"]) == (f"C{order['ticket']}", side)
        assert len(rig.held(closed["id"])) == 1
    assert (await rig.ask("/positions"))[1]["tickets"] == []
    await rig.agrees()


@case()
async def partial_closes_are_followed(rig: Rig) -> None:
    """Each part closes a ticket and opens another; by order id or old ticket, the rest is found."""
    _, placed = await rig.place(lots="1")
    parts: tuple[dict[str, Any], ...] = (
        {"order_id": placed["id"], "lots": "0.25"},
        {"ticket": placed["ticket"], "lots": "0.5"},
        {"order_id": placed["id"]},
    )
    for part in parts:
        status, closed = await rig.close(**part)
        assert (status, closed["outcome"]) == (200, "DONE"), closed
        assert closed["filled_lots"] == part.get("lots", "0.25")
    after = await rig.order(placed["id"])
    assert (after["filled_lots"], after["order"]["open_lots"]) == ("1", "0")
    assert len(after["order"]["tickets"]) == 3
    assert [one["execution_id"][0] for one in await rig.executions()] == ["O", "C", "C", "C"]
    await rig.agrees()


@case()
async def pending_order_rests_then_fills(rig: Rig) -> None:
    """A limit is SUBMITTED under its id until the market comes to it."""
    status, placed = await rig.place(order_type="LIMIT", price="1.09", lots="0.3")
    assert (status, placed["outcome"], placed["state"]) == (200, "DONE", "SUBMITTED")
    (resting,) = (await rig.ask("/orders"))[1]["tickets"]
    assert (resting["order_id"], resting["open_price"]) == (placed["id"], "1.09")
    rig.venue.set_price("EURUSD", Decimal("1.0898"), Decimal("1.0899"))

    async def filled() -> Any:
        body = await rig.order(placed["id"])
        return body if body["state"] == "FILLED" else None

    body = await eventually(filled)
    assert body["filled_lots"] == "0.3"
    assert (await rig.ask("/orders"))[1]["tickets"] == []
    await rig.agrees()


@case()
async def stop_order_triggers(rig: Rig) -> None:
    """A stop rests on the other side of the market."""
    _, placed = await rig.place(order_type="STOP", price="1.12", lots="0.1")
    assert placed["state"] == "SUBMITTED"
    rig.venue.set_price("EURUSD", Decimal("1.1201"), Decimal("1.1202"))
    await rig.agrees()
    assert (await rig.order(placed["id"]))["state"] == "FILLED"


@case()
async def pending_order_is_cancelled(rig: Rig) -> None:
    """A pending order is deleted; a second cancel finds it closed, and nothing else is."""
    _, placed = await rig.place(order_type="LIMIT", price="1.09")
    status, cancelled = await rig.close(order_id=placed["id"], target="PENDING")
    assert (status, cancelled["outcome"], cancelled["state"]) == (200, "DONE", None)

    async def over() -> bool:
        return bool((await rig.order(placed["id"]))["state"] == "CANCELLED")

    await eventually(over)
    _, again = await rig.close(order_id=placed["id"], target="PENDING")
    assert (again["outcome"], again["sent"], again["code"]) == ("FAILED", "NO", "closed")
    assert rig.held(placed["id"])[0]["state"] == "CANCELLED"


@case()
async def cancel_does_not_close_a_position(rig: Rig) -> None:
    """What has become a position is not closed by a cancel, nor is a pending order by a close."""
    _, filled = await rig.place()
    _, resting = await rig.place(order_type="LIMIT", price="1.09")
    _, one = await rig.close(order_id=filled["id"], target="PENDING")
    _, other = await rig.close(order_id=resting["id"], target="POSITION")
    assert (one["outcome"], one["sent"], one["code"]) == ("FAILED", "NO", "filled")
    assert (other["outcome"], other["sent"], other["code"]) == ("FAILED", "NO", "pending")
    assert len((await rig.ask("/positions"))[1]["tickets"]) == 1
    assert len((await rig.ask("/orders"))[1]["tickets"]) == 1


@case()
async def pending_order_expires(rig: Rig) -> None:
    """It ends at the time that was asked for, though a server takes no end so near."""
    status, placed = await rig.place(
        order_type="LIMIT", price="1.09", expires_at=in_seconds(2), wait=5
    )
    assert (status, placed["state"]) == (200, "SUBMITTED"), placed
    (ticket,) = rig.venue.book.open_tickets()
    assert ticket.expiration - rig.venue.book.server_time > 600
    await _until_state(rig, placed["id"], "EXPIRED")
    assert rig.held(placed["id"])[0]["state"] == "CANCELLED"
    assert datetime.now(UTC) >= datetime.fromisoformat(placed["request"]["expires_at"])


@case()
async def pending_order_expires_at_the_server(rig: Rig) -> None:
    """While the bridge is away the server ends it, by its own clock."""
    ends = datetime.now(UTC) + timedelta(seconds=900)
    _, placed = await rig.place(
        order_type="LIMIT", price="1.09", expires_at=ends.isoformat(), wait=5
    )
    (ticket,) = rig.venue.book.open_tickets()
    assert ticket.expiration == int(ends.timestamp()) + rig.venue.book.server_offset
    await rig.bridge.stop()
    ticket.expiration = rig.venue.book.server_time
    rig.venue.server.match("EURUSD")
    assert rig.held(placed["id"])[0]["state"] == "EXPIRED"
    await rig.start_bridge()
    await _until_state(rig, placed["id"], "EXPIRED")


@case()
async def gtd_across_a_change_of_hour(rig: Rig) -> None:
    """The server's clock goes back an hour: the order ends at its UTC, not an hour later."""
    ends = datetime.now(UTC) + timedelta(seconds=4)
    _, placed = await rig.place(
        order_type="LIMIT", price="1.09", expires_at=ends.isoformat(), wait=5
    )
    rig.venue.book.server_offset -= 3600
    rig.venue.book.commit()
    await _until_state(rig, placed["id"], "EXPIRED")
    assert datetime.now(UTC) >= ends


@case()
async def orders_are_modified(rig: Rig) -> None:
    """A pending order's price and stops change; the same again is DONE, too."""
    _, placed = await rig.place(order_type="LIMIT", price="1.09")
    change = {"order_id": placed["id"], "price": "1.095", "stop_loss": "1.08", "take_profit": "1.2"}
    for _ in range(2):
        status, body = await rig.post(
            "/order/modify", {"id": new_id(), "valid_until": in_seconds(30)} | change
        )
        assert (status, body["outcome"], body["state"]) == (200, "DONE", None), body

    async def changed() -> Any:
        (ticket,) = (await rig.ask("/orders"))[1]["tickets"]
        return ticket if ticket["open_price"] == "1.095" else None

    ticket = await eventually(changed)
    assert (ticket["stop_loss"], ticket["take_profit"]) == ("1.08", "1.2")
    status, body = await rig.post(
        "/order/modify",
        {"id": new_id(), "valid_until": in_seconds(30), "ticket": 5, "stop_loss": "1"},
    )
    assert (status, body["outcome"], body["code"]) == (200, "FAILED", "unknown_ticket")


@case()
async def stops_come_in_a_second_step(rig: Rig) -> None:
    """Stop loss and take profit are set behind the order; the server closes by them, not we."""
    _, placed = await rig.place(stop_loss="1.09", take_profit="1.2")
    assert (placed["outcome"], placed["protected"]) == ("DONE", True)
    (position,) = (await rig.ask("/positions"))[1]["tickets"]
    assert (position["stop_loss"], position["take_profit"]) == ("1.09", "1.2")
    rig.venue.set_price("EURUSD", Decimal("1.08"), Decimal("1.0801"))
    await rig.agrees()
    closing = next(one for one in await rig.executions() if one["execution_id"][0] == "C")
    assert closing["order_id"] is None


@case()
async def stops_that_are_refused_are_told(rig: Rig) -> None:
    """The order stands, and everybody hears that nothing protects it."""
    _, placed = await rig.place(stop_loss="1.3")
    assert (placed["outcome"], placed["state"], placed["protected"], placed["code"]) == (
        "DONE",
        "FILLED",
        False,
        "130",
    )


@case()
async def passing_refusals_are_retried(rig: Rig) -> None:
    """Requotes, off quotes and a busy context are tried again; the order is sent once."""
    for code in ("138", "136", "146"):
        rig.venue.faults.arm({"kind": "reject", "code": code})
    status, placed = await rig.place()
    assert (status, placed["outcome"]) == (200, "DONE"), placed
    assert rig.venue.faults.as_json()["fired"] == {"reject": 3}
    assert len(rig.held(placed["id"])) == 1


@case()
async def refusals_end_after_some_tries(rig: Rig) -> None:
    """A market that keeps requoting is a definite no, with a reason that passes."""
    rig.venue.faults.arm({"kind": "reject", "code": "138", "times": 100})
    _, placed = await rig.place()
    assert (placed["outcome"], placed["sent"], placed["code"], placed["error_class"]) == (
        "FAILED",
        "YES",
        "138",
        "RETRY",
    )
    assert placed["state"] == "REJECTED"


@case()
async def final_refusals_are_not_retried(rig: Rig) -> None:
    """Not enough money, closed markets, bad volumes, unknown symbols: one try, a definite no."""
    rig.venue.faults.arm({"kind": "reject", "code": "134", "times": 5})
    _, poor = await rig.place()
    assert (poor["outcome"], poor["sent"], poor["code"]) == ("FAILED", "YES", "134")
    assert rig.venue.faults.as_json()["fired"] == {"reject": 1}
    rig.venue.faults.clear()
    rig.venue.faults.arm({"kind": "unavailable"})
    _, shut = await rig.place()
    assert (shut["outcome"], shut["code"]) == ("FAILED", "132")
    _, odd = await rig.place(lots="0.015")
    assert (odd["outcome"], odd["code"]) == ("FAILED", "131")
    _, nameless = await rig.place(symbol="NONSUCH")
    assert (nameless["outcome"], nameless["sent"], nameless["code"]) == ("FAILED", "NO", "4106")
    assert [rig.held(one["id"]) for one in (poor, shut, odd, nameless)] == [[], [], [], []]


@case()
async def lost_reply_is_unknown_then_found(rig: Rig) -> None:
    """A timeout is UNKNOWN until the order is found under our id; then it gets its stops."""
    rig.venue.faults.arm({"kind": "drop_reply"})
    _, placed = await rig.place(wait=0, stop_loss="1.05")

    async def is_protected() -> Any:
        body = await rig.order(placed["id"])
        return body if body["protected"] else None

    body = await eventually(is_protected)
    assert (body["outcome"], body["state"]) == ("DONE", "FILLED")
    assert rig.venue.book.open_tickets()[0].stop_loss == Decimal("1.05")
    assert len(rig.held(placed["id"])) == 1
    await rig.agrees()


@case()
async def lost_request_is_unknown_then_absent(rig: Rig) -> None:
    """Nothing came of it: UNKNOWN for as long as the terminal looks, then a definite no."""
    rig.venue.faults.arm({"kind": "drop_request"})
    _, placed = await rig.place(wait=0)

    await _until_stage(rig, placed["id"], "UNKNOWN")
    body = await rig.settled(placed["id"])
    assert (body["outcome"], body["sent"], body["code"]) == ("FAILED", "YES", "absent")
    assert rig.held(placed["id"]) == []


@case()
async def offered_again_is_not_sent_again(rig: Rig) -> None:
    """Even a bridge that has forgotten its doubt gets no second send out of the terminal."""
    _, held = await rig.place()
    rig.venue.faults.arm({"kind": "drop_request", "times": 2})
    _, lost = await rig.place(wait=0)
    _, unclosed = await rig.close(ticket=held["ticket"], wait=0)
    for command_id in (lost["id"], unclosed["id"]):
        await _until_stage(rig, command_id, "UNKNOWN")
    with rig.bridge.bridge.store.transaction() as connection:
        connection.execute(
            "UPDATE commands SET stage = 'LEASED', reported_by = NULL WHERE stage = 'UNKNOWN'"
        )
    for command_id in (lost["id"], unclosed["id"]):
        assert (await rig.settled(command_id))["code"] == "absent"
        assert rig.held(command_id) == []


@case()
async def look_counts_from_the_answer(rig: Rig) -> None:
    """A send that blocks longer than a look lasts is looked for from its answer on."""
    rig.venue.faults.arm({"kind": "delay", "seconds": LONG_LOOK_SECONDS + 0.5})
    rig.venue.faults.arm({"kind": "taken_late", "seconds": LONG_LOOK_SECONDS / 2})
    _, placed = await rig.place(wait=0)
    body = await rig.settled(placed["id"])
    assert (body["outcome"], body["state"]) == ("DONE", "FILLED")
    assert rig.venue.faults.as_json()["fired"] == {"delay": 1, "taken_late": 1}
    assert len(rig.held(placed["id"])) == 1
    await rig.agrees()


def _add_codes_that_say_nothing() -> None:
    """Whatever the server answers with, what it may have taken is looked for, and sent once."""
    for code in ("1", "6", "7", "128", "137", "142", "143"):

        async def run(rig: Rig, code: str = code) -> None:
            rig.venue.faults.arm(
                {"kind": "taken_late", "code": code, "seconds": LONG_LOOK_SECONDS / 2}
            )
            _, placed = await rig.place(wait=0)
            await _until_stage(rig, placed["id"], "UNKNOWN")
            body = await rig.settled(placed["id"])
            assert (body["outcome"], body["state"]) == ("DONE", "FILLED")
            assert len(rig.held(placed["id"])) == 1
            rig.venue.faults.arm({"kind": "taken_late", "code": code, "seconds": 0.5})
            _, closed = await rig.close(ticket=body["ticket"], wait=0)
            assert (await rig.settled(closed["id"]))["outcome"] == "DONE"
            assert len(rig.held(closed["id"])) == 1
            await rig.agrees()

        CASES.append(Case(f"code_{code}_says_nothing", run))


_add_codes_that_say_nothing()


@case()
async def enqueued_order_appears_later(rig: Rig) -> None:
    """142, enqueued: the server has it and carries it out when it likes."""
    rig.venue.faults.arm({"kind": "hold_fills"})
    _, held = await rig.place(wait=0)
    await _until_stage(rig, held["id"], "UNKNOWN")
    rig.venue.on_cleared(rig.venue.faults.clear())
    body = await rig.settled(held["id"])
    assert (body["outcome"], body["state"]) == ("DONE", "FILLED")
    await rig.agrees()


@case()
async def absent_order_appears_after_all(rig: Rig) -> None:
    """What happened is told, whatever was said before: FAILED becomes DONE."""
    rig.venue.faults.arm({"kind": "drop_request"})
    _, lost = await rig.place(wait=0)
    assert (await rig.settled(lost["id"]))["outcome"] == "FAILED"
    late = Ticket(
        ticket=0,
        symbol="EURUSD",
        type=BUY,
        lots=Decimal(1),
        open_time=0,
        open_price=Decimal("1.1001"),
        magic=magic_of(lost["id"]),
        comment=lost["id"],
    )
    await rig.venue.server.send(late, late.open_price, 0)
    await _until_stage(rig, lost["id"], "DONE")
    assert (await rig.order(lost["id"]))["state"] == "FILLED"
    await rig.agrees()


@case()
async def lost_replies_of_closes_are_found(rig: Rig) -> None:
    """A close that was carried out without an answer is found by its ticket."""
    _, placed = await rig.place()
    rig.venue.faults.arm({"kind": "error_reply"})
    _, part = await rig.close(ticket=placed["ticket"], lots="0.4", wait=0)
    assert (await rig.settled(part["id"]))["outcome"] == "DONE"
    rig.venue.faults.arm({"kind": "drop_request"})
    _, rest = await rig.close(order_id=placed["id"], wait=0)
    body = await rig.settled(rest["id"])
    assert (body["outcome"], body["code"]) == ("FAILED", "absent")
    assert len(rig.held(part["id"])) == 1
    assert rig.held(rest["id"]) == []
    await rig.agrees()


@case()
async def one_ticket_is_closed_by_one_command(rig: Rig) -> None:
    """A close in doubt does not claim what a later close of the same ticket has done."""
    _, placed = await rig.place()
    rig.venue.faults.arm({"kind": "drop_request"})
    _, doubted = await rig.close(ticket=placed["ticket"], wait=0)
    await _until_stage(rig, doubted["id"], "UNKNOWN")
    _, closed = await rig.close(ticket=placed["ticket"])
    assert closed["outcome"] == "DONE"
    body = await rig.settled(doubted["id"])
    assert (body["outcome"], body["code"]) == ("FAILED", "closed")
    await rig.agrees()


async def _dies(rig: Rig, point: CrashPoint, kind: str) -> None:
    _, before = await rig.place()
    starts = rig.venue.runner.starts
    rig.venue.crashes.arm(point)
    if kind == "PLACE":
        _, sent = await rig.place(wait=0)
    else:
        _, sent = await rig.close(ticket=before["ticket"], lots="0.4", wait=0)
    body = await rig.settled(sent["id"])

    async def started_again() -> bool:
        return rig.venue.runner.starts > starts and not rig.venue.crashes.armed()

    await eventually(started_again)
    if point is CrashPoint.BEFORE_SEND:
        assert (body["outcome"], body["code"], rig.held(sent["id"])) == ("FAILED", "absent", [])
    else:
        assert body["outcome"] == "DONE", body
        assert len(rig.held(sent["id"])) == 1
    await rig.agrees()


def _add_deaths() -> None:
    """A kill at every point, of an order and of a close: nothing lost, nothing twice."""
    for point in CrashPoint:
        for kind in ("PLACE", "CLOSE"):

            async def run(rig: Rig, point: CrashPoint = point, kind: str = kind) -> None:
                await _dies(rig, point, kind)

            CASES.append(Case(f"killed_{point.value}_of_{kind.lower()}", run))


_add_deaths()


async def _killed_and_away(rig: Rig, point: CrashPoint, **changes: Any) -> Any:
    """Place an order on which the terminal dies at that point, and stays away."""
    rig.venue.runner.revives = False
    rig.venue.crashes.arm(point)
    _, placed = await rig.place(wait=0, **changes)

    async def dead() -> bool:
        return not rig.venue.runner.is_running

    await eventually(dead)
    rig.venue.runner.revives = True
    return placed


async def _until_stage(rig: Rig, command_id: str, stage: str) -> None:
    async def reached() -> bool:
        return bool((await rig.order(command_id))["stage"] == stage)

    await eventually(reached)


@case()
async def journal_lost_after_the_send(rig: Rig) -> None:
    """A terminal without its journal finds the order by its magic number and sends nothing."""
    placed = await _killed_and_away(rig, CrashPoint.AFTER_SEND)
    rig.lose_journal()
    await rig.venue.runner.start()
    assert (await rig.settled(placed["id"]))["outcome"] == "DONE"
    assert len(rig.held(placed["id"])) == 1
    await rig.agrees()


@case()
async def journal_lost_before_the_send(rig: Rig) -> None:
    """Another journal does not run what an earlier one was given: it looks, then says absent."""
    placed = await _killed_and_away(rig, CrashPoint.AFTER_COMMAND)
    rig.lose_journal()
    await rig.venue.runner.start()
    body = await rig.settled(placed["id"])
    assert (body["outcome"], body["code"]) == ("FAILED", "absent")
    assert rig.held(placed["id"]) == []


@case()
async def killed_between_order_and_stops(rig: Rig) -> None:
    """What is found again is protected, too."""
    placed = await _killed_and_away(rig, CrashPoint.AFTER_SEND, stop_loss="1.05")
    assert rig.venue.book.open_tickets()[0].stop_loss == 0
    await rig.venue.runner.start()

    async def is_protected() -> Any:
        body = await rig.order(placed["id"])
        return body if body["protected"] is not None else None

    body = await eventually(is_protected)
    assert (body["outcome"], body["protected"]) == ("DONE", True)
    assert rig.venue.book.open_tickets()[0].stop_loss == Decimal("1.05")


@case(stale_after=2.0)
async def expires_without_a_terminal(rig: Rig) -> None:
    """What no terminal took in time was never sent and never will be."""
    await rig.venue.runner.stop()
    _, placed = await rig.place(wait=0, valid_until=in_seconds(0.5))
    body = await rig.settled(placed["id"])
    assert (body["outcome"], body["sent"], body["code"]) == ("FAILED", "NO", "expired")
    await rig.until_degraded("last heard")
    status, refused = await rig.place()
    assert (status, refused["code"]) == (503, "terminal_away")
    for path in ("/positions", "/orders", "/account", "/symbols", "/executions?since=2020-01-01Z"):
        assert (await rig.ask(path))[0] in {503, 422}
    await rig.venue.runner.start()
    await rig.until_healthy()
    _, after = await rig.place()
    assert after["outcome"] == "DONE"
    assert rig.held(placed["id"]) == []


@case()
async def comes_back_too_late(rig: Rig) -> None:
    """Leased, never written down, and the time is over: UNKNOWN while away, then never sent."""
    placed = await _killed_and_away(rig, CrashPoint.AFTER_COMMAND, valid_until=in_seconds(3))
    await _until_stage(rig, placed["id"], "UNKNOWN")
    await rig.venue.runner.start()
    body = await rig.settled(placed["id"])
    assert (body["outcome"], body["sent"], body["code"]) == ("FAILED", "NO", "too_late")
    assert rig.held(placed["id"]) == []


@case(stale_after=2.0)
async def two_terminals_are_not_served(rig: Rig) -> None:
    """Two at once: health says so and nothing is leased; alone again, the work goes on."""
    other = rig.new_venue("other")
    rig.others.append(other)
    await other.start()
    reason = await rig.until_degraded("terminals speak at once")
    assert "stop all but one" in reason
    assert (await rig.place())[0] == 503
    await other.runner.stop()
    await rig.until_healthy()
    _, placed = await rig.place()
    assert placed["outcome"] == "DONE"
    assert other.ledger()["orders"] == []


@case(stale_after=2.0)
async def another_account_is_not_served(rig: Rig) -> None:
    """A database belongs to one account; a login of another is neither believed nor served."""
    await rig.venue.stop()
    rig.venue = rig.new_venue("stranger", ServerOptions(login=9999))
    await rig.venue.start()
    await rig.until_degraded("belongs to 7001@Simulated-Demo")
    assert (await rig.place())[0] == 503


@case(server=ServerOptions(real=True), healthy=False)
async def real_money_is_not_traded_unasked(rig: Rig) -> None:
    """An account that is no demo is told as such, and not traded unless it was allowed by name."""
    await rig.until_degraded("may not trade")
    account = (await rig.ask("/account"))[1]
    assert (account["demo"], account["trade_allowed"]) == (False, False)
    assert (await rig.place())[0] == 503


@case()
async def trading_switched_off(rig: Rig) -> None:
    """AutoTrading off: degraded, with the reason; the account is still told."""
    rig.venue.may_trade = False
    rig.venue.book.commit()
    await rig.until_degraded("may not trade")
    assert (await rig.ask("/account"))[1]["trade_allowed"] is False
    assert (await rig.place())[0] == 503
    rig.venue.may_trade = True
    rig.venue.book.commit()
    await rig.until_healthy()


@case(server=ServerOptions(suffix=".r", comment_limit=18))
async def suffixes_and_cut_comments(rig: Rig) -> None:
    """Symbols carry what the server adds to them, and a cut comment is still ours."""
    rig.venue.faults.arm({"kind": "drop_reply"})
    _, placed = await rig.place(wait=0)
    assert (await rig.settled(placed["id"]))["outcome"] == "DONE"
    (position,) = (await rig.ask("/positions"))[1]["tickets"]
    assert (position["symbol"], position["order_id"]) == ("EURUSD.r", placed["id"])
    assert position["comment"] == placed["id"][:18]


@case()
async def trades_by_hand_are_told(rig: Rig) -> None:
    """What others do on the account is told, without an id of ours."""
    ticket = rig.venue.server.place_by_hand("EURUSD", "SELL", Decimal("0.2"))
    rig.venue.server.close_by_hand(ticket, Decimal("0.1"))
    _, placed = await rig.place()
    rig.venue.server.close_by_hand(placed["ticket"])
    await rig.agrees()
    by_hand = [one for one in await rig.executions() if one["order_id"] is None]
    assert len(by_hand) == 3


@case()
async def server_and_terminal_restart(rig: Rig) -> None:
    """Trade server and terminal come back with their memories, and nothing is told twice."""
    _, placed = await rig.place(lots="0.7")
    _, resting = await rig.place(order_type="LIMIT", price="1.05")
    await rig.restart_venue()
    await rig.until_healthy()
    status, closed = await rig.close(order_id=placed["id"])
    assert (status, closed["outcome"]) == (200, "DONE")
    _, gone = await rig.close(order_id=resting["id"], target="PENDING")
    assert gone["outcome"] == "DONE"
    await rig.agrees()


@case()
async def bridge_restarts(rig: Rig) -> None:
    """The bridge comes back with its table; an order under way is finished, once."""
    rig.venue.faults.arm({"kind": "delay", "seconds": 0.5})
    _, placed = await rig.place(wait=0)
    await rig.bridge.stop()
    await rig.start_bridge()
    body = await rig.settled(placed["id"])
    assert body["outcome"] == "DONE"
    assert len(rig.held(placed["id"])) == 1
    await rig.until_healthy()
    await rig.agrees()


@case()
async def connection_to_the_server_lost(rig: Rig) -> None:
    """Without a connection nothing is believed; when it is back, the work goes on."""
    rig.venue.faults.arm({"kind": "disconnect", "seconds": 60.0, "on": "modify"})
    _, placed = await rig.place(stop_loss="1.05", wait=0)
    await rig.until_degraded("no connection to its trade server")
    assert (await rig.ask("/positions"))[0] == 503
    rig.venue.on_cleared(rig.venue.faults.clear())
    body = await rig.settled(placed["id"])
    assert body["outcome"] == "DONE"
    await rig.until_healthy()
    assert len(rig.held(placed["id"])) == 1


@case()
async def symbol_that_is_not_loaded(rig: Rig) -> None:
    """What is 0 until a terminal has loaded it is no price, no lot, and no reason to send."""
    _, held = await rig.place()
    rig.venue.book.load_symbol("EURUSD", loaded=False)
    rig.venue.book.commit()

    async def unloaded() -> bool:
        (symbol,) = [
            one for one in (await rig.ask("/symbols"))[1]["symbols"] if one["name"] == "EURUSD"
        ]
        return bool(symbol["lot_size"] == "0")

    await eventually(unloaded)
    _, refused = await rig.place(order_type="LIMIT", price="1.08765")
    assert (refused["outcome"], refused["sent"], refused["code"]) == ("FAILED", "NO", "not_loaded")
    assert rig.held(refused["id"]) == []
    rig.venue.server.close_by_hand(held["ticket"], Decimal("0.4"))
    await rig.agrees()
    rig.venue.book.load_symbol("EURUSD", loaded=True)
    rig.venue.book.commit()
    await eventually(lambda: _is_placed(rig))
    await rig.agrees()


async def _is_placed(rig: Rig) -> bool:
    return bool((await rig.place())[1]["outcome"] == "DONE")


def _add_parts() -> None:
    """A limit that fills in parts, whoever keeps its ticket: PARTIALLY_FILLED, then its end."""
    for keeps in Keeps:
        for end in ("FILLED", "CANCELLED"):

            async def run(rig: Rig, keeps: Keeps = keeps, end: str = end) -> None:
                await _fills_in_parts(rig, keeps, end)

            CASES.append(Case(f"fills_in_parts_{keeps}_{end.lower()}", run))


async def _fills_in_parts(rig: Rig, keeps: Keeps, end: str) -> None:
    _, placed = await rig.place(order_type="LIMIT", price="1.09", lots="5")
    for part, filled in (("2", "2"), ("0.5", "2.5")):
        pending = [one for one in rig.venue.book.open_tickets() if one.is_pending]
        fill_part(rig.venue.book, pending[0], Decimal(part), keeps)
        body = await _until_filled(rig, placed["id"], filled)
        assert (body["state"], body["outcome"]) == ("PARTIALLY_FILLED", "DONE")
        (resting,) = (await rig.ask("/orders"))[1]["tickets"]
        assert (resting["order_id"], resting["open_price"]) == (placed["id"], "1.09")
    change = {"order_id": placed["id"], "price": "1.08"}
    status, moved = await rig.post(
        "/order/modify", {"id": new_id(), "valid_until": in_seconds(30)} | change
    )
    assert (status, moved["outcome"]) == (200, "DONE"), moved
    if end == "FILLED":
        rig.venue.set_price("EURUSD", Decimal("1.0798"), Decimal("1.0799"))
        body = await _until_filled(rig, placed["id"], "5")
    else:
        _, cancelled = await rig.close(order_id=placed["id"], target="PENDING")
        assert cancelled["outcome"] == "DONE", cancelled
        await _until_state(rig, placed["id"], "CANCELLED")
        body = await _until_filled(rig, placed["id"], "2.5")
    assert body["state"] == end
    assert (await rig.ask("/orders"))[1]["tickets"] == []
    await rig.agrees()
    (order,) = rig.held(placed["id"])
    assert (order["state"], Decimal(order["filled_quantity"])) == (
        end,
        Decimal(body["filled_lots"]) * 100_000,
    )


async def _until_filled(rig: Rig, command_id: str, lots: str) -> Any:
    async def filled() -> Any:
        body = await rig.order(command_id)
        return body if body["filled_lots"] == lots else None

    return await eventually(filled)


async def _until_state(rig: Rig, command_id: str, state: str) -> None:
    async def reached() -> bool:
        return bool((await rig.order(command_id))["state"] == state)

    await eventually(reached)


_add_parts()


@case()
async def positions_close_each_other(rig: Rig) -> None:
    """By hand: the smaller keeps 0 lots, and both are closed by what they matched."""
    _, bought = await rig.place(lots="3")
    _, sold = await rig.place(side="SELL", lots="1")
    book = rig.venue.book
    close_by(book, book.tickets[bought["ticket"]], book.tickets[sold["ticket"]])
    await rig.agrees()
    (left,) = (await rig.ask("/positions"))[1]["tickets"]
    assert (left["lots"], left["order_id"]) == ("2", bought["id"])
    _, closed = await rig.close(order_id=bought["id"])
    assert closed["outcome"] == "DONE"
    await rig.agrees()


@case()
async def stop_out_is_an_execution(rig: Rig) -> None:
    """The broker closes for want of margin: an execution that no command of ours made."""
    _, bought = await rig.place()
    rig.venue.faults.arm({"kind": "drop_request"})
    _, doubted = await rig.close(ticket=bought["ticket"], wait=0)
    await _until_stage(rig, doubted["id"], "UNKNOWN")
    stop_out(rig.venue.book, rig.venue.book.tickets[bought["ticket"]])
    body = await rig.settled(doubted["id"])
    assert (body["outcome"], body["code"]) == ("FAILED", "closed")
    await rig.agrees()
    closing = next(one for one in await rig.executions() if one["execution_id"][0] == "C")
    assert closing["order_id"] is None


async def run_case(one: Case, folder: Path, expert: Path | None = None) -> None:
    """Run a case on a rig of its own; without `expert` against the terminal in Python."""
    rig = Rig(folder, expert, server=one.server, stale_after=one.stale_after, healthy=one.healthy)
    async with rig:
        await one.run(rig)
