"""The web application around a graph that a test draws."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import httpx

from graph import DEADLINE_S
from plainview_ros.assets import Rig
from plainview_ros.bridge.event_log import Entry, EventLog
from plainview_ros.bridge.gateway import Received
from plainview_ros.bridge.settings import Settings
from plainview_ros.ros.graph import GraphNode

CRAWLER = GraphNode("crawler", "/fleet", ("/crawler/pose",), ("/crawler/goal", "/crawler/stop"))
VALVE_OPS = GraphNode("valve_ops", "/", ("/valves/state",), ())


class DrawnNode:
    """What the ROS side would see and do."""

    def __init__(self) -> None:
        self.nodes = [CRAWLER, VALVE_OPS]
        self.listening: dict[str, Callable[[str, Any], object]] = {}
        self.published: list[tuple[str, Any]] = []
        self.connected = 1
        self.refusal = ""

    def graph_nodes(self) -> list[GraphNode]:
        return list(self.nodes)

    def listen(self, topic: str, deliver: Callable[[str, Any], object]) -> None:
        if self.refusal:
            raise ValueError(self.refusal)
        self.listening[topic] = deliver

    def unlisten(self, topic: str) -> None:
        self.listening.pop(topic)

    def publish(self, topic: str, plain: Any) -> int:
        if self.refusal:
            raise ValueError(self.refusal)
        if self.connected:
            self.published.append((topic, plain))
        return self.connected


class DrawnGateway:
    """A gateway (see ``bridge/gateway.py``) to a drawn node; everything happens on the asyncio side."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.settings = Settings(command_topics=("/crawler/goal",))
        self.node = DrawnNode()
        self.on_message: Callable[[Received], object] = lambda _: None

    def connect(self, _loop: asyncio.AbstractEventLoop, on_message: Callable[[Received], object]) -> None:
        self.on_message = on_message

    def now_s(self) -> float:
        return time.time()

    def silent_s(self) -> float:
        return 0.0

    async def on_ros_side(self, work: Callable[[Any], Any]) -> Any:
        return work(self.node)


class Web:
    """A client and the other ends of what it talks to, in one loop that runs while something is waited for."""

    def __init__(self, loop: asyncio.AbstractEventLoop, client: httpx.AsyncClient, gateway: DrawnGateway) -> None:
        self._loop = loop
        self._client = client
        self._cursor = 0
        self.gateway = gateway
        self.node = gateway.node
        self.log: EventLog

    def get(self, path: str) -> httpx.Response:
        return self._loop.run_until_complete(self._client.get(path))

    def post(self, path: str, **body: Any) -> httpx.Response:
        return self._loop.run_until_complete(self._client.post(path, **body))

    def in_loop(self, function: Callable[..., object], *arguments: Any) -> None:
        """Call something on the asyncio side."""

        async def call() -> None:
            function(*arguments)

        self._loop.run_until_complete(call())

    def receive(self, topic: str, data: dict[str, Any]) -> None:
        """A message comes from ROS."""
        self.in_loop(self.gateway.on_message, Received(topic, data, time.time(), time.monotonic()))

    def event(self, type_: str) -> dict[str, Any]:
        """The next event of a type."""
        return self._loop.run_until_complete(asyncio.wait_for(self._next(type_), DEADLINE_S)).data

    async def _next(self, type_: str) -> Entry:
        while await self.log.wait(self._cursor):
            for entry in self.log.read(self._cursor):
                self._cursor += 1
                if entry.type == type_:
                    return entry
        raise AssertionError(f"no {type_} before the log was closed")
