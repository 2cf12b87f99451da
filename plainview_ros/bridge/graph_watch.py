"""Looks at the ROS graph once a second and tells who came and who went."""

from __future__ import annotations

import asyncio
import logging
from time import monotonic
from typing import Any

from plainview_ros.bridge.errors import BridgeError
from plainview_ros.bridge.event_log import EventLog
from plainview_ros.bridge.gateway import Gateway, Received
from plainview_ros.bridge.graph import Difference, NodeBook, NodeView
from plainview_ros.bridge.schemas.events import Ros2NodeDiscovered, Ros2NodeOffline
from plainview_ros.ros import topics

logger = logging.getLogger(__name__)

PERIOD_S = 1.0
"""rclpy does not hand out the graph's change events, so it has to be looked at."""


class GraphWatch:
    """Keeps the book of nodes and agents. All methods belong to the asyncio side."""

    def __init__(self, gateway: Gateway, log: EventLog) -> None:
        self._gateway = gateway
        self._log = log
        self.book = NodeBook()

    async def run(self) -> None:
        """Look for ever. A look that the ROS side does not get to is skipped: nobody is offline because we are busy."""
        while True:
            try:
                seen = await self._gateway.on_ros_side(lambda node: node.graph_nodes())
            except BridgeError as error:
                logger.debug("not looked: %s", error)
            else:
                self._announce(self.book.look(seen, self._gateway.now_s(), monotonic()))
            await asyncio.sleep(PERIOD_S)

    def take(self, received: Received, _live: bool) -> None:
        """A listener of the bridge."""
        if received.topic == topics.DIAGNOSTICS:
            for status in received.data["status"]:
                self.book.diagnose(status["name"], status["level"], received.monotonic_s)

    def register(self, agent: NodeView) -> None:
        """Raises ``graph.TakenError``."""
        if self.book.register(agent):
            self._announce(Difference(discovered=(agent,)))

    def _announce(self, difference: Difference) -> None:
        now_s = self._gateway.now_s()
        for node in difference.discovered:
            location: dict[str, Any] = {} if node.location is None else {"location": dict(node.location)}
            self._log.publish(Ros2NodeDiscovered(node_id=node.id, node_type=node.type, **location, at=now_s))
        for node in difference.offline:
            self._log.publish(Ros2NodeOffline(node_id=node.id, node_type=node.type, at=now_s))
