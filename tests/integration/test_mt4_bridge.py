"""The bridge over HTTP, with a terminal that says exactly what the test wants."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr

from mt4_bridge.clock import system_clock
from mt4_bridge.errors import ConfigurationError
from mt4_bridge.magic import magic_of
from mt4_bridge.server import BridgeServer
from mt4_bridge.settings import Settings
from mt4_bridge.store import Store

CLIENT, TERMINAL = "client-" + "c" * 16, "terminal-" + "t" * 16
ID = "i" * 22
OFFSET = 10_800


class Talk:
    """A client and a terminal at one bridge."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.skew = 0
        self.server: BridgeServer
        self.session: aiohttp.ClientSession

    async def restart(self) -> None:
        """End the bridge and start another on the same database."""
        await self.server.stop()
        await self.start()

    async def start(self) -> None:
        """Start on the same port again, once there is one."""
        self.server = BridgeServer(self.settings, lambda: system_clock() + self.skew)
        await self.server.start()
        self.settings = self.settings.model_copy(update={"port": self.server.port})

    async def client(
        self, method: str, path: str, *, token: str | None = CLIENT, **options: Any
    ) -> tuple[int, Any]:
        """One request of a client: status and JSON."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        headers |= options.pop("headers", {})
        async with self.session.request(
            method, f"{self.server.url}{path}", headers=headers, **options
        ) as reply:
            return reply.status, await reply.json()

    async def place(self, key: str, *, wait: str = "0", **changes: Any) -> tuple[int, Any]:
        """Place an order under a key."""
        return await self.client(
            "POST",
            "/order/place",
            json=order(**changes),
            params={"wait": wait},
            headers={"Idempotency-Key": key},
        )

    async def terminal(self, text: str, token: str = TERMINAL) -> tuple[int, list[str]]:
        """One raw request of the terminal: status and lines."""
        async with self.session.post(
            f"{self.server.url}/terminal/poll",
            data=text.encode(),
            headers={"Authorization": f"Bearer {token}"},
        ) as reply:
            return reply.status, (await reply.text()).split("\n")

    async def poll(self, *records: str, **changes: str) -> list[str]:
        """One good poll with these records: the lines of the answer."""
        status, lines = await self.terminal(body(*records, **changes))
        assert status == 200, lines
        assert lines[0].startswith("OK\t")
        assert lines[-2:] == ["END", ""]
        return lines[:-2]


def order(**changes: Any) -> dict[str, Any]:
    """The body of a market order."""
    standard = {
        "id": ID,
        "valid_until": in_seconds(30),
        "symbol": "EURUSD",
        "side": "BUY",
        "order_type": "MARKET",
        "lots": "1.00",
    }
    return {name: value for name, value in (standard | changes).items() if value is not None}


def in_seconds(seconds: float) -> str:
    """A time from now."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def body(
    *records: str, terminal: str = "t1", instance: str = "i1", login: str = "1", clock: str = ""
) -> str:
    """A poll: what every one has, then these records."""
    tickets = [record for record in records if record.startswith("TICKET\t")]
    is_open = sum("close_time_server=0\t" in record for record in tickets)
    account = (
        f"ACCOUNT\tlogin={login}\tserver=Demo\tcompany=C\tcurrency=USD\tbalance=100.00\t"
        "equity=100.00\tmargin=0.00\tfree_margin=100.00\tleverage=500\tdemo=1\tconnected=1\t"
        "trade_allowed=1"
    )
    symbol = (
        "SYMBOL\tname=EURUSD\tbid=1.10000\task=1.10010\ttime_server=1700000000\tdigits=5\t"
        "lot_size=100000\tlot_step=0.01\tmin_lot=0.01\tmax_lot=100\tstops_level=0\tfreeze_level=0\t"
        "trade_allowed=1"
    )
    lines = [
        f"HELLO\tprotocol=1\tterminal={terminal}\tinstance={instance}\tpoll=1\texpert=test",
        account,
        clock or f"CLOCK\tnow_server={int(time.time()) + OFFSET}\tutc=0\toffset={OFFSET}",
        symbol,
        f"TICKETS\topen={is_open}\thistory=1\tfrom_server=0",
        *records,
        "END",
    ]
    return "".join(f"{line}\n" for line in lines)


