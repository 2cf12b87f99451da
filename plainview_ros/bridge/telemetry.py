"""Topics of the graph that a client asked for, as events and as the newest values."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Any

from plainview_ros.bridge.errors import BridgeError
from plainview_ros.bridge.event_log import EventLog
from plainview_ros.bridge.gateway import Gateway
from plainview_ros.bridge.schemas.events import Ros2Telemetry

MAX_SUBSCRIPTIONS = 50
MAX_ENTRIES = 1000
MAX_ENTRY_BYTES = 16_000
"""Of one message as JSON; of a larger one it is only said how large it is."""


@dataclass(frozen=True, slots=True)
class TelemetryEntry:
    """One message of one node."""

    node_id: str
    topic: str
    data: Any
    stamp_s: float
    """The bridge's node's clock at receipt [s]."""
    heard_s: float
    """Monotonic clock at receipt [s]."""


class Telemetry:
    """Subscriptions asked for over HTTP. All methods belong to the asyncio side.

    A subscription names the node whose messages are wanted. Where ROS does not say who sent a message (before Kilted,
    when several nodes publish the topic), it counts for every node whose messages are wanted.
    """

    def __init__(self, gateway: Gateway, log: EventLog) -> None:
        self._gateway = gateway
        self._log = log
        self._wanted: dict[str, set[str]] = {}
        self._entries: deque[TelemetryEntry] = deque(maxlen=MAX_ENTRIES)

    async def subscribe(self, node_id: str, topic: str) -> None:
        """From now on every message of the node on the topic is an event; asking twice changes nothing.

        Raises:
            BridgeError: too many subscriptions (409); the topic cannot be listened to (422); ROS did not answer (504).
        """
        if node_id in self._wanted.get(topic, ()):
            return
        if sum(map(len, self._wanted.values())) >= MAX_SUBSCRIPTIONS:
            detail = f"{MAX_SUBSCRIPTIONS} subscriptions are taken, end one with /ros2/unsubscribe"
            raise BridgeError(409, "too_many_subscriptions", detail)
        self._wanted.setdefault(topic, set()).add(node_id)
        try:
            await self._gateway.on_ros_side(lambda node: node.listen(topic, partial(self._take, topic)))
        except BaseException as error:
            self._forget(node_id, topic)
            if isinstance(error, ValueError):
                raise BridgeError(422, "not_subscribable", str(error)) from None
            raise

    async def unsubscribe(self, node_id: str, topic: str) -> bool:
        """Stop; False when there was no such subscription."""
        if node_id not in self._wanted.get(topic, ()):
            return False
        self._forget(node_id, topic)
        if topic not in self._wanted:
            await self._gateway.on_ros_side(lambda node: node.unlisten(topic))
        return True

    def recent(
        self, node_id: str | None = None, topic: str | None = None, max_age_s: float | None = None
    ) -> list[TelemetryEntry]:
        """The last messages, oldest first."""
        oldest_s = float("-inf") if max_age_s is None else monotonic() - max_age_s
        return [
            entry
            for entry in self._entries
            if node_id in (None, entry.node_id) and topic in (None, entry.topic) and entry.heard_s >= oldest_s
        ]

    def _take(self, topic: str, sender: str, data: Any) -> None:
        wanted = self._wanted.get(topic, set())
        node_ids = sorted(wanted) if not sender else [sender] if sender in wanted else []
        size = len(json.dumps(data, ensure_ascii=False))
        if size > MAX_ENTRY_BYTES:
            data = {"omitted": f"{size} bytes of JSON, more than {MAX_ENTRY_BYTES}"}
        stamp_s = self._gateway.now_s()
        for node_id in node_ids:
            self._entries.append(TelemetryEntry(node_id, topic, data, stamp_s, monotonic()))
            self._log.publish(Ros2Telemetry(node_id=node_id, topic=topic, data=data, at=stamp_s))

    def _forget(self, node_id: str, topic: str) -> None:
        self._wanted[topic].discard(node_id)
        if not self._wanted[topic]:
            del self._wanted[topic]
