"""Streams end with the process, and there are only so many of them."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType

from plainview_ros.bridge.problems import Problem


class Seats:
    """Open streams of one kind; the one too many is told so instead of slowing all others."""

    def __init__(self, kind: str, limit: int) -> None:
        self._kind = kind
        self._limit = limit
        self.taken = 0

    def check(self) -> None:
        """Raises ``Problem`` (503) when all seats are taken."""
        if self.taken >= self._limit:
            detail = f"{self._limit} {self._kind} are open, no more are served"
            raise Problem(503, "too_many_streams", detail, {"Retry-After": "10"})

    @contextmanager
    def take(self) -> Iterator[None]:
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1


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
