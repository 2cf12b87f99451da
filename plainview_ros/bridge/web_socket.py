"""The twin of ``sse.py`` for clients that cannot use EventSource: each event is one text message."""

from __future__ import annotations

from contextlib import suppress

from fastapi import WebSocket, WebSocketDisconnect, status

from plainview_ros.bridge.follower import Follower
from plainview_ros.bridge.streams import Patience, Seats, until_gone


async def converse(socket: WebSocket, follower: Follower, seats: Seats) -> None:
    """Send everything until the client is gone or must be cut off; what it says is not listened to.

    Closed with 1012 (service restart) when the log was closed or the client fell behind: it should connect again and
    resume. Raises ``BridgeError`` (503) when all seats are taken.
    """

    async def write(patience: Patience) -> None:
        async for portion in follower:
            for message in portion.messages:
                patience.sending()
                await socket.send_text(message)
                patience.sent()
        await socket.close(status.WS_1012_SERVICE_RESTART)

    async def gone() -> None:
        while (await socket.receive())["type"] != "websocket.disconnect":
            pass

    with seats.take(follower):
        await socket.accept()
        with suppress(WebSocketDisconnect):
            await until_gone(write, gone(), seats)
