"""The terminal's side: one route that takes a poll and answers with what to do."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, Depends, Request
from fastapi.responses import PlainTextResponse
from starlette.requests import ClientDisconnect

from mt4_bridge.bridge import Bridge
from mt4_bridge.errors import BridgeError, Malformed, Unauthorized
from mt4_bridge.polls import read_poll
from mt4_bridge.security import bridge_of, terminal_only
from mt4_bridge.wire import format_body, format_record

_LARGEST_BODY = 64 * 1024 * 1024

router = APIRouter()


@router.post("/terminal/poll", include_in_schema=False, dependencies=[Depends(terminal_only)])
async def poll(request: Request) -> PlainTextResponse:
    """The one request of the terminal; see PROTOCOL.md."""
    bridge = bridge_of(request)
    try:
        body = await request.body()
    except ClientDisconnect:
        raise Malformed("the body was broken off") from None
    if len(body) > _LARGEST_BODY:
        raise Malformed(f"a poll has at most {_LARGEST_BODY} bytes")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed("the body is not UTF-8") from None
    return PlainTextResponse(format_body(_answer(bridge, text)))


def _answer(bridge: Bridge, text: str) -> Sequence[str]:
    """The lines of the answer to a poll; everything in it is on disk by then."""
    answer = bridge.take_poll(read_poll(text, bridge.offset))
    lines = [format_record("OK", {"now": answer.now, "serve": int(answer.serves)})]
    lines += [format_record("ACK", {"id": command_id}) for command_id in answer.acknowledged]
    lines.append(format_record("HISTORY", {"from_server": answer.history_from}))
    if answer.command is not None:
        lines.append(format_record("COMMAND", answer.command))
    return lines


def refused(error: BridgeError) -> PlainTextResponse:
    """An error as the terminal reads it."""
    line = format_record("ERROR", {"code": error.code, "reason": str(error)})
    headers = {"WWW-Authenticate": "Bearer"} if isinstance(error, Unauthorized) else None
    return PlainTextResponse(format_body([line]), status_code=error.status, headers=headers)
