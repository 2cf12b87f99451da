"""The web server around the application."""

from __future__ import annotations

import signal
import socket
from contextlib import suppress

import uvicorn
from fastapi import FastAPI

GRACE_S = 2
"""Time for open responses to end at shutdown. Streams end at once (see `streams.py`); this is for a client that has
stopped reading, whose bytes in flight would be waited for without end."""


class Server(uvicorn.Server):
    """Says where to look once it listens."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            url = f"http://{self.config.host}:{self.config.port}"
            print(f"Plainview is at {url}/  (API: {url}/docs  live: curl -N {url}/events)", flush=True)


def serve(app: FastAPI, host: str, port: int) -> int:
    """Serve until SIGINT or SIGTERM; exit code, 0 when it ended because it was told to.

    Raises:
        SystemExit: when the application or the port could not be opened; the log says why.
    """
    # uvicorn repeats the signal once everything has ended: it must then not kill the process before ROS has shut down.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    config = uvicorn.Config(app, host=host, port=port, access_log=False, timeout_graceful_shutdown=GRACE_S)
    with suppress(KeyboardInterrupt):
        Server(config).run()
    return 0
