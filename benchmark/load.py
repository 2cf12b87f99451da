"""Requests per second: keep-alive connections on one epoll loop, each asking again as soon as it is answered."""

from __future__ import annotations

import re
import selectors
import socket
from dataclasses import dataclass
from time import monotonic, monotonic_ns, process_time

from benchmark.latencies import Latencies
from benchmark.process_cost import cpu_s

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class LoadError(RuntimeError):
    """The server did not answer as it must; the message quotes what it said."""


class Connection:
    """One connection; what is kept of the answer that is coming in."""

    __slots__ = ("asked_ns", "received", "socket")

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.setblocking(False)
        self.received = b""
        self.asked_ns = 0

    def ask(self, request: bytes) -> None:
        self.asked_ns = monotonic_ns()
        self.socket.send(request)

    def is_answered(self) -> bool:
        """Read what has come; whether the answer is complete. Raises :class:`LoadError` unless it is a 200."""
        data = self.socket.recv(65_536)
        self.received += data
        head, end, body = self.received.partition(b"\r\n\r\n")
        if not data or (end and not head.startswith(b"HTTP/1.1 200 ")):
            raise LoadError(f"expected 200, found {head[:200]!r}")
        length = _LENGTH.search(head)
        if not end or (length and len(body) < int(length[1])):
            return False
        if length is None:
            raise LoadError(f"expected a Content-Length, found {head[:200]!r}")
        self.received = b""
        return True


@dataclass(frozen=True)
class LoadFigures:
    """What a server did in the measured time."""

    requests_per_s: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    """Of the server, per request."""
    client_share: float
    """Of one core, that this client took; near 1 the client was the limit."""


def measure_load(port: int, server_pid: int, path: str, connections: int, seconds: float) -> LoadFigures:
    """Ask for a path over so many connections at once, after half a second of warming up.

    Raises:
        LoadError: when an answer is not a whole 200.
    """
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n\r\n".encode()
    selector = selectors.DefaultSelector()
    opened = [Connection(port) for _ in range(connections)]
    try:
        for connection in opened:
            selector.register(connection.socket, selectors.EVENT_READ, connection)
            connection.ask(request)
        _ask_again(selector, request, Latencies(), 0.5)
        latencies = Latencies()
        server_s, own_s, began_s = cpu_s(server_pid), process_time(), monotonic()
        _ask_again(selector, request, latencies, seconds)
        took_s = monotonic() - began_s
        return LoadFigures(
            requests_per_s=latencies.count / took_s,
            p50_ms=latencies.percentile_ms(50),
            p99_ms=latencies.percentile_ms(99),
            cpu_us=(cpu_s(server_pid) - server_s) / max(1, latencies.count) * 1e6,
            client_share=(process_time() - own_s) / took_s,
        )
    finally:
        selector.close()
        for connection in opened:
            connection.socket.close()


def _ask_again(selector: selectors.BaseSelector, request: bytes, latencies: Latencies, seconds: float) -> None:
    end_s = monotonic() + seconds
    while monotonic() < end_s:
        for key, _ in selector.select(1.0):
            connection: Connection = key.data
            if connection.is_answered():
                latencies.add(monotonic_ns() - connection.asked_ns)
                connection.ask(request)
