"""The terminal's side: one route that takes a poll and answers with what to do."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse

from mt4_bridge.bridge import Bridge
from mt4_bridge.errors import Malformed
from mt4_bridge.polls import read_poll
from mt4_bridge.security import bridge_of
from mt4_bridge.wire import format_body, format_record

router = APIRouter()


@router.post("/terminal/poll", include_in_schema=False)
async def poll(request: Request) -> PlainTextResponse:
    """The one request of the terminal; see PROTOCOL.md."""
    bridge = bridge_of(request)
    try:
        text = (await request.body()).decode("utf-8")
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
