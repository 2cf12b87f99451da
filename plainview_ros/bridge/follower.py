"""One client's way through the log: what it is sent and in which order, however it is connected."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from fnmatch import filter as matching
from time import time
from typing import Protocol

from plainview_ros.bridge.event_log import (
    Entry,
    EventId,
    EventLog,
    FellBehindError,
    Portion,
    Selection,
    make_entry,
)
from plainview_ros.bridge.schemas.events import EVENT_TYPES, Event, StateSnapshot, StreamGap, TelemetryTick
from plainview_ros.utc import parse_s

SNAPSHOT_TYPE: str = StateSnapshot.model_fields["type"].default

PAGE_ENTRIES = 500
"""Of history that are read at once."""


class History(Protocol):
    """Lossless events that are no longer in memory."""

    async def page(self, after: EventId, max_entries: int) -> Sequence[Entry]:
        """The first entries after an id, in order; none when those directly after it are not known (any more)."""

    async def known_again(self, after: EventId) -> EventId | None:
        """The first id after this one from which on entries are known; ``None`` when there is none."""


@dataclass(frozen=True)
class Wish:
    """What a client asks for."""

    after: EventId | None = None
    """The last event that it has; ``None``: it wants only what comes from now on."""
    by_time: bool = False
    """Whether that is only a time, after which there need not be anything yet."""
    lost_place: bool = False
    """It has an id that nobody can read, and so must be told that it may have missed something."""
    selection: Selection | None = None
    snapshot: bool = False
    """Whether it wants the present state first."""


def selection_of(types: Sequence[str], assets: Sequence[str]) -> Selection | None:
    """What query parameters select: each may be given several times or with commas, types with wildcards.

    Raises:
        ValueError: naming a type that no event has.
    """
    patterns, wanted = _listed(types), _listed(assets)
    chosen: set[str] = set()
    for pattern in patterns:
        found = matching(EVENT_TYPES, pattern)
        if not found:
            raise ValueError(
                f"types: no event is of type {pattern[:100]!r}, there are {', '.join(sorted(EVENT_TYPES))}"
            )
        chosen.update(found)
    if not patterns and not wanted:
        return None
    return Selection(frozenset(chosen) if patterns else None, frozenset(wanted) if wanted else None)


def place_of(text: str) -> tuple[EventId, bool]:
    """The id to resume after, and whether it stands for a time: ISO 8601 or milliseconds since the epoch.

    Raises:
        ValueError: it is neither an event id nor a time.
    """
    try:
        if "T" in text or text.count("-") == 2:
            at_ms = int(parse_s(text.replace(" ", "+")) * 1000)  # an unencoded + of the offset arrives as a space
        elif text.isascii() and text.isdigit() and len(text) < 20:
            at_ms = int(text)
        else:
            return EventId.parse(text), False
    except ValueError:
        expected = "an event id such as 1763900000000-0, an ISO 8601 time or milliseconds since the epoch"
        raise ValueError(f"expected {expected}, found {text[:40]!r}") from None
    return EventId(max(0, at_ms - 1), 10**9), True


class Follower:
    """What one client is sent.

    A tick at once, so that it knows it is connected; the present state, if it asked for it; what it missed, from memory
    or from history; then whatever happens. A client that has fallen behind all of these is told so by ``stream.gap``:
    at the beginning it goes on from there, later it is cut off, for it must take in the present state first.

    Iterate over it for the portions, in order; it ends when the log is closed or the client must be cut off.

    Args:
        log: what to follow.
        wish: what the client asked for.
        history: what the log no longer has.
        snapshot: renders the present state, the JSON of a ``state.snapshot``.
    """

    def __init__(
        self, log: EventLog, wish: Wish, history: History | None, snapshot: Callable[[], Awaitable[bytes]]
    ) -> None:
        self._log = log
        self._wish = wish
        self._history = history
        self._snapshot = snapshot
        self._cursor = log.end
        self._beginning: AsyncGenerator[Portion, None] | None = self._begin()
        self._cut_off = False
        self._newest_sent: EventId | None = None

    @property
    def behind(self) -> int:
        """Lossless events that are still to be sent."""
        return self._log.end.lossless - self._cursor.lossless

    def __aiter__(self) -> Follower:
        return self

    async def __anext__(self) -> Portion:
        if self._beginning is not None:
            async for portion in self._beginning:
                return portion
            self._beginning = None
        log = self._log
        while not self._cut_off and await log.wait(self._cursor):
            try:
                portion, self._cursor = log.read(self._cursor, self._wish.selection)
            except FellBehindError as gap:
                self._cut_off = True
                return self._gap(gap.lost, self._newest_sent, gap.resume_after)
            if portion.entries:
                self._newest_sent = portion.entries[-1].id
                return portion
        raise StopAsyncIteration

    async def _begin(self) -> AsyncGenerator[Portion, None]:
        """What comes before that which happens from now on."""
        log, wish = self._log, self._wish
        now, self._cursor = log.newest_id, log.end  # before the snapshot is made: nothing falls between
        place = now if wish.after is None else min(wish.after, now) if wish.by_time else wish.after
        if wish.after is None or wish.by_time:
            after = wish.after and min(wish.after, now)
        else:
            after = await log.locate(wish.after)
        yield _single(TelemetryTick.now(), place)
        if wish.snapshot:
            yield Portion([make_entry(place, SNAPSHOT_TYPE, await self._snapshot())])
        if wish.lost_place or (wish.after is not None and after is None):
            yield self._gap(None, None, now)
        elif after is not None:
            async for portion in self._missed(after):
                yield portion

    async def _missed(self, after: EventId) -> AsyncGenerator[Portion, None]:
        """What came after the client's last event and is no longer in memory; sets the cursor after it."""
        while True:
            try:
                self._cursor = self._log.cursor_after(after)
                return
            except FellBehindError as gap:
                page = await self._history.page(after, PAGE_ENTRIES) if self._history else ()
                if not page:
                    again = await self._history.known_again(after) if self._history else None
                    until = gap.resume_after if again is None else min(again, gap.resume_after)
                    yield self._gap(None, after, until)
                    after = until
                    continue
            after = page[-1].id
            selection = self._wish.selection
            entries = [entry for entry in page if selection is None or selection.picks(entry)]
            if entries:
                yield Portion(entries)

    def _gap(self, lost: int | None, after: EventId | None, until: EventId) -> Portion:
        self._log.counts.gaps += 1
        event = StreamGap(
            lost=lost, missing_after=None if after is None else str(after), missing_until=str(until), at=time()
        )
        return _single(event, until)


def _single(event: Event, place: EventId) -> Portion:
    return Portion([make_entry(place, event.type, event.json_bytes())])


def _listed(values: Sequence[str]) -> list[str]:
    return [name for value in values for part in value.split(",") if (name := part.strip())]
