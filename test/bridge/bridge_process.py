"""A real bridge process and clients of it."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from graph import DEADLINE_S, Graph, NodeProcess, Waiter


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(question: Callable[[], Any], wanted: Callable[[Any], bool], what: str) -> Any:
    """The first answer that is as wanted; for what no event tells."""
    end_s = time.monotonic() + DEADLINE_S
    while not wanted(answer := question()):
        assert time.monotonic() < end_s, f"no {what} within {DEADLINE_S:g} s, but {answer}"
        time.sleep(0.02)
    return answer


@dataclass(frozen=True)
class Event:
    id: str
    type: str
    data: dict[str, Any]
    at_s: float
    """Monotonic clock [s] when it was read."""


class EventClient(Waiter):
    """A client of /events, which reads as it comes."""

    def __init__(self, url: str, last_event_id: str = "") -> None:
        super().__init__()
        self.events: list[Event] = []
        self.ended: str | None = None
        """How the stream ended; ``None`` while it is open."""
        headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
        self._client = httpx.Client(timeout=httpx.Timeout(DEADLINE_S))
        self._response = self._client.send(self._client.build_request("GET", url, headers=headers), stream=True)
        assert self._response.status_code == 200, self._response.read()
        self.headers = self._response.headers
        self._thread = threading.Thread(target=self._read, name="event client")
        self._thread.start()

    def wait_for(self, event_type: str, **data: Any) -> Event:
        """The first event of a type that has these fields."""

        def found() -> Event | None:
            matching = (event for event in self.events if event.type == event_type)
            return next((event for event in matching if data.items() <= event.data.items()), None)

        self._wait(lambda: found() is not None, f"{event_type} {data}", lambda: f"events: {self.events}")
        event = found()
        assert event is not None
        return event

    def wait_for_end(self) -> str:
        self._wait(lambda: self.ended is not None, "end of the stream", lambda: f"{len(self.events)} events")
        self._thread.join()
        self._client.close()
        return str(self.ended)

    def types(self) -> list[str]:
        return [event.type for event in self.events]

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
                    event = Event(frame.get("id", ""), frame["event"], json.loads(frame["data"]), time.monotonic())
                    with self._changed:
                        self.events.append(event)
                        self._changed.notify_all()
                frame = {}
        except httpx.HTTPError as error:
            ended = repr(error)
        finally:
            self._response.close()
        with self._changed:
            self.ended = ended
            self._changed.notify_all()


class LiveBridge:
    """A bridge in its own process."""

    def __init__(self, graph: Graph, **settings: object) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: NodeProcess = graph.start("bridge", settings={"port": self.port, **settings}, wait=False)
        self.process.wait_for_log("Uvicorn running")
        self.client = httpx.Client(base_url=self.url, timeout=DEADLINE_S)

    def get(self, path: str) -> Any:
        response = self.client.get(path)
        assert response.status_code == 200, response.text
        return response.json()

    def events(self, last_event_id: str = "") -> EventClient:
        return EventClient(f"{self.url}/events", last_event_id)

    def stop(self) -> int:
        self.client.close()
        return self.process.stop()
