"""Who commanded what, and what was answered."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from time import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from plainview_ros.bridge.context import caller
from plainview_ros.bridge.schemas.base import epoch_ms
from plainview_ros.bridge.store.rows import Row, Value

COMMANDS = frozenset(("POST", "PUT", "PATCH", "DELETE"))

MAX_ACTION = 300
"""Characters."""

CLIENT_LEFT = 0
"""Status of a request whose client was gone before there was an answer."""


class Audit:
    """Has every request that commands recorded after its answer, refused ones too.

    It stands before the application and only looks on. The query is left out, there may be secrets in it.

    Args:
        app: what it stands before.
        record: takes the row; it is called on the asyncio side.
    """

    def __init__(self, app: ASGIApp, record: Callable[[Scope, Row], object]) -> None:
        self._app = app
        self._record = record

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in COMMANDS:
            await self._app(scope, receive, send)
            return
        status: int | None = None

        async def look_and_receive() -> Message:
            nonlocal status
            message = await receive()
            if message["type"] == "http.disconnect" and status is None:
                status = CLIENT_LEFT
            return message

        async def look_and_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start" and status is None:
                status = message["status"]
            await send(message)

        action = f"{scope['method']} {scope['path']}"  # a mount may change the scope
        at_ms = epoch_ms(time())
        try:
            await self._app(scope, look_and_receive, look_and_send)
        except Exception:
            status = 500 if status is None else status
            raise
        finally:
            values: dict[str, Value] = {
                "id": str(uuid.uuid4()),
                "at_ms": at_ms,
                "who": caller(scope),
                "action": action[:MAX_ACTION],
                "status": CLIENT_LEFT if status is None else status,
            }
            self._record(scope, Row("audit_log", values))
