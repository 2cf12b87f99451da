"""One log of everything announced, read by many at their own pace.

Two loss classes: *telemetry* (``Event.TELEMETRY``) is worth its newest value; everything else is *lossless*, a reader
gets each entry or is told which it missed. Each class has a ring of its own, so that no amount of telemetry pushes an
alarm out. All methods belong to the asyncio side.
"""

from __future__ import annotations

import asyncio
import json
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from operator import attrgetter
from time import time
from typing import Any, NamedTuple

from plainview_ros.bridge.schemas.events import Event, TelemetryTick

COALESCE_ABOVE = 100
"""A reader with more telemetry than this before it gets of each thing only the newest."""

MAX_PORTIONS = 100
"""Readers at as many different places share what was joined for them."""

MAX_SOURCES = 20_000
"""Happenings that are known to be told already, however few entries are held: ROS hands over up to a thousand
transitions of each topic again when the bridge starts."""

TICK: str = TelemetryTick.model_fields["type"].default


class EventId(NamedTuple):
    """Place of an entry in the log. Ids grow with every entry, also over restarts and whatever the clock does.

    Lossless entries are numbered ``<ms>-<number>``, as a Redis Stream does; telemetry counts on from the lossless entry
    before it, ``<ms>-<number>.<passing>``, and so leaves no trace in the numbering that other bridges share.
    """

    ms: int
    """Milliseconds since the epoch."""
    number: int
    """Counts lossless entries within one millisecond."""
    passing: int = 0
    """Counts telemetry since that entry."""

    def __str__(self) -> str:
        return f"{self.ms}-{self.number}.{self.passing}" if self.passing else f"{self.ms}-{self.number}"

    @classmethod
    def parse(cls, text: str) -> EventId:
        """Read what ``str()`` wrote.

        Raises:
            ValueError: quoting what is no id.
        """
        ms, dash, rest = text.partition("-")
        number, dot, passing = rest.partition(".")
        parts = (ms, number, passing) if dot else (ms, number)
        if not dash or not all(part.isascii() and part.isdigit() and len(part) < 20 for part in parts):
            raise ValueError(f"expected an event id such as 1763900000000-0, found {text[:40]!r}")
        event_id = cls(*map(int, parts))
        if max(event_id) >= 1 << 63:
            raise ValueError(f"an event id has numbers of 63 bits, found {text!r}")
        return event_id


@dataclass(frozen=True, slots=True)
class Entry:
    """One event; nothing of it changes any more."""

    id: EventId
    type: str
    asset: str
    """Id of the valve, section, line, camera, incident ... it is about; empty when about none."""
    frame: bytes
    """The event as Server-Sent Events have it, encoded once for all readers."""
    body_at: int
    """Where in the frame the JSON of ``data:`` begins; it ends before the last two bytes."""
    source: str = ""
    """What names the same happening in every bridge and after every restart; empty when nothing does."""
    subject: str = ""
    """Telemetry of the same subject is replaced by newer."""

    @property
    def body(self) -> bytes:
        """The JSON of ``data:``."""
        return self.frame[self.body_at : -2]

    @property
    def data(self) -> dict[str, Any]:
        """What the JSON says."""
        data: dict[str, Any] = json.loads(self.body)
        return data

    @property
    def message(self) -> str:
        """The event as one WebSocket message: the same JSON with the id in it."""
        return f'{{"id":"{self.id}",{self.frame[self.body_at + 1 : -2].decode()}'


def make_entry(
    event_id: EventId, event_type: str, body: bytes, asset: str = "", source: str = "", subject: str = ""
) -> Entry:
    """An entry with its frame."""
    head = f"id: {event_id}\nevent: {event_type}\ndata: ".encode()
    return Entry(event_id, event_type, asset, b"".join((head, body, b"\n\n")), len(head), source, subject)


@dataclass(frozen=True, slots=True)
class Draft:
    """A lossless event that has no place in the log yet."""

    type: str
    asset: str
    body: bytes
    source: str


class FellBehindError(Exception):
    """Lossless entries from a reader's cursor on are no longer in memory.

    ``lost`` counts them, ``None`` when nobody can know (an id of long ago or of another bridge); after the id
    ``resume_after`` the log still has everything.
    """

    def __init__(self, lost: int | None, resume_after: EventId) -> None:
        super().__init__(f"{'an unknown number of' if lost is None else lost} events lost")
        self.lost = lost
        self.resume_after = resume_after


