"""Many clients of one event stream on one epoll loop: what the server really delivers, and when."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Iterable
from time import monotonic, monotonic_ns

from benchmark.frames import Piece, read_piece
from benchmark.latencies import Latencies

RECEIVE_BYTES = 65_536
MAX_REMEMBERED = 512


class Client:
    """One reader of the stream, across any number of connections.

    It knows which numbers it was sent: each number once, in order, is what is wanted.
    """

    __slots__ = (
        *("disorders", "duplicates", "expected", "gaps_told", "is_measured", "is_open", "last_id", "late", "missing"),
        *("newest", "refused", "rest", "socket"),
    )

    def __init__(self) -> None:
        self.socket: socket.socket | None = None
        self.is_open = False
        """Whether the server has answered with 200."""
        self.refused = ""
        """Status line of an answer other than 200."""
        self.rest = b""
        self.last_id = ""
        self.expected = 0
        """Number of the event it wants next."""
        self.missing: set[int] = set()
        """Numbers that were passed over and have not come since."""
        self.late = 0
        """Events that came after a newer one."""
        self.duplicates = 0
        self.newest: tuple[int, ...] = ()
        """The numbers in the id of the last event."""
        self.disorders = 0
        """So often what came had ids that did not grow, also after it connected again."""
        self.gaps_told = 0
        self.is_measured = True
        """Whether its latencies count."""

    @property
    def received(self) -> int:
        """Distinct events."""
        return self.expected - len(self.missing)

    def take(self, piece: Piece) -> int:
        """Note what has come; how many events of it were new."""
        self.rest = piece.rest
        self.last_id = piece.last_id or self.last_id
        self.gaps_told += piece.gaps
        if not piece.stamps:
            return 0
        if piece.ids:
            self.disorders += not piece.is_growing or piece.ids[0] <= self.newest
            self.newest = piece.ids[-1]
        if piece.is_run and piece.stamps[0][0] == self.expected:
            self.expected += len(piece.stamps)
            return len(piece.stamps)
        before = self.received
        for number, _ in piece.stamps:
            if number >= self.expected:
                self.missing.update(range(self.expected, number))
                self.expected = number + 1
            elif number in self.missing:
                self.missing.remove(number)
                self.late += 1
            else:
                self.duplicates += 1
        return self.received - before


class Clients:
    """Readers of ``GET <path>`` at one address.

    Args:
        port: of a server on this machine.
        path: with the query, if any.
    """

    def __init__(self, port: int, path: str = "/events") -> None:
        self.all: list[Client] = []
        self.latencies = Latencies()
        self.first_measured = 0
        """Events before this number are left out of the latencies: caches and branch predictors are cold."""
        self.closed_by_server = 0
        self._address = ("127.0.0.1", port)
        self._path = path
        self._selector = selectors.DefaultSelector()
        self._pieces: dict[bytes, Piece] = {}

    def add(self, count: int) -> list[Client]:
        """Connect more clients; :meth:`wait_until_open` waits for the server's answers."""
        added = [Client() for _ in range(count)]
        for client in added:
            self.connect(client)
        self.all += added
        return added

    def connect(self, client: Client) -> None:
        """Connect, or connect again and resume after the last event the client has. Raises ``OSError``."""
        connection = socket.create_connection(self._address, timeout=10)
        resume = f"Last-Event-ID: {client.last_id}\r\n" if client.last_id else ""
        request = f"GET {self._path} HTTP/1.1\r\nHost: {self._address[0]}\r\nAccept: text/event-stream\r\n{resume}\r\n"
        connection.sendall(request.encode())
        connection.setblocking(False)
        client.socket, client.is_open, client.rest = connection, False, b""
        self._selector.register(connection, selectors.EVENT_READ, client)

    def disconnect(self, client: Client) -> None:
        """Hang up without a word, as a lost network does not but a closed lid does."""
        if client.socket is not None:
            self._selector.unregister(client.socket)
            client.socket.close()
            client.socket, client.is_open = None, False

    def wait_until_open(self, timeout_s: float = 30.0) -> None:
        """Raises ``TimeoutError`` when the server has not answered all with 200 by then."""
        end_s = monotonic() + timeout_s
        while waiting := [client for client in self.all if not client.is_open]:
            if waiting[0].refused or monotonic() > end_s:
                raise TimeoutError(f"{len(waiting)} of {len(self.all)} streams not open: {waiting[0].refused}")
            self.pump(0.1)

    def pump(self, timeout_s: float) -> int:
        """Read what has come; wait at most so long for it. How many new events all clients have got together."""
        new = 0
        for key, _ in self._selector.select(timeout_s):
            client: Client = key.data
            try:
                data = key.fileobj.recv(RECEIVE_BYTES)  # type: ignore[union-attr]
            except BlockingIOError:
                continue
            except OSError:
                data = b""
            now_ns = monotonic_ns()
            if not data:
                self.closed_by_server += 1
                self.disconnect(client)
                continue
            if not client.is_open:
                data = self._read_head(client, data)
            piece = self._read(client.rest + data if client.rest else data)
            new += client.take(piece)
            if client.is_measured:
                for number, published_ns in piece.stamps:
                    if number >= self.first_measured:
                        self.latencies.add(now_ns - published_ns)
        return new

    def close(self) -> None:
        for client in self.all:
            self.disconnect(client)
        self._selector.close()

    def _read(self, data: bytes) -> Piece:
        """All clients are sent the same bytes: what one was sent is taken apart once, and costs the others nothing."""
        piece = self._pieces.get(data)
        if piece is None:
            if len(self._pieces) >= MAX_REMEMBERED:
                self._pieces.clear()
            piece = self._pieces[data] = read_piece(data)
        return piece

    def _read_head(self, client: Client, data: bytes) -> bytes:
        head, end, body = (client.rest + data).partition(b"\r\n\r\n")
        if not end:
            return data
        status = head.split(b"\r\n", 1)[0].decode(errors="replace")
        client.is_open = " 200 " in f"{status} "
        client.refused = "" if client.is_open else status
        client.rest = b""
        return body


class StalledClients:
    """Clients that ask for the stream and never read it.

    Args:
        port: of a server on this machine.
        count: how many.
    """

    def __init__(self, port: int, count: int) -> None:
        self._sockets = [_stalled(port) for _ in range(count)]

    def close(self) -> None:
        for connection in self._sockets:
            connection.close()


def _stalled(port: int) -> socket.socket:
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # the kernel must not read for them
    connection.settimeout(10)
    connection.connect(("127.0.0.1", port))
    connection.sendall(b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n")
    return connection


def totals(clients: Iterable[Client]) -> tuple[int, int, int, int]:
    """Distinct events received, numbers missing, duplicates and gaps told, of all clients together."""
    every = list(clients)
    return (
        sum(client.received for client in every),
        sum(len(client.missing) for client in every),
        sum(client.duplicates for client in every),
        sum(client.gaps_told for client in every),
    )
