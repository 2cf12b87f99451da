"""What the asyncio side sees of ROS; `node.py` is the real one, tests bring their own."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, TypeVar

from prometheus_client import Metric

from plainview_ros.assets import Rig
from plainview_ros.bridge.settings import Settings
from plainview_ros.ros.graph import GraphNode

T = TypeVar("T")
Plain: TypeAlias = dict[str, Any]
"""A ROS message as ``ros.conversions.to_plain`` makes it."""


@dataclass(frozen=True, slots=True)
class Received:
    """One message of a topic the bridge projects, as it crossed to the asyncio side."""

    topic: str
    """A name of ``ros/topics.py``."""
    data: Plain
    now_s: float
    """The node's clock at receipt [s], simulated when ``use_sim_time`` is set: compare stamps with it."""
    monotonic_s: float
    """Monotonic clock at receipt [s]: ages come from it."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One encoded picture of a camera, passed through as it came."""

    media_type: str
    data: bytes
    stamp_s: float | None

    @classmethod
    def of(cls, data: bytes, stamp_s: float | None) -> Frame:
        """A picture with what a browser calls its bytes.

        Raises:
            ValueError: when they are neither a JPEG nor a PNG.
        """
        if data.startswith(b"\xff\xd8\xff"):
            return cls("image/jpeg", data, stamp_s)
        if data.startswith(b"\x89PNG\r\n\x1a\n"):
            return cls("image/png", data, stamp_s)
        raise ValueError(f"{len(data)} bytes that begin with {data[:8]!r} are neither JPEG nor PNG")


class RosNode(Protocol):
    """What work handed to :meth:`Gateway.on_ros_side` may do. All methods belong to the ROS side."""

    def graph_nodes(self) -> list[GraphNode]:
        """Everybody on the graph."""

    def listen(self, topic: str, deliver: Callable[[str, Any], object]) -> None:
        """Call ``deliver`` on the asyncio side with the sender's name and its newest message.

        Raises:
            ValueError: the topic cannot be listened to.
        """

    def unlisten(self, topic: str) -> None:
        """Stop listening, if it does."""

    def publish(self, topic: str, plain: Any) -> int:
        """Number of subscribers that the message was sent to.

        Raises:
            ValueError: the values make no message of the topic's type.
        """


class Gateway(Protocol):
    """All methods are called on the asyncio side and none of them blocks."""

    rig: Rig
    settings: Settings

    def connect(
        self,
        loop: asyncio.AbstractEventLoop,
        on_message: Callable[[Received], object],
        on_loss: Callable[[int], object] = lambda _count: None,
    ) -> None:
        """From now on call ``on_message`` in the loop with every message, first with those that came before.

        Before a message that follows on transitions which were lost on the way ``on_loss`` is called with their number.
        """

    def now_s(self) -> float:
        """The node's clock [s]."""

    def silent_s(self) -> float:
        """Seconds since the slower of the ROS side's threads last turned; above a few, it hangs or has ended."""

    def metrics(self) -> Iterable[Metric]:
        """How long messages take on the ROS side and on their way to the asyncio side, what waits and what is lost."""

    async def actuate(self, valve_id: str, target_position: float, requested_by: str, reason: str) -> uuid.UUID:
        """Start a stroke; the actuation's id as soon as the valve moves. Raises ``errors.BridgeError``."""

    async def resolve_leak(self, leak_id: uuid.UUID, resolved_by: str, note: str) -> Plain:
        """Mark a leak as repaired; the leak as it is now. Raises ``errors.BridgeError``."""

    async def set_baseline(self, line_id: str, action: str, requested_by: str, note: str) -> Plain:
        """Have FlowIQ learn, freeze, resume or reset the reference of a flow line; the line as it is now.

        Raises ``errors.BridgeError``.
        """

    def watch(self, topic: str, on_frame: Callable[[Frame], object]) -> Callable[[], None]:
        """Subscribe to a topic of compressed images; call what is returned to stop."""

    async def on_ros_side(self, work: Callable[[RosNode], T]) -> T:
        """Result of ``work(node)``, run on the ROS executor's thread, where alone rclpy may be touched.

        Raises ``errors.BridgeError``: ``ros_timeout`` when the executor does not get to it, ``ros_unavailable`` at once
        when it has ended or the node is not active.
        """


RosSide: TypeAlias = Callable[[], AbstractContextManager[Gateway]]
"""Starts the ROS side, and stops it at exit. Entering raises ``RuntimeError`` when it cannot start."""
