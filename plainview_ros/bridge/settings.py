"""What the bridge can be set to."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

DEFAULT_PORT = 4000


@dataclass(frozen=True)
class Settings:
    """Defaults of the ROS parameters of the same names; each is described in ``node.py``."""

    host: str = "127.0.0.1"
    port: int = 0
    stale_after_s: float = 3.0
    announce_max_age_s: float = 30.0
    command_timeout_s: float = 5.0
    tick_s: float = 5.0
    ring_entries: int = 10_000
    ring_bytes: int = 16_000_000
    spool_bytes: int = 256_000_000
    telemetry_entries: int = 2_000
    telemetry_bytes: int = 4_000_000
    max_event_streams: int = 500
    max_camera_viewers: int = 50
    send_timeout_s: float = 20.0
    raw_days: int = 30
    minute_days: int = 400
    hour_days: int = 3650
    event_days: int = 400
    command_topics: Sequence[str] = ("",)  # of an empty list ROS could not tell the type


def listening_port(port: int) -> int:
    """The port to listen on: as set, else from the environment's ``PORT``, else 4000.

    Raises:
        ValueError: when ``PORT`` is not the number of a port.
    """
    if port:
        return port
    text = os.environ.get("PORT", "").strip()
    if not text:
        return DEFAULT_PORT
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise ValueError(f"environment PORT: expected a port between 1 and 65535, found {text!r}")
    return int(text)
