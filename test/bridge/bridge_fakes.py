"""A gateway without ROS, and an application around it."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import httpx
from fastapi import FastAPI
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from starlette.routing import compile_path

import bridge_messages as make
from plainview_ros.assets import Rig
from plainview_ros.bridge.app import create_app
from plainview_ros.bridge.context import Bridge
from plainview_ros.bridge.environment import Environment
from plainview_ros.bridge.event_log import Entry
from plainview_ros.bridge.gateway import Frame, Gateway, Plain, Received, RosNode
from plainview_ros.bridge.settings import Settings
from plainview_ros.ros.graph import GraphNode
from ros_graph import DEADLINE_S

T = TypeVar("T")


CRAWLER = GraphNode("crawler", "/fleet", ("/crawler/pose",), ("/crawler/goal", "/crawler/stop"))
VALVE_OPS = GraphNode("valve_ops", "/", ("/valves/state",), ())


class FakeNode:
    """What ``on_ros_side`` works with: a graph that the test draws."""

    def __init__(self) -> None:
        self.nodes = [CRAWLER, VALVE_OPS]
        self.listening: dict[str, Callable[[str, Any], object]] = {}
        self.published: list[tuple[str, Any]] = []
        self.subscribers = 1
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
        if self.subscribers:
            self.published.append((topic, plain))
        return self.subscribers


class FakeGateway:
    """Answers commands as it is told, and remembers them."""

    def __init__(self, rig: Rig, settings: Settings) -> None:
        self.rig = rig
        self.settings = settings
        self.node = FakeNode()
        self.silence_s = 0.0
        self.refusal: Exception | None = None
        self.leak: Plain = {}
        self.line: Plain = {}
        self.commands: list[tuple[Any, ...]] = []
        self.watched: dict[str, Callable[[Frame], object]] = {}

    def connect(
        self,
        loop: asyncio.AbstractEventLoop,
        on_message: Callable[[Received], object],
        on_loss: Callable[[int], object] = lambda _count: None,
    ) -> None:
        self.loop = loop
        self.on_message = on_message
        self.on_loss = on_loss

    def now_s(self) -> float:
        return make.NOW_S

    def silent_s(self) -> float:
        return self.silence_s

    def metrics(self) -> Iterable[Metric]:
        yield GaugeMetricFamily("plainview_handover_waiting", "Messages that wait for the web side", value=0)

    async def actuate(self, valve_id: str, target_position: float, requested_by: str, reason: str) -> uuid.UUID:
        self._command("actuate", valve_id, target_position, requested_by, reason)
        return uuid.UUID(int=7)

    async def resolve_leak(self, leak_id: uuid.UUID, resolved_by: str, note: str) -> Plain:
        self._command("resolve", str(leak_id), resolved_by, note)
        return self.leak

    async def set_baseline(self, line_id: str, action: str, requested_by: str, note: str) -> Plain:
        self._command("baseline", line_id, action, requested_by, note)
        return self.line

    def watch(self, topic: str, on_frame: Callable[[Frame], object]) -> Callable[[], None]:
        assert topic not in self.watched
        self.watched[topic] = on_frame
        return lambda: self.watched.pop(topic)

    async def on_ros_side(self, work: Callable[[RosNode], Any]) -> Any:
        return work(self.node)

    def _command(self, *command: Any) -> None:
        self.commands.append(command)
        if self.refusal is not None:
            raise self.refusal


class LoopThread:
    """An event loop that runs in a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="asyncio side")
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(DEADLINE_S)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


class FakeBridge:
    """The application in this process, without a server, and the ROS side that the test plays."""

    def __init__(self, app: FastAPI, gateway: FakeGateway, asyncio_side: LoopThread) -> None:
        self.app = app
        self.gateway = gateway
        self.bridge: Bridge = app.state.bridge
        self._asyncio_side = asyncio_side
        self._cursor = self.bridge.log.end._replace(lossless=0, telemetry=0)
        self._read: list[Entry] = []

    def say(self, *messages: Any, topic: str = "") -> None:
        """Have messages come from ROS now."""

        async def take() -> None:
            for message in messages:
                monotonic_s = self.bridge.state.monotonic_s()
                received = make.received(topic or make.TOPIC_OF[type(message)], message, monotonic_s=monotonic_s)
                self.gateway.on_message(received)

        self._asyncio_side.run(take())

    def in_loop(self, function: Callable[..., object], *arguments: Any) -> None:
        """Call something on the asyncio side."""

        async def call() -> None:
            function(*arguments)

        self._asyncio_side.run(call())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Result of something that goes on on the asyncio side."""
        return self._asyncio_side.run(work)

    def record(self) -> FakeBridge:
        """From now on what is to be kept waits in the ledger, as with a database that is away."""
        self.bridge.keeping.ledger.is_read = True
        return self

    def next_event(self, event_type: str) -> dict[str, Any]:
        """Data of the next event of a type; others before it are passed over."""

        async def find() -> dict[str, Any]:
            log = self.bridge.log
            while self._read or await log.wait(self._cursor):
                if not self._read:
                    portion, self._cursor = log.read(self._cursor)
                    self._read = list(portion.entries)
                entry = self._read.pop(0)
                if entry.type == event_type:
                    return entry.data
            raise AssertionError(f"the log was closed before {event_type}")

        return self._asyncio_side.run(find())

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Ask, and check that the OpenAPI says such an answer is possible."""

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False, client=("testclient", 1))
            async with httpx.AsyncClient(transport=transport, base_url="http://bridge") as client:
                return await client.request(method, path, **options)

        response = self._asyncio_side.run(ask())
        self._check_declared(method.lower(), httpx.URL(path).path, response)
        return response

    def _check_declared(self, method: str, path: str, response: httpx.Response) -> None:
        declared = self.app.openapi()["paths"].items()
        operations = next((all_ for template, all_ in declared if compile_path(template)[0].match(path)), {})
        if method in operations and response.status_code != 500:
            statuses = operations[method]["responses"]
            assert str(response.status_code) in statuses, f"{path}: {response.status_code} {response.text}"

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)

    def get(self, path: str, **options: Any) -> Any:
        """The JSON of a path that answers 200."""
        response = self.request("GET", path, **options)
        assert response.status_code == 200, response.text
        return response.json()


@contextmanager
def fake_bridge(
    rig: Rig, settings: Settings | None = None, environment: Environment | None = None
) -> Iterator[FakeBridge]:
    gateway = FakeGateway(rig, settings or Settings(command_topics=("/crawler/goal",)))

    @contextmanager
    def ros_side() -> Iterator[Gateway]:
        yield gateway

    app = create_app(ros_side, environment or Environment())
    lifespan = app.router.lifespan_context(app)
    asyncio_side = LoopThread()
    try:
        asyncio_side.run(lifespan.__aenter__())
        yield FakeBridge(app, gateway, asyncio_side)
        asyncio_side.run(lifespan.__aexit__(None, None, None))
    finally:
        asyncio_side.close()
