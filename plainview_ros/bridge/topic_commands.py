"""Messages that a client publishes on topics which the site has allowed for that."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any, Literal

from plainview_ros.bridge.errors import BridgeError
from plainview_ros.bridge.gateway import Gateway
from plainview_ros.bridge.graph import NodeView

Status = Literal["pending", "sent", "failed", "timeout"]
Priority = Literal["low", "normal", "high"]

MAX_COMMANDS = 1000
CONNECT_S = 0.05
"""Between two looks whether the first publisher of a topic has found its subscribers."""


@dataclass(frozen=True, slots=True)
class TopicCommand:
    """One message and what became of it."""

    id: str
    node_id: str
    topic: str
    priority: Priority
    stamp_s: float
    status: Status = "pending"
    error: str | None = None


class TopicCommands:
    """Publishes on allowed topics. All methods belong to the asyncio side.

    Whoever reaches the bridge can send what it lets through, so it lets nothing through unless the parameter
    ``command_topics`` names the topic.

    Args:
        gateway: to ROS.
        allowed: fully qualified topic names.
    """

    def __init__(self, gateway: Gateway, allowed: Collection[str]) -> None:
        self._gateway = gateway
        self._allowed = frozenset(allowed)
        self._commands: dict[str, TopicCommand] = {}

    def get(self, command_id: str) -> TopicCommand | None:
        return self._commands.get(command_id)

    async def send(
        self, node: NodeView, topic: str, params: Mapping[str, Any], priority: Priority, timeout_s: float
    ) -> TopicCommand:
        """Publish one message; ``sent`` when at least one subscriber was connected.

        Raises:
            BridgeError: the topic is not allowed (403), ``params`` make no message of its type (422), or ROS did not
                answer (504; the command is kept as ``timeout``).
        """
        if topic not in self._allowed:
            detail = f"{topic} is not among the bridge's command_topics: nothing was published"
            raise BridgeError(403, "topic_not_allowed", detail)
        command = TopicCommand(str(uuid.uuid4()), node.id, topic, priority, self._gateway.now_s())
        if topic not in node.subscribes:
            return self._keep(replace(command, status="failed", error=f"{node.id} does not subscribe to {topic}"))
        self._keep(command)
        try:
            sent = await self._publish(topic, params, timeout_s)
        except ValueError as error:
            self._keep(replace(command, status="failed", error=str(error)))
            raise BridgeError(422, "bad_params", str(error)) from None
        except BridgeError as error:
            self._keep(replace(command, status="timeout", error=error.detail))
            raise
        if sent:
            return self._keep(replace(command, status="sent"))
        why = f"no subscriber of {topic} was connected within {timeout_s:g} s; its QoS may not be compatible"
        return self._keep(replace(command, status="failed", error=why))

    async def _publish(self, topic: str, params: Mapping[str, Any], timeout_s: float) -> bool:
        deadline_s = monotonic() + timeout_s
        while True:
            count = await self._gateway.on_ros_side(lambda node: node.publish(topic, params))
            if count or monotonic() >= deadline_s:
                return count > 0
            await asyncio.sleep(CONNECT_S)

    def _keep(self, command: TopicCommand) -> TopicCommand:
        self._commands[command.id] = command
        if len(self._commands) > MAX_COMMANDS:
            del self._commands[next(iter(self._commands))]
        return command
