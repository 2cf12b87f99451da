"""Responses without end: there are only so many, they notice that their client is gone, and end with the process."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from threading import current_thread, main_thread
from types import FrameType

from starlette.types import Receive, Send

from plainview_ros.bridge.errors import BridgeError


class Seats:
    """Open streams of one kind; the one too many is told so instead of slowing all others."""

    def __init__(self, kind: str, limit: int) -> None:
        self._kind = kind
        self._limit = limit
        self.taken = 0

    @contextmanager
    def take(self) -> Iterator[None]:
        """Hold a seat. Raises ``BridgeError`` (503) when all are taken."""
        if self.taken >= self._limit:
            detail = f"{self._limit} {self._kind} are open, no more are served"
            raise BridgeError(503, "too_many_streams", detail, retry_after_s=10)
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1


async def respond(
    receive: Receive, send: Send, headers: Mapping[str, str], chunks: AsyncGenerator[bytes, None], send_timeout_s: float
) -> None:
    """Send chunks as the body of a 200 response until there are no more or the client is gone.

    A client whose network was lost without a goodbye takes nothing any more; after ``send_timeout_s`` it is given up.
    """
    loop = asyncio.get_running_loop()

    async def write() -> None:
        encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": encoded})
        async with aclosing(chunks):
            async for chunk in chunks:
                overdue = loop.call_later(send_timeout_s, writing.cancel)
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
                overdue.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    writing, watching = loop.create_task(write()), loop.create_task(watch())
    try:
        await asyncio.wait((writing, watching), return_when=asyncio.FIRST_COMPLETED)
    finally:
        writing.cancel()
        watching.cancel()
        ended, _ = await asyncio.gather(writing, watching, return_exceptions=True)
    if isinstance(ended, Exception):
        raise ended


@contextmanager
def closed_at_signal(close: Callable[[], object]) -> Iterator[None]:
    """Call ``close`` in the running loop as soon as the process is told to end.

    A server ends the lifespan only after all responses are complete, which a stream never is. ASGI has no message for
    "finish soon", so this listens to what tells the server: its signal handlers are set before the lifespan begins,
    ours run first and then call them. It works under any server that handles signals in Python, uvicorn among them.
    """
    if current_thread() is not main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    servers = {
        number: handler
        for number in (signal.SIGINT, signal.SIGTERM)
        if callable(handler := signal.getsignal(number)) and handler is not signal.default_int_handler
    }

    def handle(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(close)
        servers[signal.Signals(number)](number, frame)

    for number in servers:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in servers.items():
            if signal.getsignal(number) is handle:
                signal.signal(number, handler)
