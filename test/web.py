"""A web client of a real bridge: requests, and an event stream that can be awaited."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx

from graph import DEADLINE_S, Waiter

Event = dict[str, Any]


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class EventStream(Waiter):
    """An open ``GET /events``; everything received is kept."""

    def __init__(self, url: str, headers: dict[str, str] | None = None) -> None:
        super().__init__()
        self.events: list[Event] = []
        self.ids: list[str] = []
        self.ended = False
        self._client = httpx.Client(timeout=DEADLINE_S)
        self._response = self._client.send(
            self._client.build_request("GET", f"{url}/events", headers=headers), stream=True
        )
        self.status_code = self._response.status_code
        self._reader = threading.Thread(target=self._read, name="event stream")
        self._reader.start()

    def wait_for(self, type_: str, wanted: Callable[[Event], bool] = lambda _: True) -> Event:
        """The first event of a type, also of those already received, that is wanted."""
        return self._first(type_, wanted, 0)

    def wait_for_next(self, type_: str, wanted: Callable[[Event], bool] = lambda _: True) -> Event:
        """The first event of a type received from now on that is wanted."""
        return self._first(type_, wanted, len(self.events))

    def wait_for_end(self) -> None:
        self._wait(lambda: self.ended, "end of the stream", lambda: "it is open")

    def close(self) -> None:
        self._response.close()
        self._client.close()
        self._reader.join()

    def _first(self, type_: str, wanted: Callable[[Event], bool], start: int) -> Event:
        def found() -> list[Event]:
            return [event for event in self.events[start:] if event["type"] == type_ and wanted(event)]

        self._wait(lambda: bool(found()), type_, lambda: f"the last events: {self.events[-3:]}")
        return found()[0]

    def _read(self) -> None:
        try:
            for line in self._response.iter_lines():
                field, _, value = line.partition(": ")
                with self._changed:
                    if field == "data":
                        self.events.append(json.loads(value))
                    elif field == "id":
                        self.ids.append(value)
                    self._changed.notify_all()
        except (httpx.HTTPError, httpx.StreamError, OSError):
            pass  # closed by us or cut off: either way it has ended
        finally:
            with self._changed:
                self.ended = True
                self._changed.notify_all()


class Web:
    """Requests to a bridge on this machine."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.client = httpx.Client(base_url=self.url, timeout=DEADLINE_S)
        self._streams: list[EventStream] = []

    def events(self, headers: dict[str, str] | None = None) -> EventStream:
        stream = EventStream(self.url, headers)
        self._streams.append(stream)
        return stream

    def get(self, path: str) -> Any:
        answer = self.client.get(path)
        answer.raise_for_status()
        return answer.json()

    def post(self, path: str, body: Any = None) -> httpx.Response:
        return self.client.post(path, json=body)

    def get_until(self, path: str, wanted: Callable[[Any], bool], what: str) -> Any:
        """Ask again until the answer is as wanted: what REST says has no event of its own."""
        deadline = time.monotonic() + DEADLINE_S
        while not wanted(answer := self.client.get(path).json()):
            assert time.monotonic() < deadline, f"not {what} within {DEADLINE_S:g} s: {answer}"
            time.sleep(0.1)
        return answer

    def close(self) -> None:
        for stream in self._streams:
            stream.close()
        self.client.close()
