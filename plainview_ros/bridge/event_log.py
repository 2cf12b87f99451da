"""One log of everything announced, read by many at their own pace.

All methods belong to the asyncio side.
"""

from __future__ import annotations

import asyncio
import json
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from time import time
from typing import Any, NamedTuple

from plainview_ros.bridge.schemas.events import Event


class EventId(NamedTuple):
    """Ids grow with every entry, also from one run of the bridge to the next, as long as the clock does."""

    ms: int
    """Milliseconds since the epoch."""
    number: int
    """Counts entries within one millisecond."""

    def __str__(self) -> str:
        return f"{self.ms}-{self.number}"

    @classmethod
    def parse(cls, text: str) -> EventId:
        """Read what ``str()`` wrote.

        Raises:
            ValueError: quoting what is no id.
        """
        ms, dash, number = text.partition("-")
        if not (dash and len(text) <= 40 and text.isascii() and ms.isdigit() and number.isdigit()):
            raise ValueError(f"expected an event id such as 1763900000000-0, found {text[:40]!r}")
        return cls(int(ms), int(number))


@dataclass(frozen=True, slots=True)
class Entry:
    """One event; nothing of it changes any more."""

    id: EventId
    type: str
    asset: str
    """Id of the valve, section, line, camera, incident ... it is about; empty when about none."""
    at_ms: int
    """When it was published [ms since the epoch]."""
    data: dict[str, Any]
    """What the frame's ``data:`` holds, with the type."""
    frame: bytes
    """The event as Server-Sent Events have it, encoded once for all readers."""


def encode_frame(event: Event, event_id: EventId | None = None) -> bytes:
    """An event as Server-Sent Events have it. No number of it may be NaN or infinite (``ValueError``)."""
    return _frame(event.type, event.wire(), event_id)


def _frame(event_type: str, data: dict[str, Any], event_id: EventId | None) -> bytes:
    body = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    head = "" if event_id is None else f"id: {event_id}\n"
    return f"{head}event: {event_type}\ndata: {body}\n\n".encode()


class FellBehindError(Exception):
    """The entries from a reader's cursor on are no longer in the ring.

    ``lost`` counts them, ``None`` when nobody can know (an id of long ago or of another bridge); after the id
    ``resume_after`` the ring still has everything.
    """

    def __init__(self, lost: int | None, resume_after: EventId) -> None:
        super().__init__(f"{'an unknown number of' if lost is None else lost} events lost")
        self.lost = lost
        self.resume_after = resume_after


class EventLog:
    """A ring of entries, bounded in number and in bytes; the oldest go first.

    A reader keeps a cursor: the sequence number of the entry it wants next, counted from the start of this log.
    Publishing costs the same with one reader or a thousand: it stores the entry and asks the loop once to wake them.

    Args:
        max_entries: capacity in entries.
        max_bytes: capacity in bytes of frames.
        now_s: wall clock [s since the epoch].
    """

    def __init__(self, max_entries: int, max_bytes: int, now_s: Callable[[], float] = time) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._now_s = now_s
        self._ring: dict[int, Entry] = {}
        self._first = 0
        self._next = 0
        self._bytes = 0
        self._newest_id = EventId(int(now_s() * 1000), 0)
        self._gone_id = self._newest_id
        self._changed = asyncio.Event()
        self._waking = False
        self.closed = False

    def publish(self, event: Event) -> Entry:
        """Add an event. No number of it may be NaN or infinite (``ValueError``)."""
        now_ms = int(self._now_s() * 1000)
        newest = self._newest_id
        event_id = EventId(now_ms, 0) if now_ms > newest.ms else EventId(newest.ms, newest.number + 1)
        data = event.wire()
        frame = _frame(event.type, data, event_id)
        entry = Entry(event_id, event.type, event.asset, now_ms, data, frame)
        self._ring[self._next] = entry
        self._next += 1
        self._newest_id = event_id
        self._bytes += len(frame)
        while len(self._ring) > self._max_entries or (self._bytes > self._max_bytes and len(self._ring) > 1):
            self._drop_oldest()
        self._wake_soon()
        return entry

    @property
    def end(self) -> int:
        """Cursor of a reader that wants only what comes from now on."""
        return self._next

    @property
    def entries(self) -> int:
        """How many entries the ring holds."""
        return len(self._ring)

    @property
    def size_bytes(self) -> int:
        """Bytes of frames the ring holds."""
        return self._bytes

    def cursor_after(self, event_id: EventId) -> int:
        """Cursor of a reader that has everything up to this id.

        Raises:
            FellBehindError: when entries after it are no longer here.
        """
        if event_id < self._gone_id:
            raise FellBehindError(None, self._gone_id)
        return bisect_right(range(self._next), event_id, lo=self._first, key=lambda n: self._ring[n].id)

    def read(self, cursor: int, max_bytes: int = 256_000) -> list[Entry]:
        """The entries from a cursor on, at least one if there is any, at most about ``max_bytes`` of frames.

        The reader's next cursor is its old one plus their number.

        Raises:
            FellBehindError: when the ring has overtaken the cursor.
        """
        if cursor < self._first:
            raise FellBehindError(self._first - cursor, self._gone_id)
        entries: list[Entry] = []
        taken = 0
        while cursor < self._next and taken < max_bytes:
            entry = self._ring[cursor]
            entries.append(entry)
            taken += len(entry.frame)
            cursor += 1
        return entries

    async def wait(self, cursor: int) -> bool:
        """Wait until there is something to read from a cursor on; False when the log was closed."""
        while cursor >= self._next and not self.closed:
            await self._changed.wait()
        return not self.closed

    def close(self) -> None:
        """End all readers; publishing goes on to work and reaches nobody."""
        self.closed = True
        self._wake()

    def _drop_oldest(self) -> None:
        entry = self._ring.pop(self._first)
        self._first += 1
        self._bytes -= len(entry.frame)
        self._gone_id = entry.id

    def _wake_soon(self) -> None:
        if not self._waking:
            self._waking = True
            asyncio.get_running_loop().call_soon(self._wake)

    def _wake(self) -> None:
        self._waking = False
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
