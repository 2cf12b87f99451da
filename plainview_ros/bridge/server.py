"""The web server around the application."""

from __future__ import annotations

import gc
import logging
import signal
import socket
import sys
from contextlib import suppress
from types import FrameType

import uvicorn
from fastapi import FastAPI

GRACE_S = 2
"""Time for open responses to end at shutdown. Streams end at once (see `streams.py`); this is for a client that has
stopped reading, whose bytes in flight would be waited for without end."""

SWITCH_S = 0.0005
"""For how long another thread may keep the interpreter from the loop. Ten times as long is Python's default, which a
client would see."""

WEB_SOCKET_BYTES = 65_536
"""Of one message of a client: none says anything that is listened to."""


class Server(uvicorn.Server):
    """Says where to look once it listens, and ends once."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        gc.freeze()  # what is here now stays: to look through all of it again stops every stream for 60 ms
        gc.enable()
        if self.started:
            url = f"http://{self.config.host}:{self.config.port}"
            print(f"Plainview is at {url}/  (API: {url}/docs  live: curl -N {url}/events)", flush=True)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A second Ctrl-C must not cut the taking down short: its time is bounded already."""
        if not self.should_exit:
            super().handle_exit(sig, frame)


def _is_not_about_one_client(record: logging.LogRecord) -> bool:
    """uvicorn tells of each web socket when it is asked for, opened and closed; of requests only where wanted."""
    return record.levelno > logging.INFO or not ("WebSocket" in record.msg or record.msg.startswith("connection "))


def serve(app: FastAPI, host: str, port: int) -> int:
    """Serve until SIGINT or SIGTERM; exit code, 0 when it ended because it was told to.

    Raises:
        SystemExit: when the application or the port could not be opened; the log says why.
    """
    sys.setswitchinterval(SWITCH_S)
    # uvicorn repeats the signal once everything has ended: it must then not kill the process before ROS has shut down.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        access_log=False,
        timeout_graceful_shutdown=GRACE_S,
        ws_per_message_deflate=False,  # costs CPU and memory for each client and message
        ws_max_size=WEB_SOCKET_BYTES,
    )
    logging.getLogger("uvicorn.error").addFilter(_is_not_about_one_client)
    with suppress(KeyboardInterrupt):
        Server(config).run()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # what is left is taking down
    return 0
