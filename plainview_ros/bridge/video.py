"""Camera pictures passed through as they come: one subscription per camera, the newest frame for each viewer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Protocol

from fastapi import Response
from starlette.types import Receive, Scope, Send

from plainview_ros.assets import Camera
from plainview_ros.bridge.gateway import Frame
from plainview_ros.bridge.streams import Seats, respond
from plainview_ros.bridge.within import within
from plainview_ros.ros import topics

BOUNDARY = "plainview-frame"
DELIMITER = f"--{BOUNDARY}\r\n".encode()

HEADERS = {
    "Content-Type": f"multipart/x-mixed-replace; boundary={BOUNDARY}",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}

SILENT_S = 10.0
"""A stream ends when no frame has come for this long: a picture that stands still must not look like a live one."""


def topic_of(camera: Camera) -> str:
    """Where pictures come from that a browser can show: a thermal camera's only after RigSight has coloured them."""
    return topics.annotated_image(camera.topic) if camera.kind == "thermal" else topics.compressed_image(camera.topic)


class Watcher(Protocol):
    """The part of ``Gateway`` that this needs."""

    def watch(self, topic: str, on_frame: Callable[[Frame], object]) -> Callable[[], None]: ...


class Feed:
    """The newest frame of one camera for all its viewers, who come and go."""

    def __init__(self) -> None:
        self.viewers = 0
        self.unwatch: Callable[[], None] = lambda: None
        self.newest: Frame | None = None
        self.changed = asyncio.Event()
        """Set at the next frame, and replaced by a new one."""

    def put(self, frame: Frame) -> None:
        self.newest = frame
        self.wake()

    def wake(self) -> None:
        changed, self.changed = self.changed, asyncio.Event()
        changed.set()


class Video:
    """Frames of all cameras, each subscribed to only while somebody looks. All methods belong to the asyncio side."""

    def __init__(self, gateway: Watcher) -> None:
        self._gateway = gateway
        self._feeds: dict[str, Feed] = {}
        self._closed = False

    async def frames(self, camera: Camera) -> AsyncGenerator[Frame, None]:
        """The newest frame each time the viewer asks for one; ends when none comes any more, or at :meth:`close`.

        A viewer that is slower than the camera skips frames. Close the iterator: with its last viewer the subscription
        ends.
        """
        feed = self._join(camera)
        seen: Frame | None = None
        try:
            while not self._closed:
                if feed.newest is None or feed.newest is seen:
                    await within(SILENT_S, feed.changed.wait())
                    continue
                seen = feed.newest
                yield seen
        except asyncio.TimeoutError:
            return
        finally:
            self._leave(camera, feed)

    def close(self) -> None:
        """End all streams."""
        self._closed = True
        for feed in self._feeds.values():
            feed.wake()

    def _join(self, camera: Camera) -> Feed:
        feed = self._feeds.get(camera.id)
        if feed is None:
            feed = self._feeds[camera.id] = Feed()
            feed.unwatch = self._gateway.watch(topic_of(camera), feed.put)
        feed.viewers += 1
        return feed

    def _leave(self, camera: Camera, feed: Feed) -> None:
        feed.viewers -= 1
        if feed.viewers == 0:
            del self._feeds[camera.id]
            feed.unwatch()


class MotionJpeg(Response):
    """A camera as one endless picture, which an ``<img>`` plays."""

    def __init__(self, frames: AsyncGenerator[Frame, None], seats: Seats) -> None:
        super().__init__()
        self._frames = frames
        self._seats = seats

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._seats.take(self):
            async with aclosing(self._parts()) as parts:
                await respond(scope, receive, send, HEADERS, DELIMITER, parts, bytes, self._seats)

    async def _parts(self) -> AsyncGenerator[bytes, None]:
        async with aclosing(self._frames):
            async for frame in self._frames:
                head = f"Content-Type: {frame.media_type}\r\nContent-Length: {len(frame.data)}\r\n\r\n"
                yield b"".join((head.encode(), frame.data, b"\r\n", DELIMITER))  # shown when the delimiter is there
