"""A real ROS graph for one test: its own domain, real nodes in their own processes, what the test sends and hears."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import rclpy
from builtin_interfaces.msg import Time
from rcl_interfaces.srv import GetParameters
from rclpy.action import ActionClient
from rclpy.event_handler import PublisherEventCallbacks
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.task import Future

from plainview_ros.ros.graph import node_id

REPOSITORY = Path(__file__).parents[1]

DEADLINE_S = 30.0 * float(os.environ.get("PLAINVIEW_TEST_DEADLINE_SCALE", "1"))
"""The one time limit of every wait; a slow machine scales it, a quick one never reaches it."""

DOMAINS = range(1, 101)
"""ROS domains whose UDP ports lie below the ephemeral range of Linux."""

DOMAIN_LOCK_PORT = 21000

BIRTH_S = 10.0
"""So long after its creation at the latest a segment of shared memory is locked by its owner [s]."""

UNKNOWN_NODE = "_NODE_NAME_UNKNOWN_"
"""Whose an endpoint is before its participant has said so."""


class Domain:
    """A ROS domain nobody else's test run on this machine has, held by a bound TCP port."""

    def __init__(self) -> None:
        for self.id in DOMAINS:
            self._lock = socket.socket()
            try:
                self._lock.bind(("127.0.0.1", DOMAIN_LOCK_PORT + self.id))
            except OSError:
                self._lock.close()
            else:
                return
        raise RuntimeError("all ROS domains are taken by other test runs")

    def release(self) -> None:
        self._lock.close()


def remove_orphaned_memory() -> None:
    """Remove the shared memory of Fast DDS whose process is gone: a killed one leaves megabytes.

    A segment's owner holds a lock on its file ``_el`` as long as it lives, see ``fastdds shm clean``.
    """
    for lock in Path("/dev/shm").glob("fastdds_" + 16 * "[0-9a-f]" + "_el"):
        with suppress(OSError):  # somebody lives, or somebody else was quicker
            if time.time() - lock.stat().st_mtime > BIRTH_S:
                with lock.open("ab") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    lock.unlink()
                    lock.with_name(lock.name.removesuffix("_el")).unlink()


class Waiter:
    """Something that changes on another thread and can be awaited."""

    def __init__(self) -> None:
        self._changed = threading.Condition()

    def _wait(self, done: Callable[[], bool], what: str, state: Callable[[], str]) -> None:
        with self._changed:
            if not self._changed.wait_for(done, DEADLINE_S):
                raise AssertionError(f"no {what} within {DEADLINE_S:g} s; {state()}")


class Inbox(Waiter):
    """Messages received on one topic."""

    def __init__(self, topic: str) -> None:
        super().__init__()
        self.topic = topic
        self.messages: list[Any] = []

    def put(self, message: Any) -> None:
        with self._changed:
            self.messages.append(message)
            self._changed.notify_all()

    def wait_for(self, predicate: Callable[[Any], bool] = lambda _: True, what: str = "message") -> Any:
        """The first message, also of those already received, that satisfies the predicate."""
        self._wait(
            lambda: any(map(predicate, self.messages)),
            what,
            lambda: f"{len(self.messages)} messages on {self.topic}, last: {self.messages[-1:]}",
        )
        return next(filter(predicate, self.messages))

    def wait_for_next(self, predicate: Callable[[Any], bool] = lambda _: True, what: str = "message") -> Any:
        """The first message received from now on that satisfies the predicate."""
        with self._changed:
            seen = len(self.messages)
        self._wait(
            lambda: any(map(predicate, self.messages[seen:])),
            f"new {what}",
            lambda: f"{len(self.messages) - seen} new messages on {self.topic}, last: {self.messages[-1:]}",
        )
        return next(filter(predicate, self.messages[seen:]))

    def wait_for_count(self, count: int, predicate: Callable[[Any], bool] = lambda _: True) -> list[Any]:
        """All messages that satisfy the predicate, when there are so many."""
        self._wait(
            lambda: sum(map(predicate, self.messages)) >= count,
            f"{count} messages",
            lambda: f"{len(self.messages)} on {self.topic}",
        )
        return list(filter(predicate, self.messages))