def ticket(number: int = 7, command_id: str = ID, *, closed: int = 0, **changes: str) -> str:
    """A TICKET record of a bought lot."""
    fields = {
        "ticket": str(number),
        "symbol": "EURUSD",
        "type": "0",
        "lots": "1.00",
        "open_time_server": "1700010800",
        "open_price": "1.10010",
        "close_time_server": str(closed),
        "close_price": "1.10020",
        "stop_loss": "0.00000",
        "take_profit": "0.00000",
        "expiration_server": "0",
        "commission": "-7.00",
        "swap": "0.00",
        "profit": "0.00",
        "magic": str(magic_of(command_id)),
        "comment": command_id,
    }
    return "\t".join(["TICKET", *(f"{k}={v}" for k, v in (fields | changes).items())])


def result(outcome: str, *, command_id: str = ID, sent: str = "YES", **fields: str) -> str:
    """A RESULT record."""
    parts = {"id": command_id, "outcome": outcome, "sent": sent} | fields
    return "\t".join(["RESULT", *(f"{name}={value}" for name, value in parts.items())])


def offered(lines: list[str]) -> dict[str, str]:
    """The fields of the COMMAND in an answer; empty without one."""
    for line in lines:
        kind, *parts = line.split("\t")
        if kind == "COMMAND":
            return dict(part.split("=", 1) for part in parts)
    return {}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A bridge of its own."""
    return Settings(
        client_token=SecretStr(CLIENT),
        terminal_token=SecretStr(TERMINAL),
        database=tmp_path / "bridge.sqlite3",
        port=0,
    )


@asynccontextmanager
async def talking(settings: Settings) -> AsyncIterator[Talk]:
    """A bridge with a client and a terminal that has polled once."""
    talk = Talk(settings)
    async with aiohttp.ClientSession() as talk.session:
        await talk.start()
        try:
            await talk.poll()
            yield talk
        finally:
            await talk.server.stop()


Test = Callable[[Talk], Awaitable[None]]


def with_bridge(test: Test) -> Callable[[Settings], None]:
    """Run a coroutine with a bridge, a client and a terminal."""

    @wraps(test)
    def run(settings: Settings) -> None:
        async def main() -> None:
            async with talking(settings) as talk:
                await test(talk)

        asyncio.run(main())

    del run.__dict__["__wrapped__"]  # pytest would ask for the coroutine's arguments
    return run


@with_bridge
async def test_tokens(talk: Talk) -> None:
    """Each side needs its own; only /live is open."""
    served = ("/health", "/account", "/orders", "/positions", f"/order/{ID}", "/symbols")
    for path in (*served, "/openapi.json", "/docs", "/metrics", "/nothing"):
        for token in (None, "", "x", TERMINAL, CLIENT + "x", "ü"):
            assert (await talk.client("GET", path, token=token))[0] == 401
    for path in ("/order/place", "/order/modify", "/order/close"):
        status, answer = await talk.client("POST", path, token=None, json={})
        assert (status, answer["code"]) == (401, "unauthorized")
    assert (await talk.terminal(body(), token=CLIENT))[0] == 401
    assert (await talk.client("GET", "/live", token=None))[0] == 200
    _, described = await talk.client("GET", "/openapi.json")
    assert {"/order/place", "/order/modify", "/order/close", "/order/{id}", "/account"} <= set(
        described["paths"]
    )


@with_bridge
async def test_same_key_same_body(talk: Talk) -> None:
    """The first answer again, even when the outcome is known by now; one command."""
    valid_until = in_seconds(30)
    status, first = await talk.place("key", valid_until=valid_until)
    assert (status, first["outcome"], first["stage"]) == (202, "UNKNOWN", "NEW")
    assert offered(await talk.poll())["id"] == ID
    await talk.poll(ticket(), result("DONE", ticket="7"))
    again = await talk.place("key", valid_until=valid_until, lots="1")
    assert again == (202, first)
    assert offered(await talk.poll()) == {}
    assert (await talk.client("GET", f"/order/{ID}"))[1]["outcome"] == "DONE"
    await talk.restart()
    await talk.poll()
    assert await talk.place("key", valid_until=valid_until) == (202, first)


@with_bridge
async def test_other_bodies_are_refused(talk: Talk) -> None:
    """A key or an id with something else: 409, and nothing is taken."""
    valid_until = in_seconds(30)
    await talk.place("key", valid_until=valid_until)
    status, answer = await talk.place("key", valid_until=valid_until, lots="2")
    assert (status, answer["code"]) == (409, "key_reused")
    status, answer = await talk.place("other", valid_until=valid_until, lots="2")
    assert (status, answer["code"]) == (409, "id_reused")
    status, answer = await talk.place("third", valid_until=valid_until)
    assert (status, answer["id"]) == (202, ID)
    assert offered(await talk.poll())["lots"] == "1"


@with_bridge
async def test_two_requests_under_one_key_at_once(talk: Talk) -> None:
    """Both wait for the one command, and both get the one answer."""
    valid_until = in_seconds(30)
    both = asyncio.gather(
        *(talk.place("key", valid_until=valid_until, wait="10") for _ in range(2))
    )
    command: dict[str, str] = {}
    while not command:
        command = offered(await talk.poll())
    await talk.poll(ticket(), result("DONE", ticket="7"))
    one, other = await both
    assert one == other
    assert (one[0], one[1]["state"]) == (200, "FILLED")


@pytest.mark.parametrize(
    "changes",
    [
        {"id": None},
        {"id": "a b"},
        {"id": "x" * 27},
        {"id": "x\n"},
        {"lots": 1},
        {"lots": "0"},
        {"lots": "-1"},
        {"lots": "1e2"},
        {"lots": "1" * 13},
        {"side": "buy"},
        {"order_type": "STOP_LIMIT"},
        {"order_type": "LIMIT"},
        {"price": "1.1"},
        {"expires_at": "2030-01-01T00:00:00Z"},
        {"valid_until": "2030-01-01T00:00:00"},
        {"valid_until": 5},
        {"valid_until": "9999-12-31T23:59:59-12:00"},
        {"symbol": "EUR USD"},
        {"symbol": "EURUSD\t"},
        {"deviation": 1.5},
        {"surprise": 1},
    ],
)
def test_malformed(settings: Settings, changes: dict[str, Any]) -> None:
    """422 names the field; nothing was taken."""

    async def main() -> None:
        async with talking(settings) as talk:
            status, answer = await talk.place("key", **changes)
            assert (status, answer["code"]) == (422, "malformed"), answer
            assert next(iter(changes)) in answer["reason"] or "price" in answer["reason"]
            assert offered(await talk.poll()) == {}

    asyncio.run(main())


@with_bridge
async def test_closes_and_modifies_are_checked(talk: Talk) -> None:
    """One of order_id and ticket; something to change; no lots of a pending order."""
    head = {"id": ID, "valid_until": in_seconds(30)}
    key = {"Idempotency-Key": "key"}
    for path, fields in (
        ("close", {"ticket": 1}),
        ("close", {"target": "POSITION"}),
        ("close", {"target": "POSITION", "ticket": 1, "order_id": "x"}),
        ("close", {"target": "POSITION", "ticket": 2**31}),
        ("close", {"target": "PENDING", "ticket": 1, "lots": "1"}),
        ("modify", {"ticket": 1}),
        ("modify", {"stop_loss": "1"}),
    ):
        status, _ = await talk.client("POST", f"/order/{path}", json=head | fields, headers=key)
        assert status == 422, fields
    whole = head | {"ticket": 1, "target": "POSITION"}
    assert (await talk.client("POST", "/order/close", json=whole))[0] == 422  # no key


@with_bridge
async def test_unknown_ids(talk: Talk) -> None:
    """404 with a code, so that no proxy's 404 is taken for it; a malformed id is 422."""
    status, answer = await talk.client("GET", f"/order/{ID}")
    assert (status, answer["code"]) == (404, "unknown_order")
    assert (await talk.client("GET", "/order/a%20b"))[0] == 422
    assert (await talk.client("GET", "/symbols/NONSUCH"))[1]["code"] == "unknown_symbol"


