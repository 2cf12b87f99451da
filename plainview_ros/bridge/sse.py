"""Server-Sent Events: the log as one endless response for each client."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from time import time

from fastapi import Response
from starlette.types import Receive, Scope, Send

from plainview_ros.bridge.event_log import EventId, EventLog, FellBehindError, encode_frame
from plainview_ros.bridge.schemas.events import StreamGap, TelemetryTick
from plainview_ros.bridge.streams import Seats, respond

RETRY_MS = 2000
"""After a break a browser waits this long before it connects again."""

HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",  # nginx would hold frames back
}


async def frames(log: EventLog, after: EventId | None) -> AsyncGenerator[bytes, None]:
    """What one client is sent, all that is there in one piece each time.

    First a tick at once, so that the client knows it is connected. A client that has fallen out of the ring is told so
    by ``stream.gap`` and cut off: it must take in the present state before it goes on from that frame's id. One that
    resumes after the ring's oldest entry is told the same and goes on from there.

    Args:
        log: what to follow.
        after: the last event the client has; ``None``: it wants only what comes from now on.
    """
    cursor = log.end
    yield f"retry: {RETRY_MS}\n\n".encode() + encode_frame(TelemetryTick.now())
    if after is not None:
        try:
            cursor = log.cursor_after(after)
        except FellBehindError as gap:
            yield _gap_frame(gap)
            cursor = log.cursor_after(gap.resume_after)
    while await log.wait(cursor):
        try:
            entries = log.read(cursor)
        except FellBehindError as gap:
            yield _gap_frame(gap)
            return
        cursor += len(entries)
        yield b"".join(entry.frame for entry in entries)


def _gap_frame(gap: FellBehindError) -> bytes:
    return encode_frame(StreamGap(lost=gap.lost, at=time()), gap.resume_after)


class EventStream(Response):
    """The response of ``GET /events``."""

    media_type = "text/event-stream"

    def __init__(self, log: EventLog, after: EventId | None, seats: Seats, send_timeout_s: float) -> None:
        super().__init__()
        self._log = log
        self._after = after
        self._seats = seats
        self._send_timeout_s = send_timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        with self._seats.take():
            await respond(receive, send, HEADERS, frames(self._log, self._after), self._send_timeout_s)
