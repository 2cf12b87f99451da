"""GETs of the present state: rendered once for each change, then answered from memory.

The routes stay the only ones that know how an answer looks. This stands before them, asks once, and keeps body and
headers until what the answer is made of moves or its time is over. All belongs to the asyncio side.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NamedTuple

from fastapi import FastAPI
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from plainview_ros.bridge.context import Bridge

MAX_AGE_S = 1.0
"""An answer tells whole seconds, ages and "in the last hour" too: it is rendered again after this long, whatever
happens. Deadlines that matter more exactly are the projection's."""

ETAG = {"description": "of this very body", "schema": {"type": "string"}, "example": '"5f0b6c1d2e3a4b5c6d7e8f90"'}
UNCHANGED = {"description": "`If-None-Match` has the present ETag"}

MAX_ANSWERS = 500
MAX_BYTES = 16_000_000
MAX_KEY_BYTES = 500
"""Whoever varies the query costs time, as without this, but no memory: of the many, those not asked for go first."""


@dataclass(frozen=True)
class Projection:
    """Paths whose answers are made of nothing but state that is in memory, and of the path and query."""

    paths: tuple[str, ...]
    """As the routes have them, e.g. ``/valves/{valve_id}``."""
    revision: Callable[[Bridge], object]
    """Differs from what it was as soon as anything of that state has changed."""
    until_s: Callable[[Bridge, float], float]
    """When time will change an answer rendered now, on the monotonic clock [s]: a value becomes stale."""


class Key(NamedTuple):
    """What an answer may depend on."""

    path: str
    query: bytes = b""
    root_path: str = ""
    """Where a proxy has the application, see ASGI; ``path`` begins with it."""


