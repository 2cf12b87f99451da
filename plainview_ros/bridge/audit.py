"""Who commanded what, and what was answered."""

from __future__ import annotations

import asyncio
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

REFUSED_PER_S = 10
"""Of one client; more than these are one row with their number. What was accepted is always recorded, and so is what
was refused for who asked (401, 403) or for how things were (409)."""
ALWAYS_RECORDED = frozenset((401, 403, 409))

CLIENT_LEFT = 0
"""Status of a request whose client was gone before there was an answer."""


DETAILS = "plainview.audit_details"


def tell_more(scope: Scope, detail: str) -> None:
    """What a command is about where its path does not say it: recorded with it."""
    scope.get(DETAILS, []).append(detail.strip())


class Audit:
    """Has every request that commands recorded after its answer, refused ones too (see ``REFUSED_PER_S``).

    It stands before the application and only looks on. The query is left out, there may be secrets in it.

    Args:
        app: what it stands before.
        record: takes the row; it is called on the asyncio side.
    """

    def __init__(self, app: ASGIApp, record: Callable[[Scope, Row], object]) -> None:
        self._app = app
        self._record = record
        self._refused: dict[str, tuple[int, Row]] = {}
        """How many of each client in the second that began with the first, and the last of them."""

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
        details: list[str] = []
        scope[DETAILS] = details
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
                "action": ": ".join([action, *details])[:MAX_ACTION],
                "status": CLIENT_LEFT if status is None else status,
            }
            row = Row("audit_log", values)
            if status is not None and 400 <= status < 500 and status not in ALWAYS_RECORDED:
                self._take_refused(scope, row)
            else:
                self._record(scope, row)

    def _take_refused(self, scope: Scope, row: Row) -> None:
        who = str(row.values["who"])
        count, _ = self._refused.get(who, (0, row))
        self._refused[who] = count + 1, row
        if count == 0:
            asyncio.get_running_loop().call_later(1.0, self._sum_up, scope, who)
        if count < REFUSED_PER_S:
            self._record(scope, row)

    def _sum_up(self, scope: Scope, who: str) -> None:
        count, last = self._refused.pop(who)
        if count > REFUSED_PER_S:
            action = f"{count - REFUSED_PER_S} more refused, the last {last.values['action']}"
            self._record(
                scope, Row("audit_log", {**last.values, "id": str(uuid.uuid4()), "action": action[:MAX_ACTION]})
            )