class Cursor(NamedTuple):
    """What a reader wants next, counted in each class from the start of this log."""

    lossless: int
    telemetry: int


class Selection(NamedTuple):
    """What a reader wants to see; ``None`` is everything."""

    types: frozenset[str] | None = None
    assets: frozenset[str] | None = None

    def picks(self, entry: Entry) -> bool:
        """Ticks are for everybody: they tell that the connection is alive, and carry the id to resume after."""
        return entry.type == TICK or (
            (self.types is None or entry.type in self.types) and (self.assets is None or entry.asset in self.assets)
        )


class Portion:
    """Entries in order, joined once for all clients that get the same."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries = entries

    @cached_property
    def frames(self) -> bytes:
        """As a piece of an event stream."""
        return b"".join([entry.frame for entry in self.entries])

    @cached_property
    def messages(self) -> list[str]:
        """As WebSocket messages."""
        return [entry.message for entry in self.entries]


class Ring:
    """The newest entries, bounded in number and in bytes; the newest one stays, however large."""

    def __init__(self, max_entries: int, max_bytes: int) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._entries: dict[int, Entry] = {}
        self.first = 0
        self.end = 0
        self.size_bytes = 0

    def __len__(self) -> int:
        return self.end - self.first

    def add(self, entry: Entry) -> list[Entry]:
        """Take the newest; what had to go for it."""
        self._entries[self.end] = entry
        self.end += 1
        self.size_bytes += len(entry.frame)
        gone: list[Entry] = []
        while len(self) > self._max_entries or (self.size_bytes > self._max_bytes and len(self) > 1):
            gone.append(self._entries.pop(self.first))
            self.first += 1
            self.size_bytes -= len(gone[-1].frame)
        return gone

    def clear(self) -> None:
        """Let all go, and a number with them, so that who has read all of them can be told from who begins now."""
        self._entries.clear()
        self.first = self.end = self.end + 1
        self.size_bytes = 0

    def since(self, number: int) -> Iterable[Entry]:
        """Entries from a number on."""
        return map(self._entries.__getitem__, range(max(number, self.first), self.end))

    def after(self, event_id: EventId) -> int:
        """Number of the first entry with a greater id."""
        return bisect_right(range(self.end), event_id, lo=self.first, key=lambda number: self._entries[number].id)


@dataclass
class Counts:
    """What went through a log since it began."""

    published: dict[str, int] = field(default_factory=dict)
    """Entries by type."""
    repeated: int = 0
    """Lossless events that were there already, by their source."""
    coalesced: int = 0
    """Telemetry entries that readers were spared because they were behind."""
    gaps: int = 0
    """Readers that were told of lossless entries they missed."""


class EventLog:
    """Rings of entries that readers go through with cursors.

    Publishing costs the same with one reader or a thousand: it stores the entry and asks the loop once to wake them.

    Args:
        max_entries: capacity in lossless entries.
        max_bytes: capacity in bytes of their frames.
        telemetry_entries: capacity in telemetry entries.
        telemetry_bytes: capacity in bytes of their frames.
        now_s: wall clock [s since the epoch].
    """

    def __init__(
        self,
        max_entries: int,
        max_bytes: int,
        telemetry_entries: int = 2000,
        telemetry_bytes: int = 4_000_000,
        now_s: Callable[[], float] = time,
    ) -> None:
        self._now_s = now_s
        self._lossless = Ring(max_entries, max_bytes)
        self._telemetry = Ring(telemetry_entries, telemetry_bytes)
        self._sources: OrderedDict[str, None] = OrderedDict()
        self._newest_id = EventId(int(now_s() * 1000), 0)
        self._gone_id = self._newest_id
        self._portions: dict[object, tuple[Portion, Cursor]] = {}
        self._waiters: list[asyncio.Future[None]] = []
        self._waking = False
        self._end = Cursor(0, 0)
        self.counts = Counts()
        self.closed = False
        self.keep: Callable[[Entry], object] = lambda _: None
        """Called with each new lossless entry before any reader sees it."""
        self.keep_begin: Callable[[EventId], object] = lambda _: None
        """Called when what comes now does not follow on what was kept before, but on this id."""
        self.sequence: Callable[[Draft], object] = self.admit
        """Gives lossless events their place; who replaces it must call :meth:`admit`, in order."""
        self.locate: Callable[[EventId], Awaitable[EventId | None]] = self._locate
        """Where in this log a client goes on that was given an id, maybe by another bridge; ``None``: not known."""

    # -- in ------------------------------------------------------------------------------------------------------------

    def publish(self, event: Event) -> None:
        """Add an event, unless its source was told already."""
        body = event.json_bytes()
        if event.TELEMETRY:
            newest = self._newest_id
            self._newest_id = newest._replace(passing=newest.passing + 1)
            entry = make_entry(self._newest_id, event.type, body, event.asset, subject=event.subject)
            self._telemetry.add(entry)
            self._count(entry)
            self._tell()
        elif self.knows(event.source):
            self.counts.repeated += 1
        else:
            self.sequence(Draft(event.type, event.asset, body, event.source))

    def admit(self, draft: Draft, event_id: EventId | None = None) -> Entry | None:
        """Give a lossless event its place, and tell the readers; ``None`` when its source is there already.

        Args:
            draft: the event.
            event_id: its id where another bridge knows it already; one that is not greater than all here cannot be
                kept, for readers are past it.
        """
        if self.knows(draft.source):
            self.counts.repeated += 1
            return None
        if event_id is None or event_id <= self._newest_id:
            event_id = self._next_id()
        entry = make_entry(event_id, draft.type, draft.body, draft.asset, draft.source)
        self.keep(entry)
        self._remember(entry)
        self._count(entry)
        self._tell()
        return entry

    def restore(self, since: EventId, entries: Iterable[Entry]) -> None:
        """Take the end of an earlier run before anything is published; ids go on from it.

        Args:
            since: every lossless event after this id is among the entries.
            entries: in order; what is not is left out.
        """
        self._gone_id = self._newest_id = since
        for entry in entries:
            if entry.id > self._newest_id:
                self._remember(entry)
        # Telemetry of the earlier run had counted on from there, a thousand in each second at the most.
        elapsed_ms = int(self._now_s() * 1000) - self._newest_id.ms
        self._newest_id = self._newest_id._replace(passing=max(0, elapsed_ms))
        self._end = Cursor(self._lossless.end, self._telemetry.end)

    def begin_after(self, event_id: EventId) -> None:
        """Forget all entries: up to this id there are some that never came here. Readers are told of a gap."""
        self._lossless.clear()
        self._gone_id = self._newest_id = event_id
        self.keep_begin(event_id)
        self._tell()

    def advance(self, event_id: EventId) -> None:
        """Give no id up to this one any more: others have none for their events either."""
        self._newest_id = max(self._newest_id, event_id)

    # -- out -----------------------------------------------------------------------------------------------------------

    def knows(self, source: str) -> bool:
        """Whether an event of this source is here, or was not long ago."""
        return bool(source) and source in self._sources

    def remembered(self) -> tuple[EventId, list[Entry]]:
        """All lossless entries that are here, after the id that stands before them."""
        return self._gone_id, list(self._lossless.since(0))

    def newest_until(self, event_id: EventId) -> Entry | None:
        """The last lossless entry up to an id; ``None`` when it is not here."""
        number = self._lossless.after(event_id) - 1
        return next(iter(self._lossless.since(number))) if number >= self._lossless.first else None

    @property
    def end(self) -> Cursor:
        """Cursor of a reader that wants only what comes from now on."""
        return self._end

    @property
    def newest_id(self) -> EventId:
        """Id of a reader that has everything."""
        return self._newest_id

    @property
    def entries(self) -> int:
        """How many entries are in memory."""
        return len(self._lossless) + len(self._telemetry)

    @property
    def size_bytes(self) -> int:
        """Bytes of frames in memory."""
        return self._lossless.size_bytes + self._telemetry.size_bytes

    def cursor_after(self, event_id: EventId) -> Cursor:
        """Cursor of a reader that has everything up to this id.

        Raises:
            FellBehindError: when lossless entries after it are no longer here.
        """
        if event_id < self._gone_id:
            raise FellBehindError(None, self._gone_id)
        return Cursor(self._lossless.after(event_id), self._telemetry.after(event_id))

    def read(
        self, cursor: Cursor, selection: Selection | None = None, max_bytes: int = 64_000
    ) -> tuple[Portion, Cursor]:
        """What there is from a cursor on, and the cursor after it.

        Lossless entries are at least one if there is any, and at most about ``max_bytes`` of frames.

        Raises:
            FellBehindError: when lossless entries at the cursor are gone.
        """
        key = (cursor, selection)
        if key not in self._portions:
            if len(self._portions) >= MAX_PORTIONS:
                self._portions.clear()
            self._portions[key] = self._read(cursor, selection, max_bytes)
        return self._portions[key]

    def lossless(self, cursor: int, max_entries: int) -> list[Entry]:
        """Lossless entries for those who keep them: from a number on, as ``Cursor.lossless`` counts.

        Raises:
            FellBehindError: when those at the number are gone.
        """
        if cursor < self._lossless.first:
            raise FellBehindError(self._lossless.first - cursor, self._gone_id)
        return list(islice(self._lossless.since(cursor), max_entries))

    async def wait(self, cursor: Cursor) -> bool:
        """Wait until there is something to read from a cursor on; False when the log was closed."""
        while cursor == self._end and not self.closed:
            await self._change()
        return not self.closed

    async def wait_lossless(self, cursor: int) -> bool:
        """The same for lossless entries only."""
        while cursor == self._lossless.end and not self.closed:
            await self._change()
        return not self.closed

    def close(self) -> None:
        """End all readers; publishing goes on to work and reaches nobody."""
        self.closed = True
        self._wake()

    # -- inside --------------------------------------------------------------------------------------------------------

    async def _locate(self, event_id: EventId) -> EventId | None:
        # Greater than all here: of a log whose end was lost, or made up. Telemetry says nothing about that.
        return event_id if event_id[:2] <= self._newest_id[:2] else None

    def _next_id(self) -> EventId:
        now_ms, newest = int(self._now_s() * 1000), self._newest_id
        return EventId(now_ms, 0) if now_ms > newest.ms else EventId(newest.ms, newest.number + 1)

    def _remember(self, entry: Entry) -> None:
        self._newest_id = entry.id
        if entry.source:
            self._sources[entry.source] = None
            if len(self._sources) > MAX_SOURCES:
                self._sources.popitem(last=False)
        for gone in self._lossless.add(entry):
            self._gone_id = gone.id

    def _count(self, entry: Entry) -> None:
        self.counts.published[entry.type] = self.counts.published.get(entry.type, 0) + 1

    def _read(self, cursor: Cursor, selection: Selection | None, max_bytes: int) -> tuple[Portion, Cursor]:
        if cursor.lossless < self._lossless.first:
            raise FellBehindError(self._lossless.first - cursor.lossless, self._gone_id)
        lossless: list[Entry] = []
        size = 0
        for entry in self._lossless.since(cursor.lossless):
            if size >= max_bytes:
                break
            lossless.append(entry)
            size += len(entry.frame)
        after = Cursor(cursor.lossless + len(lossless), self._telemetry.end)
        if after.lossless < self._lossless.end:  # the rest comes later, and so does what came after it
            after = Cursor(after.lossless, max(cursor.telemetry, self._telemetry.after(lossless[-1].id)))
        telemetry = self._newest_telemetry(cursor.telemetry, after.telemetry)
        entries = sorted((*lossless, *telemetry), key=attrgetter("id")) if telemetry else lossless
        if selection is not None:
            entries = [entry for entry in entries if selection.picks(entry)]
        return Portion(entries), after

    def _newest_telemetry(self, first: int, end: int) -> Sequence[Entry]:
        entries = list(islice(self._telemetry.since(first), max(0, end - max(first, self._telemetry.first))))
        if len(entries) > COALESCE_ABOVE:
            entries = list({(entry.type, entry.subject): entry for entry in entries}.values())
        self.counts.coalesced += end - first - len(entries)
        return entries

    def _change(self) -> asyncio.Future[None]:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        return waiter

    def _tell(self) -> None:
        self._end = Cursor(self._lossless.end, self._telemetry.end)
        self._portions.clear()
        if not self._waking:
            self._waking = True
            asyncio.get_running_loop().call_soon(self._wake)

    def _wake(self) -> None:
        self._waking = False
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():  # who waited may have been cancelled
                waiter.set_result(None)