class Answer:
    """A response, ready to be sent any number of times."""

    def __init__(self, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> None:
        self.status = status
        self.body = body
        self.etag = b'"%s"' % blake2b(body, digest_size=12).hexdigest().encode()
        validators = [(b"etag", self.etag), (b"cache-control", b"no-cache")] if status == 200 else []
        self._start = {"type": "http.response.start", "status": status, "headers": [*headers, *validators]}
        self._unchanged = {"type": "http.response.start", "status": 304, "headers": validators}
        self._body = {"type": "http.response.body", "body": body}

    async def respond(self, scope: Scope, send: Send) -> None:
        if self.status == 200 and self._is_known(scope):
            await send(self._unchanged)
            await send(NO_BODY)
        else:
            await send(self._start)
            await send(NO_BODY if scope["method"] == "HEAD" else self._body)

    def _is_known(self, scope: Scope) -> bool:
        for name, value in scope["headers"]:
            if name == b"if-none-match" and (self.etag in value or value.strip() == b"*"):
                return True
        return False


NO_BODY: Message = {"type": "http.response.body", "body": b""}


@dataclass(slots=True)
class Held:
    """An answer that is being rendered or was; it is as good as ``revision`` and the time let it be."""

    projection: Projection
    revision: object
    """Taken before it was rendered: it may be newer than this says, never older."""
    until_s: float
    rendering: asyncio.Task[Answer]
    size_bytes: int = 0

    async def answer(self) -> Answer:
        """Also for whoever waits with others: that one of them goes away is nothing to the rest."""
        return await asyncio.shield(self.rendering)


class Answers:
    """Answers every GET of a projection from memory, and HEAD wherever there is GET.

    Whoever asks while an answer is being rendered waits for that one. It is rendered in a task of its own, so it does
    not matter who of them goes away. Only 200 is kept.

    Args:
        app: the application whose routes render.
        projections: whose answers are kept; a path belongs to the first that has it.
        others: paths that none of them has, although they look like it.
    """

    def __init__(self, app: FastAPI, projections: Sequence[Projection], others: Sequence[str] = ()) -> None:
        self._fastapi = app
        self._inner: ASGIApp = app.router
        self._others = frozenset(others)
        self._paths = [(*compile_path(path)[:2], projection) for projection in projections for path in projection.paths]
        self._bridge: Bridge | None = None
        self._held: OrderedDict[Key, Held] = OrderedDict()

    def before(self, inner: ASGIApp) -> Answers:
        """Stand before the rest of the application, as ``add_middleware`` wants it."""
        self._inner = inner
        return self

    def open(self, bridge: Bridge) -> None:
        """From now on answer what this bridge knows."""
        self._bridge = bridge
        self._held.clear()

    def declare(self, openapi: dict[str, Any]) -> None:
        """Say in the OpenAPI which answers have an ETag."""
        for _, path, _ in self._paths:
            responses = openapi["paths"][path]["get"]["responses"]
            responses["200"]["headers"] = {"ETag": ETAG}
            responses["304"] = UNCHANGED

    @property
    def entries(self) -> int:
        return len(self._held)

    @property
    def size_bytes(self) -> int:
        """Of the bodies kept."""
        return sum(held.size_bytes for held in self._held.values())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            await self._inner(scope, receive, send)
            return
        held = self._find(Key(scope["path"], scope["query_string"], scope.get("root_path", "")))
        if held is not None:
            await (await held.answer()).respond(scope, send)
        elif scope["method"] == "HEAD":
            await _head(self._inner, scope, send)
        else:
            await self._inner(scope, receive, send)

    async def body(self, path: str, query: bytes = b"") -> bytes:
        """What a GET of a projection's path is answered now.

        Raises:
            KeyError: no projection has the path.
        """
        held = self._find(Key(path, query))
        if held is None:
            raise KeyError(path)
        return (await held.answer()).body

    def _find(self, key: Key) -> Held | None:
        """The answer that holds now, which may still be on its way; ``None`` where answers are not kept."""
        if self._bridge is None:
            return None
        held = self._held.get(key)
        if held is None:
            projection = self._projection(key)
            return None if projection is None else self._render(key, projection, self._bridge)
        if self._bridge.state.monotonic_s() >= held.until_s or held.revision != held.projection.revision(self._bridge):
            return self._render(key, held.projection, self._bridge)
        self._held.move_to_end(key)
        return held

    def _projection(self, key: Key) -> Projection | None:
        if len(key.path) + len(key.query) > MAX_KEY_BYTES:
            return None
        path = key.path.removeprefix(key.root_path)
        if path in self._others:
            return None
        return next((projection for pattern, _, projection in self._paths if pattern.match(path)), None)

    def _render(self, key: Key, projection: Projection, bridge: Bridge) -> Held:
        now_s = bridge.state.monotonic_s()
        until_s = min(now_s + MAX_AGE_S, projection.until_s(bridge, now_s))
        rendering = asyncio.create_task(_get(self._inner, self._fastapi, key))
        held = Held(projection, projection.revision(bridge), until_s, rendering)
        rendering.add_done_callback(lambda _: self._keep(key, held))
        self._held[key] = held
        self._held.move_to_end(key)
        if len(self._held) > MAX_ANSWERS:
            self._held.popitem(last=False)
        return held

    def _keep(self, key: Key, held: Held) -> None:
        """It has been rendered: keep it if it is worth it."""
        done = held.rendering
        if done.cancelled() or done.exception() is not None or done.result().status != 200:
            if self._held.get(key) is held:
                del self._held[key]
            return
        held.size_bytes = len(done.result().body)
        while self.size_bytes > MAX_BYTES:
            self._held.popitem(last=False)


async def _get(app: ASGIApp, fastapi: FastAPI, key: Key) -> Answer:
    """Ask the application, as a client of which nothing is known: what it answers is for every client."""
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": key.path,
        "raw_path": key.path.encode(),
        "query_string": key.query,
        "root_path": key.root_path,
        "headers": [],
        "client": None,
        "server": None,
        "app": fastapi,
    }
    start: Message = {}
    body: list[bytes] = []

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
        else:
            body.append(message.get("body", b""))

    await app(scope, receive, send)
    return Answer(start["status"], start["headers"], b"".join(body))


async def _head(app: ASGIApp, scope: Scope, send: Send) -> None:
    """The head of what GET would answer. Then the client seems to be gone, which ends a response without end."""
    answered = asyncio.Event()

    async def receive() -> Message:
        await answered.wait()
        return {"type": "http.disconnect"}

    async def only_head(message: Message) -> None:
        if message["type"] == "http.response.start":
            await send(message)
            await send(NO_BODY)
            answered.set()

    await app({**scope, "method": "GET"}, receive, only_head)