@with_bridge
async def test_too_late(talk: Talk) -> None:
    """What is past `valid_until` is not taken, though it be a repetition of nothing."""
    status, answer = await talk.place("key", valid_until=in_seconds(-1))
    assert (status, answer["code"]) == (410, "too_late")
    assert (await talk.client("GET", f"/order/{ID}"))[0] == 404


@with_bridge
async def test_never_leased_is_never_sent(talk: Talk) -> None:
    """Its time over before a terminal came: FAILED, NO, and never offered."""
    await talk.place("key")
    talk.skew = 31_000
    _, answer = await talk.client("GET", f"/order/{ID}")
    assert (answer["outcome"], answer["sent"], answer["code"]) == ("FAILED", "NO", "expired")
    assert offered(await talk.poll()) == {}


@with_bridge
async def test_leased_and_unreported_is_unknown(talk: Talk) -> None:
    """Its time over while a terminal has it: UNKNOWN, offered to look at only, then as reported."""
    await talk.place("key")
    assert offered(await talk.poll())["mode"] == "RUN"
    assert offered(await talk.poll())["mode"] == "RUN"
    talk.skew = 31_000
    _, answer = await talk.client("GET", f"/order/{ID}")
    assert (answer["outcome"], answer["stage"], answer["sent"]) == ("UNKNOWN", "UNKNOWN", "MAYBE")
    command = offered(await talk.poll())
    assert (command["mode"], command["leased_to"]) == ("LOOK", "t1")
    await talk.poll(result("FAILED", sent="NO", code="too_late"))
    _, answer = await talk.client("GET", f"/order/{ID}")
    assert (answer["outcome"], answer["sent"], answer["state"]) == ("FAILED", "NO", "REJECTED")