class Publisher(Waiter):
    """Publishes on one topic, and not before as many subscribe there as are meant to hear it, and can."""

    def __init__(self, graph: Graph, message_type: Any, topic: str, qos: QoSProfile, subscribers: int) -> None:
        super().__init__()
        self.topic = topic
        self._graph = graph
        self._wanted = subscribers
        self._matched = 0
        self._is_heard_by: set[bytes] = set()
        self._is_reliable = qos.reliability == ReliabilityPolicy.RELIABLE
        callbacks = PublisherEventCallbacks(matched=self.on_matched)
        self.ros: Any = graph.node.create_publisher(message_type, topic, qos, event_callbacks=callbacks)

    def on_matched(self, event: Any) -> None:
        with self._changed:
            self._matched = event.current_count
            self._changed.notify_all()

    def publish(self, message: Any) -> None:
        """Not on the graph's own thread (a timer's): there ``ros.publish``, and once is not enough for best effort."""
        self._wait(
            lambda: self._matched >= self._wanted,
            f"{self._wanted} subscribers of {self.topic}",
            lambda: f"there are {self._matched}",
        )
        if not self._is_reliable:
            self._be_discovered()
        self.ros.publish(message)

    def _be_discovered(self) -> None:
        for endpoint, node in self._graph.subscribers(self.topic).items():
            if endpoint not in self._is_heard_by:
                self._graph.be_discovered_by(node)
                self._is_heard_by.add(endpoint)


class NodeProcess(Waiter):
    """A node (or the command line) of ours in its own process; what it prints is kept."""

    def __init__(self, name: str, module: str, arguments: list[str], environment: dict[str, str]) -> None:
        super().__init__()
        self.name = name
        self._lines: list[str] = []
        self._popen = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            cwd=REPOSITORY,
            env=environment,
        )
        self._reader = threading.Thread(target=self._read, name=f"log of {name}")
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._popen.pid

    def log(self) -> str:
        """Everything printed so far."""
        with self._changed:
            return "\n".join(self._lines)

    def wait_for_log(self, text: str) -> None:
        """Wait until a line containing the text was printed."""
        self._wait(lambda: any(text in line for line in self._lines), f"{text!r} from {self.name}", self._state)

    def wait(self) -> int:
        """Exit code, once it ends by itself."""
        code = self._popen.wait(DEADLINE_S)
        self._reader.join()
        return code

    def interrupt(self) -> None:
        """Ctrl-C."""
        if self._popen.poll() is None:
            self._popen.send_signal(signal.SIGINT)

    def stop(self) -> int:
        """Ctrl-C; exit code."""
        self.interrupt()
        return self.wait()

    def kill(self) -> None:
        """As a crash would: no chance to say goodbye."""
        self._popen.kill()
        self.wait()

    def is_running(self) -> bool:
        return self._popen.poll() is None

    def _read(self) -> None:
        assert self._popen.stdout is not None
        with self._popen.stdout as lines:
            for line in lines:
                with self._changed:
                    self._lines.append(line.rstrip("\n"))
                    self._changed.notify_all()

    def _state(self) -> str:
        return "it printed:\n" + "\n".join(self._lines)


