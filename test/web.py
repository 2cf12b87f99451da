"""A web client of a real bridge: requests, and an event stream that can be awaited."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlencode

import httpx
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from ros_graph import DEADLINE_S, Waiter


class Event(dict[str, Any]):
    """What a frame's ``data:`` holds, and its ``id:``."""

    id: str = ""

    @property
    def type(self) -> str:
        return str(self["type"])


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(question: Callable[[], Any], wanted: Callable[[Any], bool], what: str, pause_s: float = 0.02) -> Any:
    """The first answer that is as wanted; for what no event tells."""
    end_s = time.monotonic() + DEADLINE_S
    while not wanted(answer := question()):
        assert time.monotonic() < end_s, f"not {what} within {DEADLINE_S:g} s: {answer}"
        time.sleep(pause_s)
    return answer


class Told(Waiter):
    """Everything that was received on a stream is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Event] = []
        self.ended: str | None = None
        """How the stream ended; ``None`` while it is open."""

    def wait_for(self, type_: str, wanted: Callable[[Event], bool] = lambda _: True, **fields: Any) -> Event:
        """The first event of a type, also of those already received, that is wanted and has these fields."""

        def found() -> list[Event]:
            return [e for e in list(self.events) if e.type == type_ and fields.items() <= e.items() and wanted(e)]

        self._wait(lambda: bool(found()), f"{type_} {fields}", lambda: f"the last events: {self.events[-3:]}")
        return found()[0]

    def types(self) -> list[str]:
        return [event.type for event in self.events]

    def _keep(self, event: Event) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def _end(self, how: str) -> None:
        with self._changed:
            self.ended = how
            self._changed.notify_all()


class WebSocketStream(Told):
    """An open ``/ws``."""

    def __init__(self, url: str, query: Mapping[str, str]) -> None:
        super().__init__()
        self._open = ExitStack()
        self._socket = self._open.enter_context(
            connect(f"{url}?{urlencode(query)}", open_timeout=DEADLINE_S, compression=None)
        )
        self._reader = threading.Thread(target=self._read, name="web socket")
        self._reader.start()

    def close(self) -> None:
        self._open.close()
        self._reader.join()

    def wait_for_end(self) -> str:
        """The close code."""
        self._wait(lambda: self.ended is not None, "end of the web socket", lambda: f"{len(self.events)} events")
        self.close()
        return str(self.ended)

    def _read(self) -> None:
        try:
            for message in self._socket:
                event = Event(json.loads(message))
                event.id = event.pop("id")
                self._keep(event)
        except ConnectionClosed:
            pass
        finally:
            self._end(str(self._socket.close_code))


class EventStream(Told):
    """An open ``GET /events``."""

    def __init__(self, url: str, last_event_id: str = "", query: Mapping[str, str] | None = None) -> None:
        super().__init__()
        headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
        self._client = httpx.Client(timeout=DEADLINE_S)
        self._response = self._client.send(
            self._client.build_request("GET", url, headers=headers, params=query), stream=True
        )
        assert self._response.status_code == 200, self._response.read()
        self.headers = self._response.headers
        self._reader = threading.Thread(target=self._read, name="event stream")
        self._reader.start()

    def wait_for_end(self) -> str:
        """How it ended, ``complete`` when it was not cut off."""
        self._wait(lambda: self.ended is not None, "end of the stream", lambda: f"{len(self.events)} events")
        self._reader.join()
        self._client.close()
        return str(self.ended)

    def close(self) -> None:
        self._response.close()
        self.wait_for_end()

    def _read(self) -> None:
        ended = "complete"
        frame: dict[str, str] = {}
        try:
            for line in self._response.iter_lines():
                if line:
                    field, _, value = line.partition(": ")
                    frame[field] = value
                    continue
                if "event" in frame:
                    event = Event(json.loads(frame["data"]))
                    event.id = frame.get("id", "")
                    assert event.type == frame["event"]
                    self._keep(event)
                frame = {}
        except (httpx.HTTPError, httpx.StreamError, OSError) as error:  # cut off, or closed by us
            ended = repr(error)
        finally:
            self._response.close()
            self._end(ended)


class Web:
    """Requests to a bridge on this machine."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.client = httpx.Client(base_url=self.url, timeout=DEADLINE_S)
        self._streams: list[EventStream | WebSocketStream] = []

    def events(self, last_event_id: str = "", **query: str) -> EventStream:
        stream = EventStream(f"{self.url}/events", last_event_id, query)
        self._streams.append(stream)
        return stream

    def web_socket(self, **query: str) -> WebSocketStream:
        stream = WebSocketStream(f"ws://127.0.0.1:{self.port}/ws", query)
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
        return eventually(lambda: self.client.get(path).json(), wanted, what, pause_s=0.1)

    def close(self) -> None:
        for stream in self._streams:
            stream.close()
        self.client.close()
