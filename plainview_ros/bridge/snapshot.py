"""The present state as one event, for a client that begins."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import time

from plainview_ros.bridge.schemas.base import epoch_ms
from plainview_ros.bridge.schemas.events import StateSnapshot

PARTS = {
    "health": "/health",
    "modules": "/modules",
    "valves": "/valves",
    "pipeline": "/pipeline/health",
    "leaks": "/pipeline/alerts",
    "flow": "/flow/metrics",
    "anomalies": "/flow/anomalies",
    "cameras": "/rig/cameras",
    "incidents": "/incidents",
    "missions": "/missions",
}
"""What each part is the answer of."""


async def render(answer: Callable[[str], Awaitable[bytes]]) -> bytes:
    """The JSON of a ``state.snapshot``, put together from what GET answers for these paths, byte for byte."""
    kind: str = StateSnapshot.model_fields["type"].default
    head = f'{{"type":"{kind}","at":{epoch_ms(time())}'.encode()
    parts = [f',"{part}":'.encode() + await answer(path) for part, path in PARTS.items()]
    return b"".join((head, *parts, b"}"))
