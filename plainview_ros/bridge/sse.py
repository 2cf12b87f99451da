"""Server-Sent Events: the log as one endless response for each client."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter

from fastapi import Response
from starlette.types import Receive, Scope, Send

from plainview_ros.bridge.event_log import Portion
from plainview_ros.bridge.follower import Follower
from plainview_ros.bridge.streams import Seats, respond

HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",  # nginx would hold frames back
}

RETRY = b"retry: 2000\n\n"
"""After a break a browser waits this long before it connects again [ms]."""

FRAMES: Callable[[Portion], bytes] = attrgetter("frames")


class EventStream(Response):
    """The response of ``GET /events``."""

    media_type = "text/event-stream"

    def __init__(self, follower: Follower, seats: Seats) -> None:
        super().__init__()
        self._follower = follower
        self._seats = seats

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._seats.take(self._follower):
            await respond(scope, receive, send, HEADERS, RETRY, self._follower, FRAMES, self._seats)
