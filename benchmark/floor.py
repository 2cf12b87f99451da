"""The floor on the web: the least Python server that does the bridge's work, to compare it with.

A bare ASGI function on the bridge's own web server (uvicorn), one subscription of the bridge's topic on a wait set
drained by hand, a frame encoded once, a queue for each client. It checks nothing, remembers nothing, resumes nothing
and never notices that a client is gone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import rclpy
import uvicorn
import uvloop

from benchmark.messages import Actuations
from benchmark.wait_set import draining

HEALTH = json.dumps({"status": "ok", "uptimeSec": 1}).encode()
VALVES = json.dumps(
    [
        {
            "id": f"v-10{number}",
            "name": f"Valve {number}",
            "status": "ok",
            "lastTorqueNm": 48.0,
            "lastActuationTime": None,
            "temperature": 45.0,
            "pressurePa": 2_500_000.0,
            "estimatedMaintenance": "2027-03-01T00:00:00.000Z",
            "stale": False,
            "staleValues": [],
            "position": 1.0,
            "torqueNm": None,
            "moving": False,
        }
        for number in range(3)
    ]
).encode()
BODIES = {"/health": HEALTH, "/valves": VALVES}
TICK = b'event: telemetry.tick\ndata: {"type":"telemetry.tick"}\n\n'


class Floor:
    """The ASGI application."""

    def __init__(self) -> None:
        self._queues: set[asyncio.Queue[bytes]] = set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG002
        if scope["type"] != "http":
            return
        if scope["path"] == "/events":
            await self._stream(send)
            return
        body = BODIES[scope["path"]]
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _stream(self, send: Any) -> None:
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        self._queues.add(queue)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        await send({"type": "http.response.body", "body": TICK, "more_body": True})
        while True:
            frames = [await queue.get()]
            while not queue.empty():
                frames.append(queue.get_nowait())
            await send({"type": "http.response.body", "body": b"".join(frames), "more_body": True})

    def push(self, frames: bytes) -> None:
        for queue in self._queues:
            queue.put_nowait(frames)


def frame(message: Any, number: int) -> bytes:
    """The bytes the bridge would send."""
    stamp = message.header.stamp
    at_ms = stamp.sec * 1000 + stamp.nanosec // 1_000_000
    data = {
        "type": "valve.actuation.requested",
        "valveId": message.valve_id,
        "actuationId": bytes(message.actuation_id.uuid).hex(),
        "targetPosition": message.target_position,
        "requestedBy": message.requested_by,
        "requestedAt": at_ms,
    }
    body = json.dumps(data, separators=(",", ":"))
    return f"id: {at_ms}-{number}\nevent: valve.actuation.requested\ndata: {body}\n\n".encode()


def listen(loop: asyncio.AbstractEventLoop, floor: Floor, ended: threading.Event) -> None:
    """On a thread of its own, until ended: hand what comes on the topic to the loop, a batch for each wake."""
    node = rclpy.create_node("benchmark_floor")
    with draining(node, Actuations.type, Actuations.topic, Actuations.qos) as drain:
        number = 0
        while not ended.is_set():
            messages: Sequence[Any] = drain.take(0.2)
            if messages:
                frames = b"".join(frame(message, number + i) for i, message in enumerate(messages))
                number += len(messages)
                loop.call_soon_threadsafe(floor.push, frames)


async def serve(port: int) -> None:
    floor, ended = Floor(), threading.Event()
    listener = threading.Thread(target=listen, args=(asyncio.get_running_loop(), floor, ended))
    listener.start()
    config = uvicorn.Config(
        floor, port=port, lifespan="off", log_level="warning", access_log=False, timeout_graceful_shutdown=1
    )
    try:
        await uvicorn.Server(config).serve()
    finally:
        ended.set()
        listener.join()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    rclpy.init(args=[], signal_handler_options=rclpy.SignalHandlerOptions.NO)
    try:
        with suppress(KeyboardInterrupt):
            uvloop.run(serve(arguments.port))  # the loop that uvicorn gives the bridge
    finally:
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
