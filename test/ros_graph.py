"""A real ROS graph for one test: its own domain, real nodes in their own processes, what the test sends and hears."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import rclpy
from builtin_interfaces.msg import Time
from rclpy.event_handler import PublisherEventCallbacks
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.qos import QoSProfile
from rclpy.task import Future

REPOSITORY = Path(__file__).parents[1]

DEADLINE_S = 30.0 * float(os.environ.get("PLAINVIEW_TEST_DEADLINE_SCALE", "1"))
"""The one time limit of every wait; a slow machine scales it, a quick one never reaches it."""

DOMAINS = range(1, 101)
"""ROS domains whose UDP ports lie below the ephemeral range of Linux."""

DOMAIN_LOCK_PORT = 21000


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

    def wait_for_count(self, count: int) -> list[Any]:
        self._wait(
            lambda: len(self.messages) >= count, f"{count} messages", lambda: f"{len(self.messages)} on {self.topic}"
        )
        return list(self.messages)


class Publisher(Waiter):
    """Publishes on one topic, and not before as many subscribe there as are meant to hear it."""

    def __init__(self, topic: str, subscribers: int) -> None:
        super().__init__()
        self.topic = topic
        self._wanted = subscribers
        self._matched = 0
        self.ros: Any = None

    def on_matched(self, event: Any) -> None:
        with self._changed:
            self._matched = event.current_count
            self._changed.notify_all()

    def publish(self, message: Any) -> None:
        self._wait(
            lambda: self._matched >= self._wanted,
            f"{self._wanted} subscribers of {self.topic}",
            lambda: f"there are {self._matched}",
        )
        self.ros.publish(message)


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
        publisher = Publisher(topic, subscribers)
        callbacks = PublisherEventCallbacks(matched=publisher.on_matched)
        publisher.ros = self.node.create_publisher(message_type, topic, qos, event_callbacks=callbacks)
        return publisher

    def collect(self, message_type: Any, topic: str, qos: QoSProfile) -> Inbox:
        inbox = Inbox(topic)
        self.node.create_subscription(message_type, topic, inbox.put, qos)
        return inbox

    def call(self, service_type: Any, name: str, request: Any) -> Any:
        """Response of a service, once it is there."""
        client = self.node.create_client(service_type, name)
        assert client.wait_for_service(DEADLINE_S), f"no service {name} within {DEADLINE_S:g} s"
        return self.result(client.call_async(request))

    def result(self, future: Any) -> Any:
        """Result of an rclpy future."""
        done = threading.Event()
        future.add_done_callback(lambda _: done.set())
        assert done.wait(DEADLINE_S), f"no answer within {DEADLINE_S:g} s"
        return future.result()

    def close(self) -> None:
        self._stopped.set_result(None)
        self._thread.join()
        self._executor.shutdown()  # not before: it does not wait for a thread that spins
        self.node.destroy_node()  # while the others live: saying goodbye through a killed one's shared memory may crash
        self.context.try_shutdown()
        for process in self._processes:
            if process.is_running():
                process.kill()
        self._domain.release()

    def _spin(self) -> None:
        with suppress(ExternalShutdownException):
            self._executor.spin_until_future_complete(self._stopped)