class Graph:
    """The graph of one test."""

    def __init__(self, state_dir: Path) -> None:
        self._domain = Domain()
        self.environment = os.environ | {
            "ROS_DOMAIN_ID": str(self._domain.id),
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
            "ROS_LOG_DIR": str(state_dir / "ros-log"),
            "PLAINVIEW_STATE_DIR": str(state_dir),
            "PYTHONUNBUFFERED": "1",
        }
        self.context = rclpy.Context()
        rclpy.init(args=[], context=self.context, domain_id=self._domain.id)
        self.node = rclpy.create_node("test_driver", context=self.context)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self._stopped: Future = Future()
        self._thread = threading.Thread(target=self._spin, name="test graph")
        self._thread.start()
        self._processes: list[NodeProcess] = []

    # -- our nodes -----------------------------------------------------------------------------------------------------

    def start(
        self,
        name: str,
        settings: dict[str, object] | None = None,
        *,
        arguments: tuple[str, ...] = (),
        wait: bool = True,
    ) -> NodeProcess:
        """Start ``plainview_ros.<name>.node`` with parameters; returns once it is active (or at once without wait)."""
        pairs = [part for key, value in (settings or {}).items() for part in ("-p", f"{key}:={value}")]
        process = self.run(name, f"plainview_ros.{name}.node", ["--ros-args", *arguments, *pairs])
        if wait:
            process.wait_for_log(f"[{name}]: active")
        return process

    def run(self, name: str, module: str, arguments: list[str]) -> NodeProcess:
        """Start a module of ours on this graph."""
        process = NodeProcess(name, module, arguments, self.environment)
        self._processes.append(process)
        return process

    # -- the test's own messages ---------------------------------------------------------------------------------------

    def stamp(self, offset_s: float = 0.0) -> Time:
        """The present time, shifted."""
        now = self.node.get_clock().now() + rclpy.duration.Duration(nanoseconds=round(offset_s * 1e9))
        return now.to_msg()

    def publisher(self, message_type: Any, topic: str, qos: QoSProfile, *, subscribers: int = 1) -> Publisher:
        return Publisher(self, message_type, topic, qos, subscribers)

    def collect(self, message_type: Any, topic: str, qos: QoSProfile) -> Inbox:
        inbox = Inbox(topic)
        self.node.create_subscription(message_type, topic, inbox.put, qos)
        return inbox

    def action_client(self, action_type: Any, name: str) -> ActionClient:
        """A client of an action, made on the graph's own thread.

        While it is being made rclpy lets another thread spin it already, which then ends with an AttributeError.
        """
        return self.result(self._executor.create_task(ActionClient, self.node, action_type, name))

    def call(self, service_type: Any, name: str, request: Any) -> Any:
        """Response of a service, once it is there."""
        client = self.node.create_client(service_type, name)
        try:
            assert client.wait_for_service(DEADLINE_S), f"no service {name} within {DEADLINE_S:g} s"
            for server in self._servers(self.node.resolve_service_name(name)):
                self.be_discovered_by(server)
            return self.result(client.call_async(request))
        finally:
            self.node.destroy_client(client)

    def be_discovered_by(self, node: str) -> None:
        """Return once a node has discovered all that the test's node has created so far.

        Discovery is one-sided at first: who has discovered a subscriber or a server may be unknown to it, and then best
        effort is not received from him and a response not sent to him (the server gives up after 100 ms, see
        ros2/rmw_fastrtps#842). A node discovers what another creates in the order of its creation, so its answer to a
        client created last tells that it knows all.
        """
        name = f"{node}/get_parameters"
        client = self.node.create_client(GetParameters, name)
        answered = threading.Event()
        end_s = time.monotonic() + DEADLINE_S
        try:
            assert client.wait_for_service(DEADLINE_S), f"no service {name} within {DEADLINE_S:g} s"
            while not answered.is_set():
                assert time.monotonic() < end_s, f"{node} has not discovered the test within {DEADLINE_S:g} s"
                client.call_async(GetParameters.Request()).add_done_callback(lambda _: answered.set())
                answered.wait(1.0)  # this response may be lost too: ask again
        finally:
            self.node.destroy_client(client)

    def subscribers(self, topic: str) -> dict[bytes, str]:
        """Endpoints that subscribe a topic, and the names of their nodes."""
        end_s = time.monotonic() + DEADLINE_S
        while True:
            infos = self.node.get_subscriptions_info_by_topic(topic)
            if all(info.node_name != UNKNOWN_NODE for info in infos):
                return {bytes(info.endpoint_gid): node_id(info.node_name, info.node_namespace) for info in infos}
            assert time.monotonic() < end_s, f"a subscriber of {topic} has no name within {DEADLINE_S:g} s"
            time.sleep(0.01)  # no event tells it

    def _servers(self, service: str) -> list[str]:
        """Names of the nodes that serve a service."""
        names = []
        for name, namespace in self.node.get_node_names_and_namespaces():
            with suppress(RuntimeError):  # it has just left the graph
                if service in dict(self.node.get_service_names_and_types_by_node(name, namespace)):
                    names.append(node_id(name, namespace))
        return names

    def result(self, future: Any) -> Any:
        """Result of an rclpy future."""
        done = threading.Event()
        future.add_done_callback(lambda _: done.set())
        assert done.wait(DEADLINE_S), f"no answer within {DEADLINE_S:g} s"
        return future.result()

    @contextmanager
    def repeating(self, publish: Callable[[], object]) -> Iterator[None]:
        """Publish fifty times a second, as an instrument does, while the block waits for what comes of it.

        It is called on the graph's own thread, see :meth:`Publisher.publish`.
        """
        timer = self.node.create_timer(0.02, publish)
        try:
            yield
        finally:
            self.node.destroy_timer(timer)

    def close(self) -> None:
        self._stopped.set_result(None)
        self._thread.join()
        self._executor.shutdown()  # not before: it does not wait for a thread that spins
        for waitable in list(self.node.waitables):  # with action clients and servers rclpy leaves the node on the graph
            waitable.destroy()
        # Before the others are killed: who dies while it writes into our shared memory leaves a lock there on which the
        # destruction waits, and Fast DDS then frees the memory under it (seen as a segmentation fault).
        self.node.destroy_node()
        self.context.try_shutdown()
        for process in self._processes:
            if process.is_running():
                process.kill()
        self._domain.release()

    def _spin(self) -> None:
        with suppress(ExternalShutdownException):
            self._executor.spin_until_future_complete(self._stopped)
