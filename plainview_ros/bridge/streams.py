"""Responses without end: there are only so many, they notice that their client is gone, and end with the process."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterable, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType
from typing import Any, TypeVar

from starlette.types import ASGIApp, Receive, Scope, Send

from plainview_ros.bridge.errors import BridgeError

T = TypeVar("T")

DIRECT_SEND = "plainview.direct_send"


class Seats:
    """Open streams of one kind; the one too many is told so instead of slowing all others.

    Args:
        kind: what they are, for the refusal.
        limit: how many there may be.
        send_timeout_s: a client that takes nothing for so long is given up.
    """

    def __init__(self, kind: str, limit: int, send_timeout_s: float) -> None:
        self._kind = kind
        self._limit = limit
        self.send_timeout_s = send_timeout_s
        self.occupants: set[object] = set()
        self.refused = 0
        self.given_up = 0

    @contextmanager
    def take(self, occupant: object) -> Iterator[None]:
        """Hold a seat. Raises ``BridgeError`` (503) when all are taken."""
        if len(self.occupants) >= self._limit:
            self.refused += 1
            detail = f"{self._limit} {self._kind} are open, no more are served"
            raise BridgeError(503, "too_many_streams", detail, retry_after_s=10)
        self.occupants.add(occupant)
        try:
            yield
        finally:
            self.occupants.discard(occupant)


class Patience:
    """Gives up a client whose network was lost without a goodbye: it takes nothing any more.

    A timer for each piece that is sent would cost more than sending it, so one looks from time to time how long the
    piece that is under way has been.

    Args:
        timeout_s: how long one piece may take.
        give_up: called once when it took longer.
    """

    def __init__(self, timeout_s: float, give_up: Callable[[], object]) -> None:
        self._timeout_s = timeout_s
        self._give_up = give_up
        self._loop = asyncio.get_running_loop()
        self._since_s: float | None = None
        self._timer = self._loop.call_later(timeout_s, self._look)

    def sending(self) -> None:
        self._since_s = self._loop.time()

    def sent(self) -> None:
        self._since_s = None

    def end(self) -> None:
        self._timer.cancel()

    def _look(self) -> None:
        under_way_s = 0.0 if self._since_s is None else self._loop.time() - self._since_s
        if under_way_s >= self._timeout_s:
            self._give_up()
        else:
            self._timer = self._loop.call_later(self._timeout_s - under_way_s, self._look)


async def until_gone(
    write: Callable[[Patience], Coroutine[Any, Any, None]], gone: Coroutine[Any, Any, object], seats: Seats
) -> None:
    """Write to a client, which has a seat, until that is complete, it is ``gone``, or it takes nothing any more."""
    loop = asyncio.get_running_loop()

    def give_up() -> None:
        seats.given_up += 1
        writing.cancel()

    async def patiently() -> None:
        patience = Patience(seats.send_timeout_s, give_up)
        try:
            await write(patience)
        finally:
            patience.end()

    writing, watching = loop.create_task(patiently()), loop.create_task(gone)
    try:
        await asyncio.wait((writing, watching), return_when=asyncio.FIRST_COMPLETED)
    finally:
        writing.cancel()
        watching.cancel()
        ended, _ = await asyncio.gather(writing, watching, return_exceptions=True)
    if isinstance(ended, Exception):
        raise ended


class DirectSend:
    """Lets a stream find the server's own ``send``.

    On the way to a route the framework wraps it again and again to learn whether a response has begun. For each of
    hundreds of clients, hundreds of times a second, that costs a tenth of everything.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app({**scope, DIRECT_SEND: send}, receive, send)


async def respond(
    scope: Scope,
    receive: Receive,
    send: Send,
    headers: Mapping[str, str],
    preamble: bytes,
    items: AsyncIterable[T],
    to_bytes: Callable[[T], bytes],
    seats: Seats,
) -> None:
    """Send a preamble and items as the body of a 200 response until there are no more or the client is gone."""
    direct_send: Send = scope.get(DIRECT_SEND, send)

    async def write(patience: Patience) -> None:
        encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": encoded})
        await send({"type": "http.response.body", "body": preamble, "more_body": True})
        async for item in items:
            patience.sending()
            await direct_send({"type": "http.response.body", "body": to_bytes(item), "more_body": True})
            patience.sent()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    await until_gone(write, gone(), seats)


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