@with_bridge
async def test_another_journal_may_only_look(talk: Talk) -> None:
    """What one journal was given, another is only asked to look for, however valid it is."""
    await talk.place("key")
    assert offered(await talk.poll())["mode"] == "RUN"
    command = offered(await talk.poll(terminal="t2", instance="i2"))
    assert (command["mode"], command["leased_to"]) == ("LOOK", "t1")


@with_bridge
async def test_a_doubt_is_the_terminals_own(talk: Talk) -> None:
    """Reported UNKNOWN, it is not offered again to the one that looks for it, but to another."""
    await talk.place("key")
    await talk.poll()
    lines = await talk.poll(result("UNKNOWN", sent="MAYBE", code="128"))
    assert f"ACK\tid={ID}" in lines
    assert offered(lines) == {}
    assert offered(await talk.poll(terminal="t2", instance="i2"))["mode"] == "LOOK"


@with_bridge
async def test_results_are_acknowledged_once_on_disk(talk: Talk) -> None:
    """A result that comes again, or of an unknown command, is acknowledged and changes nothing."""
    await talk.place("key")
    await talk.poll()
    lines = await talk.poll(ticket(), result("DONE", ticket="7"), result("DONE", command_id="who"))
    assert {f"ACK\tid={ID}", "ACK\tid=who"} <= set(lines)
    await talk.restart()
    lines = await talk.poll(ticket(), result("DONE", ticket="7"))
    assert f"ACK\tid={ID}" in lines
    await talk.poll(ticket(), result("FAILED", sent="NO"))
    _, answer = await talk.client("GET", f"/order/{ID}")
    assert (answer["outcome"], len(answer["executions"])) == ("DONE", 1)


@with_bridge
async def test_a_ticket_is_proof(talk: Talk) -> None:
    """An order that shows settles its command, reported or not, refused or not."""
    await talk.place("key")
    await talk.poll()
    await talk.poll(result("FAILED", code="absent"))
    await talk.poll(ticket())
    _, answer = await talk.client("GET", f"/order/{ID}")
    assert (answer["outcome"], answer["state"], answer["ticket"]) == ("DONE", "FILLED", 7)
    assert answer["reason"] is None


@with_bridge
async def test_closes_name_their_executions(talk: Talk) -> None:
    """A close's execution is the close's, whichever of ticket and result came first."""
    await talk.place("key")
    await talk.poll()
    await talk.poll(ticket(), result("DONE", ticket="7"))
    fields = {"id": "c" * 22, "valid_until": in_seconds(30), "target": "POSITION", "order_id": ID}
    await talk.client(
        "POST",
        "/order/close",
        json=fields,
        headers={"Idempotency-Key": "close"},
        params={"wait": "0"},
    )
    command = offered(await talk.poll(ticket()))
    assert (command["order"], command["ticket"], command["target"]) == (ID, "7", "POSITION")
    assert command["order_magic"] == str(magic_of(ID))
    closed = ticket(closed=1_700_010_900)
    await talk.poll(closed)
    await talk.poll(closed, result("DONE", command_id="c" * 22, ticket="7"))
    _, answer = await talk.client("GET", "/order/" + "c" * 22)
    (execution,) = answer["executions"]
    assert (execution["execution_id"], execution["side"]) == ("C7", "SELL")
    assert execution["executed_at"] == "2023-11-14T22:15:00Z"
    _, answer = await talk.client("GET", "/executions?since=2023-11-14T22:13:20Z")
    assert [one["order_id"] for one in answer["executions"]] == [ID, "c" * 22]
    _, answer = await talk.client("GET", "/executions?since=2023-11-14T22:13:21Z")
    assert [one["order_id"] for one in answer["executions"]] == ["c" * 22]


@with_bridge
async def test_polls_that_make_no_sense(talk: Talk) -> None:
    """Refused whole, with a line that says why; never a 5xx."""
    good = body()
    for text in (
        "",
        "END\n",
        good[:-4],
        good.replace("protocol=1", "protocol=2"),
        good.replace("HELLO\t", "HULLO\t"),
        good.replace("balance=100.00", "balance=much"),
        good.replace("demo=1", "demo=yes"),
        good.replace("open=0", "open=1"),
        good.replace("digits=5", "digits=5" + "0" * 30),
        good + good,
        body(ticket(lots="x")),
        body("RESULT\toutcome=DONE"),
        body(result("DONE", ticket="9" * 30)),
    ):
        status, lines = await talk.terminal(text)
        assert status == 422, text
        assert lines[0].startswith("ERROR\tcode=malformed\treason=")
    async with talk.session.post(
        f"{talk.server.url}/terminal/poll",
        data=b"\xff\n",
        headers={"Authorization": f"Bearer {TERMINAL}"},
    ) as reply:
        assert reply.status == 422


