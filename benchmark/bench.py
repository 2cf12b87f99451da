"""The test bench: a ROS domain, a state directory and the processes that are measured, one at a time."""

from __future__ import annotations

import os
import resource
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from time import monotonic, sleep
from typing import Literal

from benchmark.children import PARAMETERS, PATIENCE_S, Child
from benchmark.load import LoadError

ServerName = Literal["floor", "bridge", "without_database", "fed", "fed_without_database"]

BRIDGES: Mapping[ServerName, tuple[str, Sequence[str]]] = {
    "bridge": ("plainview_ros.bridge.node", ()),
    "without_database": ("benchmark.without_database", ()),
    "fed": ("benchmark.fed", ()),
    "fed_without_database": ("benchmark.fed", ("--no-database",)),
}
"""Module and arguments."""

DEFAULT_DOMAIN = "97"


@dataclass(frozen=True)
class Server:
    """A server that answers."""

    child: Child
    port: int
    start_s: float
    """From its command to its first 200."""
    database_url: str
    """Of the database that a bridge has."""

    @property
    def pid(self) -> int:
        return self.child.pid


class Bench:
    """Starts what is measured, alone on its ROS domain.

    Args:
        directory: for logs and the state of the bridge; empty.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._numbers = count()
        self._environment = {
            "ROS_DOMAIN_ID": DEFAULT_DOMAIN,
            **os.environ,
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
            "ROS_LOG_DIR": str(directory / "ros-log"),
            "PYTHONUNBUFFERED": "1",
        }
        for name in ("PYTHONDONTWRITEBYTECODE", "POSTGRES_URL", "REDIS_URL"):  # what is measured starts as installed
            self._environment.pop(name, None)

    @contextmanager
    def server(self, name: ServerName, *, postgres_url: str = "", **settings: object) -> Iterator[Server]:
        """The floor, or the bridge with settings (the floor has none) and a state directory of its own.

        Args:
            name: of what is measured.
            postgres_url: of its database; none: SQLite in the state directory.
            settings: ROS parameters.

        Raises:
            ChildError: when it does not start, or does not serve what is asked of it.
        """
        port, state = free_port(), self.new_directory()
        server = self.start_server(name, port, state, postgres_url=postgres_url, **settings)
        try:
            yield server
        except (TimeoutError, ConnectionError, LoadError) as error:
            raise server.child.failure(f"is no server: {error}") from error
        finally:
            server.child.stop()

    def start_server(
        self, name: ServerName, port: int, state: Path, *, postgres_url: str = "", **settings: object
    ) -> Server:
        """As :meth:`server`, on a given port and with a state that may be there already; its caller stops it."""
        began_s = monotonic()
        child = self.launch(name, port, state, postgres_url=postgres_url, **settings)
        try:
            wait_for_answer(child, port)
        except BaseException:
            child.kill()
            raise
        return Server(child, port, monotonic() - began_s, postgres_url or sqlite_url(state))

    def launch(self, name: ServerName, port: int, state: Path, *, postgres_url: str = "", **settings: object) -> Child:
        """Its process, which does not answer yet; its caller ends it."""
        if name == "floor":
            module, arguments = "benchmark.floor", ["--port", str(port)]
        else:
            module, own = BRIDGES[name]
            arguments = [*own, *_ros_arguments(port=port, **settings)]
        environment = self._environment | {"PLAINVIEW_STATE_DIR": str(state)}
        if postgres_url:
            environment["POSTGRES_URL"] = postgres_url
        return Child(module, arguments, environment, self._log(name))

    @contextmanager
    def module(self, name: str, **settings: object) -> Iterator[Child]:
        """A module's node of the product, once it is active."""
        child = Child(f"plainview_ros.{name}.node", _ros_arguments(**settings), self._environment, self._log(name))
        try:
            child.wait_for_log(f"[{name}]: active")
            yield child
        finally:
            child.stop()

    @contextmanager
    def publisher(self, source: str, rate_hz: float, messages: int, lines: int = 1) -> Iterator[Child]:
        """A process that publishes when it is told to, matched with its subscriber; see ``publisher.py``."""
        arguments = [source, "--rate", str(rate_hz), "--count", str(messages), "--lines", str(lines)]
        with self._asked("publisher", arguments) as child:
            yield child

    @contextmanager
    def subscriber(self, source: str, messages: int, mode: str, lines: int = 1) -> Iterator[Child]:
        """A process that takes so many messages; see ``subscriber.py``."""
        arguments = [source, "--mode", mode, "--count", str(messages), "--lines", str(lines)]
        with self._asked("subscriber", arguments) as child:
            yield child

    def new_directory(self) -> Path:
        directory = self._directory / f"state-{next(self._numbers)}"
        directory.mkdir()
        return directory

    @contextmanager
    def _asked(self, name: str, arguments: list[str]) -> Iterator[Child]:
        child = Child(f"benchmark.{name}", arguments, self._environment, self._log(name), asked=True)
        try:
            child.answer()  # ready
            yield child
        finally:
            child.hang_up()

    def _log(self, name: str) -> Path:
        return self._directory / f"{next(self._numbers)}-{name}.log"


def allow_open_files(wanted: int = 16_384) -> None:
    """A socket for each client, in this process and in the servers it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(wanted, hard)), hard))


def sqlite_url(state: Path) -> str:
    """Of the database that a bridge makes in its state directory."""
    return f"sqlite:///{state / 'plainview.db'}"


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_answer(child: Child, port: int) -> None:
    """Until ``GET /health`` is answered with 200. Raises :class:`ChildError` when the process ends before."""
    end_s = monotonic() + PATIENCE_S
    while not answers(port):
        child.check()
        if monotonic() > end_s:
            raise child.failure("does not answer")
        sleep(0.002)


def answers(port: int) -> bool:
    """Whether ``GET /health`` is answered with 200."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            return connection.recv(64).split(b" ", 2)[1] == b"200"
    except (OSError, IndexError):
        return False


def _ros_arguments(**settings: object) -> list[str]:
    pairs = [part for name, value in settings.items() for part in ("-p", f"{name}:={value}")]
    return ["--ros-args", "--params-file", str(PARAMETERS), *pairs]
