"""Server-Sent Events: the log as one endless response for each client."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from fastapi import Response
from starlette.types import Receive, Scope, Send

from plainview_ros.bridge.follower import Follower
from plainview_ros.bridge.streams import Seats, respond

RETRY = b"retry: 2000\n\n"
"""After a break a browser waits this long before it connects again [ms]."""

HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",  # nginx would hold frames back
}


class EventStream(Response):
    """The response of ``GET /events``."""

    media_type = "text/event-stream"

    def __init__(self, follower: Follower, seats: Seats) -> None:
        super().__init__()
        self._follower = follower
        self._seats = seats

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        with self._seats.take(self._follower):
            await respond(receive, send, HEADERS, frames(self._follower), self._seats)


async def frames(follower: Follower) -> AsyncGenerator[bytes, None]:
    """What one client is sent, all that is there in one piece each time."""
    yield RETRY
    async with aclosing(follower.portions()) as portions:
        async for portion in portions:
            yield portion.frames