@with_bridge
async def test_times_are_the_servers_less_its_offset(talk: Talk) -> None:
    """The last offset that was known serves until another is; without any nothing is dated."""
    no_offset = "CLOCK\tnow_server=0\tutc=0"
    await talk.poll(ticket(command_id="x"), clock=no_offset)
    _, answer = await talk.client("GET", "/positions")
    (position,) = answer["tickets"]
    assert position["open_time"] == "2023-11-14T22:13:20Z"
    assert position["order_id"] is None


@with_bridge
async def test_account_and_symbols(talk: Talk) -> None:
    """Everything an adapter needs, decimals as strings."""
    _, account = await talk.client("GET", "/account")
    assert (account["account"], account["demo"], account["balance"]) == ("1@Demo", True, "100")
    assert account["server_offset"] == OFFSET
    _, symbol = await talk.client("GET", "/symbols/EURUSD")
    assert (symbol["bid"], symbol["ask"], symbol["lot_size"]) == ("1.1", "1.1001", "100000")
    assert (symbol["lot_step"], symbol["min_lot"], symbol["digits"]) == ("0.01", "0.01", 5)
    assert symbol["quoted_at"] == "2023-11-14T19:13:20Z"


def test_a_terminal_that_is_not_logged_in(settings: Settings) -> None:
    """It does not become the database's account, and its empty lists are not believed."""

    async def main() -> None:
        talk = Talk(settings)
        async with aiohttp.ClientSession() as talk.session:
            await talk.start()
            try:
                await talk.poll(login="0")
                assert (await talk.client("GET", "/health"))[1]["account"] is None
                assert (await talk.place("key"))[0] == 503
                await talk.poll(login="5")
                _, health = await talk.client("GET", "/health")
                assert (health["status"], health["account"]) == ("ok", "5@Demo")
            finally:
                await talk.server.stop()

    asyncio.run(main())


@with_bridge
async def test_retention(talk: Talk) -> None:
    """What is over goes after its time; what is open or unsettled stays."""
    await talk.place("key")
    await talk.poll()
    await talk.poll(ticket(), result("DONE", ticket="7"))
    await talk.place("other", id="u" * 22)
    await talk.poll(ticket())
    talk.skew = 40 * 86_400_000
    talk.server.bridge.expire()
    talk.server.bridge.forget()
    kept = (await talk.client("GET", f"/order/{ID}"))[1]
    assert (kept["outcome"], len(kept["executions"])) == ("DONE", 1)
    assert (await talk.client("GET", "/order/" + "u" * 22))[1]["outcome"] == "UNKNOWN"
    await talk.poll(ticket(closed=1_700_010_900), result("FAILED", command_id="u" * 22))
    talk.skew *= 2
    talk.server.bridge.forget()
    assert (await talk.client("GET", f"/order/{ID}"))[0] == 404
    assert (await talk.client("GET", "/order/" + "u" * 22))[0] == 404
    lines = await talk.poll()
    wanted = int(next(line for line in lines if line.startswith("HISTORY")).split("=")[1])
    assert wanted > 1_700_010_900
    counts = [
        talk.server.bridge.store.connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        for table in ("commands", "answers", "tickets", "executions")
    ]
    assert counts == [0, 0, 0, 0]


@with_bridge
async def test_a_ticket_that_left_the_lists(talk: Talk) -> None:
    """It is warned of, for an account history that shows too little hides what happened."""
    await talk.poll(ticket())
    await talk.poll()
    status, health = await talk.client("GET", "/health")
    assert status == 200
    assert "All History" in health["warnings"][0]
    await talk.poll(ticket(closed=1_700_010_900))
    assert (await talk.client("GET", "/health"))[1]["warnings"] == []


def test_one_process_owns_the_database(settings: Settings) -> None:
    """A second bridge on the same file is refused while the first runs."""
    first = Store(settings.database)
    with contextlib.closing(first), pytest.raises(ConfigurationError, match="locked"):
        Store(settings.database)
    Store(settings.database).close()


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No 5xx and no exception of the application in any test here."""
    yield
    errors = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert not [text for text in errors if "Exception in ASGI" in text]
